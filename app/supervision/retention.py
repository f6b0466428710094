"""What a 督办单 keeps of a work order past its term: nothing that tells who appealed, and in the end none of its words."""

from typing import cast

from sqlalchemy import ColumnElement, Table, exists, func, not_, select
from sqlalchemy.orm import Session

from app.settings import Settings
from app.supervision.tables import SupervisionOrder, SupervisionStep, SupervisionTicket
from app.tickets.retention import clear, past, sealed_columns, veil
from app.tickets.tables import Ticket


def forget(session: Session, ticket_id: int, words: tuple[str, ...]) -> None:
    """Hide a work order's caller in the orders about it, and clear those that are about nothing else any more.

    An order stays readable as long as one of its work orders is: it is the administration's own paper.
    """
    mine = select(SupervisionTicket.order_id).where(SupervisionTicket.ticket_id == ticket_id).distinct()
    for ident in session.scalars(mine).all():
        kept = session.scalar(select(_about(Ticket.id != ticket_id, Ticket.anonymised_at.is_(None), order=ident)))
        for table, rows in _written(ident):
            if kept:
                veil(session, table, rows, words)
            else:
                clear(session, table, rows, sealed_columns(table))


def orders_due(session: Session, settings: Settings) -> int:
    """Return how many orders lose their words once what is past its term is cleared."""
    kept = _about(Ticket.anonymised_at.is_(None), not_(past(settings)))
    due = select(func.count()).select_from(SupervisionOrder).where(_about(past(settings)), ~kept)
    return session.scalars(due).one()


def _about(*conditions: ColumnElement[bool], order: int | None = None) -> ColumnElement[bool]:
    """Return the condition that an order is about a work order of some kind; `order` left out: of the query's own order."""
    of_order = SupervisionTicket.order_id == (SupervisionOrder.id if order is None else order)
    return exists().where(of_order, SupervisionTicket.ticket_id == Ticket.id, *conditions)


def _written(order: int) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """Return where words of an order lie: itself, and what was done about it."""
    orders, steps = cast("Table", SupervisionOrder.__table__), cast("Table", SupervisionStep.__table__)
    return (orders, orders.c.id == order), (steps, steps.c.order_id == order)
