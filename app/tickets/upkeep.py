"""What the service does by itself: alarms for urgent tickets nobody dispatches, and tickets of merged units moving on."""

import json
import logging
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import SYSTEM
from app.database import Database
from app.notify.outbox import enqueue
from app.routing.engine import forbidden_units, guarded
from app.rulebook.shapes import LimitStep
from app.sla.limits import LimitCase, require
from app.sla.timer import Due, due, first_dispatch_due
from app.tickets.events import Happening
from app.tickets.intake import Desk
from app.tickets.lifecycle import Move, State, step
from app.tickets.queries import OPEN_PARTS
from app.tickets.replay import facts_of
from app.tickets.service import record, refresh_next
from app.tickets.tables import Dispatch, Ticket, TicketText
from app.tickets.views import due_view

URGENT_TRIAGE_PATIENCE = timedelta(minutes=5)
BATCH = 200
log = logging.getLogger("hotline.upkeep")


def alarm_urgent_triage(session: Session) -> int:
    """Raise one alarm for every urgent ticket that has waited for a dispatcher too long; returns how many."""
    now = clock.now()
    statement = (
        select(Ticket)
        .where(
            Ticket.state == State.TRIAGE.value, Ticket.urgent.is_(True), Ticket.alarmed_at.is_(None),
            Ticket.accepted_at < now - URGENT_TRIAGE_PATIENCE,
        )
        .order_by(Ticket.accepted_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    tickets = session.scalars(statement).all()
    for ticket in tickets:
        ticket.alarmed_at = now
        record(session, ticket, now, SYSTEM, [Happening("alarmed", {"patience_minutes": 5})])
        payload = {"number": ticket.number, "accepted_at": ticket.accepted_at.isoformat()}
        enqueue(session, now, [("ticket.urgent_triage_overdue", payload)])
    return len(tickets)


def hand_over_merged(database: Database, desk: Desk) -> int:
    """Move the open parts of units that have ceased to their successors; returns how many tickets moved.

    The enterprise's clock runs on; only the successor's own 签收 limit starts now (机构改革). One transaction a ticket, so
    that one that cannot move holds up no other.
    """
    today = clock.today()
    gone = [unit.code for unit in desk.rulebook.units if not unit.valid_on(today) and unit.successor]
    if not gone:
        return 0
    statement = select(Dispatch.ticket_id).where(Dispatch.unit.in_(gone), Dispatch.state.in_(OPEN_PARTS))
    with database.read() as session:
        waiting = sorted(set(session.scalars(statement.limit(BATCH))))
    moved = 0
    for ticket_id in waiting:
        try:
            with database.write() as session:
                _hand_over_ticket(session, ticket_id, gone, desk)
            moved += 1
        except Exception:
            log.exception("ticket not handed over", extra={"ticket": ticket_id})
    return moved


def _hand_over_ticket(session: Session, ticket_id: int, gone: list[str], desk: Desk) -> None:
    """Move a ticket's parts; the ticket is locked before its parts, as every other verb does."""
    ticket = session.scalars(select(Ticket).where(Ticket.id == ticket_id).with_for_update()).one()
    parts = session.scalars(
        select(Dispatch).where(Dispatch.ticket_id == ticket_id, Dispatch.state.in_(OPEN_PARTS)).order_by(Dispatch.id)
    ).all()
    for part in parts:
        if part.unit in gone and part.state in OPEN_PARTS:
            _hand_over(session, ticket, part, desk)


def _hand_over(session: Session, ticket: Ticket, part: Dispatch, desk: Desk) -> None:
    now, day = clock.now(), clock.today()
    successor = desk.rulebook.current_unit(part.unit, day).code
    part.state, part.updated_at = "handed_over", now
    part.next_step = part.next_due_at = None
    payload = {"from": part.unit, "to": successor, "role": part.role}
    if successor in _barred(session, ticket, desk):
        _take_back(session, ticket, part, payload, desk)
        return
    rule = require(desk.rulebook.limits, LimitStep.SIGN, LimitCase(ticket.kind, ticket.urgent), day)
    _give_to(session, part, successor, due(rule, now, desk.calendar))
    if part.role == "lead":
        ticket.state = step(State(ticket.state), Move.HAND_OVER).value
        ticket.lead_unit = successor
    refresh_next(session, ticket)
    record(session, ticket, now, SYSTEM, [Happening("handed_over", payload)])
    enqueue(session, now, [("ticket.dispatched", {"number": ticket.number, "unit": successor, "role": part.role})])


def _barred(session: Session, ticket: Ticket, desk: Desk) -> frozenset[str]:
    """Return the units a stored ticket may not go to; a unit the rules have lost bars nobody."""
    facts = facts_of(ticket, session.get_one(TicketText, ticket.id), clock.today())
    tag = desk.rulebook.tag_by_code.get(ticket.tag)
    if tag is None or not guarded(facts, tag):
        return frozenset()
    known = (item for item in facts.accused if item.unit in desk.rulebook.unit_by_code)
    return forbidden_units(known, desk.rulebook)


def _take_back(session: Session, ticket: Ticket, part: Dispatch, payload: dict[str, str], desk: Desk) -> None:
    """Give a ticket back to the dispatchers: its unit was merged into the very body it complains of."""
    now = clock.now()
    happenings = [Happening("handed_over", {**payload, "to": ""})]
    if part.role == "lead":
        # The whole round ends: a supporter's part left open would stand beside the next round's for ever.
        open_parts = select(Dispatch).where(Dispatch.ticket_id == ticket.id, Dispatch.state.in_(OPEN_PARTS))
        for other in session.scalars(open_parts):
            other.state, other.updated_at = "handed_over", now
            other.next_step = other.next_due_at = None
        happenings.append(Happening("retriaged", {"from": ticket.state}))
        ticket.state = step(State(ticket.state), Move.RETRIAGE).value
        case = LimitCase(ticket.kind, ticket.urgent)
        ticket.next_step = LimitStep.FIRST_DISPATCH.value
        ticket.next_due_at = first_dispatch_due(desk.rulebook, desk.calendar, case, now).due_at
    refresh_next(session, ticket)
    record(session, ticket, now, SYSTEM, happenings)


def _give_to(session: Session, part: Dispatch, successor: str, signing: Due) -> None:
    """Put the successor in a part's place; where it already has a part of its own, the two become one, lead first."""
    dues = [item for item in json.loads(part.dues) if item["step"] != LimitStep.SIGN.value]
    dues.insert(0, due_view(signing).model_dump(mode="json"))
    own = select(Dispatch).where(
        Dispatch.ticket_id == part.ticket_id, Dispatch.unit == successor, Dispatch.state != "handed_over"
    )
    existing = session.scalars(own.order_by(Dispatch.round.desc())).first()
    if existing is None:
        existing = Dispatch(ticket_id=part.ticket_id, unit=successor, round=part.round + 1, role=part.role)
        session.add(existing)
    elif part.role != "lead" and existing.state != "informed":
        return
    existing.role, existing.state = part.role, "awaiting_sign"
    existing.tag, existing.urgent, existing.evidence = part.tag, part.urgent, part.evidence
    existing.dues = json.dumps(dues, ensure_ascii=False)
    existing.dispatched_at = existing.updated_at = clock.now()
    existing.sign_due_at, existing.due_at = signing.due_at, part.due_at
    existing.next_step, existing.next_due_at = LimitStep.SIGN.value, signing.due_at
    existing.signed_at = existing.signed_by = existing.replied_at = None
