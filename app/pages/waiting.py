"""What waits for somebody, counted over everything he may see, each count with the list it can be opened to."""

from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Rows, Verb
from app.errors import ForbiddenError, NotFoundError
from app.reports import queries as reports
from app.reports.periods import Span
from app.reports.schemas import ReportLine
from app.supervision.knowing import reach
from app.supervision.tables import ISSUED, SupervisionOrder
from app.tickets.queries import OPEN_PARTS, due_before, in_triage, queue_counts, visible
from app.tickets.tables import Dispatch, Ticket

FIRST_STEP = "首次派单"
# Each count of a unit's queue with its label and what narrows the queue to it.
QUEUE_COUNTS = {
    "awaiting_sign": ("待签收", "state=awaiting_sign"), "in_progress": ("办理中", "state=in_progress"),
    "rework": ("待重办", "rework=true"), "overdue": ("已超期", "overdue=true"),
}  # fmt: skip


@dataclass(frozen=True)
class Wait:
    """One count and where its list stands."""

    label: str
    count: int
    link: str


def waiting(session: Session, caller: Caller) -> list[Wait]:
    """Return what waits for a caller, in the order of the work."""
    found: list[Wait] = []
    if caller.rows(Verb.QUEUE_READ) is Rows.OWN_UNIT:
        counts = queue_counts(session, caller.unit)
        found.append(Wait("全部待办", _open_parts(session, caller.unit), "/lists/queue"))
        found += [Wait(label, counts[name], f"/lists/queue?{by}") for name, (label, by) in QUEUE_COUNTS.items()]
    if caller.may(Verb.TRIAGE_READ):
        found.append(Wait("待派单", _tickets(session, *in_triage(caller)), "/lists/triage"))
    if caller.may(Verb.DESK_READ):
        found += _desk(session, caller)
    if caller.may(Verb.OVERDUE_READ):
        found.append(Wait("超期", _tickets(session, *due_before(caller, clock.now())), "/lists/overdue"))
    if caller.may(Verb.SUPERVISION_READ):
        issued = select(func.count()).select_from(SupervisionOrder).where(SupervisionOrder.status == ISSUED)
        found.append(
            Wait(
                "督办待回复",
                session.scalar(issued.where(*reach(caller, Verb.SUPERVISION_READ))) or 0,
                "/lists/supervision",
            )
        )
    return found


def _open_parts(session: Session, unit: str) -> int:
    """Return how many parts a unit has in hand, those that are returned or suspended too."""
    parts = select(func.count()).select_from(Dispatch)
    return session.scalar(parts.where(Dispatch.unit == unit, Dispatch.state.in_(OPEN_PARTS))) or 0


def _tickets(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Ticket).where(*conditions)) or 0


def _desk(session: Session, caller: Caller) -> list[Wait]:
    """Return the steps the hotline itself owes; the first one stands among what waits for a dispatcher where that is shown."""
    steps = (
        select(Ticket.desk_step, func.count())
        .where(Ticket.desk_step.is_not(None), visible(caller, Verb.DESK_READ))
        .group_by(Ticket.desk_step)
        .order_by(Ticket.desk_step)
    )
    rows = [(str(step), count) for step, count in session.execute(steps)]
    shown = [row for row in rows if row[0] != FIRST_STEP or not caller.may(Verb.TRIAGE_READ)]
    return [Wait(step, count, f"/lists/desk?step={quote(step)}") for step, count in shown]


def latest_reports(session: Session, caller: Caller) -> list[ReportLine]:
    """Return the newest report of every kind that a caller may open."""
    found = []
    for span in Span if caller.may(Verb.REPORT_READ) else ():
        try:
            found.append(reports.line_of(reports.one(session, span, reports.LATEST, caller)))
        except (NotFoundError, ForbiddenError):
            continue
    return found
