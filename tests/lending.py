"""Migrated PostgreSQL databases, lent to one test at a time; one that comes back is made like new and lent again.

Making and dropping a database is half a thousand files and a checkpoint: a third of a second of processor time, at every
test. Emptying one is a tenth of that.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, NullPool, Table, create_engine, insert, make_url, text

from app import schema
from app.database import Database

# Whatever a migration can change. A column's place is told, too: one dropped and added anew is not what it was.
SHAPE = text("""
    SELECT sum(hashtextextended(told, 0)) FROM (
        SELECT concat_ws(' ', c.relname, c.relkind, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attidentity,
            pg_get_expr(d.adbin, d.adrelid)) AS told
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT concat_ws(' ', conname, conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT concat_ws(' ', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    ) AS everything
""")
TABLES = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
)
END_OTHERS = text("""
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = :name AND backend_type = 'client backend'
""")
NUMBER_ANEW = text("""
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE last_value IS NOT NULL
""")


class Lender:
    """Databases of one server, all like the one the migrations made. The server's role must be a superuser."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._office = _engine(server)
        self._template = f"hotline_template_{uuid.uuid4().hex[:8]}"
        self._idle: list[str] = []
        # A database replaced by another of its name is not ours to lend again.
        self._made: dict[str, int] = {}
        self._do(f'CREATE DATABASE "{self._template}"')
        database = Database(self.address(self._template))
        schema.upgrade(database)
        database.dispose()
        with self._inside(self._template) as connection:
            self._shape = connection.scalar(SHAPE)
            self._tables = list(connection.scalars(TABLES))
            assert connection.execute(text("SELECT 1 FROM pg_sequences WHERE last_value IS NOT NULL")).first() is None
            self._first = {name: _rows(connection, name) for name in self._used(connection)}

    def address(self, name: str) -> str:
        """Return the address of a database on this server."""
        url = make_url(self._server).set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend the address of a fresh migrated database; every loan has a name of its own, which nobody late can know."""
        name = self._idle.pop() if self._idle else self._clone()
        yield self.address(name)
        if returned := self._like_new(name):
            self._idle.append(returned)

    def close(self) -> None:
        """Drop every database."""
        for name in (*self._idle, self._template):
            self._do(f'DROP DATABASE "{name}" WITH (FORCE)')
        self._office.dispose()

    def _clone(self) -> str:
        name = _new_name()
        self._do(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        self._made[name] = self._ident(name)
        return name

    def _like_new(self, name: str) -> str | None:
        """Empty a database under another name; None when its schema was changed and it was dropped."""
        with self._office.connect() as connection:
            connection.execute(END_OTHERS, {"name": name})
        made = self._made.pop(name)
        if self._ident(name) == made:
            other = _new_name()
            self._do(f'ALTER DATABASE "{name}" RENAME TO "{other}"')
            name = other
            with self._inside(name) as connection:
                if connection.scalar(SHAPE) == self._shape:
                    self._empty(connection)
                    self._made[name] = made
                    return name
        self._do(f'DROP DATABASE "{name}" WITH (FORCE)')
        return None

    def _empty(self, connection: Connection) -> None:
        used = self._used(connection)
        connection.execute(text("SET session_replication_role = replica"))
        for name in used:
            connection.execute(text(f'DELETE FROM "{name}"'))  # noqa: S608  names from the catalogue
        for table, rows in self._first.values():
            connection.execute(insert(table), rows)
        # No dead rows for the next test to walk over, nor for a vacuum to come across it at a time of its own.
        connection.execute(text("VACUUM " + ", ".join(f'"{name}"' for name in used)))
        connection.execute(NUMBER_ANEW)

    def _used(self, connection: Connection) -> list[str]:
        asked = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM \"{name}\")" for name in self._tables)  # noqa: S608  names from the catalogue
        return list(connection.scalars(text(" UNION ALL ".join(asked))))

    def _ident(self, name: str) -> int:
        with self._office.connect() as connection:
            asked = text("SELECT oid::bigint FROM pg_database WHERE datname = :name")
            ident: int = connection.execute(asked, {"name": name}).scalar_one()
            return ident

    @contextmanager
    def _inside(self, name: str) -> Iterator[Connection]:
        # Not pooled: nobody may stay in a database that is lent, renamed or copied.
        engine = _engine(self.address(name), poolclass=NullPool)
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def _do(self, statement: str) -> None:
        with self._office.connect() as connection:
            connection.execute(text(statement))


def _engine(url: str, **how: Any) -> Engine:
    address = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(address, isolation_level="AUTOCOMMIT", **how)


def _new_name() -> str:
    return f"test_{uuid.uuid4().hex[:12]}"


def _rows(connection: Connection, name: str) -> tuple[Table, list[dict[str, object]]]:
    table = Table(name, MetaData(), autoload_with=connection)
    return table, [dict(row) for row in connection.execute(table.select()).mappings()]
