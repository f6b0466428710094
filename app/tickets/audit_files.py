"""The record as files that prove themselves: JSON Lines a month, a manifest with hashes and chain heads, and their check.

Holds what the chains cover: tickets' numbers with their last links, events, the record of access, daily seals. No personal data and no
free text of callers is in any of it. Kept away from the database, it shows what somebody with the database's keys changed.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import select

from app import clock
from app.accounts import audit as access
from app.accounts.tables import AccessEntry
from app.database import Database
from app.errors import ConflictError
from app.tickets.audit import ChainHead, StoredLink, chains
from app.tickets.day_seal_tables import DaySeal
from app.tickets.events import broken_link, canonical
from app.tickets.seal_watch import SEALS_AT_ONCE, Watch

MANIFEST = "manifest.json"
FORMAT = 2
SEALS = "day_seal.jsonl"
NOT_SEALED = {"day": "", "hash": ""}
SEAL_COLUMNS = tuple(column.key for column in DaySeal.__table__.columns)
ACCESS_COLUMNS = tuple(column.key for column in AccessEntry.__table__.columns)


@dataclass(slots=True)
class AccessLine:
    """One entry of the record of access, as a line."""

    seq: int
    at: datetime
    who: str
    role: str
    verb: str
    subject: str
    fields: str
    reason: str
    prev_hash: str
    hash: str


@dataclass(slots=True)
class SealLine:
    """One daily seal, as a line."""

    day: date
    tickets: int
    events: int
    heads: bytes
    digest: str
    access_seq: int
    access_hash: str
    prev_hash: str
    hash: str


class Writer:
    """Writes lines into files, one file a table and month, and keeps count and hash of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, dict[str, Any]] = {}
        self._open: dict[str, TextIO] = {}
        self._hashes: dict[str, Any] = {}
        self._stack = ExitStack()

    def line(self, name: str, values: dict[str, Any]) -> None:
        """Append one line to a file."""
        if name not in self._open:
            target = (self.folder / name).open("w", encoding="utf-8", newline="\n")
            self._open[name] = self._stack.enter_context(target)
            self._hashes[name], self.files[name] = hashlib.sha256(), {"rows": 0}
        text = json.dumps(values, ensure_ascii=False, default=datetime.isoformat) + "\n"
        self._open[name].write(text)
        self._hashes[name].update(text.encode())
        self.files[name]["rows"] += 1

    def close(self) -> dict[str, dict[str, Any]]:
        """Close every file and return rows and SHA-256 by name."""
        self._stack.close()
        return {name: {**facts, "sha256": self._hashes[name].hexdigest()} for name, facts in self.files.items()}


def export(database: Database, folder: Path) -> dict[str, Any]:
    """Write the record into an empty folder and return its manifest; the manifest comes last, so a broken-off one has none.

    Raises:
        ConflictError: the folder is not empty, or the record of access has lost its head.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConflictError(f"{folder} 不是空目录，请换一个")
    writer, digests = Writer(folder), Digests()
    try:
        # Before all else: what a seal covers is there once the seal is.
        sealed = _write_seals(database, writer)
        head = access.head_of(database)
        if head is None:
            raise ConflictError("访问记录的链头缺失，请先执行 hotline audit verify")
        for ticket, links in chains(database):
            writer.line(f"ticket-{ticket.month}.jsonl", asdict(ticket))
            for link in links:
                writer.line(f"ticket_event-{ticket.month}.jsonl", asdict(link))
            digests.add(ticket)
        for entry in access.entries(database):
            if entry.seq <= head[0]:
                month = f"{clock.local(entry.at):%Y%m}"
                writer.line(f"access_log-{month}.jsonl", {name: getattr(entry, name) for name in ACCESS_COLUMNS})
    finally:
        files = writer.close()
    heads = {"access_log": {"seq": head[0], "hash": head[1]}, "ticket": digests.told(), "day_seal": sealed}
    manifest = {"format": FORMAT, "made_at": clock.now().isoformat(), "files": files, "chain_heads": heads}
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    return manifest


def _write_seals(database: Database, writer: Writer) -> dict[str, str]:
    """Write every daily seal and return day and hash of the last one; empty: there is none."""
    last = NOT_SEALED
    with database.read() as session:
        statement = select(DaySeal).order_by(DaySeal.day).execution_options(yield_per=SEALS_AT_ONCE)
        for seal in session.scalars(statement):
            values = {name: getattr(seal, name) for name in SEAL_COLUMNS}
            last = {"day": seal.day.isoformat(), "hash": seal.hash}
            writer.line(SEALS, values | {"day": last["day"], "heads": base64.b64encode(seal.heads).decode()})
    return last


class Digests:
    """One hash a month over the last links of its tickets, in order of id."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._hashes: dict[str, Any] = {}

    def add(self, ticket: ChainHead) -> None:
        """Take one ticket in."""
        month = str(ticket.month)
        digest = self._hashes.setdefault(month, hashlib.sha256())
        digest.update(f"{ticket.number} {ticket.last_seq} {ticket.last_hash}\n".encode())
        self._counts[month] = self._counts.get(month, 0) + 1

    def told(self) -> dict[str, dict[str, Any]]:
        """Return count and hash by month."""
        return {
            month: {"tickets": self._counts[month], "sha256": self._hashes[month].hexdigest()} for month in self._counts
        }


def check(folder: Path) -> Iterator[str]:
    """Yield every fault of an exported record: files, hashes, chains, heads, seals. Needs no database.

    Exports of the first format have no seals, and are held against the rest.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files, heads = dict(manifest["files"]), manifest["chain_heads"]
        head = (int(heads["access_log"]["seq"]), str(heads["access_log"]["hash"]))
        told = dict(heads["ticket"])
        sealed = heads["day_seal"] if manifest["format"] >= FORMAT else NOT_SEALED
    except (OSError, ValueError, KeyError, TypeError):
        yield f"{MANIFEST} 缺失或不完整，导出可能没有做完"
        return
    broken = [fault for name, facts in sorted(files.items()) for fault in _file_faults(folder / Path(name).name, facts)]
    extra = sorted(path.name for path in folder.glob("*.jsonl") if path.name not in files)
    yield from broken
    yield from (f"{name}：清单里没有这个文件" for name in extra)
    if broken:
        return
    try:
        watch = Watch(_seals(folder))
        if {"day": watch.last.isoformat() if watch.last else "", "hash": watch.last_hash} != sealed:
            yield "最后一封日封存与清单不符"
        yield from _chain_faults(folder, sorted(files), head, told, watch)
    except (ValueError, KeyError, TypeError) as error:
        yield f"有一行不是本程序写的（{type(error).__name__}）"


def _file_faults(path: Path, facts: dict[str, Any]) -> Iterator[str]:
    if not path.is_file():
        yield f"{path.name}：缺失"
        return
    digest, rows = hashlib.sha256(), 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            rows += 1
    if digest.hexdigest() != facts.get("sha256") or rows != facts.get("rows"):
        yield f"{path.name}：内容与清单的 SHA-256 或行数不符"


def _chain_faults(
    folder: Path, names: list[str], head: tuple[int, str], told: dict[str, Any], watch: Watch
) -> Iterator[str]:
    months = [name for name in names if name.startswith("ticket-")]
    digests = Digests()
    for name in months:
        strays: list[str] = []
        for ticket, links in _tickets(folder, name, strays):
            digests.add(ticket)
            watch.see(ticket, links)
            broken = broken_link(ticket.number, links, (ticket.last_seq, ticket.last_hash))
            if broken:
                yield f"工单 {broken.number} 第 {broken.seq} 条：{broken.message}"
        yield from strays
    if canonical(digests.told()) != canonical(told):
        yield "各月工单链头与清单不符"
    links_of_access: dict[int, str] = {}
    found = access.broken_link(_entries(folder, names, set(watch.access_seqs), links_of_access), head)
    if found:
        yield f"访问记录第 {found.seq} 条：{found.message}"

    def heads_of(day: date) -> bytes:
        return next(seal.heads for seal in _seals(folder) if seal.day == day)

    again = (chain for name in months for chain in _tickets(folder, name, []))
    for fault in (
        *watch.faults_of_seals,
        *watch.access_faults(links_of_access),
        *watch.faults(lambda: again, heads_of),
    ):
        if not fault.late:
            yield f"日封存 {fault.day}：{fault.message}"


def _tickets(folder: Path, name: str, strays: list[str]) -> Iterator[tuple[ChainHead, list[StoredLink]]]:
    """Yield a month's tickets with their chains; what is left over goes into `strays`."""
    events = folder / name.replace("ticket-", "ticket_event-")
    stream = (StoredLink(**values) for values in (_lines(events) if events.exists() else ()))
    groups = groupby(stream, key=lambda link: link.ticket_id)
    upcoming = next(groups, None)
    for values in _lines(folder / name):
        ticket = ChainHead(**values)
        links = []
        if upcoming and upcoming[0] == ticket.id:
            links = list(upcoming[1])
            upcoming = next(groups, None)
        yield ticket, links
    if upcoming:
        strays.append(f"{events.name}：有不属于任何工单的事件")


def _entries(folder: Path, names: list[str], wanted: set[int], links: dict[int, str]) -> Iterator[AccessLine]:
    """Yield the record of access; of the places wanted the hashes go into `links`."""
    for name in names:
        if name.startswith("access_log-"):
            for values in _lines(folder / name):
                entry = AccessLine(**values)
                if entry.seq in wanted:
                    links[entry.seq] = entry.hash
                yield entry


def _seals(folder: Path) -> Iterator[SealLine]:
    path = folder / SEALS
    for values in _lines(path) if path.exists() else ():
        day, heads = date.fromisoformat(values["day"]), base64.b64decode(values["heads"])
        yield SealLine(**values | {"day": day, "heads": heads})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            values: dict[str, Any] = json.loads(line)
            if "at" in values:
                values["at"] = datetime.fromisoformat(values["at"])
            yield values
