"""The ladder: what the rules of supervision.yaml propose for every open part, never twice for the same cause.

Severest rung first, so that what has gone unseen for days is pressed as it stands now. Of one unit and rule there is one
proposal at a time, to which further work orders are added until a supervisor issues or cancels it. A 专办件 always has a
proposal of its own, which only its named supervisor is told of and sees.
"""

import logging
from collections import defaultdict

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import SYSTEM
from app.accounts.service import acting_supervisor
from app.database import Database, at_first
from app.notify.messages import Message, lay, tell
from app.rulebook.supervision import SupervisionRule, Way
from app.supervision.causes import Days, days_of, holds
from app.supervision.course import Subject, add, make
from app.supervision.knowing import about
from app.supervision.tables import CANCELLED, PROPOSED, SupervisionOrder, SupervisionTicket
from app.tickets.acts import is_special
from app.tickets.intake import Desk
from app.tickets.queries import ordinary
from app.tickets.tables import Dispatch, Ticket

BATCH = 1000
# A paper with more work orders than this is read by nobody.
MOST = 200
log = logging.getLogger("hotline.supervision")


def propose(database: Database, desk: Desk) -> int:
    """Propose orders for every part that a rule is about; returns how many parts.

    In office hours only; urgent work orders at all hours.
    """
    days = days_of(desk)
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
                    if is_special(ticket):
                        _place_apart(session, rule, unit, ticket, part)
                    else:
                        units[unit].append(Subject(ticket.id, part, rule.code))
                for unit, subjects in sorted(units.items()):
                    _place(session, rule, unit, subjects)
        except (IntegrityError, OperationalError):
            # Another worker made them, or kept the rows for too long: the next round finds what is left.
            log.info("proposals were left to the next round", extra={"rule": rule.code})
            return proposed
        proposed += len(found)
        if len(found) < BATCH:
            return proposed
        after = found[-1][0]


def _place(session: Session, rule: SupervisionRule, unit: str, subjects: list[Subject]) -> None:
    """Add work orders to the unit's waiting proposal of the rule, and make new ones for what it cannot hold."""
    waiting = select(SupervisionOrder).where(
        SupervisionOrder.unit == unit, SupervisionOrder.rule == rule.code, SupervisionOrder.status == PROPOSED,
        SupervisionOrder.tickets < MOST, about(ordinary()),
    )  # fmt: skip
    order = session.scalars(waiting.order_by(SupervisionOrder.id.desc()).limit(1).with_for_update()).one_or_none()
    while subjects:
        if order is None or order.tickets >= MOST:
            order = make(session, _new(rule, unit), ())
            tell(session, clock.now(), "desk:supervisor", _message(order, ""))
        room = MOST - order.tickets
        add(session, order, subjects[:room])
        subjects = subjects[room:]


def _place_apart(session: Session, rule: SupervisionRule, unit: str, ticket: Ticket, part: int) -> None:
    """Make a proposal about one 专办件; nothing of it leaves the service."""
    order = make(session, _new(rule, unit), [Subject(ticket.id, part, rule.code)])
    supervisor = acting_supervisor(session, ticket.special_supervisor)
    if supervisor is not None:
        lay(session, clock.now(), f"staff:{supervisor}", _message(order, f"（专办件 {ticket.number}）"))


def _new(rule: SupervisionRule, unit: str) -> SupervisionOrder:
    return SupervisionOrder(
        way=rule.way.value, level=rule.level.value, unit=unit, requirement=rule.requirement, rule=rule.code,
        basis=rule.basis, status=PROPOSED, raised_by=SYSTEM.reference, raised_at=clock.now(), result="", tickets=0,
    )  # fmt: skip


def _message(order: SupervisionOrder, about_what: str) -> Message:
    title = f"拟发{order.way}督办 {order.number}{about_what}，请审定"
    return Message(
        "supervision.proposed", title, (f"规则 {order.rule}，{order.level}",), f"/api/v1/supervision/{order.number}"
    )


def _wanted(rule: SupervisionRule, days: Days, after: int) -> Select[int, Ticket, str]:
    """Return the next parts a rule is about that it has not brought up before and no severer order is about.

    No row is locked: the unique key of part and cause holds racing workers apart, and a sweep that waited for nobody's
    row can stand in nobody's way.
    """
    asked = exists().where(SupervisionTicket.dispatch_id == Dispatch.id, SupervisionTicket.cause == rule.code)
    severer = [way.value for way in Way if way.rung > rule.way.rung]
    pressed = exists().where(
        SupervisionTicket.dispatch_id == Dispatch.id, SupervisionTicket.order_id == SupervisionOrder.id,
        SupervisionOrder.way.in_(severer), SupervisionOrder.status != CANCELLED,
    )  # fmt: skip
    parts = (
        select(Dispatch.id, Dispatch.ticket_id, Dispatch.unit)
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(*holds(rule, days), ~asked, ~pressed, *_hours(days), Dispatch.id > after)
    )
    part = at_first(parts, "parts").c
    found = select(part.id, Ticket, part.unit).join(Ticket, Ticket.id == part.ticket_id)
    return found.order_by(part.id).limit(BATCH)


def _hours(days: Days) -> list[ColumnElement[bool]]:
    local = clock.local(days.now)
    at_work = any(opens <= local <= closes for opens, closes in days.desk.calendar.windows(local.date()))
    return [] if at_work else [Dispatch.urgent.is_(True)]
