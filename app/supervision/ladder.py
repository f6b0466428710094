"""The ladder: what the rules of supervision.yaml propose for every open part, never twice for the same cause.

Severest rung first, so that what has gone unseen for days is pressed as it stands now. Of one unit and rule there is one
proposal at a time, to which further work orders are added until a supervisor issues or cancels it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from app import clock
from app.accounts.access import SYSTEM
from app.database import Database
from app.notify.messages import Message, tell
from app.rulebook.shapes import LimitStep
from app.rulebook.supervision import Cause, SupervisionRule, Way
from app.supervision.course import ISSUED, PROPOSED, Subject, add, make
from app.supervision.tables import SupervisionOrder, SupervisionTicket
from app.tickets.intake import Desk
from app.tickets.lifecycle import State
from app.tickets.queries import ordinary
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Reply, Ticket, TicketParty

BATCH = 1000
# A paper with more work orders than this is read by nobody.
MOST = 200
REPEAT_DAYS = 30
RUNNING = (Phase.AWAITING_SIGN.value, Phase.IN_PROGRESS.value)
log = logging.getLogger("hotline.supervision")
Looks = Callable[[SupervisionRule, "Days"], list[ColumnElement[bool]]]


@dataclass(frozen=True)
class Days:
    """The moments the rules speak of."""

    now: datetime
    today: datetime
    tomorrow_ends: datetime
    desk: Desk

    def overdue_since(self, working_days: int) -> datetime:
        """Return before which moment a due time must lie to be so many working days overdue today."""
        if not working_days:
            return self.now
        day = clock.local(self.now).date()
        while working_days:
            day -= timedelta(days=1)
            working_days -= self.desk.calendar.is_working_day(day)
        return datetime.combine(day + timedelta(days=1), time(), clock.SHANGHAI)


def propose(database: Database, desk: Desk) -> int:
    """Propose orders for every part that a rule is about; returns how many parts.

    In office hours only; urgent work orders at all hours.
    """
    now = clock.now()
    today = clock.local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    following = next(
        day for ahead in range(1, 40) if desk.calendar.is_working_day((day := today + timedelta(ahead)).date())
    )
    days = Days(now, today, following + timedelta(days=1), desk)
    ladder = sorted(desk.rulebook.supervision.rules, key=lambda rule: (-rule.way.rung, -rule.working_days, rule.code))
    return sum(_propose_rule(database, rule, days) for rule in ladder)


def _propose_rule(database: Database, rule: SupervisionRule, days: Days) -> int:
    proposed, after = 0, 0
    while True:
        try:
            with database.write() as session:
                found = session.execute(_wanted(rule, days, after)).all()
                units: dict[str, list[Subject]] = defaultdict(list)
                for part, ticket, unit in found:
                    units[unit].append(Subject(ticket, part, rule.code))
                for unit, subjects in units.items():
                    _place(session, rule, unit, subjects)
        except IntegrityError:
            log.info("proposals were made by another worker", extra={"rule": rule.code})
            return proposed
        proposed += len(found)
        if len(found) < BATCH:
            return proposed
        after = found[-1][0]


def _place(session: Session, rule: SupervisionRule, unit: str, subjects: list[Subject]) -> None:
    """Add work orders to the unit's waiting proposal of the rule, and make new ones for what it cannot hold."""
    waiting = select(SupervisionOrder).where(
        SupervisionOrder.unit == unit, SupervisionOrder.rule == rule.code, SupervisionOrder.status == PROPOSED,
        SupervisionOrder.tickets < MOST,
    )  # fmt: skip
    order = session.scalars(waiting.order_by(SupervisionOrder.id.desc()).limit(1).with_for_update()).one_or_none()
    while subjects:
        if order is None or order.tickets >= MOST:
            order = make(session, _new(rule, unit), ())
            _tell(session, order)
        room = MOST - order.tickets
        add(session, order, subjects[:room])
        subjects = subjects[room:]


def _new(rule: SupervisionRule, unit: str) -> SupervisionOrder:
    return SupervisionOrder(
        way=rule.way.value, level=rule.level.value, unit=unit, requirement=rule.requirement, rule=rule.code,
        basis=rule.basis, status=PROPOSED, raised_by=SYSTEM.reference, raised_at=clock.now(), result="", tickets=0,
    )  # fmt: skip


def _tell(session: Session, order: SupervisionOrder) -> None:
    title = f"拟发{order.way}督办 {order.number}，请审定"
    tell(
        session, clock.now(), "desk:supervisor",
        Message("supervision.proposed", title, (f"规则 {order.rule}，{order.level}",), f"/api/v1/supervision/{order.number}"),
    )  # fmt: skip


def _wanted(rule: SupervisionRule, days: Days, after: int) -> Select[int, int, str]:
    """Return the next parts a rule is about that it has not brought up before and no severer rung has in hand."""
    before = exists().where(
        SupervisionTicket.dispatch_id == Dispatch.id,
        or_(SupervisionTicket.cause == rule.code, SupervisionTicket.rung > rule.way.rung),
    )
    statement = (
        select(Dispatch.id, Dispatch.ticket_id, Dispatch.unit)
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(ordinary(), ~before, *_LOOKS[rule.cause](rule, days))
        .where(*_hours(days), Dispatch.id > after)
        .order_by(Dispatch.id)
        .limit(BATCH)
    )
    return statement.with_for_update(of=Dispatch, skip_locked=True)


def _hours(days: Days) -> list[ColumnElement[bool]]:
    local = clock.local(days.now)
    at_work = any(opens <= local <= closes for opens, closes in days.desk.calendar.windows(local.date()))
    return [] if at_work else [Dispatch.urgent.is_(True)]


def _in_hand() -> list[ColumnElement[bool]]:
    return [Dispatch.state.in_(RUNNING), Dispatch.role.in_(("lead", "support"))]


def _unsigned(_: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    late = or_(
        and_(Dispatch.signed_at.is_(None), Dispatch.sign_due_at < days.now),
        Dispatch.late.like(f"%{LimitStep.SIGN.value}%"),
    )
    return [*_in_hand(), late]


def _silent(_: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    said = exists().where(Reply.dispatch_id == Dispatch.id)
    return [
        *_in_hand(), Dispatch.role == "lead", Dispatch.contacted_at.is_(None), ~said, Dispatch.dispatched_at < days.today,
        Dispatch.due_at > days.now, Dispatch.due_at <= days.tomorrow_ends,
    ]  # fmt: skip


def _overdue(rule: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    return [*_in_hand(), Dispatch.due_at <= days.overdue_since(rule.working_days)]


def _unsatisfied(_: SupervisionRule, __: Days) -> list[ColumnElement[bool]]:
    """A rework whose callback was again a complaint: the newest lead part of what waits to be judged once more."""
    newer = aliased(Dispatch)
    last = ~exists().where(newer.ticket_id == Dispatch.ticket_id, newer.role == "lead", newer.id > Dispatch.id)
    return [Ticket.state == State.REASSESSMENT.value, Ticket.reworks > 0, Dispatch.role == "lead", last]


def _repeated(rule: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    other, mine, theirs = aliased(Ticket), aliased(TicketParty), aliased(TicketParty)
    times = (
        select(func.count())
        .select_from(mine)
        .join(theirs, and_(theirs.enterprise_group == mine.enterprise_group, theirs.enterprise_group != ""))
        .join(other, other.id == theirs.ticket_id)
        .where(
            mine.ticket_id == Ticket.id, other.tag == Ticket.tag, other.parent_id.is_(None),
            other.accepted_at > days.now - timedelta(days=REPEAT_DAYS),
        )
        .correlate(Ticket)
        .scalar_subquery()
    )  # fmt: skip
    recent = Ticket.accepted_at > days.now - timedelta(days=REPEAT_DAYS)
    return [*_in_hand(), Dispatch.role == "lead", recent, times >= rule.times]


def _unanswered(_: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    silent = (
        select(SupervisionTicket.id)
        .join(SupervisionOrder, SupervisionOrder.id == SupervisionTicket.order_id)
        .where(
            SupervisionTicket.dispatch_id == Dispatch.id, SupervisionOrder.way == Way.WRITING.value,
            SupervisionOrder.status == ISSUED, SupervisionOrder.due_at < days.now,
        )
    )  # fmt: skip
    return [*_in_hand(), silent.exists()]


_LOOKS: dict[Cause, Looks] = {
    Cause.UNSIGNED: _unsigned,
    Cause.SILENT: _silent,
    Cause.OVERDUE: _overdue,
    Cause.UNSATISFIED: _unsatisfied,
    Cause.REPEATED: _repeated,
    Cause.UNANSWERED: _unanswered,
}
