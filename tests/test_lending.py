"""A database that is lent again is like the first: no row, no number and no table of its last user is in it."""

from contextlib import suppress

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from app import clock
from app.accounts.tables import Staff
from app.database import Database, put_one
from tests.builders import PASSWORD_HASH
from tests.lending import TABLES, Lender

WHICH = text("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
STAFF = {"login": "zhang", "name": "张", "role": "operator", "unit": "", "password_hash": PASSWORD_HASH, "active": True}


def content(connection: Connection) -> dict[str, list[str]]:
    """Return every row of every table, as text."""
    names = connection.scalars(TABLES).all()
    return {name: list(connection.scalars(text(f'SELECT t::text FROM "{name}" t'))) for name in names}  # noqa: S608  names from the catalogue


def test_a_database_is_lent_again_like_new(lender: Lender) -> None:
    found = []
    for _ in range(2):
        with lender.lend() as address:
            database = Database(address)
            with database.reader.connect() as connection:
                before, which = content(connection), connection.scalar(WHICH)
            with database.write() as session:
                ident = put_one(session, Staff, STAFF | {"created_at": clock.now(), "takes_special": False})
                session.execute(text("UPDATE access_head SET seq = 7"))
            found.append((which, before, ident))
            database.dispose()
    assert found[0] == found[1]
    assert (found[0][2], len(found[0][1]["access_head"])) == (1, 1)


def test_who_had_it_last_cannot_come_back(lender: Lender) -> None:
    with lender.lend() as address:
        late = create_engine(address)
        with late.connect() as connection:
            connection.execute(text("SELECT 1"))
    with lender.lend() as other:
        assert other != address
        # The first one out of the pool is dead, the next one finds nothing under the old address.
        for _ in range(2):
            with suppress(OperationalError), late.connect() as connection:
                connection.execute(text("SELECT 1"))
                pytest.fail("仍可连入")
    late.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE ticket ADD COLUMN weather VARCHAR(8)",
        "ALTER TABLE ticket ALTER COLUMN tag DROP NOT NULL",
        "DROP INDEX ix_ticket_closed_at",
        "CREATE TABLE weather (day DATE)",
    ],
)
def test_a_database_whose_tables_were_changed_is_not_lent_again(lender: Lender, change: str) -> None:
    found = []
    for statement in (change, "SELECT 1"):
        with lender.lend() as address:
            engine = create_engine(address)
            with engine.begin() as connection:
                found.append(connection.scalar(WHICH))
                connection.execute(text(statement))
            engine.dispose()
    assert found[0] != found[1]
