"""Fills a database with legal histories: lives lived once through the service, cast again weeks apart with their own numbers.

Every copy has its own numbers, ids, times and hash chain; `hotline clocks rebuild --check` finds nothing to mend in it.
Run: python -m bench.seed DATABASE_URL --tickets 1000000 --years 10
"""

import argparse
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, inspect, select, text
from sqlalchemy.orm import Session

from app import clock, schema
from app.accounts.tables import Staff
from app.database import Base, Database
from app.sealing import installed_sealer
from app.tickets.events import link_hash
from app.tickets.life_tables import CallbackAttempt, Reply, UnitRequest
from app.tickets.masking import mask_text
from app.tickets.numbers import format_number
from app.tickets.office import Office
from app.tickets.sealed import Sealed
from app.tickets.search import words_of
from app.tickets.tables import (
    Dispatch,
    Ticket,
    TicketEvent,
    TicketJudgement,
    TicketNote,
    TicketParty,
    TicketSignature,
    TicketText,
)
from bench.lives import VAR, live

STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00)")
REFERENCE = re.compile(r'"(note|request|reply|callback)":(\d+)')
TABLES: tuple[type[Base], ...] = (
    Ticket, TicketParty, TicketText, TicketJudgement, TicketNote, Dispatch, Reply, UnitRequest, CallbackAttempt,
    TicketSignature,
)  # fmt: skip
STAFF = tuple(item.key for item in inspect(Staff).column_attrs)
OWN_IDS = {"note": TicketNote, "request": UnitRequest, "reply": Reply, "callback": CallbackAttempt}
# What COPY must seal by itself, for it goes past the column types.
SEALED = {
    table.__tablename__: {column.key for column in table.__table__.columns if isinstance(column.type, Sealed)}
    for table in TABLES
}
WEEK = timedelta(weeks=1)
BATCH = 4000
ENTERPRISES = 40_000
LIVES = 240
OPEN_WEEKS = 3
OPEN_SHARE = 0.02
Row = dict[str, Any]
SECONDARY_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND tablename = ANY(:tables)
    AND indexname NOT IN (SELECT conname FROM pg_constraint) ORDER BY indexname
"""
IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"


@dataclass(frozen=True)
class Laid:
    """A row as it lies in its table, and which of its values are moments or hold some: few, so the others are only copied."""

    values: Row
    moments: tuple[str, ...]
    stamped: tuple[str, ...]

    @classmethod
    def of(cls, values: Row) -> "Laid":
        """Return a row with what must move in it."""
        moments = tuple(name for name, value in values.items() if isinstance(value, datetime))
        stamped = tuple(name for name, value in values.items() if isinstance(value, str) and STAMP.search(value))
        return cls(values, moments, stamped)


@dataclass
class Mould:
    """One life as it lies in the tables."""

    rows: dict[type[Base], list[Laid]]
    events: list[Laid]
    words: list[str]
    is_open: bool


def moulds(office: Office, numbers: Iterable[str]) -> list[Mould]:
    """Read lives out of the database they were lived in."""
    found = []
    with office.database.read() as session:
        for ticket in session.scalars(select(Ticket).where(Ticket.number.in_(list(numbers))).order_by(Ticket.id)):
            rows = {table: _rows(session, table, ticket.id) for table in TABLES}
            events = _rows(session, TicketEvent, ticket.id)
            said = rows[TicketText][0].values
            words = words_of(mask_text(f"{said['title']} {said['content']}"))
            events.sort(key=lambda event: int(event.values["seq"]))
            found.append(Mould(rows, events, words, ticket.closed_at is None))
    return found


def _rows(session: Session, table: type[Base], ticket: int) -> list[Laid]:
    column = table.id if table is Ticket else table.ticket_id  # type: ignore[attr-defined]
    names = [item.key for item in inspect(table).column_attrs]
    rows = session.scalars(select(table).where(column == ticket))
    return [Laid.of({name: getattr(row, name) for name in names}) for row in rows]


def shifted(row: Laid, by: timedelta) -> Row:
    """Return a row with every moment in it moved."""
    found = dict(row.values)
    for name in row.moments:
        found[name] += by
    for name in row.stamped:
        found[name] = STAMP.sub(lambda moment: (datetime.fromisoformat(moment[0]) + by).isoformat(), found[name])
    return found


@dataclass
class Counter:
    """The next free id of every table, and the serials of each day."""

    ids: dict[type[Base], int]
    serials: dict[int, int]

    def take(self, table: type[Base]) -> int:
        """Return a free id."""
        self.ids[table] += 1
        return self.ids[table]

    def number(self, at: datetime) -> str:
        """Return a free work order number of a day."""
        day = int(clock.local(at).strftime("%y%m%d"))
        self.serials[day] = self.serials.get(day, 0) + 1
        return format_number(day, self.serials[day])


def cast(mould: Mould, week: dict[type[Base], list[Row]], events: list[Row], counter: Counter) -> dict[str, list[Row]]:
    """Return the rows of one copy of a life, by table name."""
    ticket = dict(week[Ticket][0])
    ident, number = counter.take(Ticket), counter.number(ticket["accepted_at"])
    ticket |= {"id": ident, "number": number, "month": int(clock.local(ticket["accepted_at"]).strftime("%Y%m"))}
    found: dict[str, list[Row]] = {"ticket": [ticket]}
    renamed: dict[tuple[str, int], int] = {}
    parts: dict[int, int] = {}
    for table in TABLES[1:]:
        name = table.__tablename__
        found[name] = []
        for row in week[table]:
            copy = row | {"ticket_id": ident}
            if "id" in copy:
                copy["id"] = counter.take(table)
                if table is Dispatch:
                    parts[row["id"]] = copy["id"]
                renamed.update({(key, row["id"]): copy["id"] for key, owner in OWN_IDS.items() if owner is table})
            if "dispatch_id" in copy:
                copy["dispatch_id"] = parts[copy["dispatch_id"]]
            found[name].append(copy)
    enterprise = f"{ident * 7919 % ENTERPRISES:064d}"
    found["ticket_party"][0] |= {"enterprise_find": enterprise, "enterprise_group": enterprise}
    found["ticket_event"] = _chain(events, ticket, renamed)
    ticket |= {"last_seq": found["ticket_event"][-1]["seq"], "last_hash": found["ticket_event"][-1]["hash"]}
    found["ticket_search"] = [{"ticket_id": ident, "words": [number.lower(), *mould.words]}]
    return found


def _chain(events: list[Row], ticket: Row, renamed: dict[tuple[str, int], int]) -> list[Row]:
    rows, last = [], ""
    for event in events:
        payload = REFERENCE.sub(lambda found: f'"{found[1]}":{renamed[found[1], int(found[2])]}', event["payload"])
        link = link_hash(ticket["number"], event["seq"], event["kind"], event["at"], event["actor"], payload, last)
        rows.append(
            event
            | {
                "ticket_month": ticket["month"],
                "ticket_id": ticket["id"],
                "payload": payload,
                "prev_hash": last,
                "hash": link,
            }
        )
        last = link
    return rows


def copies(found: list[Mould], count: int, years: int) -> Iterator[tuple[Mould, int]]:
    """Yield which life is cast how many weeks back: closed ones over the years, open ones in the last weeks only."""
    closed, opened = [each for each in found if not each.is_open], [each for each in found if each.is_open]
    waiting = int(count * OPEN_SHARE) if opened else 0
    weeks = max(years * 52, 1)
    for index in range(count - waiting):
        yield closed[index % len(closed)], weeks - index * weeks // max(count - waiting, 1)
    for index in range(waiting):
        yield opened[index % len(opened)], OPEN_WEEKS * (waiting - 1 - index) // max(waiting, 1)


WRITTEN = (*(table.__tablename__ for table in TABLES), "ticket_event", "ticket_search")


@contextmanager
def without_indexes(database: Database) -> Iterator[None]:
    """Leave the secondary indexes of an empty PostgreSQL database out while it is filled, and build them at the end."""
    with database.writer.begin() as connection:
        full = connection.scalar(select(func.count()).select_from(select(Ticket.id).limit(1).subquery()))
        found = (
            []
            if full or database.is_sqlite
            else connection.execute(text(SECONDARY_INDEXES), {"tables": list(WRITTEN)}).all()
        )
        for name, _ in found:
            connection.execute(text(f'DROP INDEX "{name}"'))
    yield
    with database.writer.begin() as connection:
        for _, definition in found:
            connection.execute(text(definition))


class Writer:
    """Writes rows in bulk beside the casting of the next: COPY on PostgreSQL, executemany on SQLite."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rows: dict[str, list[Row]] = {}
        self.waiting = 0
        self.hand = ThreadPoolExecutor(1)
        self.last: Future[None] | None = None
        with database.read() as session:
            # What is cast holds by construction; a superuser may have it written without asking for every key.
            self.trusted = not database.is_sqlite and bool(session.scalar(text(IS_SUPERUSER)))

    def add(self, found: dict[str, list[Row]]) -> None:
        """Take the rows of one work order; write when there are enough."""
        for name, rows in found.items():
            self.rows.setdefault(name, []).extend(rows)
        self.waiting += 1
        if self.waiting >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand over what has been taken, once the batch before is written."""
        self.wait()
        self.last = self.hand.submit(self._write, self.rows)
        self.rows, self.waiting = {}, 0

    def wait(self) -> None:
        """Wait until what was handed over is written; raises what writing it raised."""
        if self.last:
            self.last.result()

    def _write(self, taken: dict[str, list[Row]]) -> None:
        with self.database.writer.begin() as connection:
            if self.trusted:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            for name in WRITTEN:
                rows = taken.get(name) or []
                if rows and self.database.is_sqlite:
                    self._insert(connection, name, rows)
                elif rows:
                    self._copy(connection, name, rows)

    def _insert(self, connection: Any, name: str, rows: list[Row]) -> None:
        if name == "ticket_search":
            statement = text("INSERT INTO ticket_search (rowid, words) VALUES (:ticket_id, :words)")
            connection.execute(statement, [row | {"words": " ".join(row["words"])} for row in rows])
        else:
            connection.execute(insert(Base.metadata.tables[name]), rows)

    def _copy(self, connection: Any, name: str, rows: list[Row]) -> None:
        names = list(rows[0])
        columns = ", ".join(f'"{each}"' for each in names)
        vector, sealed = name == "ticket_search", SEALED.get(name, set())
        with connection.connection.driver_connection.cursor().copy(f'COPY "{name}" ({columns}) FROM STDIN') as copy:
            for row in rows:
                copy.write_row(
                    [
                        _lexemes(row[each])
                        if vector and each == "words"
                        else _sealed(row[each])
                        if each in sealed
                        else row[each]
                        for each in names
                    ]
                )


@lru_cache(maxsize=10_000)
def _sealed(value: str) -> str:
    return installed_sealer().seal(value)


def _lexemes(words: list[str]) -> str:
    return " ".join(f"'{word}'" for word in words)


@dataclass(frozen=True)
class Past:
    """Lives lived once, and the people who acted in them."""

    moulds: list[Mould]
    people: list[Row]


def lived(lives: int = LIVES, var_dir: Path = VAR) -> Past:
    """Let lives be lived and read them."""
    office, numbers = live(lives, var_dir)
    found = moulds(office, numbers)
    with office.database.read() as session:
        people = [{name: getattr(row, name) for name in STAFF} for row in session.scalars(select(Staff))]
    office.database.dispose()
    return Past(found, people)


def seed(database: Database, count: int, years: int, past: Past) -> float:
    """Fill a migrated database; returns work orders a second, all indexes built."""
    found = past.moulds
    counter = Counter(*_taken(database))
    _staff(database, past.people)
    started, writer = time.perf_counter(), Writer(database)
    today = clock.now()
    nearest = _whole_weeks(today - max(row.values["accepted_at"] for mould in found for row in mould.rows[Ticket]))
    cache: dict[tuple[int, int], tuple[dict[type[Base], list[Row]], list[Row]]] = {}
    with without_indexes(database):
        for mould, back in copies(found, count, years):
            key = (id(mould), back)
            if key not in cache:
                cache = {each: value for each, value in cache.items() if each[1] == back}
                by = (nearest - back) * WEEK
                rows = {table: [shifted(row, by) for row in mould.rows[table]] for table in TABLES}
                cache[key] = rows, [shifted(row, by) for row in mould.events]
            writer.add(cast(mould, *cache[key], counter))
        writer.flush()
        writer.wait()
    _finish(database, counter)
    return count / (time.perf_counter() - started)


def _whole_weeks(span: timedelta) -> int:
    return max(span // WEEK, 0)


def _taken(database: Database) -> tuple[dict[type[Base], int], dict[int, int]]:
    with database.read() as session:
        ids = {
            table: session.scalar(text(f"SELECT coalesce(max(id), 0) FROM {table.__tablename__}")) or 0  # noqa: S608
            for table in TABLES
            if "id" in inspect(table).column_attrs
        }
    return ids, {}


def _staff(database: Database, people: list[Row]) -> None:
    """Copy the people who acted in the lives, so that references hold."""
    with database.write() as session:
        known = set(session.scalars(select(Staff.login)))
        new = [row | {"password_hash": "!"} for row in people if row["login"] not in known]
        if new:
            session.execute(
                insert(Staff), [{name: value for name, value in row.items() if name != "id"} for row in new]
            )


def _finish(database: Database, counter: Counter) -> None:
    """Set sequences behind what was written, keep later serials free, and let the planner know the tables."""
    with database.writer.begin() as connection:
        rows = [{"day": day, "last": last + 100} for day, last in counter.serials.items()]
        table = Base.metadata.tables["ticket_serial"]
        known = set(connection.execute(select(table.c.day)).scalars())
        connection.execute(insert(table), [row for row in rows if row["day"] not in known])
        if not database.is_sqlite:
            for owner in counter.ids:
                name = owner.__tablename__
                connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {counter.ids[owner] + 1})")
                )
    with database.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def main() -> None:
    """Seed a database from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_url")
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--years", type=int, default=10)
    asked = parser.parse_args()
    database = Database(asked.database_url)
    schema.upgrade(database)
    speed = seed(database, asked.tickets, asked.years, lived())
    print(f"{asked.tickets} 件，每秒 {speed:.0f} 件，至 {datetime.now(UTC):%Y-%m-%d %H:%M}")
    database.dispose()


if __name__ == "__main__":
    main()
