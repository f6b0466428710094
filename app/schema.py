"""The database's schema: which migration it stands at, and bringing it to the newest."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app.database import Database
from app.errors import UnavailableError
from app.settings import HOME

# PostgreSQL's word for a lock that did not come in time.
LOCK_NOT_AVAILABLE = "55P03"


def alembic_config(database: Database) -> Config:
    """Return Alembic's configuration for a database of ours."""
    config = Config(str(HOME / "alembic.ini"))
    config.set_main_option("script_location", str(HOME / "migrations"))
    config.attributes["engine"] = database.writer
    return config


@cache
def newest(folder: Path = HOME / "migrations") -> str:
    """Return the newest migration this code has; its files are read once, for readiness is asked every few seconds."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    head = ScriptDirectory.from_config(config).get_current_head()
    return head or ""


def present(database: Database) -> str:
    """Return the migration a database stands at; empty for an empty database."""
    with database.reader.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str:
    """Return the migration that a connection's transaction sees; empty for an empty database."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(database: Database) -> None:
    """Bring a database to the newest migration.

    Raises:
        UnavailableError: a table stayed locked (PostgreSQL); migrations that were finished stand, the others did nothing.
    """
    try:
        command.upgrade(alembic_config(database), "head")
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != LOCK_NOT_AVAILABLE:
            raise
        raise UnavailableError(
            f"升级等不到表锁，已放弃，没有挡住别人：有长事务或报表正占着表。数据库结构现为 {present(database) or '空'}，"
            "请稍后再执行 hotline migrate（或先停后台）"
        ) from error


def is_newer(found: str, wanted: str) -> bool:
    """Whether a database stands at a migration of a later program; migrations are numbered upwards."""
    return found > wanted
