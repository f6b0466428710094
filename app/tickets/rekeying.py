"""Seals everything anew under the present key and cipher, in batches, while the service runs; may be broken off and gone on.

A row that has the present key already is left alone, so a second run only does what the first left. Every process must have
the new key, with the old one among HOTLINE_OLD_DATA_KEYS, before this starts: a process still on the old key writes old rows.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, and_, not_, or_, select, type_coerce, update
from sqlalchemy.orm import Session

from app.database import Base, Database
from app.notify.tables import Subscription
from app.sealing import Sealer, SealError
from app.tickets.checks import verbatim
from app.tickets.life_tables import ContactAttempt, Reply
from app.tickets.sealed import Sealed
from app.tickets.tables import TicketParty

BATCH = 200
# Columns sealed by hand, with the hash each is found by.
BY_HAND: dict[str, dict[str, str]] = {
    TicketParty.__tablename__: {
        "enterprise_name": "enterprise_find", "credit_code": "credit_code_find", "contact_phone": "phone_find",
        "park": "", "contact_name": "", "contact_email": "", "address": "",
    },
    ContactAttempt.__tablename__: {"phone": ""},
    Subscription.__tablename__: {"target": "", "secret": ""},
}  # fmt: skip
# Texts that seal themselves and are found by a hash all the same.
FOUND_BY = {Reply.__tablename__: {"content": "content_find"}}
# What of a text is hashed, where it is not the whole.
HASHED: dict[str, Callable[[str], str]] = {"content_find": verbatim}


@dataclass(frozen=True)
class Store:
    """A table with its sealed columns, each with the column it is found by (empty: none)."""

    table: Table
    columns: dict[str, str]

    @property
    def key(self) -> ColumnElement[Any]:
        """The one column of the primary key."""
        (column,) = self.table.primary_key.columns
        return column


@dataclass(frozen=True)
class Fault:
    """A sealed value that is not as it should be after a rotation."""

    table: str
    key: int
    column: str
    message: str


def stores() -> list[Store]:
    """Return everything that holds sealed values."""
    found = []
    for table in Base.metadata.sorted_tables:
        columns = dict(BY_HAND.get(table.name, {}))
        found_by = FOUND_BY.get(table.name, {})
        columns |= {
            column.key: found_by.get(column.key, "") for column in table.columns if isinstance(column.type, Sealed)
        }
        if columns:
            found.append(Store(table, columns))
    return found


def rotate(database: Database, sealer: Sealer, progress: Callable[[str, int], None]) -> int:
    """Seal anew what has an older key or the other cipher; returns how many rows were looked at for it.

    A value that does not open stays as it is and holds up nothing else; `verify` names it.
    """
    total = 0
    for store in stores():
        count, last = 0, -1
        while True:
            with database.write() as session:
                keys = _batch(session, store, sealer, last)
            if not keys:
                break
            last, count = keys[-1], count + len(keys)
            progress(store.table.name, count)
        total += count
    return total


def _raw(store: Store) -> list[ColumnElement[Any]]:
    return [type_coerce(store.table.c[name], Text).label(name) for name in store.columns]


def _batch(session: Session, store: Store, sealer: Sealer, after: int) -> list[int]:
    stale = or_(*(_not_current(store.table.c[name], sealer) for name in store.columns))
    statement = select(store.key.label("key"), *_raw(store)).where(store.key > after, stale).order_by(store.key)
    rows = session.execute(statement.limit(BATCH).with_for_update()).mappings().all()
    for row in rows:
        with suppress(SealError):
            session.execute(update(store.table).where(store.key == row["key"]).values(_anew(store, row, sealer)))
    return [int(row["key"]) for row in rows]


def _not_current(column: Any, sealer: Sealer) -> ColumnElement[bool]:
    plain = type_coerce(column, Text)
    return and_(plain != "", not_(plain.startswith(f"{sealer.prefix}.", autoescape=True)))


def _anew(store: Store, row: Any, sealer: Sealer) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, found_by in store.columns.items():
        told = sealer.open(row[name])
        # As plain text, past the column's own sealing: that refuses a text which quotes what is shown in place of damaged ones.
        values[name] = type_coerce(sealer.seal(told), Text)
        if found_by:
            values[found_by] = sealer.find_key(HASHED.get(found_by, str)(told))
    if "enterprise_find" in values:
        values["enterprise_group"] = sealer.group_key(values["enterprise_find"])
    return values


def verify(database: Database, sealer: Sealer) -> Iterator[Fault]:
    """Yield every sealed value that has not the present key, or does not open; walks everything, some rows at a time."""
    for store in stores():
        last = -1
        while True:
            with database.read() as session:
                statement = select(store.key.label("key"), *_raw(store)).where(store.key > last).order_by(store.key)
                rows = session.execute(statement.limit(BATCH)).mappings().all()
            for row in rows:
                yield from _faults(store, row, sealer)
            if not rows:
                break
            last = int(rows[-1]["key"])


def _faults(store: Store, row: Any, sealer: Sealer) -> Iterator[Fault]:
    for name in store.columns:
        message = "" if sealer.is_current(row[name]) else "还是旧密钥或旧算法"
        try:
            sealer.open(row[name])
        except SealError as error:
            message = str(error)
        if message:
            yield Fault(store.table.name, int(row["key"]), name, message)
