"""专办件 in units' hands: reminded of apart from the digests, which all who watch the units read.

The unit that has one finds it in its inbox, the supervisor named for it in an inbox nobody else reads; nothing leaves the
service, not even a number.
"""

from collections import defaultdict
from datetime import date

from sqlalchemy import and_, not_, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.service import acting_supervisor, special_supervisor
from app.accounts.tables import Staff
from app.notify.messages import Message, lay
from app.reminders import digest
from app.reminders.digest import OWED, Days, Item, Round
from app.supervision.knowing import about, special_of
from app.supervision.tables import ISSUED, SupervisionOrder
from app.tickets.intake import Desk
from app.tickets.queries import ordinary
from app.tickets.tables import Dispatch, Ticket

SHOWN = 20
KIND, LINK = "reminder.special", "/api/v1/queue"


def remind(session: Session, day: date, desk: Desk) -> None:
    """Tell units and named supervisors of every 专办件 that a unit owes something on, and of 督办单 about them, once a day."""
    days = digest.days_of(clock.now(), desk.calendar)
    found = [*_items(session), *_orders(session)]
    key = f"special:{day}"
    for unit, content in digest.unit_digests([item for item, _ in found], Round.MORNING, days).items():
        lines = digest.lines_of(content)
        lay(session, days.now, f"unit:{unit}", Message(KIND, f"日提醒（专办件）{day}", lines, LINK, key=key))
    named: dict[int, list[Item]] = defaultdict(list)
    for item, supervisor in found:
        if supervisor is not None:
            named[supervisor].append(item)
    for supervisor, items in named.items():
        title = f"专办件 {day}：单位在办 {sum(not item.order for item in items)} 件"
        lines = tuple(_line(item, days, desk) for item in items[:SHOWN])
        lay(session, days.now, f"staff:{supervisor}", Message(KIND, title, lines, "/api/v1/overdue", key=key))


def _items(session: Session) -> list[tuple[Item, int | None]]:
    """Return the parts of 专办件 that units owe, each with the supervisor who has it now."""
    statement = (
        select(
            Dispatch.unit, Ticket.number, Dispatch.due_at, Dispatch.next_due_at, Dispatch.state, Dispatch.rework,
            Staff.id,
        )
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .outerjoin(Staff, and_(Staff.id == Ticket.special_supervisor, Staff.active.is_(True)))
        .where(Dispatch.state.in_(OWED), Dispatch.role.in_(("lead", "support")), not_(ordinary()))
        .order_by(Dispatch.next_due_at, Dispatch.id)
    )  # fmt: skip
    rows = session.execute(statement).all()
    heir = special_supervisor(session) if rows else None
    return [
        (Item(unit, number, due_at, first, state == "awaiting_sign", rework > 0), named or heir)
        for unit, number, due_at, first, state, rework, named in rows
    ]


def _orders(session: Session) -> list[tuple[Item, int | None]]:
    """Return the 督办单 about 专办件 that wait for a unit's reply, each with the supervisor who has it now."""
    waiting = (SupervisionOrder.status == ISSUED, ~about(ordinary()))
    orders = session.scalars(
        select(SupervisionOrder).where(*waiting).order_by(SupervisionOrder.due_at, SupervisionOrder.id)
    )
    found = []
    for order in orders:
        ticket = special_of(session, order)
        named = acting_supervisor(session, ticket.special_supervisor) if ticket else None
        found.append((Item(order.unit, order.number or "", order.due_at, order=True), named))
    return found


def _line(item: Item, days: Days, desk: Desk) -> str:
    unit = desk.rulebook.unit_by_code.get(item.unit)
    stands = [group.value for group in digest.groups_of(item, days)]
    due = clock.spoken(item.due_at) if item.due_at else "无期限"
    return f"{item.number} {unit.short if unit else item.unit}，截止 {due}" + (
        f"，{'、'.join(stands)}" if stands else ""
    )
