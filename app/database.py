"""Engines, sessions and column types for SQLite and PostgreSQL, one code path for both.

SQLite: WAL, foreign keys, `synchronous=FULL` (what was answered 2xx survives kill -9), writers begin IMMEDIATE and
take turns inside the process. PostgreSQL: psycopg 3 with a bounded pool.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import (
    CTE,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    Insert,
    Integer,
    MetaData,
    Select,
    TypeDecorator,
    create_engine,
    event,
    insert,
    literal,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.functions import FunctionElement

from app.errors import HotlineError

SQLITE_BUSY_MS = 15_000
WRITER_WAIT_SECONDS = 30.0
POSTGRES_LOCK_TIMEOUT_MS = 10_000
# A server that has gone without a word is noticed by these, not by the operating system's two hours.
POSTGRES_REACHING = {"connect_timeout": 5, "keepalives_idle": 30, "keepalives_interval": 5, "tcp_user_timeout": 30_000}
UNASKED_SECONDS = 1.0
# SQLite's and PostgreSQL's own words for a full disk.
FULL = frozenset({"SQLITE_FULL", "53100"})
# Compiling a report's many conditions costs more than it saves; its sorts and hashes fit in memory; and no disk of today
# takes four times as long for a page elsewhere, as the server's default has it.
POSTGRES_OPTIONS = (
    f"-c lock_timeout={POSTGRES_LOCK_TIMEOUT_MS} -c timezone=UTC -c jit=off -c work_mem=32MB -c random_page_cost=1.1"
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC; SQLite has no time zones, so it is stored there without one and read back as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without zone; hand the database UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("时间缺少时区，不能入库")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored moment as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Later(FunctionElement[datetime]):
    """A stored moment some time later, the one piece of date arithmetic that the two databases spell differently."""

    type = UtcTime()
    inherit_cache = True

    def __init__(self, moment: InstrumentedAttribute[Any], seconds: int) -> None:
        super().__init__(moment, literal(seconds, Integer))


@compiles(Later, "sqlite")
def _later_on_sqlite(element: Later, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = (compiler.process(part, **options) for part in element.clauses)
    # Stored with microseconds; without them the texts would not compare.
    return f"strftime('%Y-%m-%d %H:%M:%f', {moment}, {seconds} || ' seconds') || '000'"


@compiles(Later, "postgresql")
def _later_on_postgresql(element: Later, compiler: SQLCompiler, **options: Any) -> str:
    moment, seconds = (compiler.process(part, **options) for part in element.clauses)
    return f"({moment} + make_interval(secs => {seconds}))"


BigId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Declarative base; constraint names are fixed so that migrations can name them on both databases."""

    metadata = MetaData(naming_convention=NAMING)


def put(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert rows without the ORM's bookkeeping: half its processor time on the paths that carry the load."""
    if rows:
        session.connection().execute(_insert(table), rows)


def put_one(session: Session, table: type[Base], row: dict[str, Any]) -> int:
    """Insert one row and return the id the database gave it."""
    ident: int = session.connection().execute(_insert_returning(table), row).scalar_one()
    return ident


@cache
def _insert(table: type[Base]) -> Insert:
    return insert(table.__table__)  # type: ignore[arg-type]


@cache
def _insert_returning(table: type[Base]) -> ReturningInsert[Any]:
    return insert(table.__table__).returning(table.__table__.c.id)  # type: ignore[arg-type]


def at_first(statement: Select[*tuple[Any, ...]], name: str) -> CTE:
    """Return a query whose rows are found before anything else is asked of them.

    PostgreSQL would otherwise walk ten years of rows in the order of a page to find the first of the few that are open, or
    work a condition out again for each figure that rests on it.
    """
    return statement.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")


class DatabaseBusyError(HotlineError):
    """A writer waited too long for its turn."""

    code = "database-busy"
    status = 503


class StorageFullError(HotlineError):
    """The disk under the database is full; nothing of the transaction was kept."""

    code = "storage-full"
    status = 507


def is_full(error: DBAPIError) -> bool:
    """Whether a database refused for want of space."""
    names = (getattr(error.orig, "sqlite_errorname", ""), getattr(error.orig, "sqlstate", ""))
    return bool(FULL.intersection(names))


class Database:
    """The engines of one process and its sessions.

    Attributes:
        reader: engine for read transactions.
        writer: engine for write transactions (the same engine on PostgreSQL).

    `statement_seconds` is how long PostgreSQL may work on one statement; 0: as long as it takes.
    """

    def __init__(self, url: str, pool_size: int = 10, statement_seconds: int = 0) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._turn = threading.Lock()
        if self.is_sqlite:
            _make_parent(self.url.database)
            self.reader = _sqlite_engine(url, "BEGIN", pool_size)
            self.writer = _sqlite_engine(url, "BEGIN IMMEDIATE", 1)
            self._glancer = self.reader
        else:
            self.reader = self.writer = _postgres_engine(url, pool_size, statement_seconds)
            self._glancer = self.reader.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading; whatever it changed is thrown away."""
        with Session(self.reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def glance(self) -> Iterator[Session]:
        """Give a session for a few short readings on a busy path; nothing may be streamed or changed in it.

        PostgreSQL gives each statement its own view of what is committed in `read` too; here it is not asked to begin and
        end a transaction around them, which takes as long as the readings.
        """
        with Session(self._glancer, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session that commits when the block ends well and rolls back when it raises.

        Raises:
            DatabaseBusyError: another writer of this process kept its turn for too long (SQLite only).
        """
        with self._writing_turn(), Session(self.writer, expire_on_commit=False) as session, session.begin():
            yield session

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.reader.dispose()
        self.writer.dispose()

    def ping(self) -> None:
        """Ask the database for a sign of life; raises whatever the driver raises."""
        with self.reader.connect() as connection:
            connection.execute(text("SELECT 1"))

    def empty_log(self) -> bool:
        """Carry SQLite's write-ahead log over into its file and cut it to nothing, for it still holds what was overwritten.

        Returns whether that could be done: not while another process reads. On PostgreSQL there is nothing to do.
        """
        if not self.is_sqlite:
            return True
        with self._writing_turn(), closing(self.writer.raw_connection()) as connection:
            busy, _, _ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    @contextmanager
    def _writing_turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._turn.acquire(timeout=WRITER_WAIT_SECONDS):
            raise DatabaseBusyError("系统繁忙，请稍后重试（写入排队超时）")
        try:
            yield
        finally:
            self._turn.release()


def _make_parent(path: str | None) -> None:
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def _sqlite_engine(url: str, begin: str, pool_size: int) -> Engine:
    engine = create_engine(url, pool_size=pool_size, max_overflow=20 if pool_size > 1 else 0)

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        # SQLAlchemy's "begin" event below says BEGIN; the driver must not say it a second time.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            # What is deleted is overwritten, not only forgotten; measured at a hundredth of a submission.
            "secure_delete=ON",
            f"busy_timeout={SQLITE_BUSY_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: str, pool_size: int, statement_seconds: int) -> Engine:
    options = f"{POSTGRES_OPTIONS} -c statement_timeout={statement_seconds * 1000}"
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=5, connect_args={"options": options, **POSTGRES_REACHING}
    )
    # Several rows travel in one statement: psycopg would send, wait and account for each of them by itself.
    engine.dialect.use_insertmanyvalues_wo_returning = True

    @event.listens_for(engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info["left_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        # One that was in use a moment ago need not be asked whether it lives: under load that is a question for each request.
        left_at = record.info.get("left_at")
        if left_at is None or time.monotonic() - left_at < UNASKED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error

    return engine
