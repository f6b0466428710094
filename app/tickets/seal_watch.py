"""Holds the daily seals against the record: which day does not agree, how much is gone from it, and which work orders.

The record goes by once, ticket by ticket, each day's events into a hash of their own; only where a day does not agree is it
walked a second time, with what that day's seal names. Works on the database and on the files of an export alike.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import select

from app import clock
from app.accounts import audit as access
from app.database import Database
from app.tickets.audit import ChainHead, StoredLink, chains
from app.tickets.day_seal_tables import DaySeal
from app.tickets.day_seals import MARGIN, ONE_DAY, Seal, Tally, midnight, seal_hash, unpacked

Chains = Iterator[tuple[ChainHead, list[StoredLink]]]
Anchors = Iterable[tuple[date, str]]
NAMED = 10
# A clock is wrong by minutes or hours; what lies further back was dated back.
MOST_BEHIND = ONE_DAY
SEALS_AT_ONCE = 50


@dataclass(frozen=True)
class SealBreak:
    """A day whose seal does not hold, or does not agree with the record.

    Attributes:
        message: what is wrong, in Chinese.
        late: nothing that was sealed is gone or changed, but events of that day were written afterwards, by no more than a
            clock that was wrong by hours explains.
    """

    day: date
    message: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a seal stays in memory."""

    tickets: int
    events: int
    digest: str
    access: tuple[int, str]
    hash: str


@dataclass
class Examined:
    """A day looked at again, work order by work order.

    Attributes:
        wanted: last link and beginning of its hash of the work orders not met yet.
        late: work orders with events of the day that its seal does not have.
        behind: those of them whose time no slow clock explains.
    """

    wanted: dict[str, tuple[int, str]]
    tally: Tally = field(default_factory=Tally)
    cut: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)


class Watch:
    """The seals of a record, and what of it went by."""

    def __init__(self, seals: Iterable[Seal]) -> None:
        self.faults_of_seals: list[SealBreak] = []
        self._kept: dict[date, Kept] = {}
        self._floor = date.min
        self.last: date | None = None
        self.last_hash = ""
        self._tallies: dict[date, Tally] = {}
        for seal in seals:
            self._take(seal)

    def _take(self, seal: Seal) -> None:
        if self.last and seal.day != self.last + ONE_DAY:
            self.faults_of_seals.append(SealBreak(self.last + ONE_DAY, "这一天的封存缺失"))
        elif seal.prev_hash != self.last_hash:
            self.faults_of_seals.append(SealBreak(seal.day, "封存与前一天的封存接不上"))
        if seal.hash == seal_hash(seal):
            self._tallies[seal.day] = Tally()
        else:
            self.faults_of_seals.append(SealBreak(seal.day, "封存本身被改动"))
        self._kept[seal.day] = Kept(
            seal.tickets, seal.events, seal.digest, (seal.access_seq, seal.access_hash), seal.hash
        )
        if not seal.prev_hash:
            # The first of all stands for what was before it, too.
            self._floor = seal.day
        self.last, self.last_hash = seal.day, seal.hash

    def __len__(self) -> int:
        return len(self._kept)

    def see(self, head: ChainHead, links: list[StoredLink]) -> None:
        """Take one work order in; in order of id within a month."""
        for link in links:
            tally = self._tallies.get(self._day_of(link))
            if tally is not None:
                tally.add(head.number, head.month, link.seq, link.hash)

    def _day_of(self, link: StoredLink) -> date:
        return max(clock.local(link.at).date(), self._floor)

    @property
    def access_seqs(self) -> list[int]:
        """The places in the record of access that the seals name."""
        return sorted({kept.access[0] for kept in self._kept.values() if kept.access[0]})

    def access_faults(self, found: Mapping[int, str]) -> Iterator[SealBreak]:
        """Yield the days whose last link of the record of access is gone or another; `found`: hashes by place."""
        for day, kept in self._kept.items():
            seq, link = kept.access
            if seq and found.get(seq) != link:
                yield SealBreak(day, f"封存时访问记录的第 {seq} 条已不在或已不是那一条")

    def anchor_faults(self, anchors: Anchors) -> Iterator[SealBreak]:
        """Yield the days whose seal is gone or another than what was noted of it elsewhere.

        Args:
            anchors: day and hash, or the beginning of a hash.
        """
        for day, told in anchors:
            if day not in self._kept:
                yield SealBreak(day, "这一天曾经封存（别处有登记），封存已不在")
            elif not self._kept[day].hash.startswith(told):
                yield SealBreak(day, "封存与别处登记的哈希不符")

    def faults(self, again: Callable[[], Chains], heads_of: Callable[[date], bytes]) -> Iterator[SealBreak]:
        """Yield the days whose events are no longer what they were, oldest first.

        Args:
            again: walks the whole record once more; asked only where a day does not agree.
            heads_of: what a day's seal keeps of each work order.
        """
        wrong = [day for day, tally in self._tallies.items() if not self._agrees(day, tally)]
        if not wrong:
            return
        examined = {
            day: Examined({number: (seq, short) for number, seq, short in unpacked(heads_of(day))}) for day in wrong
        }
        begun: datetime | None = None
        for head, links in again():
            for day, look in examined.items():
                seq, short = look.wanted.pop(head.number, (0, ""))
                self._look_late(day, look, head, (seq, links), begun)
                if seq:
                    self._look(day, look, head, (seq, short), links)
            begun = links[0].at if links else begun
        for day, look in examined.items():
            yield self._told(day, look)

    def _agrees(self, day: date, tally: Tally) -> bool:
        kept = self._kept[day]
        return (tally.tickets, tally.events, tally.digest) == (kept.tickets, kept.events, kept.digest)

    def _look_late(
        self, day: date, look: Examined, head: ChainHead, own: tuple[int, list[StoredLink]], begun: datetime | None
    ) -> None:
        """Note what came after the seal; `begun`: when the work order before, by id, was written, to hold a first link against."""
        seq, links = own
        befores = (begun, *(link.at for link in links))
        late = [
            (link, at) for link, at in zip(links, befores, strict=False) if link.seq > seq and self._day_of(link) == day
        ]
        if not late:
            return
        named = f"{head.number} 第 {late[0][0].seq} 条起"
        look.late.append(named)
        closed = midnight(day + ONE_DAY) + MARGIN
        if any(max(closed, at or closed) - link.at > MOST_BEHIND for link, at in late):
            look.behind.append(named)

    def _look(
        self, day: date, look: Examined, head: ChainHead, sealed: tuple[int, str], links: list[StoredLink]
    ) -> None:
        seq, short = sealed
        mine = [link for link in links if link.seq <= seq and self._day_of(link) == day]
        for link in mine:
            look.tally.add(head.number, head.month, link.seq, link.hash)
        if not mine or mine[-1].seq != seq:
            look.cut.append(f"{head.number} 第 {seq} 条")
        elif not mine[-1].hash.startswith(short):
            look.changed.append(f"{head.number} 第 {seq} 条")

    def _told(self, day: date, look: Examined) -> SealBreak:
        kept, found = self._kept[day], look.tally
        if self._agrees(day, found):
            late = self._tallies[day].events - kept.events
            message = f"封存以后又写入 {late} 条事件：{_some(look.late)}；已封存的都在"
            if look.behind:
                return SealBreak(day, f"{message}；比封存或前一条早一天以上，不像时钟慢：{_some(look.behind)}")
            return SealBreak(day, f"{message}（时钟慢，或一次写入拖过了封存；倒填时间也是这样，请逐件核实）", late=True)
        counts = (
            (kept.events - found.events, f"封存时 {kept.events} 条事件，少了 {{}} 条"),
            (kept.tickets - found.tickets, f"封存时 {kept.tickets} 件新工单，少了 {{}} 件"),
        )
        parts = [words.format(lacking) for lacking, words in counts if lacking > 0] or ["事件的内容与封存时不同"]
        named = (("整件不见", list(look.wanted)), ("不见的末条", look.cut), ("被改写的末条", look.changed))
        parts += [f"{what}：{_some(which)}" for what, which in named if which]
        return SealBreak(day, "；".join(parts))


def _some(which: list[str]) -> str:
    more = f" 等 {len(which)} 处" if len(which) > NAMED else ""
    return "、".join(which[:NAMED]) + more


def stored(database: Database) -> Watch:
    """Return a watch over the seals of a database; to be made before the record goes by."""
    with database.read() as session:
        return Watch(session.scalars(select(DaySeal).order_by(DaySeal.day).execution_options(yield_per=SEALS_AT_ONCE)))


def verify(database: Database, watch: Watch, anchors: Anchors = ()) -> Iterator[SealBreak]:
    """Yield everything that is wrong with the seals of a database, or with the record by them; all tickets have gone by.

    Args:
        database: where the record is.
        watch: what saw every ticket.
        anchors: day and hash of seals as they were noted elsewhere.
    """

    def heads_of(day: date) -> bytes:
        with database.read() as session:
            return session.get_one(DaySeal, day).heads

    yield from watch.faults_of_seals
    yield from watch.anchor_faults(anchors)
    yield from watch.access_faults(access.hashes_at(database, watch.access_seqs))
    yield from watch.faults(lambda: chains(database), heads_of)
