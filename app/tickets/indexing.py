"""Puts a stored ticket into both indexes anew, as it stands now: the words it is searched by, and what it is like.

Whoever is not to be told is in neither: both are made of the text as it may be shown.
"""

from sqlalchemy import and_, delete, select
from sqlalchemy.orm import Session

from app.classify.similar import Signature, SignatureMaker, unpack
from app.sealing import installed_sealer
from app.tickets.search import index_text
from app.tickets.similar import store_signature
from app.tickets.tables import Ticket, TicketKey, TicketParty, TicketSignature, TicketText
from app.tickets.veiling import veiled_text, words_to_hide

INDEX_BATCH = 500


def signature_of(maker: SignatureMaker, said: tuple[str, str], hidden: tuple[str, ...]) -> Signature:
    """Return the signature of title and content without the words that tell who the caller is."""
    if not hidden:
        return maker.signature(*said)
    title, content = (veiled_text(text, hidden) for text in said)
    return maker.signature(title, content)


def signature_for(session: Session, ticket: Ticket, maker: SignatureMaker) -> Signature:
    """Return the signature of a stored ticket as it stands now."""
    said, hidden = _said(session, ticket)
    return signature_of(maker, said, hidden)


def reindex(session: Session, ticket: Ticket, maker: SignatureMaker | None) -> None:
    """Put a ticket into both indexes anew: its text, or who may know of its caller, has changed.

    Without a model it leaves the index of likeness until `hotline index-similar` puts it back.
    """
    said, hidden = _said(session, ticket)
    index_text(session, ticket.id, ticket.number, said, hidden)
    _forget_signature(session, ticket.id)
    if maker:
        store_signature(session, ticket.id, signature_of(maker, said, hidden))


def index_missing(session: Session, maker: SignatureMaker) -> int:
    """Put tickets that are not in the index of likeness into both; returns how many, at most a batch."""
    statement = (
        select(Ticket)
        .outerjoin(TicketSignature, TicketSignature.ticket_id == Ticket.id)
        .where(TicketSignature.ticket_id.is_(None), Ticket.anonymised_at.is_(None))
        .limit(INDEX_BATCH)
    )
    tickets = session.scalars(statement).all()
    for ticket in tickets:
        reindex(session, ticket, maker)
    return len(tickets)


def _said(session: Session, ticket: Ticket) -> tuple[tuple[str, str], tuple[str, ...]]:
    text, party = session.get_one(TicketText, ticket.id), session.get_one(TicketParty, ticket.id)
    return (text.title, text.content), words_to_hide(ticket, party, installed_sealer())


def _forget_signature(session: Session, ticket_id: int) -> None:
    """Take a ticket out of the index of likeness, by the terms it stands under: the index is ordered by term."""
    stored = session.get(TicketSignature, ticket_id)
    if stored is None:
        return
    keys = unpack(stored.packed).keys
    session.execute(delete(TicketKey).where(and_(TicketKey.term.in_(keys), TicketKey.ticket_id == ticket_id)))
    session.delete(stored)
    session.flush()
