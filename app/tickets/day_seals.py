"""Daily seals: what each civil day's events were, one row a day in one chain, made once the day can no longer change.

A chain per ticket shows what was changed inside it; a ticket deleted with all its rows, or a history cut off together with
the last link its row names, shows only against what is kept beside the tickets. An event belongs to the day of its time. The
day is sealed an hour after it ended, when no transaction that began in it can still be under way (locks and statements have
limits of seconds and minutes); what a slow clock brings in later all the same is told apart by the heads kept in the seal.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Protocol

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts import audit as access
from app.clock import SHANGHAI
from app.database import Database
from app.errors import ConflictError, UnavailableError
from app.tickets.day_seal_tables import DaySeal
from app.tickets.tables import Ticket, TicketEvent

MARGIN = timedelta(hours=1)
ONE_DAY = timedelta(days=1)
# A ticket's row may have been touched last by a machine whose clock lags behind: looked for a day further back.
SLACK = ONE_DAY
CHUNK = 500
TOLD_EVERY = 10_000
# A packer takes a quarter of a megabyte for each day that is sealed in one go.
MOST_DAYS = 31
SHORT = 8
HEAD_LINE = r"(\S+) (\d{1,9}) ([0-9a-f]{8})\n"


class Seal(Protocol):
    """What the hash of a seal covers, as a row or as a line of an export."""

    day: date
    tickets: int
    events: int
    heads: bytes
    digest: str
    access_seq: int
    access_hash: str
    prev_hash: str
    hash: str


def seal_hash(seal: Seal) -> str:
    """Return the hash of one seal over everything it says and the seal before it."""
    parts = (
        seal.day.isoformat(), str(seal.tickets), str(seal.events), hashlib.sha256(seal.heads).hexdigest(), seal.digest,
        str(seal.access_seq), seal.access_hash, seal.prev_hash,
    )  # fmt: skip
    return hashlib.sha256("\n".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


class Tally:
    """Counts and one hash over a day's events, which come in order of ticket and place.

    Each month's tickets are hashed apart and the months' hashes together: a whole record in order of id and files by month
    come to the same.
    """

    def __init__(self) -> None:
        self.tickets = self.events = 0
        self._months: dict[int, Any] = {}

    def add(self, number: str, month: int, seq: int, link: str) -> None:
        """Take one event in."""
        digest = self._months.get(month)
        if digest is None:
            digest = self._months[month] = hashlib.sha256()
        digest.update(f"{number} {seq} {link}\n".encode())
        self.events += 1
        self.tickets += seq == 1

    @property
    def digest(self) -> str:
        """The hash over all that was taken in."""
        lines = (f"{month} {digest.hexdigest()}\n" for month, digest in sorted(self._months.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class Maker(Tally):
    """A tally that also keeps each ticket's last link, packed."""

    def __init__(self) -> None:
        super().__init__()
        self._packer = zlib.compressobj()
        self._packed: list[bytes] = []

    def head(self, number: str, seq: int, link: str) -> None:
        """Take a ticket's last link of the day."""
        self._packed.append(self._packer.compress(f"{number} {seq} {link[:SHORT]}\n".encode()))

    def heads(self) -> bytes:
        """Return what was packed; the last thing asked of a maker."""
        return b"".join((*self._packed, self._packer.flush()))


def unpacked(heads: bytes) -> Iterator[tuple[str, int, str]]:
    """Yield number, place and the beginning of the hash of each ticket's last link; nothing of what no maker packed."""
    try:
        text = zlib.decompress(heads).decode()
    except (zlib.error, UnicodeDecodeError):
        return
    for number, seq, short in re.findall(HEAD_LINE, text):
        yield number, int(seq), short


def last_closed(now: datetime) -> date:
    """Return the newest civil day that can no longer change."""
    return clock.local(now - MARGIN).date() - ONE_DAY


def newest(session: Session) -> DaySeal | None:
    """Return the newest seal."""
    return session.scalars(select(DaySeal).order_by(DaySeal.day.desc()).limit(1)).one_or_none()


def make(database: Database, progress: Callable[[str], None]) -> list[DaySeal]:
    """Return the seals of the days that have closed since the last one, oldest first; nothing is written.

    The first seal of all stands for everything up to its day. After a long pause a month of days is made at a time.

    Args:
        database: where the record is.
        progress: told every ten thousand tickets how far it is.

    Raises:
        UnavailableError: the record of access has lost its head.
    """
    closed = last_closed(clock.now())
    with database.read() as session:
        last = newest(session)
        days = _days(session, last, closed)
    if not days:
        return []
    head = access.head_of(database)
    if head is None:
        raise UnavailableError("访问记录的链头缺失，不能封存；请先执行 hotline audit verify")
    makers = {day: Maker() for day in days}
    for number, rows in groupby(_events(database, last, days, progress), key=lambda row: row.number):
        _take(number, rows, makers, days[0] if last is None else None)
    return _chained(makers, head, last.hash if last else "")


def _days(session: Session, last: DaySeal | None, closed: date) -> list[date]:
    if last is None:
        # A service that was set up later has nothing to seal.
        begun = session.scalar(select(exists().where(Ticket.accepted_at < midnight(closed + ONE_DAY))))
        return [closed] if begun else []
    missing = (closed - last.day).days
    return [last.day + ahead * ONE_DAY for ahead in range(1, min(missing, MOST_DAYS) + 1)]


def _events(
    database: Database, last: DaySeal | None, days: list[date], progress: Callable[[str], None]
) -> Iterator[Any]:
    """Yield the events of some days in order of ticket and place, some thousand rows in memory at a time.

    A ticket's row says when its newest event was, so an index finds the tickets, and the key of the events theirs.
    """
    begins, ends = midnight(days[0]), midnight(days[-1] + ONE_DAY)
    touched = select(Ticket.id).where(Ticket.updated_at >= begins - SLACK) if last else select(Ticket.id)
    within = (TicketEvent.at >= begins, TicketEvent.at < ends) if last else (TicketEvent.at < ends,)
    statement = (
        select(Ticket.number, Ticket.month, TicketEvent.seq, TicketEvent.at, TicketEvent.hash)
        .join(TicketEvent, (TicketEvent.ticket_month == Ticket.month) & (TicketEvent.ticket_id == Ticket.id))
        .where(*within)
        .order_by(Ticket.id, TicketEvent.seq)
    )
    with database.read() as session:
        tickets = list(session.scalars(touched.order_by(Ticket.id)))
    for start in range(0, len(tickets), CHUNK):
        with database.read() as session:
            rows = session.execute(statement.where(Ticket.id.in_(tickets[start : start + CHUNK]))).all()
        yield from rows
        if start and not start % TOLD_EVERY:
            progress(f"工单 {start}")


def _take(number: str, rows: Iterable[Any], makers: dict[date, Maker], whole: date | None) -> None:
    for day, mine in groupby(rows, key=lambda row: whole or clock.local(row.at).date()):
        events = list(mine)
        for row in events:
            makers[day].add(number, row.month, row.seq, row.hash)
        makers[day].head(number, events[-1].seq, events[-1].hash)


def _chained(makers: dict[date, Maker], head: tuple[int, str], prev: str) -> list[DaySeal]:
    made = []
    for day, maker in makers.items():
        seal = DaySeal(
            day=day, tickets=maker.tickets, events=maker.events, heads=maker.heads(), digest=maker.digest,
            access_seq=head[0], access_hash=head[1], prev_hash=prev,
        )  # fmt: skip
        seal.hash = prev = seal_hash(seal)
        made.append(seal)
    return made


def midnight(day: date) -> datetime:
    """Return the moment a civil day begins in Baotou, in UTC."""
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


def write(session: Session, seals: list[DaySeal]) -> None:
    """Write seals behind the last one.

    Raises:
        ConflictError: somebody else has sealed meanwhile.
    """
    last = newest(session)
    if seals and seals[0].prev_hash != (last.hash if last else ""):
        raise ConflictError("另一进程已封存这些天", code="sealed-already")
    session.add_all(seals)
