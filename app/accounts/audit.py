"""The record of access: who looked at what must not be looked at unseen, when and why. Written once, never changed.

One chain for all processes. Its last link stands in one row that a writer locks until it commits, so that places have no
gaps, a rolled-back act leaves none, and a tail cut off is seen against that row. A chain per process would spare the lock,
but a whole stream could be dropped unseen, and a stream's own threads would still have to wait for one another; what is
recorded here (unmasking, exports, sign-ins) happens some times a minute, and each waits for the other's commit only.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller
from app.accounts.tables import AccessEntry, AccessHead
from app.database import Database
from app.errors import TooManyRequestsError, UnavailableError
from app.paging import Page, cut, decode_cursor

HEAD = 1
CHUNK = 2000


class Access(StrEnum):
    """What is recorded; the value is stored."""

    SIGN_IN = "session.sign_in"
    SIGN_IN_REFUSED = "session.refused"
    SIGN_OUT = "session.sign_out"
    SESSION_REVOKE = "session.revoke"
    PASSWORD_CHANGE = "password.change"  # noqa: S105  a verb
    PASSWORD_RESET = "password.reset"  # noqa: S105  a verb
    STAFF_ADD = "staff.add"
    STAFF_CHANGE = "staff.change"
    KEY_ADD = "key.add"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    UNMASK = "ticket.unmask"
    SPECIAL_READ = "ticket.read_special"
    EXPORT = "export"
    AUDIT_READ = "audit.read"
    ERASURE = "erasure"
    BACKUP = "backup"
    RESTORE = "restore"

    @property
    def label(self) -> str:
        """The act's Chinese name."""
        return LABELS[self]


LABELS = {
    Access.SIGN_IN: "登录",
    Access.SIGN_IN_REFUSED: "登录失败",
    Access.SIGN_OUT: "退出登录",
    Access.SESSION_REVOKE: "收回登录",
    Access.PASSWORD_CHANGE: "修改密码",
    Access.PASSWORD_RESET: "重置密码",
    Access.STAFF_ADD: "新增人员",
    Access.STAFF_CHANGE: "变更人员",
    Access.KEY_ADD: "新增密钥",
    Access.KEY_ROTATE: "轮换密钥",
    Access.KEY_REVOKE: "收回密钥",
    Access.UNMASK: "查看完整信息",
    Access.SPECIAL_READ: "查看专办件",
    Access.EXPORT: "导出",
    Access.AUDIT_READ: "查阅访问记录",
    Access.ERASURE: "到期清除",
    Access.BACKUP: "备份",
    Access.RESTORE: "恢复备份",
}


@dataclass(frozen=True)
class Note:
    """One access to be recorded.

    Attributes:
        subject: a ticket's number, a person's reference, or what was read or exported.
        fields: which fields were shown.
        reason: why; no personal data, for it is never erased.
    """

    who: str
    role: str
    verb: Access
    subject: str
    reason: str = ""
    fields: tuple[str, ...] = ()


def note_of(caller: Caller, verb: Access, subject: str, reason: str = "", fields: tuple[str, ...] = ()) -> Note:
    """Return what is recorded of a caller's access."""
    return Note(caller.reference, caller.role.value, verb, subject, reason, fields)


class Link(Protocol):
    """What the hash of a link covers, as a row or as a line of an export."""

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


def link_hash(link: Link) -> str:
    """Return the hash of one link over everything it says and the link before it."""
    at = link.at.isoformat(timespec="microseconds")
    parts = (str(link.seq), at, link.who, link.role, link.verb, link.subject, link.fields, link.reason, link.prev_hash)
    # Lengths keep two neighbouring texts from lending each other a line.
    return hashlib.sha256("\n".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


def record(session: Session, *notes: Note) -> None:
    """Write entries behind the chain's last link; the last thing of a transaction, for others wait from here on.

    Raises:
        UnavailableError: the row of the last link is gone, so nothing may be shown.
    """
    head = _locked_head(session)
    # Never before the link it follows, whatever the clocks of several machines say: an archive is cut by these times.
    at = max(clock.now(), session.scalar(select(AccessEntry.at).where(AccessEntry.seq == head.seq)) or clock.now())
    seq, last, rows = head.seq, head.hash, []
    for note in notes:
        seq += 1
        row = AccessEntry(
            seq=seq, at=at, who=note.who, role=note.role, verb=note.verb.value, subject=note.subject,
            fields=",".join(note.fields), reason=note.reason, prev_hash=last,
        )  # fmt: skip
        row.hash = last = link_hash(row)
        rows.append({column.key: getattr(row, column.key) for column in AccessEntry.__table__.columns})
    session.execute(insert(AccessEntry), rows)
    session.execute(update(AccessHead).where(AccessHead.id == HEAD).values(seq=seq, hash=last))


def _locked_head(session: Session) -> AccessHead:
    statement = select(AccessHead).where(AccessHead.id == HEAD).with_for_update()
    head = session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if head is None:
        raise UnavailableError("访问记录的链头缺失，不能留痕，此项操作暂停；请联系审计员核查")
    return head


def hold_to_rate(session: Session, who: str, verb: Access, since: datetime, most: int) -> None:
    """Refuse what somebody did too often since a moment; counted in the record, so it holds over all processes.

    Raises:
        TooManyRequestsError: the number is reached.
    """
    _locked_head(session)
    statement = select(func.count()).where(
        AccessEntry.who == who, AccessEntry.verb == verb.value, AccessEntry.at > since
    )
    if session.scalars(statement).one() >= most:
        raise TooManyRequestsError(f"{verb.label}次数已达每小时 {most} 次的上限，请稍后再试；确有需要的请联系督办人员")


@dataclass(frozen=True)
class AccessBreak:
    """Where the record of access no longer holds."""

    seq: int
    message: str


def broken_link(links: Iterable[Link], head: tuple[int, str]) -> AccessBreak | None:
    """Return the first link that does not fit, or where the chain ends too soon; links in order, from the first.

    Args:
        links: the chain, which may have grown since the head was read.
        head: place and hash of its last link.
    """
    place, last = 0, ""
    for place, link in enumerate(links, 1):
        fault = _fault(link, place, last)
        last = link.hash
        if not fault and place == head[0] and last != head[1]:
            fault = "与链头不符"
        if fault:
            return AccessBreak(place, fault)
    return AccessBreak(place + 1, f"末尾缺失（应有 {head[0]} 条）") if place < head[0] else None


def _fault(link: Link, place: int, last: str) -> str:
    if link.seq != place:
        return "这一条缺失"
    if link.prev_hash != last:
        return "与前一条接不上"
    return "" if link.hash == link_hash(link) else "内容被改动"


def entries(database: Database, progress: Callable[[int], None] | None = None) -> Iterator[AccessEntry]:
    """Yield the whole record in order, some thousand rows in memory at a time."""
    last = 0
    while True:
        with database.read() as session:
            statement = select(AccessEntry).where(AccessEntry.seq > last).order_by(AccessEntry.seq).limit(CHUNK)
            rows = list(session.scalars(statement))
        yield from rows
        if not rows:
            return
        last = rows[-1].seq
        if progress:
            progress(last)


def head_of(database: Database) -> tuple[int, str] | None:
    """Return place and hash of the last link; None: its row is gone."""
    with database.read() as session:
        head = session.get(AccessHead, HEAD)
    return (head.seq, head.hash) if head else None


def hashes_at(database: Database, seqs: list[int]) -> dict[int, str]:
    """Return the hashes of the links at some places; a place without link is left out."""
    found: dict[int, str] = {}
    for start in range(0, len(seqs), CHUNK):
        wanted = AccessEntry.seq.in_(seqs[start : start + CHUNK])
        with database.read() as session:
            found |= {
                row.seq: row.hash for row in session.execute(select(AccessEntry.seq, AccessEntry.hash).where(wanted))
            }
    return found


def verify(database: Database, progress: Callable[[int], None] | None = None) -> AccessBreak | None:
    """Return where the record of access is first broken, its tail included; None: it holds."""
    head = head_of(database)
    if head is None:
        return AccessBreak(0, "链头缺失")
    found = broken_link(entries(database, progress), head)
    with database.read() as session:
        last = session.scalar(select(func.max(AccessEntry.seq))) or 0
        now = session.get(AccessHead, HEAD)
    # What was written while this walked stands under the newer head; a row beyond that was never written by the service.
    if found is None and now is not None and last > now.seq:
        return AccessBreak(now.seq + 1, "链头之后多出的一条，不是本系统所写")
    return found


@dataclass(frozen=True)
class LogFilter:
    """What a reading of the record is narrowed to; None: not narrowed."""

    who: str | None = None
    verb: Access | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def read_log(session: Session, wanted: LogFilter, cursor: str | None, limit: int) -> Page[AccessEntry]:
    """Return a page of the record, the newest first."""
    equal = (
        (AccessEntry.who, wanted.who), (AccessEntry.verb, wanted.verb.value if wanted.verb else None),
        (AccessEntry.subject, wanted.subject),
    )  # fmt: skip
    conditions = [column == value for column, value in equal if value is not None]
    if wanted.since:
        conditions.append(AccessEntry.at >= wanted.since)
    if wanted.until:
        conditions.append(AccessEntry.at < wanted.until)
    statement = select(AccessEntry).where(*conditions)
    if cursor:
        (before,) = decode_cursor(cursor, (int,))
        statement = statement.where(AccessEntry.seq < before)
    rows = list(session.scalars(statement.order_by(AccessEntry.seq.desc()).limit(limit + 1)))
    return cut(rows, limit, lambda row: [row.seq])
