"""Reads everything written about a ticket besides its events (办理卷)."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.access import Caller
from app.tickets.life_tables import (
    CallbackAttempt,
    Conference,
    ContactAttempt,
    DirectAnswer,
    Promise,
    Ruling,
    UnitRequest,
)
from app.tickets.queries import one
from app.tickets.tables import Dispatch, Ticket, TicketParty


@dataclass(frozen=True)
class CaseFile:
    """Everything written about a ticket besides its events: requests, contacts, callbacks, promises, rulings, 会商."""

    ticket: Ticket
    party: TicketParty
    requests: list[tuple[UnitRequest, str]]
    contacts: list[tuple[ContactAttempt, str]]
    callbacks: list[CallbackAttempt]
    promises: list[Promise]
    rulings: list[Ruling]
    conferences: list[Conference]
    answered: DirectAnswer | None
    children: list[str]
    joined: list[str]


def case_file(session: Session, number: str, caller: Caller) -> CaseFile:
    """Return what was written about a ticket; a unit sees its own requests and contacts only.

    Raises:
        NotFoundError: as for `one`.
    """
    whole = one(session, number, caller)
    ticket = whole.ticket
    own = (Dispatch.unit == caller.unit,) if caller.role.of_unit else ()

    def with_unit(table: Any) -> list[Any]:
        statement = select(table, Dispatch.unit).join(Dispatch, Dispatch.id == table.dispatch_id)
        rows = session.execute(statement.where(table.ticket_id == ticket.id, *own).order_by(table.id))
        return [(row[0], row[1]) for row in rows]

    def of_ticket(table: Any) -> list[Any]:
        return list(session.scalars(select(table).where(table.ticket_id == ticket.id).order_by(table.id)))

    def numbers(column: Any) -> list[str]:
        return list(session.scalars(select(Ticket.number).where(column == ticket.id).order_by(Ticket.id)))

    return CaseFile(
        ticket, whole.party, with_unit(UnitRequest), with_unit(ContactAttempt), of_ticket(CallbackAttempt), of_ticket(Promise),
        of_ticket(Ruling), of_ticket(Conference), session.get(DirectAnswer, ticket.id), numbers(Ticket.parent_id),
        [] if caller.role.of_unit else numbers(Ticket.main_id),
    )  # fmt: skip
