"""What the service does by itself: alarms for urgent tickets nobody dispatches, and tickets of merged units moving on."""

import json
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import SYSTEM
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.sla.limits import LimitCase, require
from app.sla.timer import due
from app.tickets.events import Happening
from app.tickets.intake import Desk
from app.tickets.lifecycle import Move, State, step
from app.tickets.queries import OPEN_PARTS
from app.tickets.service import record, refresh_next
from app.tickets.tables import Dispatch, Ticket
from app.tickets.views import due_view

URGENT_TRIAGE_PATIENCE = timedelta(minutes=5)
BATCH = 200


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


def hand_over_merged(session: Session, desk: Desk) -> int:
    """Move the open parts of units that have ceased to their successors; returns how many parts moved.

    The enterprise's clock runs on; only the successor's own 签收 limit starts now (机构改革).
    """
    today = clock.today()
    gone = [unit.code for unit in desk.rulebook.units if not unit.valid_on(today) and unit.successor]
    if not gone:
        return 0
    statement = select(Dispatch).where(Dispatch.unit.in_(gone), Dispatch.state.in_(OPEN_PARTS)).limit(BATCH)
    parts = session.scalars(statement.with_for_update(skip_locked=True)).all()
    for part in parts:
        _hand_over(session, part, desk, today)
    return len(parts)


def _hand_over(session: Session, part: Dispatch, desk: Desk, day: date) -> None:
    now = clock.now()
    ticket = session.scalars(select(Ticket).where(Ticket.id == part.ticket_id).with_for_update()).one()
    successor = desk.rulebook.current_unit(part.unit, day).code
    rule = require(desk.rulebook.limits, LimitStep.SIGN, LimitCase(ticket.kind, ticket.urgent), day)
    signing = due(rule, now, desk.calendar)
    dues = [item for item in json.loads(part.dues) if item["step"] != LimitStep.SIGN.value]
    dues.insert(0, due_view(signing).model_dump(mode="json"))
    session.add(
        Dispatch(
            ticket_id=part.ticket_id, unit=successor, role=part.role, round=part.round + 1, state="awaiting_sign",
            tag=part.tag, urgent=part.urgent, evidence=part.evidence, dues=json.dumps(dues, ensure_ascii=False),
            dispatched_at=now, sign_due_at=signing.due_at, due_at=part.due_at, next_step=LimitStep.SIGN.value,
            next_due_at=signing.due_at, updated_at=now,
        )
    )  # fmt: skip
    part.state, part.updated_at = "handed_over", now
    part.next_step = part.next_due_at = None
    if part.role == "lead":
        ticket.state = step(State(ticket.state), Move.HAND_OVER).value
        ticket.lead_unit = successor
    refresh_next(session, ticket)
    payload = {"from": part.unit, "to": successor, "role": part.role}
    record(session, ticket, now, SYSTEM, [Happening("handed_over", payload)])
    enqueue(session, now, [("ticket.dispatched", {"number": ticket.number, "unit": successor, "role": part.role})])
