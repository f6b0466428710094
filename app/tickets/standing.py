"""Where a work order stands: a fold over its events. Pure, and the only place that derives states, due times and holders.

Columns of `ticket` and `dispatch` are snapshots of this fold; `hotline clocks rebuild --check` holds the two together.
Every due time was computed when its event was written and travels in the payload, so folding needs no calendar.

Two clocks (docs/decisions/0007): the enterprise's runs from acceptance to closing and is never reset; each unit's part
has its own. At every moment exactly one holder has the ticket, so that holding + unowned + paused = total.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.rulebook.shapes import LimitStep
from app.tickets.lifecycle import ENDED, State

POLICY = "clock-1"
NEVER = datetime.max.replace(tzinfo=UTC)
RESUME = "恢复办理"
PROMISE = "承诺兑现"
REACHED, DILIGENT = "已联系", "已尽责联系"
CLOSINGS = (LimitStep.CLOSING.value, LimitStep.REWORK.value)


class Phase(StrEnum):
    """Where one unit's part is; the value is stored."""

    AWAITING_SIGN = "awaiting_sign"
    IN_PROGRESS = "in_progress"
    RETURNING = "returning"
    SUSPENDED = "suspended"
    REPLIED = "replied"
    EXCUSED = "excused"
    RETURNED = "returned"
    RECALLED = "recalled"
    HANDED_OVER = "handed_over"
    INFORMED = "informed"


OPEN_PHASES = (Phase.AWAITING_SIGN, Phase.IN_PROGRESS, Phase.RETURNING, Phase.SUSPENDED)


class Holder(StrEnum):
    """Who has a ticket for a stretch of time."""

    UNIT = "unit"
    DESK = "desk"
    UNOWNED = "unowned"
    PAUSED = "paused"
    CHILDREN = "children"
    MAIN = "main"


@dataclass(frozen=True)
class Fact:
    """One event as the fold reads it."""

    kind: str
    at: datetime
    payload: dict[str, Any]


@dataclass(frozen=True)
class Stretch:
    """A stretch of time in one holder's hands; `unit` is the lead unit where a unit holds it."""

    begin: datetime
    end: datetime
    holder: Holder
    unit: str = ""


@dataclass
class Part:
    """One unit's part in one round.

    Attributes:
        dues: what it owes or owed, by step.
        late: steps that passed their time while still owed; never taken back.
        paused: time its clock stood still.
        extended, extended_days: how often and by how many days it was given more time.
        given: whether a person has given it its time to answer since (延期、挂起、会商、法定起算): no recount takes that away.
        contact_kind: 已联系, or 已尽责联系 (three calls in two slots that reached nobody), which is counted apart.
        rework: which rework this round is; 0: the first handling.
    """

    unit: str
    round: int
    role: str
    phase: Phase
    dispatched_at: datetime
    dues: dict[str, datetime] = field(default_factory=dict)
    original_due_at: datetime | None = None
    rework: int = 0
    signed_at: datetime | None = None
    contacted_at: datetime | None = None
    contact_kind: str = ""
    replied_at: datetime | None = None
    ended_at: datetime | None = None
    suspended_at: datetime | None = None
    resumes_at: datetime | None = None
    paused: timedelta = timedelta()
    late: set[str] = field(default_factory=set)
    no_return: bool = False
    extended: int = 0
    extended_days: int = 0
    given: bool = False
    handler: int | None = None
    deputy: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the unit still owes something."""
        return self.phase in OPEN_PHASES

    @property
    def due_at(self) -> datetime | None:
        """When the part must be answered."""
        return next((self.dues[step] for step in CLOSINGS if step in self.dues), None)

    def owed(self) -> dict[str, datetime]:
        """Return what is owed now, by step; contact and interim replies are the lead's alone."""
        if self.phase is Phase.SUSPENDED:
            return {RESUME: self.resumes_at} if self.resumes_at else {}
        if not self.is_open:
            return {}
        wanted = {*CLOSINGS} | ({LimitStep.SIGN.value} if self.signed_at is None else set())
        if self.role == "lead":
            wanted |= {LimitStep.INTERIM_REPLY.value}
            wanted |= {LimitStep.FIRST_CONTACT.value} if self.contacted_at is None else set()
        return {step: due for step, due in self.dues.items() if step in wanted}

    def next(self) -> tuple[datetime, str] | None:
        """Return what is due first and when."""
        return min(((due, step) for step, due in self.owed().items()), default=None)

    def contact(self, at: datetime, *, reached: bool) -> None:
        """Record that the enterprise was reached, or tried for often enough.

        首次联系及时 asks for reaching it in time: what comes after the limit makes no contact of diligence that was in time.
        """
        due, earlier = self.dues.get(LimitStep.FIRST_CONTACT.value), self.contacted_at
        if earlier is None or not self.contact_kind:
            self.contacted_at, self.contact_kind = earlier or at, REACHED if reached else DILIGENT
        elif reached and self.contact_kind == DILIGENT and (due is None or at <= due or earlier > due):
            self.contacted_at, self.contact_kind = min(earlier, at), REACHED

    def held(self, now: datetime) -> timedelta:
        """Return how long the unit has had it, its pauses left out."""
        end = self.replied_at or self.ended_at or now
        running = end - self.suspended_at if self.suspended_at else timedelta()
        return end - self.dispatched_at - self.paused - running


@dataclass
class Standing:
    """What a ticket's events come to.

    Attributes:
        desk: what the hotline itself owes, by step (`延期审批:单位` where it concerns one unit).
        due_at: the enterprise's: set by the first dispatch, moved only by a granted extension, a pause, a 会商 ruling,
            a statutory start or a correction.
        overdue_at, overdue_by: when that passed, and in whose hands; never taken back.
        answered_at: the first submission that passed review; rework's punctuality is judged apart.
        dispatch_due: until when the first dispatch had to be made; the moment of dispatch where nobody had to be asked.
        callback_due: until when the newest callback had to be begun.
        ruling_due: until when the hotline must rule on the lead's return; what it takes longer is its own time.
        stretches: whose hands it has been in, up to `since`; `holder` and `unit` have it since then.
    """

    state: State = State.TRIAGE
    kind: str = ""
    urgent: bool = False
    accepted_at: datetime = NEVER
    dispatched_at: datetime | None = None
    lead_unit: str | None = None
    parts: list[Part] = field(default_factory=list)
    desk: dict[str, datetime] = field(default_factory=dict)
    promises: dict[int, datetime] = field(default_factory=dict)
    due_at: datetime | None = None
    original_due_at: datetime | None = None
    provisional: bool = False
    overdue_at: datetime | None = None
    overdue_by: str = ""
    returns: int = 0
    appointed: bool = False
    reworks: int = 0
    extensions: int = 0
    hardness: str = ""
    statute: str = ""
    closing: str = ""
    solved: str = ""
    first_grade: str = ""
    final_grade: str = ""
    main: str = ""
    children: tuple[str, ...] = ()
    answered_at: datetime | None = None
    closed_at: datetime | None = None
    since: datetime = NEVER
    holder: Holder = Holder.UNOWNED
    unit: str = ""
    stretches: list[Stretch] = field(default_factory=list)
    ruling_due: datetime | None = None
    dispatch_due: datetime | None = None
    callback_due: datetime | None = None

    def lead(self) -> Part | None:
        """Return the newest lead part."""
        return next((part for part in reversed(self.parts) if part.role == "lead"), None)

    def part_of(self, unit: str) -> Part | None:
        """Return a unit's newest part that it can still see."""
        seen = (part for part in reversed(self.parts) if part.unit == unit and part.phase not in UNSEEN)
        return next(seen, None)

    def open_parts(self) -> list[Part]:
        """Return the parts that still owe something."""
        return [part for part in self.parts if part.is_open]

    def desk_next(self) -> tuple[datetime, str] | None:
        """Return what the hotline owes first."""
        return min(((due, step.partition(":")[0]) for step, due in self.desk.items()), default=None)

    def next(self) -> tuple[datetime, str] | None:
        """Return what is due first of everything anybody owes."""
        found = [part.next() for part in self.parts] + [self.desk_next()]
        found += [(due, PROMISE) for due in self.promises.values()]
        return min((item for item in found if item), default=None)

    def until(self, now: datetime) -> list[Stretch]:
        """Return all stretches up to now, or to the end of the enterprise's clock."""
        end = now if self.closed_at is None else self.closed_at
        if self.closed_at is not None or end <= self.since:
            return self.stretches
        return [*self.stretches, *_cut(Stretch(self.since, end, self.holder, self.unit), self.ruling_due)]


UNSEEN = (Phase.HANDED_OVER, Phase.RETURNED, Phase.RECALLED)


def read_fact(kind: str, at: datetime, payload: str) -> Fact:
    """Return a stored event as the fold reads it."""
    return Fact(kind, at, json.loads(payload))


def late_at(standing: Standing, now: datetime) -> Standing:
    """Return the standing with everything marked late that has passed its time by now; for reading only."""
    parts = [replace(part, late=set(part.late)) for part in standing.parts]
    seen = replace(standing, parts=parts)
    mark_late(seen, now)
    return seen


def mark_late(standing: Standing, at: datetime) -> None:
    """Put on record what passed its time before this moment, whatever happens to its due time later."""
    for part in standing.parts:
        part.late |= {step for step, due in part.owed().items() if due < at and step != RESUME}
    waits = standing.closed_at is None and standing.answered_at is None and standing.state is not State.AWAITING_REVIEW
    if waits and standing.due_at and standing.overdue_at is None and standing.due_at < at:
        standing.overdue_at = standing.due_at
        standing.overdue_by = _holder_at(standing, standing.due_at)


def _holder_at(standing: Standing, moment: datetime) -> str:
    for stretch in reversed(standing.stretches):
        if stretch.begin <= moment < stretch.end:
            return stretch.unit or stretch.holder.value
    return standing.unit or standing.holder.value


def settle_holder(standing: Standing, fact: Fact) -> None:
    """Close the running stretch where the ticket has passed into other hands."""
    holder, unit = _holder_of(standing)
    if standing.since == NEVER:
        standing.since, standing.holder, standing.unit = standing.accepted_at, holder, unit
        return
    if standing.closed_at not in {None, fact.at}:
        return
    ends = standing.closed_at is not None or _dispute_ended(standing)
    if (holder, unit) == (standing.holder, standing.unit) and not ends:
        return
    if fact.at > standing.since:
        running = Stretch(standing.since, fact.at, standing.holder, standing.unit)
        standing.stretches += _cut(running, standing.ruling_due)
    standing.since, standing.holder, standing.unit = fact.at, holder, unit
    if standing.state not in {State.RETURN_REVIEW, State.ARBITRATION}:
        standing.ruling_due = None


def _dispute_ended(standing: Standing) -> bool:
    return standing.ruling_due is not None and standing.state not in {State.RETURN_REVIEW, State.ARBITRATION}


def _cut(stretch: Stretch, ruling_due: datetime | None) -> list[Stretch]:
    """Give what a disputed return takes beyond its ruling's limit to the hotline, not to the unit."""
    if ruling_due is None or stretch.holder is not Holder.UNIT or stretch.end <= ruling_due:
        return [stretch]
    if ruling_due <= stretch.begin:
        return [replace(stretch, holder=Holder.DESK, unit="")]
    return [replace(stretch, end=ruling_due), Stretch(ruling_due, stretch.end, Holder.DESK)]


_HOLDERS = {
    State.TRIAGE: Holder.UNOWNED,
    State.SPECIAL: Holder.DESK,
    State.AWAITING_INFO: Holder.PAUSED,
    State.SUSPENDED: Holder.PAUSED,
    State.SPLIT: Holder.CHILDREN,
    State.MERGED: Holder.MAIN,
    State.AWAITING_REVIEW: Holder.DESK,
    State.AWAITING_CALLBACK: Holder.DESK,
    State.REASSESSMENT: Holder.DESK,
    # Should it be taken up again, the time since its closing was the hotline's.
    **dict.fromkeys(ENDED, Holder.DESK),
}


def _holder_of(standing: Standing) -> tuple[Holder, str]:
    holder = _HOLDERS.get(standing.state, Holder.UNIT)
    return holder, (standing.lead_unit or "") if holder is Holder.UNIT else ""
