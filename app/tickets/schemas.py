"""What callers are told by the ticket API: the shapes of its answers."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel


class UnitView(BaseModel):
    """A unit by code and name."""

    code: str
    name: str


class EvidenceView(BaseModel):
    """The clause that makes a unit act."""

    document: str
    measure: int | None
    role: str
    matter: str
    status: str


class AssignmentView(BaseModel):
    """A unit that is to act, with its clauses."""

    unit: UnitView
    evidence: list[EvidenceView]


class TagView(BaseModel):
    """A 归口标签."""

    code: str
    name: str
    group: str
    definition: str


class TermView(BaseModel):
    """A term that spoke for the tag, with its weight."""

    term: str
    weight: float


class CandidateView(BaseModel):
    """One of the best answers, with its probability."""

    tag: str
    tag_name: str
    unit: str
    confidence: float


class DueView(BaseModel):
    """One due time and the rule it rests on."""

    step: str
    due_at: datetime
    limit: str
    rule: str
    basis: str
    basis_kind: str
    provisional: bool


class PlaceView(BaseModel):
    """The matter's place and how it was found."""

    district: str | None
    name: str
    source: str
    words: list[str]


class ReasonView(BaseModel):
    """Why a person must decide."""

    code: str
    message: str


class OverrideView(BaseModel):
    """The operator's own judgement beside the model's."""

    tag: str | None
    unit: str | None
    urgent: bool | None
    model_tag: str | None
    model_unit: str | None
    model_urgent: bool | None


class Judgement(BaseModel):
    """What model and rules say of an appeal; stored as it is answered, without the caller's words.

    Attributes:
        decision: auto (dispatched or told without a person) or triage (a person decides).
        handling: dispatch, told (告知途径), special (专办件) or answered (直办办结).
        confidence: probability of the responsible unit; None when a person chose or no model is loaded.
        gap: no measure covers the matter; it goes by duty.
    """

    decision: Literal["auto", "triage"]
    handling: Literal["dispatch", "told", "special", "answered"]
    type: str
    type_source: str
    urgent: bool
    urgent_source: str
    confidentiality: str
    tag: TagView | None
    tag_source: str
    lead: AssignmentView | None
    supporters: list[AssignmentView]
    informed: list[UnitView]
    avoided: list[UnitView]
    told: str
    confidence: float | None
    margin: float | None
    terms: list[TermView]
    runners_up: list[CandidateView]
    place: PlaceView
    due: list[DueView]
    gap: bool
    reasons: list[ReasonView]
    notes: list[str]
    override: OverrideView | None
    rulebook_version: str
    model_version: str


class SimilarView(BaseModel):
    """A ticket like another one, and in what.

    Attributes:
        relation: 疑似重复提交, 同一企业 or 可能同一事项.
        score: how alike the texts are, 0 to 1.
        shared: words both have, the most telling first.
    """

    number: str
    relation: str
    score: float
    same_enterprise: bool
    shared: list[str]
    state: str
    state_label: str
    tag: str
    tag_name: str
    lead: str | None
    title: str
    accepted_at: datetime


class SimilarPage(BaseModel):
    """Tickets like one: the same enterprise's first, then the city's."""

    number: str
    items: list[SimilarView]


class MatterView(BaseModel):
    """One matter of a text that holds several, with the sentences it consists of."""

    text: str
    tag: str
    tag_name: str
    unit: str
    confidence: float


class TurnView(BaseModel):
    """What would change the answer.

    Attributes:
        without: words whose absence alone would give it to another unit; empty: no few words decide it.
        unit, tag: whose it would be then, or the runner-up.
    """

    without: list[str]
    unit: str
    tag: str
    tag_name: str
    told: str


class RulingView(BaseModel):
    """A ruling on whose duty a matter is: a precedent."""

    tag: str
    tag_name: str
    kind: str
    objector: UnitView
    unit: UnitView
    clause: str
    opinion: str
    participants: list[str]
    ruled_at: datetime


class Preview(Judgement):
    """A judgement made while the caller is still on the line, and what helps to act on it.

    Attributes:
        matters: a proposed split (拆分诉求事项); empty: one matter.
        turn: what would change the answer; None without a model.
        similar: tickets like it, for joining (并案) or to spot a repeat.
        precedents: rulings on whose duty the tag's matters are, the newest first.
    """

    matters: list[MatterView]
    turn: TurnView | None
    similar: list[SimilarView]
    precedents: list[RulingView]


class Submitted(BaseModel):
    """The answer to a submission: the work order number, the judgement, and the code by which the enterprise looks it up."""

    number: str
    state: str
    state_label: str
    accepted_at: datetime
    next: str
    enquiry_code: str
    judgement: Judgement


class PartView(BaseModel):
    """One unit's part in a ticket."""

    unit: UnitView
    role: str
    round: int
    state: str
    since: datetime
    evidence: list[EvidenceView]
    due: list[DueView]
    signed_at: datetime | None
    contacted_at: datetime | None
    contact_kind: str
    replied_at: datetime | None
    rework: int
    late: list[str]
    next_step: str | None
    next_due_at: datetime | None


class ReplyView(BaseModel):
    """A unit's answer."""

    unit: UnitView
    stage: str
    result: str
    content: str
    contacted_at: datetime | None
    contact_way: str
    plan: str
    planned_on: date | None
    written_at: datetime


class PartyView(BaseModel):
    """Who appeals, masked."""

    enterprise: str
    credit_code: str
    size: str
    park: str
    contact_name: str
    contact_phone: str


class ArrearsView(BaseModel):
    """What is owed by whom (账款拖欠)."""

    debtor_kind: str
    debtor_name: str
    contract_name: str
    contract_date: date | None
    contract_sum: Decimal | None
    owed_sum: Decimal | None
    delivered_on: date | None
    payable_on: date | None
    in_court: bool
    about_wages: bool


class AttachmentView(BaseModel):
    """What is said of an attachment."""

    name: str
    media_type: str
    size: int


class TicketView(BaseModel):
    """A ticket: where it is, who has it, since when, why them, until when, and what happens next."""

    number: str
    state: str
    state_label: str
    holder: str
    since: datetime
    due_at: datetime | None
    due_provisional: bool
    original_due_at: datetime | None
    overdue_at: datetime | None
    closing: str
    solved: str
    first_grade: str
    final_grade: str
    hardness: str
    returns: int
    reworks: int
    urges: int
    next: str
    next_step: str | None
    next_due_at: datetime | None
    type: str
    urgent: bool
    confidentiality: str
    channel: str
    external_number: str | None
    tag: TagView | None
    gap: bool
    district: str | None
    title: str
    content: str
    reviewed: str
    complained_of: str
    party: PartyView | None
    callback_wanted: bool
    arrears: ArrearsView | None
    attachments: list[AttachmentView]
    parts: list[PartView]
    replies: list[ReplyView]
    accepted_at: datetime
    dispatched_at: datetime | None
    updated_at: datetime
    version: int
    rulebook_version: str
    model_version: str


class UnmaskedView(BaseModel):
    """The fields that were asked for, in full; None: not asked for. Each look is in the record of access."""

    number: str
    enterprise: str | None = None
    credit_code: str | None = None
    park: str | None = None
    contact_name: str | None = None
    contact_phone: str | None = None
    contact_email: str | None = None
    address: str | None = None
    title: str | None = None
    content: str | None = None
    complained_of: str | None = None


class EventView(BaseModel):
    """One event of a ticket."""

    seq: int
    kind: str
    label: str
    at: datetime
    actor: str
    reason: str
    payload: dict[str, object]
    hash: str


class TicketLine(BaseModel):
    """A ticket in a list."""

    number: str
    state: str
    state_label: str
    type: str
    tag: str
    tag_name: str
    urgent: bool
    lead: str | None
    title: str
    accepted_at: datetime
    due_at: datetime | None
    next_step: str | None
    next_due_at: datetime | None
    updated_at: datetime


class TicketPage(BaseModel):
    """A page of tickets."""

    items: list[TicketLine]
    next_cursor: str | None


class RoutingView(BaseModel):
    """Why the ticket went where it went, in Chinese."""

    number: str
    explanation: list[str]
    judgements: list[Judgement]
    turn: TurnView | None
    notice_status: str
