"""What callers send with the verbs of a work order's life; every form refuses unknown fields."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from app.tickets.forms import (
    AttachmentForm,
    Clean,
    ContactProof,
    Content,
    Form,
    Kind,
    Line,
    Long,
    Reason,
    ReplyResult,
    Title,
    UnitName,
    not_blank,
    phone_number,
)

TAG = r"^\d{4}$"
NUMBER = r"^BTQ\d{12,16}(-\d{2})?$"
Evidence = Annotated[tuple[AttachmentForm, ...], Field(max_length=20)]
Remark = Annotated[str, Field(max_length=1000), Clean]
Clause = Annotated[str, Field(min_length=4, max_length=500), Clean, AfterValidator(not_blank)]
Phone = Annotated[str, Field(max_length=30), Clean, AfterValidator(phone_number)]
TicketNumber = Annotated[str, Field(pattern=NUMBER)]


class ReasonForm(Form):
    """A verb that needs nothing but its reason."""

    reason: Reason


class UnmaskField(StrEnum):
    """What can be shown in full: the party's fields, and the caller's own words."""

    ENTERPRISE = "enterprise"
    CREDIT_CODE = "credit_code"
    PARK = "park"
    CONTACT_NAME = "contact_name"
    CONTACT_PHONE = "contact_phone"
    CONTACT_EMAIL = "contact_email"
    ADDRESS = "address"
    TITLE = "title"
    CONTENT = "content"
    COMPLAINED_OF = "complained_of"


class UnmaskForm(Form):
    """What is to be shown in full, and why; no more fields than are needed."""

    fields: Annotated[tuple[UnmaskField, ...], Field(min_length=1, max_length=len(UnmaskField))]
    reason: Annotated[str, Field(min_length=5, max_length=500), Clean, AfterValidator(not_blank)]

    @field_validator("fields")
    @classmethod
    def _each_once(cls, value: tuple[UnmaskField, ...]) -> tuple[UnmaskField, ...]:
        return tuple(dict.fromkeys(value))


class ReviewedTextForm(Form):
    """What units are to read of a veiled caller's appeal (转办文本)."""

    content: Content


class InfoForm(Form):
    """What the enterprise is asked to add."""

    wanted: Reason


class SupplementForm(Form):
    """What the enterprise added; it is judged again with it."""

    content: Content
    reason: Reason = "企业已补充"


class MergeForm(Form):
    """Which ticket this one is the same matter as."""

    main: TicketNumber
    reason: Reason


class ChildForm(Form):
    """One matter of a ticket that is split."""

    title: Title = ""
    content: Content
    tag: Annotated[str, Field(pattern=TAG)]
    unit: UnitName | None = None


class SplitForm(Form):
    """The matters a ticket is split into (拆分诉求事项, measure 31)."""

    children: Annotated[tuple[ChildForm, ...], Field(min_length=2, max_length=10)]
    reason: Reason


class SupportForm(Form):
    """Units that are to help the lead; the lead stays the lead (首接负责)."""

    units: Annotated[tuple[UnitName, ...], Field(min_length=1, max_length=10)]
    reason: Reason


class ReclassifyForm(Form):
    """A change of type, urgency or tag of a ticket that is with a unit: its limits are judged anew from their start."""

    type: Kind | None = None
    urgent: bool | None = None
    tag: Annotated[str, Field(pattern=TAG)] | None = None
    reason: Reason

    @model_validator(mode="after")
    def _changes_something(self) -> "ReclassifyForm":
        if self.type is None and self.urgent is None and self.tag is None:
            raise ValueError("至少填写 type、urgent、tag 中的一项")
        return self


class StatuteForm(Form):
    """When the law's own clock began: for arrears, receipt of the transferred papers (条例第二十五条)."""

    started_at: AwareDatetime
    reason: Reason


class ReturnReason(StrEnum):
    """Why a unit may return a ticket: the closed list."""

    NOT_ITS_DUTY = "职责不符"
    NOT_ITS_PLACE = "属地不符"
    LEGAL_WAY = "法定途径"
    DUPLICATE = "重复"
    TOO_LITTLE = "信息不足"


class ObjectionForm(Form):
    """A unit's objection (退单): reason from the closed list, the clause or 三定 it rests on, whose it is instead.

    Attributes:
        suggested: the unit it should go to; needed for 职责不符 and 属地不符.
    """

    reason: ReturnReason
    clause: Clause
    suggested: UnitName | None = None
    explanation: Long

    @model_validator(mode="after")
    def _says_whose_it_is(self) -> "ObjectionForm":
        if self.reason in {ReturnReason.NOT_ITS_DUTY, ReturnReason.NOT_ITS_PLACE} and self.suggested is None:
            raise ValueError("职责不符、属地不符的须填写 suggested（建议承办单位）：不是本单位的，要说明是谁的")
        return self


class RulingForm(Form):
    """The hotline's answer to an objection.

    Attributes:
        unit: where it goes instead; left out: back to the dispatchers.
    """

    uphold: bool
    unit: UnitName | None = None
    tag: Annotated[str, Field(pattern=TAG)] | None = None
    opinion: Reason


class ArbitrationForm(Form):
    """裁定 of a second objection: the unit named acts and cannot return it (国办函〔2025〕66号)."""

    unit: UnitName
    tag: Annotated[str, Field(pattern=TAG)] | None = None
    participants: Annotated[tuple[Line, ...], Field(min_length=1, max_length=10)]
    clause: Clause
    opinion: Reason


class ContactAttemptForm(Form):
    """One attempt to reach the enterprise.

    Attributes:
        phone: the number called; left out: the one the enterprise gave.
    """

    at: AwareDatetime
    way: Literal["电话", "上门", "会面", "视频", "书面"] = "电话"
    reached: bool
    phone: Phone = ""
    remark: Remark = ""


class InterimForm(Form):
    """An interim reply (阶段答复): how far it is."""

    content: Long


class PromiseForm(Form):
    """A date promised in an answer (承诺件)."""

    what: Reason
    promised_on: date


class AnswerForm(Form):
    """A unit's answer: what was done, whether it is solved, proof of contact.

    Attributes:
        contact: when and how the enterprise was reached; may be left out where a contact is on record.
        promises: dates the answer promises, each tracked to its day.
        without_opinions: why the lead answers although a supporter's opinion is still open.
    """

    result: ReplyResult
    content: Long
    contact: ContactProof | None = None
    plan: Remark = ""
    planned_on: date | None = None
    promises: Annotated[tuple[PromiseForm, ...], Field(max_length=10)] = ()
    without_opinions: Reason | None = None
    attachments: Evidence = ()

    @model_validator(mode="after")
    def _unsolved_has_a_plan(self) -> "AnswerForm":
        """A matter that cannot be solved yet needs a plan and a date (济南市热线条例第二十四条)."""
        unsolved = self.result in {ReplyResult.UNSOLVED_FACTS, ReplyResult.UNSOLVED_POLICY}
        if unsolved and not (self.plan and self.planned_on):
            raise ValueError("未解决的须填写 plan（下一步计划）和 planned_on（计划日期）")
        return self


class ExtensionForm(Form):
    """A unit asks for more time, before it is due."""

    days: Annotated[int, Field(ge=1, le=90)]
    reason: Reason
    evidence: Evidence = ()


class SuspensionReason(StrEnum):
    """What may stop the clock: the closed list."""

    PAPERS = "待企业补材料"
    TESTING = "检验检测鉴定"
    COURT = "司法程序"
    CONDITIONS = "客观条件"


class SuspensionForm(Form):
    """A unit asks that the clock stand still: reason from the closed list, evidence, an end."""

    reason: SuspensionReason
    explanation: Long
    until: date
    evidence: Annotated[tuple[AttachmentForm, ...], Field(min_length=1, max_length=20)]


class DecisionForm(Form):
    """A decision on what a unit asked for."""

    grant: bool
    opinion: Reason


class AssignForm(Form):
    """Who inside the unit handles it, and who stands in when absent; logins of the unit's own people."""

    handler: Annotated[str, Field(min_length=1, max_length=64)]
    deputy: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class ReviewForm(Form):
    """The reviewer's decision on an answer.

    Attributes:
        finding: 不属实 and 诉求超合理范围 are found by the reviewer only, never claimed by the unit.
        despite_checks: why it is approved although the check of the reply found faults.
    """

    approve: bool
    finding: Literal["不属实", "诉求超合理范围"] | None = None
    opinion: Reason
    despite_checks: Reason | None = None


class CallbackForm(Form):
    """One callback: whom it reached and what was said.

    Attributes:
        solved: the enterprise's own word on whether it is solved.
        grade: 好差评 in five grades (GB/T 39735-2020); None: it would not say (拒评).
    """

    at: AwareDatetime
    outcome: Literal["接通", "未接通", "拒访"]
    solved: Literal["已解决", "部分解决", "未解决"] | None = None
    grade: Literal["非常满意", "满意", "基本满意", "不满意", "非常不满意"] | None = None
    process_grade: Literal["非常满意", "满意", "基本满意", "不满意", "非常不满意"] | None = None
    remark: Remark = ""

    @model_validator(mode="after")
    def _fits_the_outcome(self) -> "CallbackForm":
        if self.outcome == "接通" and self.solved is None:
            raise ValueError("接通的须填写 solved（企业认为是否解决）")
        if self.outcome != "接通" and (self.solved or self.grade or self.process_grade):
            raise ValueError("未接通、拒访的不能填写评价")
        return self


class ReassessForm(Form):
    """The reviewer's finding on what the enterprise said in the callback.

    Attributes:
        rework: whether the enterprise is right and the unit must do it again.
        finding: why it is closed all the same; needed where it is not reworked.
    """

    rework: bool
    finding: Literal["诉求超合理范围", "客观条件限制", "政策不支持", "不属实", "已尽责办理"] | None = None
    opinion: Reason

    @model_validator(mode="after")
    def _closing_needs_a_finding(self) -> "ReassessForm":
        if not self.rework and self.finding is None:
            raise ValueError("不重办的须填写 finding（认定理由）")
        return self


class PromiseResultForm(Form):
    """Whether a promise was kept."""

    kept: bool
    remark: Reason


class ConferenceStep(Form):
    """One step agreed in a 会商."""

    unit: UnitName
    what: Reason
    due_on: date


class ConferenceForm(Form):
    """The record of a 会商 on a hard case; only it can give the case another date.

    Attributes:
        level: who held it; each higher one is a 提级.
        due_on: the new date; left out: the due time stays.
    """

    level: Literal["热线会商", "部门联席会", "分管市领导", "市政府常务会"] = "热线会商"
    held_at: AwareDatetime
    participants: Annotated[tuple[UnitName, ...], Field(min_length=2, max_length=30)]
    conclusion: Long
    lead: UnitName
    steps: Annotated[tuple[ConferenceStep, ...], Field(min_length=1, max_length=30)]
    due_on: date | None = None


class EnquiryForm(Form):
    """The number and the code an enterprise was given when it was accepted."""

    number: TicketNumber
    code: Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[A-Za-z2-7]+$")]
