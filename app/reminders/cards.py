"""Yellow and red cards: one for each time a part's answer is about to be overdue, one once it is (山东省级热线办法2017).

A card is made on a working day; for urgent work orders at any hour. Yellow cards are never named or scored. A unit gets them
for a 专办件 in its hands too; nobody else sees those.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, insert, or_, select, tuple_
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app import clock
from app.database import Database, at_first
from app.notify.messages import Message, tell
from app.reminders.tables import Card
from app.rulebook.shapes import LimitStep
from app.sla.limits import LimitCase
from app.sla.warning import Term, looks_ahead, warns_at
from app.tickets.intake import Desk
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Ticket

YELLOW, RED = "黄牌", "红牌"
RUNNING = (Phase.AWAITING_SIGN.value, Phase.IN_PROGRESS.value)
BATCH = 1000
NEVER_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
NAMED = 10
log = logging.getLogger("hotline.reminders")


@dataclass(frozen=True)
class Due:
    """A part whose time is running out or has run out."""

    dispatch_id: int
    ticket_id: int
    number: str
    unit: str
    rework: int
    begins: datetime
    due_at: datetime
    case: LimitCase


def make_cards(database: Database, desk: Desk) -> int:
    """Make every card that is due and tell the units; returns how many.

    Should another worker have made one in the same moment, the rest is left to the next round.
    """
    return sum(_make_level(database, level, desk) for level in (RED, YELLOW))


def _make_level(database: Database, level: str, desk: Desk) -> int:
    made, after = 0, (NEVER_BEFORE, 0)
    while True:
        try:
            with database.write() as session:
                found = list(_candidates(session, level, desk, after))
                made += _make(session, level, found, desk)
        except (IntegrityError, OperationalError):
            # Another worker made one of them, or kept its row for too long.
            log.info("cards were left to the next round")
            return made
        if len(found) < BATCH:
            return made
        after = (found[-1].due_at, found[-1].dispatch_id)


def _make(session: Session, level: str, found: list[Due], desk: Desk) -> int:
    now, today = clock.now(), clock.today()
    ripe = [each for each in found if level == RED or _warned(each, desk) <= now]
    if not ripe:
        return 0
    session.execute(insert(Card), [_row(each, level, today, now) for each in ripe])
    units: dict[tuple[str, bool], list[Due]] = defaultdict(list)
    for each in ripe:
        units[each.unit, each.case.urgent].append(each)
    for (unit, urgent), mine in units.items():
        tell(session, now, f"unit:{unit}", _message(level, mine, urgent=urgent))
    return len(ripe)


def _warned(each: Due, desk: Desk) -> datetime:
    return warns_at(Term(each.case, each.begins, each.due_at), desk.rulebook, desk.calendar_of(each.unit))


def _row(each: Due, level: str, day: date, at: datetime) -> dict[str, object]:
    kind = LimitStep.REWORK if each.rework else LimitStep.CLOSING
    return {
        "ticket_id": each.ticket_id, "dispatch_id": each.dispatch_id, "unit": each.unit, "kind": kind.value,
        "level": level, "day": day, "due_at": each.due_at, "made_at": at,
    }  # fmt: skip


def _candidates(session: Session, level: str, desk: Desk, after: tuple[datetime, int]) -> Iterator[Due]:
    """Return the next parts that have no card of the level for the time they now have, what is due first first.

    No row is locked: the unique keys of a card hold racing workers apart, and no verb waits for a sweep.
    """
    carded = exists().where(
        Card.dispatch_id == Dispatch.id, Card.level == level,
        or_(Card.due_at == Dispatch.due_at, Card.day == clock.today()),
    )  # fmt: skip
    parts = (
        select(
            Dispatch.id, Dispatch.ticket_id, Ticket.number, Dispatch.unit, Dispatch.rework, Dispatch.dispatched_at,
            Dispatch.due_at, Ticket.kind, Dispatch.urgent, Ticket.hardness, Ticket.tag,
        )
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(Dispatch.state.in_(RUNNING), Dispatch.role.in_(("lead", "support")), ~carded)
        .where(*_times(level, desk), tuple_(Dispatch.due_at, Dispatch.id) > after)
    )  # fmt: skip
    part = at_first(parts, "parts").c
    statement = select(*part).order_by(part.due_at, part.id).limit(BATCH)
    for ident, ticket, number, unit, rework, begins, due_at, kind, urgent, hardness, tag in session.execute(statement):
        case = LimitCase(kind, urgent, hardness == "ruled", "", tag)
        if due_at is not None:
            yield Due(ident, ticket, number, unit, rework, begins, due_at, case)


def _times(level: str, desk: Desk) -> list[ColumnElement[bool]]:
    now = clock.now()
    working = desk.calendar.is_working_day(clock.today())
    at_work = [] if working else [Dispatch.urgent.is_(True)]
    if level == RED:
        return [Dispatch.due_at < now, *at_work]
    ahead = (looks_ahead(desk.rulebook, hard=hard) for hard in (False, True))
    soon, soon_if_hard = (_end_of_working_day(desk, now, days) for days in ahead)
    near = or_(Dispatch.due_at <= soon, and_(Ticket.hardness == "ruled", Dispatch.due_at <= soon_if_hard))
    return [Dispatch.due_at >= now, near, *at_work]


def _end_of_working_day(desk: Desk, now: datetime, days: int) -> datetime:
    """Return 24:00 of the working day so many working days after today, by the calendar that takes longest for them."""
    dues = [each.add_working_days(now, days).due for each in (desk.calendar, *desk.own_hours.values())]
    return clock.local(max(dues)).replace(hour=0, minute=0) + timedelta(days=1)


def _message(level: str, mine: list[Due], *, urgent: bool) -> Message:
    word = "即将到期" if level == YELLOW else "已超期"
    shown = tuple(f"{each.number} 截止 {clock.spoken(each.due_at)}" for each in mine[:NAMED])
    rest = (f"另有 {len(mine) - NAMED} 件，见队列",) if len(mine) > NAMED else ()
    kind = "reminder.yellow" if level == YELLOW else "reminder.red"
    title = f"{level}：{len(mine)} 件{'紧急' if urgent else ''}工单{word}"
    return Message(kind, title, (*shown, *rest), "/api/v1/cards", urgent=urgent)
