"""Every ticket's chain of events walked against the last link its own row names, and 专办件 watched when they are read.

Streams: some thousand rows are in memory at a time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from fastapi import Request
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.accounts.access import Caller, Role
from app.accounts.api import Allow, Credentials
from app.accounts.audit import Access, note_of, record
from app.database import Database
from app.tickets.events import Broken, broken_link
from app.tickets.queries import ordinary, visible
from app.tickets.tables import Ticket, TicketEvent
from app.web import NO_CONTROL, database_of

CHUNK = 500
EVENT_COLUMNS = ("ticket_month", "ticket_id", "seq", "kind", "at", "actor", "payload", "prev_hash", "hash")


@dataclass(frozen=True, slots=True)
class ChainHead:
    """What a ticket's own row says of its chain."""

    id: int
    number: str
    month: int
    last_seq: int
    last_hash: str


@dataclass(slots=True)
class StoredLink:
    """One event as stored."""

    ticket_month: int
    ticket_id: int
    seq: int
    kind: str
    at: datetime
    actor: str
    payload: str
    prev_hash: str
    hash: str


def chains(database: Database) -> Iterator[tuple[ChainHead, list[StoredLink]]]:
    """Yield every ticket with its whole chain, in order of id.

    Head and events come from one statement, so that a ticket somebody works on meanwhile is seen at one moment.
    """
    last = 0
    while True:
        with database.read() as session:
            found = list(_chunk(session, last))
        yield from found
        if not found:
            return
        last = found[-1][0].id


def _chunk(session: Session, after: int) -> Iterator[tuple[ChainHead, list[StoredLink]]]:
    some = select(Ticket.id).where(Ticket.id > after).order_by(Ticket.id).limit(CHUNK).subquery()
    head = (Ticket.id, Ticket.number, Ticket.month, Ticket.last_seq, Ticket.last_hash)
    own = and_(TicketEvent.ticket_month == Ticket.month, TicketEvent.ticket_id == Ticket.id)
    statement = (
        select(*head, *(getattr(TicketEvent, name) for name in EVENT_COLUMNS))
        .join(some, some.c.id == Ticket.id)
        .outerjoin(TicketEvent, own)
        .order_by(Ticket.id, TicketEvent.seq)
    )
    for ticket, rows in groupby(session.execute(statement), key=lambda row: tuple(row[: len(head)])):
        events = [tuple(row[len(head) :]) for row in rows]
        yield ChainHead(*ticket), [StoredLink(*event) for event in events if event[0] is not None]


def verify(
    database: Database,
    progress: Callable[[int], None] | None = None,
    see: Callable[[ChainHead, list[StoredLink]], None] | None = None,
) -> Iterator[Broken]:
    """Yield the first broken link of every ticket whose chain does not hold.

    Args:
        database: where the tickets are.
        progress: told after each chunk how many were seen.
        see: shown every ticket as it goes by, so that whatever else looks at all events need not walk them again.
    """
    for count, (head, links) in enumerate(chains(database), 1):
        if see:
            see(head, links)
        found = broken_link(head.number, links, (head.last_seq, head.last_hash))
        if found:
            yield found
        if progress and not count % CHUNK:
            progress(count)


class Watched(Allow):
    """Dependency: as Allow, and records first that a 专办件 is looked at; other tickets leave no record of being read.

    Only supervisors can see a 专办件 at all, so only their readings are looked into.
    """

    def __call__(self, request: Request, credentials: Credentials) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: no valid token.
            ForbiddenError: the role may not do this.
        """
        caller = super().__call__(request, credentials)
        number = request.path_params["number"]
        if caller.role is not Role.SUPERVISOR or not re.match(NO_CONTROL, number):
            return caller
        database = database_of(request)
        with database.read() as session:
            seen = (Ticket.number == number, ~ordinary(), visible(caller, self.verb))
            special = session.scalars(select(Ticket.number).where(*seen)).first()
        if special:
            with database.write() as session:
                record(session, note_of(caller, Access.SPECIAL_READ, special))
        return caller
