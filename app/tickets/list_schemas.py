"""What callers are told in lists: a unit's queue, what is overdue or due soon, what is stuck."""

from datetime import datetime

from pydantic import BaseModel

from app.tickets.schemas import TicketLine, UnitView


class QueueLine(BaseModel):
    """A unit's part in a ticket, as it stands in its queue."""

    number: str
    role: str
    state: str
    state_label: str
    type: str
    tag: str
    tag_name: str
    urgent: bool
    title: str
    dispatched_at: datetime
    due_at: datetime | None
    next_step: str | None
    next_due_at: datetime | None
    overdue: bool
    updated_at: datetime


class QueueCounts(BaseModel):
    """How many parts stand where, over the whole queue."""

    awaiting_sign: int
    in_progress: int
    rework: int
    suspended: int
    replied: int
    overdue: int
    urgent: int


class QueuePage(BaseModel):
    """A page of a unit's queue."""

    unit: UnitView
    items: list[QueueLine]
    next_cursor: str | None
    counts: QueueCounts | None = None


class OverdueLine(BaseModel):
    """A ticket with something overdue: what, whose, since when."""

    number: str
    state: str
    state_label: str
    urgent: bool
    tag: str
    tag_name: str
    step: str
    holder: str
    due_at: datetime
    overdue_minutes: int


class OverduePage(BaseModel):
    """A page of the overdue list."""

    items: list[OverdueLine]
    next_cursor: str | None


class NoticeView(BaseModel):
    """A notice that was given up."""

    kind: str
    created_at: datetime
    attempts: int
    error: str
    reference: dict[str, object]


class JobView(BaseModel):
    """A period of a job that failed, whose process died, or that nobody began an hour after it was due."""

    kind: str
    label: str
    period: str
    due_at: datetime
    attempts: int
    reason: str


class StuckView(BaseModel):
    """What goes no further by itself: nobody has it in time, no measure covers it, its notice was given up, its job is lost."""

    unowned: list[TicketLine]
    gaps: list[TicketLine]
    notices: list[NoticeView]
    jobs: list[JobView]
