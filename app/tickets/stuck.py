"""What goes no further by itself, for whoever watches over the hotline."""

import json
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.accounts.access import Caller, Verb
from app.clock import now
from app.notify.tables import Outbox
from app.tickets.lifecycle import State
from app.tickets.queries import Line, visible
from app.tickets.tables import Ticket, TicketText

STUCK_SHOWN = 50
NOTICES_LOOKED_AT = 500


@dataclass(frozen=True)
class Stuck:
    """What goes no further by itself: nobody has it in time, no measure covers it, or its notice was given up."""

    unowned: list[Line]
    gaps: list[Line]
    notices: list[Outbox]


def stuck(session: Session, caller: Caller) -> Stuck:
    """Return what is stuck, the oldest first, each kind up to a screenful."""

    def lines(*conditions: ColumnElement[bool]) -> list[Line]:
        statement = (
            select(Ticket, TicketText.title)
            .join(TicketText, TicketText.ticket_id == Ticket.id)
            .where(visible(caller, Verb.OVERDUE_READ), *conditions)
            .order_by(Ticket.next_due_at, Ticket.id)
            .limit(STUCK_SHOWN)
        )
        return [(row[0], row[1]) for row in session.execute(statement)]

    waiting = (State.TRIAGE.value, State.SPECIAL.value, State.RETURN_REVIEW.value, State.ARBITRATION.value)
    unowned = lines(Ticket.state.in_(waiting), Ticket.next_due_at < now())
    gaps = lines(Ticket.gap.is_(True), Ticket.next_due_at.is_not(None))
    return Stuck(unowned, gaps, _given_up(session, caller))


def _given_up(session: Session, caller: Caller) -> list[Outbox]:
    """Return notices that were given up, without those of tickets the caller may not know of (专办件)."""
    dead = (
        select(Outbox).where(Outbox.dead_at.is_not(None)).order_by(Outbox.dead_at, Outbox.id).limit(NOTICES_LOOKED_AT)
    )
    notices = [(row, json.loads(row.payload).get("number")) for row in session.scalars(dead)]
    named = {number for _, number in notices if number}
    known = select(Ticket.number).where(Ticket.number.in_(named), visible(caller, Verb.OVERDUE_READ))
    seen = {None, *session.scalars(known)}
    return [row for row, number in notices if number in seen][:STUCK_SHOWN]
