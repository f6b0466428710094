"""The phone at which an enterprise can be told that something happened; looked up at the moment of sending only."""

import re

from sqlalchemy import select

from app.database import Database
from app.sealing import Sealer
from app.tickets.tables import Ticket, TicketParty

MOBILE = re.compile(r"1[3-9]\d{9}")


def mobile_of(database: Database, sealer: Sealer, number: str) -> str | None:
    """Return the mobile number somebody left with a work order; None: none was left, or it is no mobile."""
    statement = select(TicketParty.contact_phone).join(Ticket, Ticket.id == TicketParty.ticket_id)
    with database.read() as session:
        sealed = session.scalar(statement.where(Ticket.number == number))
    phone = sealer.open(sealed) if sealed else ""
    return phone if MOBILE.fullmatch(phone) else None
