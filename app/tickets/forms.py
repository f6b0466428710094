"""What callers send to the ticket API: every form with its checks, each refusing unknown fields."""

import re
import unicodedata
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from stdnum.cn import uscc

Kind = Literal["咨询", "求助", "投诉", "举报", "建议"]
Confidentiality = Literal["公开", "隐名", "匿名"]
Channel = Literal[
    "12345电话", "企业专席", "96888", "账款登记投诉平台", "蒙企通", "蒙速办", "微信", "网站", "窗口", "12315", "自治区平台",
    "国家平台", "领导留言板", "批量导入",
]  # fmt: skip

TITLE_CHARS = 100
CONTENT_CHARS = 10_000
ANSWER_CHARS = 10
PHONE = re.compile(r"^(1[3-9]\d{9}|(0\d{2,3}-?)?[2-9]\d{6,7}|400-?\d{3}-?\d{4}|12345|9\d{4})$")
EMAIL = re.compile(r"^[^@\s]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,}$")


def _clean(text: str) -> str:
    """Refuse what no database or screen can carry; fold line ends; trim.

    Raises:
        ValueError: NUL, other control characters, or a lone surrogate.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for char in text:
        if char in "\n\t":
            continue
        if unicodedata.category(char) in {"Cc", "Cs"}:
            raise ValueError("含有控制字符或残缺字符，请删除后重试")
    return text.strip()


def not_blank(text: str) -> str:
    """Refuse what is empty once trimmed."""
    if not text:
        raise ValueError("不能为空")
    return text


def says_something(text: str) -> str:
    """Refuse what is too short to say anything."""
    if len(text) < ANSWER_CHARS:
        raise ValueError(f"至少 {ANSWER_CHARS} 个字")
    return text


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def phone_number(text: str) -> str:
    """Return a phone number without spaces and brackets; refuse what cannot be one."""
    compact = re.sub(r"[\s()（）]", "", text)
    if compact and not PHONE.match(compact):
        raise ValueError("不是有效的电话号码（手机、固话带区号或 400 号码）")
    return compact


def _email(text: str) -> str:
    if text and not EMAIL.match(text):
        raise ValueError("不是有效的电子邮箱")
    return text


def _credit_code(text: str) -> str:
    """GB 32100-2015 法人和其他组织统一社会信用代码编码规则: 18 characters without I O S V Z, check digit mod 31."""
    compact = text.upper().replace(" ", "").replace("-", "")
    if compact and not uscc.is_valid(compact):
        raise ValueError("统一社会信用代码不正确（18位，含校验位，GB 32100-2015）")
    return compact


Clean = AfterValidator(_clean)
Line = Annotated[str, Field(max_length=200), Clean]
Reason = Annotated[str, Field(min_length=2, max_length=500), Clean, AfterValidator(not_blank)]
Title = Annotated[str, Field(max_length=TITLE_CHARS), Clean]
Content = Annotated[str, Field(min_length=1, max_length=CONTENT_CHARS), Clean, AfterValidator(not_blank)]
Money = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=2, allow_inf_nan=False), AfterValidator(_cents)]
Long = Annotated[str, Field(max_length=5000), Clean, AfterValidator(says_something)]
UnitName = Annotated[str, Field(min_length=2, max_length=40), Clean]


class Form(BaseModel):
    """Base of every request body: unknown fields are refused, not dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


class EnterpriseForm(Form):
    """The business that appeals."""

    name: Line = ""
    credit_code: Annotated[str, Field(max_length=30), Clean, AfterValidator(_credit_code)] = ""
    size: Literal["", "大型", "中型", "小型", "微型", "个体工商户"] = ""
    park: Line = ""


class ContactForm(Form):
    """Who can be reached about it."""

    name: Annotated[str, Field(max_length=50), Clean] = ""
    phone: Annotated[str, Field(max_length=30), Clean, AfterValidator(phone_number)] = ""
    email: Annotated[str, Field(max_length=254), Clean, AfterValidator(_email)] = ""
    address: Line = ""


class ArrearsForm(Form):
    """The further facts of a 账款拖欠 appeal (保障中小企业款项支付条例第二十五条 and the platform's form)."""

    debtor_kind: Literal["机关", "事业单位", "大型国企", "大型企业", "其他"]
    debtor_name: Line = ""
    contract_name: Line = ""
    contract_date: date | None = None
    contract_sum: Money | None = None
    owed_sum: Money | None = None
    delivered_on: date | None = None
    payable_on: date | None = None
    in_court: bool = False
    about_wages: bool = False

    @model_validator(mode="after")
    def _sums_agree(self) -> "ArrearsForm":
        if self.contract_sum is not None and self.owed_sum is not None and self.owed_sum > self.contract_sum:
            raise ValueError("拖欠金额不能大于合同金额")
        return self


class AttachmentForm(Form):
    """What is said of an attachment; the file itself is not uploaded here."""

    name: Annotated[str, Field(max_length=200), Clean, AfterValidator(not_blank)]
    media_type: Annotated[str, Field(max_length=100, pattern=r"^[a-z]+/[a-z0-9.+-]+$")] = "application/octet-stream"
    size: Annotated[int, Field(ge=0, le=2**40)] = 0
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class OverrideForm(Form):
    """The operator's own judgement, kept beside the model's; a reason is required."""

    tag: Annotated[str, Field(pattern=r"^\d{4}$")] | None = None
    unit: UnitName | None = None
    urgent: bool | None = None
    reason: Reason

    @model_validator(mode="after")
    def _says_something(self) -> "OverrideForm":
        if self.tag is None and self.unit is None and self.urgent is None:
            raise ValueError("至少填写 tag、unit、urgent 中的一项")
        return self


class PreviewForm(Form):
    """An appeal as far as it has been told: enough to judge it (受理字段).

    Attributes:
        urgent: the caller's word; true makes the ticket urgent, false never lowers what the text says (override does).
    """

    title: Title = ""
    content: Content
    type: Kind | None = None
    district: Annotated[str, Field(max_length=30), Clean] = ""
    complained_of: Line = ""
    urgent: bool | None = None
    confidentiality: Confidentiality | None = None
    arrears: ArrearsForm | None = None
    override: OverrideForm | None = None
    channel: Channel | None = None
    external_number: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._/-]*$")] = ""
    enterprise: EnterpriseForm = EnterpriseForm()
    contact: ContactForm = ContactForm()
    callback_wanted: bool = True
    attachments: Annotated[tuple[AttachmentForm, ...], Field(max_length=20)] = ()


class DirectAnswerForm(Form):
    """How the hotline settled it itself: 在线解答, or 三方通话 with a unit's clerk (measure 29).

    Attributes:
        partner: the unit that joined the call; needed for 三方通话.
    """

    way: Literal["在线解答", "三方通话"]
    partner: UnitName | None = None
    content: Long
    result: Literal["已解决", "已解释", "告知途径"] = "已解释"

    @model_validator(mode="after")
    def _call_has_a_partner(self) -> "DirectAnswerForm":
        if self.way == "三方通话" and self.partner is None:
            raise ValueError("三方通话须填写 partner（参加通话的单位）")
        return self


class TicketForm(PreviewForm):
    """One appeal as an operator or a channel submits it; a preview may leave the channel out.

    Attributes:
        answered: the operator has settled it on the spot (直办办结); it is called back and not dispatched.
    """

    channel: Channel
    answered: DirectAnswerForm | None = None


class DispatchForm(Form):
    """A person's dispatch of a triaged ticket.

    Attributes:
        tag: 归口标签; left out: the ticket's own.
        unit: lead unit by short name, alias or code; left out: as the tag says.
        supporters: instead of the tag's own; left out: the tag's own.
        accused_cleared: the dispatcher has established that the unit named in the text is not complained of.
    """

    tag: Annotated[str, Field(pattern=r"^\d{4}$")] | None = None
    unit: UnitName | None = None
    supporters: Annotated[tuple[UnitName, ...], Field(max_length=10)] | None = None
    accused_cleared: bool = False
    reason: Reason


class CorrectForm(Form):
    """A person's correction of what was judged; the ticket is judged again with it and dispatched where it is clear."""

    tag: Annotated[str, Field(pattern=r"^\d{4}$")] | None = None
    type: Kind | None = None
    urgent: bool | None = None
    district: Annotated[str, Field(max_length=30), Clean] | None = None
    accused_cleared: bool = False
    reason: Reason


class ReplyResult(StrEnum):
    """How a unit says the matter ended."""

    SOLVED = "已解决"
    PARTLY = "部分解决"
    UNSOLVED_FACTS = "未解决-客观"
    UNSOLVED_POLICY = "未解决-政策"
    EXPLAINED = "已解释"
    TOLD = "告知途径"


class ContactProof(Form):
    """When and how the enterprise was reached."""

    at: AwareDatetime
    way: Literal["电话", "上门", "会面", "视频", "书面"]
