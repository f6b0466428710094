"""Appends to a ticket's history: one chain of hashes per ticket over canonical JSON. Nothing here updates or deletes."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from app.database import put
from app.tickets.tables import Ticket, TicketEvent

# The whole row but its tail stays as the caller holds it.
_KEEP_TAIL = (
    update(Ticket).where(Ticket.id == bindparam("ident")).values(last_seq=bindparam("seq"), last_hash=bindparam("link"))
)


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
    """Write events behind the chain's last link; the ticket's row keeps which link is the last, so that no tail is lost."""
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
    session.connection().execute(_KEEP_TAIL, {"ident": chain.ticket_id, "seq": seq, "link": last})


class Link(Protocol):
    """What the hash of a link covers, as a row or as a line of an export."""

    seq: int
    kind: str
    at: datetime
    actor: str
    payload: str
    prev_hash: str
    hash: str


@dataclass(frozen=True)
class Broken:
    """The first link of a ticket's chain that does not hold.

    Attributes:
        what: missing, prev, changed, tail, beyond or head.
    """

    number: str
    seq: int
    what: str

    @property
    def message(self) -> str:
        """What is wrong, in Chinese."""
        return BREAKS[self.what]


BREAKS = {
    "missing": "这一条缺失",
    "prev": "与前一条接不上",
    "changed": "内容被改动",
    "tail": "末尾缺失",
    "beyond": "多出工单上没有登记的事件",
    "head": "与工单上登记的最后一条不符",
}


def broken_link(number: str, links: Iterable[Link], head: tuple[int, str]) -> Broken | None:
    """Return the first link that does not fit, or None; links in order of seq.

    Args:
        number: the ticket's number, which the hashes cover.
        links: the whole chain.
        head: seq and hash of the last link, as the ticket's row has them.
    """
    place, last = 0, ""
    for place, link in enumerate(links, 1):
        what = _fault(number, link, place, last, head[0])
        if what:
            return Broken(number, place, what)
        last = link.hash
    if place < head[0]:
        return Broken(number, place + 1, "tail")
    return None if last == head[1] else Broken(number, place, "head")


def _fault(number: str, link: Link, place: int, last: str, last_seq: int) -> str:
    if link.seq != place:
        return "missing"
    if link.prev_hash != last:
        return "prev"
    if link.hash != link_hash(number, link.seq, link.kind, link.at, link.actor, link.payload, last):
        return "changed"
    return "beyond" if place > last_seq else ""
