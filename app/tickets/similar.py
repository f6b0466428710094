"""Tickets like one: the same text again, the same matter told by another, the same enterprise's other matters.

The index lives in the database: each ticket's signature, and an inverted table of its heaviest terms. A search follows a
text's own terms to the newest tickets that share them, compares signatures and keeps the best; it never walks all tickets.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text, union_all
from sqlalchemy.orm import Session

from app.accounts.access import Caller, Verb
from app.classify.similar import LEAST_SCORE, NEAR_DUPLICATE, Signature, likeness, unpack
from app.database import put
from app.tickets.lifecycle import State
from app.tickets.queries import visible
from app.tickets.tables import Ticket, TicketKey, TicketParty, TicketSignature, TicketText
from app.tickets.veiling import is_veiled, unveiled

# Newest tickets looked at for each term, and candidates whose signatures are compared.
TICKETS_A_TERM = 150
CANDIDATES = 120
ENTERPRISE_TICKETS = 50


class Relation(StrEnum):
    """How a ticket is like another; the value is shown."""

    DUPLICATE = "疑似重复提交"
    SAME_ENTERPRISE = "同一企业"
    SAME_MATTER = "可能同一事项"


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Attributes:
        enterprise: keyed hashes by which the same enterprise is known (name, credit code); empty ones match nothing.
        since: closed tickets accepted before this are left out; open ones count however old.
        without: the ticket itself.
    """

    signature: Signature
    enterprise: tuple[str, ...]
    since: datetime
    without: int | None = None


@dataclass(frozen=True)
class Found:
    """A ticket like the one looked for.

    Attributes:
        score: cosine of the signatures, 0 to 1.
    """

    ticket: Ticket
    title: str
    signature: Signature
    score: float
    same_enterprise: bool

    @property
    def relation(self) -> Relation:
        """How it is like the one looked for."""
        if self.score >= NEAR_DUPLICATE:
            return Relation.DUPLICATE
        return Relation.SAME_ENTERPRISE if self.same_enterprise else Relation.SAME_MATTER


# Two dozen rows travel as one array; one by one they cost a tenth of a submission.
PUT_KEYS = text(
    "INSERT INTO ticket_key (term, ticket_id) SELECT term, CAST(:ident AS BIGINT) FROM unnest(CAST(:terms AS INTEGER[])) AS term"
)


def store_signature(session: Session, ticket_id: int, signature: Signature) -> None:
    """Put a new ticket into the index."""
    put(session, TicketSignature, [{"ticket_id": ticket_id, "packed": signature.packed()}])
    if session.get_bind().dialect.name == "sqlite":
        put(session, TicketKey, [{"term": term, "ticket_id": ticket_id} for term in signature.keys])
    else:
        session.connection().execute(PUT_KEYS, {"terms": list(signature.keys), "ident": ticket_id})


def similar(session: Session, caller: Caller, wanted: Wanted, limit: int) -> list[Found]:
    """Return the tickets most like what is wanted: the same enterprise's first, then the city's, each by score."""
    found = list(_scored(session, caller, wanted))
    found.sort(key=lambda item: (not item.same_enterprise, -item.score, -item.ticket.id))
    return found[:limit]


def _scored(session: Session, caller: Caller, wanted: Wanted) -> Iterator[Found]:
    own: set[int] = set(session.scalars(_of_enterprise(wanted))) if any(wanted.enterprise) else set()
    candidates = {*_candidates(session, wanted.signature), *own}
    statement = (
        select(Ticket, TicketText.title, TicketSignature.packed)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .join(TicketSignature, TicketSignature.ticket_id == Ticket.id)
        .where(Ticket.id.in_(candidates), _recent_or_open(wanted.since), visible(caller, Verb.TICKET_SIMILAR))
    )
    for ticket, title, packed in session.execute(statement):
        signature = unpack(packed)
        score = likeness(wanted.signature, signature)
        if ticket.id != wanted.without and (score >= LEAST_SCORE or ticket.id in own):
            yield Found(ticket, title, signature, score, ticket.id in own)


def _of_enterprise(wanted: Wanted) -> Select[Any]:
    same = [
        and_(column == key, column != "")
        for key in wanted.enterprise
        if key
        for column in (TicketParty.enterprise_find, TicketParty.credit_code_find)
    ]
    return (
        select(TicketParty.ticket_id)
        .join(Ticket, Ticket.id == TicketParty.ticket_id)
        .where(or_(*same), unveiled())
        .order_by(TicketParty.ticket_id.desc())
        .limit(ENTERPRISE_TICKETS)
    )


def _candidates(session: Session, signature: Signature) -> list[int]:
    """Return the tickets that share most of a signature's keys, among the newest of each key."""
    if not signature.keys:
        return []
    arms = []
    for term in signature.keys:
        newest = select(TicketKey.ticket_id).where(TicketKey.term == term)
        newest = newest.order_by(TicketKey.term.desc(), TicketKey.ticket_id.desc()).limit(TICKETS_A_TERM)
        arms.append(select(newest.subquery().c.ticket_id))
    shared = Counter(session.scalars(union_all(*arms)))
    return [ticket for ticket, _ in shared.most_common(CANDIDATES)]


def _recent_or_open(since: datetime) -> ColumnElement[bool]:
    closed = [state.value for state in State if not state.is_open]
    return or_(Ticket.accepted_at >= since, Ticket.state.not_in(closed))


def wanted_for(session: Session, ticket: Ticket, signature: Signature, now: datetime, days: int) -> Wanted:
    """Return what to look for to find tickets like a stored one, whose signature is given."""
    party = session.get_one(TicketParty, ticket.id)
    enterprise = () if is_veiled(ticket) else (party.enterprise_find, party.credit_code_find)
    return Wanted(signature, enterprise, now - timedelta(days=days), ticket.id)


def indexed(session: Session) -> int:
    """Return how many tickets the index holds."""
    return session.scalars(select(func.count()).select_from(TicketSignature)).one()
