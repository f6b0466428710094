"""What callers are told of a work order's life: its clocks, its case file, what an answer lacks, what an enterprise sees."""

from datetime import date, datetime

from pydantic import BaseModel

from app.tickets.schemas import RulingView, UnitView


class StretchView(BaseModel):
    """A stretch of time in one holder's hands."""

    begin: datetime
    end: datetime
    holder: str
    unit: UnitView | None
    minutes: int


class UnitClock(BaseModel):
    """How long a unit held its part of one round, pauses left out, and what it was late with."""

    unit: UnitView
    role: str
    round: int
    state: str
    due_at: datetime | None
    held_minutes: int
    office_minutes: int
    late: list[str]


class ClockView(BaseModel):
    """Both clocks of a ticket: the enterprise's from acceptance, and each unit's own.

    Attributes:
        total_minutes: acceptance to closing or now; holding + unowned + paused.
        overdue_by: in whose hands the enterprise's due time passed.
    """

    number: str
    policy: str
    accepted_at: datetime
    closed_at: datetime | None
    original_due_at: datetime | None
    due_at: datetime | None
    overdue_at: datetime | None
    overdue_by: str
    total_minutes: int
    holding_minutes: int
    unowned_minutes: int
    paused_minutes: int
    stretches: list[StretchView]
    units: list[UnitClock]


class RequestView(BaseModel):
    """What a unit asked for and how it was decided."""

    id: int
    unit: UnitView
    kind: str
    reason: str
    clause: str
    explanation: str
    suggested: UnitView | None
    days: int | None
    until: date | None
    arbitration: bool
    status: str
    ruling_due_at: datetime
    asked_at: datetime
    decided_at: datetime | None
    opinion: str


class AttemptView(BaseModel):
    """One attempt to reach the enterprise."""

    unit: UnitView
    at: datetime
    way: str
    phone: str
    reached: bool
    remark: str


class CallbackView(BaseModel):
    """One callback."""

    at: datetime
    rework: int
    outcome: str
    solved: str
    grade: str
    process_grade: str
    remark: str


class PromiseView(BaseModel):
    """A promised date and whether it was kept."""

    id: int
    unit: UnitView
    what: str
    promised_on: date
    status: str
    settled_at: datetime | None


class StepView(BaseModel):
    """A step agreed in a 会商."""

    unit: UnitView
    what: str
    due_on: date


class ConferenceView(BaseModel):
    """The record of a 会商."""

    level: str
    held_at: datetime
    participants: list[UnitView]
    conclusion: str
    lead: UnitView
    steps: list[StepView]
    due_on: date | None


class DirectAnswerView(BaseModel):
    """How the hotline settled it itself."""

    way: str
    partner: UnitView | None
    result: str
    content: str
    answered_at: datetime


class CaseFileView(BaseModel):
    """Everything written about a ticket besides its events (办理卷)."""

    number: str
    requests: list[RequestView]
    contacts: list[AttemptView]
    callbacks: list[CallbackView]
    promises: list[PromiseView]
    rulings: list[RulingView]
    conferences: list[ConferenceView]
    answered: DirectAnswerView | None
    children: list[str]
    joined: list[str]


class FindingView(BaseModel):
    """One thing an answer lacks."""

    code: str
    message: str


class ProposalView(BaseModel):
    """A change of the mapping that rulings speak for."""

    tag: str
    tag_name: str
    objector: UnitView
    unit: UnitView
    times: int


class ChildrenView(BaseModel):
    """The tickets a ticket was split into."""

    number: str
    children: list[str]


class EnquiryView(BaseModel):
    """What the enterprise sees of its case: state, unit, due time, public reply; nothing else."""

    number: str
    state_label: str
    unit: str
    accepted_at: datetime
    due_at: datetime | None
    next: str
    replies: list[str]


class SliceView(BaseModel):
    """A day of a counted limit: what it was counted as, or why it did not count."""

    day: date
    counted: str
    minutes: int | None
    why: str


class ExplainView(BaseModel):
    """How a limit is counted, day by day."""

    start: datetime
    due_at: datetime
    slices: list[SliceView]
