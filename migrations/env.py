"""Alembic's entry: takes the engine it is handed, or the one of this installation's settings."""

from alembic import context
from sqlalchemy import Connection

from app.accounts import tables as _accounts
from app.database import Base, Database
from app.jobs import tables as _jobs
from app.notify import tables as _notify
from app.reminders import tables as _reminders
from app.reports import tables as _reports
from app.settings import load_settings
from app.supervision import tables as _supervision
from app.tickets import day_seal_tables as _day_seals
from app.tickets import life_tables as _life
from app.tickets import receipt_tables as _receipts
from app.tickets import saved_tables as _saved
from app.tickets import tables as _tickets

__all__ = [
    "_accounts",
    "_day_seals",
    "_jobs",
    "_life",
    "_notify",
    "_receipts",
    "_reminders",
    "_reports",
    "_saved",
    "_supervision",
    "_tickets",
]

LOCK_WAIT_MS = 3000


def _is_mapped(_object: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
    """Leave out the text index: each database has its own kind, and SQLite keeps it in shadow tables."""
    return not (kind == "table" and reflected and (name or "").startswith("ticket_search"))


def _wait_shortly(connection: Connection) -> None:
    """Whoever waits for a table's exclusive lock holds up everybody who comes behind: give up soon, and try again later.

    Work on the rows may take its time.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET lock_timeout = {LOCK_WAIT_MS}")
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.commit()


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_object=_is_mapped,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


engine = context.config.attributes.get("engine") or Database(load_settings().database_url).writer
with engine.connect() as connection:
    _wait_shortly(connection)
    _migrate(connection)
    connection.commit()
    # The pool keeps the connection; it goes back to the limits it was opened with.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("RESET ALL")
        connection.commit()
