"""Who may know of a 督办单: whoever may see one of its work orders, and the unit it went out to.

The ladder gives every 专办件 an order of its own, so that this leaves such orders to the named supervisor. An order about
others too, one of which became a 专办件 later, stays with the hotline; that one is then only not listed in it.
"""

from sqlalchemy import ColumnElement, Exists, exists, select
from sqlalchemy.orm import Session

from app.accounts.access import Caller, Verb
from app.supervision.tables import PROPOSED, SupervisionOrder, SupervisionTicket
from app.tickets.queries import ordinary, visible
from app.tickets.tables import Ticket


def about(condition: ColumnElement[bool]) -> Exists:
    """Return the condition that one of an order's work orders fulfils a condition on Ticket."""
    mine = (SupervisionTicket.order_id == SupervisionOrder.id, Ticket.id == SupervisionTicket.ticket_id)
    return exists().where(*mine, condition).correlate(SupervisionOrder)


def reach(caller: Caller, verb: Verb) -> list[ColumnElement[bool]]:
    """Return the conditions on orders that a caller's rows for a verb obey: a unit has its own once they have gone out."""
    if caller.role.of_unit:
        return [SupervisionOrder.unit == caller.unit, SupervisionOrder.status != PROPOSED,
                SupervisionOrder.issued_at.is_not(None)]  # fmt: skip
    return [about(visible(caller, verb))]


def special_of(session: Session, order: SupervisionOrder) -> Ticket | None:
    """Return the 专办件 that an order is about; None where the order is no secret."""
    mine = SupervisionTicket.order_id == order.id
    tickets = select(Ticket).join(SupervisionTicket, SupervisionTicket.ticket_id == Ticket.id).where(mine)
    if session.scalars(tickets.where(ordinary()).limit(1)).first() is not None:
        return None
    return session.scalars(tickets.order_by(Ticket.id).limit(1)).first()
