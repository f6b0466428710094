"""A past that was lived once through the service's own face, remembered row by row and put into another fresh database.

What is put back is every row of every table and every number a sequence stands at: the database is what it was. Only an
installation with the same data key can read it, so pasts are remembered by key.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from psycopg import Connection
from sqlalchemy import select

from app.accounts.tables import Staff
from app.database import Database
from app.tickets.tables import Ticket
from tests.builders import Hotline
from tests.lending import TABLES

Told = TypeVar("Told")
NUMBERS = "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL"


@dataclass(frozen=True)
class Past:
    """What a function returned, and the database it left."""

    told: Any
    content: Any


_pasts: dict[tuple[Any, ...], Past] = {}


def lived_once(hotline: Hotline, past: str, live: Callable[[], Told]) -> Told:
    """Let a past be lived in a fresh database, or put it there if it was lived in this process before.

    Args:
        hotline: people of an installation in which nothing has happened yet.
        past: its name; the same name is always the same past.
        live: what happens; it must not hang on anything but the name.
    """
    database = hotline.database
    with database.read() as session:
        assert not session.scalars(select(Ticket.id).limit(1)).all()
        assert not session.scalars(select(Staff.id).limit(1)).all()
    settings = hotline.client.app.state.settings  # type: ignore[attr-defined]
    key = (past, database.is_sqlite, (settings.var_dir / "data.key").read_text(encoding="ascii"))
    if key not in _pasts:
        told = live()
        _pasts[key] = Past(told, _read_file(database) if database.is_sqlite else _read_tables(database))
        return told
    if database.is_sqlite:
        _write_file(database, _pasts[key].content)
    else:
        _write_tables(database, _pasts[key].content)
    hotline.sign_in_anew()
    found: Told = _pasts[key].told
    return found


def _read_file(database: Database) -> bytes:
    with closing(sqlite3.connect(str(database.url.database))) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        content = copy.serialize()
        # Bytes 18 and 19 ask for a write-ahead log, which memory has none of; the file that is written to keeps its own.
        return content[:18] + b"\x01\x01" + content[20:]


def _write_file(database: Database, content: bytes) -> None:
    with closing(sqlite3.connect(":memory:")) as copy, closing(sqlite3.connect(str(database.url.database))) as target:
        copy.deserialize(content)
        copy.backup(target)


def _connect(database: Database) -> Connection:
    return Connection.connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False))


def _read_tables(database: Database) -> tuple[dict[str, bytes], list[tuple[Any, ...]]]:
    with _connect(database) as connection:
        tables = {}
        for (name,) in connection.execute(TABLES.text).fetchall():
            with connection.cursor().copy(f'COPY "{name}" TO STDOUT (FORMAT binary)') as rows:
                tables[name] = b"".join(rows)
        return tables, connection.execute(NUMBERS).fetchall()


def _write_tables(database: Database, content: tuple[dict[str, bytes], list[tuple[Any, ...]]]) -> None:
    tables, numbers = content
    with _connect(database) as connection:
        # Rows come table by table: who refers to whom was held when they were made.
        connection.execute("SET session_replication_role = replica")
        for name, rows in tables.items():
            connection.execute(f'DELETE FROM "{name}"')  # noqa: S608  names from the catalogue
            with connection.cursor().copy(f'COPY "{name}" FROM STDIN (FORMAT binary)') as into:
                into.write(rows)
        for name, last in numbers:
            connection.execute("SELECT setval(%s::regclass, %s)", (name, last))
