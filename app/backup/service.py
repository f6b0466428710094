"""Making a backup and restoring one, for both databases: hash first, then a copy, then every check, then the swap."""

import os
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, schema
from app.accounts import audit as access
from app.accounts.audit import Note, record
from app.accounts.tables import Staff
from app.backup import postgres, sqlite
from app.backup.manifest import Backend, BackupError, Facts, Manifest, beside, describe, facts_of, keep, load, settle
from app.database import Database
from app.errors import ConflictError
from app.sealing import Sealer, SealError
from app.tickets import audit, clocks, seal_watch
from app.tickets.tables import Ticket, TicketParty

PART = ".part"
SUFFIXES: dict[Backend, str] = {"sqlite": ".sqlite3", "postgresql": ".dump"}


def back_up(database: Database, wanted: Path, note: Note, folder: str = "") -> tuple[Path, Manifest]:
    """Write a backup and its manifest; a broken-off one leaves no file of its name.

    Args:
        database: what is copied.
        wanted: the file, or a folder that gets a file named after the moment.
        note: what the record of access keeps of it, for a backup holds everything.
        folder: where PostgreSQL's tools lie; empty: on the PATH.

    Raises:
        ConflictError: the file exists, or the database stands at another schema.
        BackupError: the copy could not be made or is not sound.
    """
    backend = backend_of(database)
    target = (
        wanted / f"hotline-{clock.local(clock.now()):%Y%m%dT%H%M%S}{SUFFIXES[backend]}" if wanted.is_dir() else wanted
    )
    if target.exists() or beside(target).exists():
        raise ConflictError(f"{target} 或它的清单已存在，请换一个名字")
    _hold_schema(database)
    with database.write() as session:
        record(session, note)
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    # Whoever may look on the folder meanwhile must not see into it.
    os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        facts = sqlite.dump(database, part) if backend == "sqlite" else postgres.dump(database, part, folder)
        settle(part)
        manifest = describe(part, target.name, backend, facts)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    keep(manifest, target)
    return target, manifest


def backend_of(database: Database) -> Backend:
    """Return which of the two databases one is."""
    return "sqlite" if database.is_sqlite else "postgresql"


def _hold_schema(database: Database) -> None:
    found, wanted = schema.present(database), schema.newest()
    if found != wanted:
        raise ConflictError(f"数据库结构为 {found or '空'}，程序需要 {wanted}，请先执行 hotline migrate")


def restore(database: Database, backup: Path, note: Note, *, replace: bool, folder: str = "") -> tuple[Manifest, str]:
    """Put a backup in the place of a database; a fault before the swap leaves the old one as it was.

    Args:
        database: what is replaced; its address may name one that does not exist yet.
        backup: the file, its manifest beside it.
        note: what the restored record of access keeps of it.
        replace: whether a database that holds something may be replaced; it is kept under another name.
        folder: where PostgreSQL's tools lie; empty: on the PATH.

    Returns:
        The manifest, and where the old database is kept (empty: there was none).

    Raises:
        ConflictError: the database is not empty, or the backup is of another kind of database or schema.
        BackupError: the backup is damaged or does not stand the checks.
    """
    manifest = load(backup)
    _hold_fit(manifest, database)
    if not replace and not _is_empty(database):
        raise ConflictError("数据库里已有内容；确要以备份取代请加 --replace（原库会改名保留）")

    def verify(copy: Database) -> None:
        check(copy, manifest.facts)
        with copy.write() as session:
            record(session, note)

    if database.is_sqlite:
        return manifest, sqlite.restore(database, backup, verify)
    return manifest, postgres.restore(database, backup, verify, folder)


def _hold_fit(manifest: Manifest, database: Database) -> None:
    if manifest.backend != backend_of(database):
        raise ConflictError(f"这是 {manifest.backend} 的备份，而 HOTLINE_DATABASE_URL 指向 {backend_of(database)}")
    wanted = schema.newest()
    if manifest.facts.revision != wanted:
        raise ConflictError(
            f"备份的结构为 {manifest.facts.revision}，本程序为 {wanted}："
            f"请用 {manifest.program} 版的程序恢复，再用本程序执行 hotline migrate"
        )


def _is_empty(database: Database) -> bool:
    """Whether a database is worth nothing: no file, no tables, or neither work orders nor people in them."""
    if database.is_sqlite and not sqlite.path_of(database).exists():
        return True
    if not database.is_sqlite and not postgres.exists(database.url):
        return True
    if not schema.present(database):
        return True
    with database.read() as session:
        return not any(session.scalars(select(column).limit(1)).first() for column in (Ticket.id, Staff.id))


def check(database: Database, wanted: Facts) -> None:
    """Hold a restored database against its manifest: rows, chains' ends, every chain and seal, every column against the events.

    Raises:
        BackupError: the first thing that does not hold.
    """
    with database.read() as session:
        _compare(session, wanted)
    watch = seal_watch.stored(database)
    broken = next(audit.verify(database, see=watch.see), None)
    if broken:
        raise BackupError(f"恢复后核验不过：工单 {broken.number} 第 {broken.seq} 条：{broken.message}")
    entry = access.verify(database)
    if entry:
        raise BackupError(f"恢复后核验不过：访问记录第 {entry.seq} 条：{entry.message}")
    sealed = next((item for item in seal_watch.verify(database, watch) if not item.late), None)
    if sealed:
        raise BackupError(f"恢复后核验不过：日封存 {sealed.day}：{sealed.message}")
    differs = next(clocks.rebuild(database, check=True), None)
    if differs:
        raise BackupError(f"恢复后核验不过：{differs.where} 的 {differs.column} 与事件不一致")


def _compare(session: Session, wanted: Facts) -> None:
    found = facts_of(session)
    for name in sorted({*found.tables, *wanted.tables}):
        rows, told = found.tables.get(name, 0), wanted.tables.get(name, 0)
        if rows != told:
            raise BackupError(f"恢复后核验不过：表 {name} 有 {rows} 行，清单为 {told} 行")
    if found != wanted:
        raise BackupError("恢复后核验不过：链头与清单不符")


def opens(database: Database, sealer: Sealer) -> bool:
    """Whether the data key in use opens what the database holds; true where it holds nothing sealed."""
    with database.read() as session:
        sealed = session.scalars(
            select(TicketParty.contact_phone).where(TicketParty.contact_phone != "").limit(1)
        ).first()
    try:
        return sealed is None or bool(sealer.open(sealed))
    except SealError:
        return False
