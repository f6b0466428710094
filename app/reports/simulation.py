"""What a past period would have been under other limits, another calendar or another mapping. Changes nothing.

Only what can be counted again honestly is compared: a part whose 签收, 首次联系 or 办结 due times today's rules reproduce.
Due times that a person gave (会商、法定起算), that a later round inherited, or that older rules set are counted apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.reports.periods import Period
from app.rulebook.shapes import LimitStep, Rulebook
from app.sla.limits import LimitCase, LimitMissingError
from app.sla.timer import dispatch_dues
from app.tickets.intake import Desk
from app.tickets.queries import ordinary
from app.tickets.replay import Moved, compare
from app.tickets.tables import Dispatch, Ticket, TicketText

CHUNK = 500
STEPS = (LimitStep.SIGN, LimitStep.FIRST_CONTACT, LimitStep.CLOSING)
Dues = dict[LimitStep, datetime]


@dataclass(frozen=True)
class Recount:
    """One step of one part, as it was and as it would have been; `comparable` says whether the old due time could be redone."""

    number: str
    unit: str
    step: LimitStep
    due_at: datetime
    would_be_due_at: datetime
    late: bool
    would_be_late: bool
    comparable: bool = True


def recount(session: Session, period: Period, before: Desk, after: Desk, now: datetime) -> Iterator[Recount]:
    """Yield every step that fell due in a period under either set of rules, by part.

    Time given by 延期 and 挂起 is given again, as the same office time. What is still open counts as late once `now` has
    passed the due time.
    """
    inside = [
        column.between(period.begins - SLACK, period.ends + SLACK)
        for column in (Dispatch.sign_due_at, Dispatch.contact_due_at, Dispatch.due_at)
    ]
    statement = (
        select(Dispatch, Ticket.number, Ticket.kind)
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(Dispatch.role.in_(("lead", "support")), Dispatch.rework == 0, ordinary(), or_(*inside))
        .order_by(Dispatch.id)
        .execution_options(yield_per=CHUNK)
    )
    for part, number, kind in session.execute(statement):
        case = LimitCase(kind, part.urgent, tag=part.tag)
        old, new = _dues(part, case, before), _dues(part, case, after)
        for step in STEPS:
            found = _step(part, step, old, new, after)
            if found is None:
                continue
            due_at, would_be, done_at, comparable = found
            if period.holds(due_at) or period.holds(would_be):
                late, would_be_late = (_late(done_at, moment, now) for moment in (due_at, would_be))
                yield Recount(number, part.unit, step, due_at, would_be, late, would_be_late, comparable)


# Other limits may move a due time into the period or out of it; none of them is longer than this.
SLACK = timedelta(days=120)


def _dues(part: Dispatch, case: LimitCase, desk: Desk) -> Dues:
    try:
        counted = dispatch_dues(desk.rulebook, desk.calendar_of(part.unit), case, part.dispatched_at)
    except LimitMissingError:
        return {}
    return {due.step: due.due_at for due in counted}


def _step(
    part: Dispatch, step: LimitStep, old: Dues, new: Dues, after: Desk
) -> tuple[datetime, datetime, datetime | None, bool] | None:  # fmt: skip
    """Return a step's due time, what it would be, when it was done, and whether the two compare; None: it owed none."""
    stored = {
        LimitStep.SIGN: (part.sign_due_at, part.sign_due_at, part.signed_at),
        LimitStep.FIRST_CONTACT: (part.contact_due_at, part.contact_due_at, part.contacted_at),
        LimitStep.CLOSING: (part.original_due_at, part.due_at, part.replied_at),
    }
    born, due_at, done_at = stored[step]
    if born is None or due_at is None or (step is LimitStep.FIRST_CONTACT and part.role != "lead"):
        return None
    if done_at is None and part.ended_at is not None:
        return None
    if old.get(step) != born or step not in new:
        return due_at, due_at, done_at, False
    calendar = after.calendar_of(part.unit)
    given = calendar.office_time_between(born, due_at)
    would_be = new[step] if not given else _later(new[step], given, after, part.unit)
    return due_at, would_be, done_at, True


def _later(moment: datetime, given: timedelta, desk: Desk, unit: str) -> datetime:
    minutes = int(given / timedelta(minutes=1))
    return desk.calendar_of(unit).add_office_minutes(moment, minutes).due if minutes > 0 else moment + given


def _late(done_at: datetime | None, due_at: datetime, now: datetime) -> bool:
    return due_at < (done_at or now)


def rerouted(session: Session, period: Period, before: Rulebook, after: Rulebook) -> Iterator[Moved]:
    """Yield every appeal of a period that the other rules would have sent elsewhere on the day it came."""
    statement = (
        select(Ticket, TicketText)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .where(Ticket.accepted_at >= period.begins, Ticket.accepted_at < period.ends, Ticket.tag != "", ordinary())
        .order_by(Ticket.id)
        .execution_options(yield_per=CHUNK)
    )
    for ticket, text in session.execute(statement):
        moved = compare(ticket, text, before, after)
        if moved:
            yield moved
