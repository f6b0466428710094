"""SQLite: a copy by the online backup interface while the service runs; a restore that swaps one file for another."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.backup.manifest import BackupError, Facts, facts_of
from app.database import Database

REPLACED = ".before-restore"


def dump(database: Database, target: Path) -> Facts:
    """Copy a database into a file of its own and return what the copy holds.

    All pages go in one step: readers hold up no writer, and a copy by parts begins anew at every write.

    Raises:
        BackupError: the copy is not sound.
    """
    with closing(sqlite3.connect(path_of(database))) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    facts = _read_facts(target)
    _check_sound(target)
    return facts


def path_of(database: Database) -> Path:
    """Return the file of a database.

    Raises:
        BackupError: it lives in memory.
    """
    name = database.url.database
    if not name or name == ":memory:":
        raise BackupError("内存中的数据库不能备份")
    return Path(name)


def _read_facts(path: Path) -> Facts:
    copy = Database(f"sqlite:///{path}")
    try:
        with copy.read() as session:
            return facts_of(session)
    finally:
        copy.dispose()


def _check_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        # One file again: whoever carries it away would forget the two beside it.
        connection.execute("PRAGMA journal_mode=DELETE")
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        strays = connection.execute("PRAGMA foreign_key_check").fetchone()
    if found != "ok" or strays:
        raise BackupError(f"数据库文件不完整（{str(found)[:80] if found != 'ok' else '外键不符'}），请从更早的备份恢复")


def restore(database: Database, backup: Path, verify: Callable[[Database], None]) -> str:
    """Put a backup in the place of a database, once the copy has been verified; returns where the old one is kept.

    Raises:
        BackupError: somebody still has the old file open.
    """
    target = path_of(database)
    database.dispose()
    fresh = target.with_name(target.name + ".restoring")
    try:
        shutil.copyfile(backup, fresh)
        copy = Database(f"sqlite:///{fresh}")
        try:
            verify(copy)
        finally:
            copy.dispose()
        _check_sound(fresh)
        fresh.chmod(0o600)
        return _swap(fresh, target)
    finally:
        for suffix in ("", "-wal", "-shm"):
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)


def _swap(fresh: Path, target: Path) -> str:
    kept = ""
    if target.exists():
        _close_alone(target)
        old = target.with_name(target.name + REPLACED)
        old.unlink(missing_ok=True)
        os.link(target, old)
        kept = str(old)
    fresh.replace(target)
    return kept


def _close_alone(path: Path) -> None:
    """Fold the old file's journal into it, which only its last user can."""
    try:
        with closing(sqlite3.connect(path, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise BackupError("数据库正在使用，请先停止服务和后台，再恢复") from error
    except sqlite3.DatabaseError:
        # What is no database any more has nothing to fold, and its journal must not be played into the new one.
        for suffix in ("-wal", "-shm"):
            stray = path.with_name(path.name + suffix)
            if stray.exists():
                stray.replace(path.with_name(path.name + REPLACED + suffix))
