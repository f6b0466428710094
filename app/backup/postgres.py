"""PostgreSQL: pg_dump of the very snapshot that is counted; a restore into a new database that then takes the name."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import clock
from app.backup.manifest import BackupError, Facts, facts_of
from app.database import Database

# What libpq reads from the environment; nothing of the address stands on a command line, where every user can read it.
VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
TOLD_CHARS = 300
NAME_CHARS = 63


def dump(database: Database, target: Path, folder: str) -> Facts:
    """Write a database into a file of pg_dump's custom format and return what it holds; `folder` is where pg_dump lies.

    Raises:
        BackupError: pg_dump is missing or failed.
    """
    tool = _tool("pg_dump", folder)
    options = {"isolation_level": "REPEATABLE READ"}
    with database.reader.connect().execution_options(**options) as connection, Session(bind=connection) as session:
        snapshot = session.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={target}"]
        _run([tool, *arguments], database.url)
        return facts_of(session)


def _tool(name: str, folder: str) -> str:
    found = shutil.which(name, path=folder or None)
    if found is None:
        where = f"{folder} 里" if folder else "PATH 里"
        raise BackupError(f"{where}没有 {name}：请安装 PostgreSQL 客户端，或用 HOTLINE_PG_BIN 指明它所在的目录")
    return found


def _run(command: list[str], url: URL) -> None:
    done = subprocess.run(command, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupError(f"{Path(command[0]).name} 失败：{done.stderr.strip()[-TOLD_CHARS:]}")


def _environment(url: URL) -> dict[str, str]:
    told = {name: str(value) for name, value in url.query.items()}
    told |= {name: str(value) for name, value in (("host", url.host), ("port", url.port)) if value}
    environment = {variable: told[name] for name, variable in VARIABLES.items() if told.get(name)}
    identity = {"PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    return {**os.environ, **environment, **{name: value for name, value in identity.items() if value}}


def restore(database: Database, backup: Path, verify: Callable[[Database], None], folder: str) -> str:
    """Restore into a new database, verify it, and give it the old one's name; returns the name the old one is kept by.

    Raises:
        BackupError: pg_restore is missing or failed, no right to create databases, or the old one is in use.
    """
    tool = _tool("pg_restore", folder)
    name = str(database.url.database)
    database.dispose()
    stamp = f"{clock.local(clock.now()):%Y%m%d%H%M%S}"
    fresh, old = (f"{name[: NAME_CHARS - 24]}_{word}_{stamp}" for word in ("restore", "before"))
    with _maintenance(database.url) as server:
        _tell(server, f'CREATE DATABASE "{fresh}" TEMPLATE template0')
        try:
            url = database.url.set(database=fresh)
            _run([tool, "--exit-on-error", "--no-owner", "--no-privileges", f"--dbname={fresh}", str(backup)], url)
            _verify(url, verify)
            return _swap(server, name, fresh, old)
        except BaseException:
            _tell(server, f'DROP DATABASE IF EXISTS "{fresh}" WITH (FORCE)')
            raise


def _verify(url: URL, verify: Callable[[Database], None]) -> None:
    copy = Database(url.render_as_string(hide_password=False))
    try:
        verify(copy)
    finally:
        copy.dispose()


@contextmanager
def _maintenance(url: URL) -> Iterator[Connection]:
    """Give a connection to the server's own database: one cannot rename the database one is in."""
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _tell(server: Connection, statement: str) -> None:
    try:
        server.execute(text(statement))
    except DBAPIError as error:
        raise BackupError(f"PostgreSQL 拒绝了“{statement[:60]}”：{str(error.orig).strip()[:TOLD_CHARS]}") from error


def exists(url: URL) -> bool:
    """Whether the server has a database of that name."""
    with _maintenance(url) as server:
        return _knows(server, str(url.database))


def _knows(server: Connection, name: str) -> bool:
    statement = text("SELECT 1 FROM pg_database WHERE datname = :name")
    return server.execute(statement, {"name": name}).scalar() is not None


def _swap(server: Connection, name: str, fresh: str, old: str) -> str:
    known = _knows(server, name)
    renamed = [f'ALTER DATABASE "{name}" RENAME TO "{old}"'] if known else []
    # Both names change in one transaction: there is always a database of that name.
    try:
        server.execute(text(";".join([*renamed, f'ALTER DATABASE "{fresh}" RENAME TO "{name}"'])))
    except DBAPIError as error:
        raise BackupError(
            f"数据库 {name} 正在使用，请先停止服务和后台，再恢复（{str(error.orig).strip()[:120]}）"
        ) from error
    return old if known else ""
