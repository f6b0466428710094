"""Appends to a ticket's history: one chain of hashes per ticket over canonical JSON. Nothing here updates or deletes."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import put
from app.tickets.tables import TicketEvent


@dataclass(frozen=True)
class Happening:
    """One thing to be recorded; the payload holds references only (codes, ids, times), never names or free text."""

    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """Which ticket's history, and its last link."""

    ticket_id: int
    month: int
    number: str
    seq: int = 0
    last_hash: str = ""


def canonical(payload: dict[str, Any]) -> str:
    """Return JSON with sorted keys and no spaces: the same data, the same text, on every database."""
    return json.dumps(payload, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def link_hash(number: str, seq: int, kind: str, at: datetime, actor: str, payload: str, prev_hash: str) -> str:
    """Return the hash of one link over everything it says and the link before it."""
    text = "\n".join((number, str(seq), kind, at.isoformat(timespec="microseconds"), actor, payload, prev_hash))
    return hashlib.sha256(text.encode()).hexdigest()


def append(session: Session, chain: Chain, at: datetime, actor: str, happenings: list[Happening]) -> None:
    """Write events behind the chain's last link."""
    rows, seq, last = [], chain.seq, chain.last_hash
    for happening in happenings:
        seq += 1
        payload = canonical(happening.payload)
        link = link_hash(chain.number, seq, happening.kind, at, actor, payload, last)
        rows.append(
            {"ticket_month": chain.month, "ticket_id": chain.ticket_id, "seq": seq, "kind": happening.kind, "at": at,
             "actor": actor, "payload": payload, "prev_hash": last, "hash": link}
        )  # fmt: skip
        last = link
    put(session, TicketEvent, rows)


def open_chain(session: Session, ticket_id: int, month: int, number: str) -> Chain:
    """Return the chain of a locked ticket."""
    statement = (
        select(TicketEvent.seq, TicketEvent.hash)
        .where(TicketEvent.ticket_month == month, TicketEvent.ticket_id == ticket_id)
        .order_by(TicketEvent.seq.desc())
        .limit(1)
    )
    last = session.execute(statement).one()
    return Chain(ticket_id, month, number, last.seq, last.hash)


def first_broken_link(number: str, events: list[TicketEvent]) -> int | None:
    """Return the seq of the first event whose hash does not fit, or None; events in order of seq."""
    last = ""
    for position, event in enumerate(events, 1):
        link = link_hash(number, event.seq, event.kind, event.at, event.actor, event.payload, last)
        if event.seq != position or event.prev_hash != last or event.hash != link:
            return position
        last = event.hash
    return None
