"""The database's schema: which migration it stands at, and bringing it to the newest."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.database import Database
from app.settings import HOME


def alembic_config(database: Database) -> Config:
    """Return Alembic's configuration for a database of ours."""
    config = Config(str(HOME / "alembic.ini"))
    config.set_main_option("script_location", str(HOME / "migrations"))
    config.attributes["engine"] = database.writer
    return config


def newest(folder: Path = HOME / "migrations") -> str:
    """Return the newest migration this code has."""
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
    """Bring a database to the newest migration."""
    command.upgrade(alembic_config(database), "head")
