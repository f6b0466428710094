"""The whole service under fire: API, worker and database killed under load, databases that are away, slow or full."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import func, select, text

from app import clock
from app.accounts.access import Role
from app.accounts.service import add_staff
from app.classify.artefact import current_model
from app.database import Database
from app.jobs.tables import JobRun
from app.notify.tables import Outbox
from app.settings import HOME, Settings
from app.tickets.office import Office
from app.tickets.tables import Dispatch, Ticket, TicketEvent
from tests.builders import PASSWORD, POLL_SECONDS, Hotline, ticket_form
from tests.notify.test_deliver import Receiver
from tests.process.fleet import Mortal, answers, fleet
from tests.process.killing import begin, environment_of, faults, kill, until
from tests.rules import copied, edit


@pytest.fixture(scope="module")
def mortal(postgres_url: str) -> Iterator[Mortal]:
    server = Mortal()
    yield server
    server.end()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def enrol(database: Database) -> None:
    with database.write() as session:
        add_staff(session, login="op", name="话务员", role=Role.OPERATOR, password=PASSWORD)


def sign_in(base: str) -> dict[str, str]:
    answer = httpx.post(f"{base}/api/v1/session", json={"login": "op", "password": PASSWORD}, timeout=20)
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def submit(base: str, headers: dict[str, str], **extra: str) -> httpx.Response:
    return httpx.post(f"{base}/api/v1/tickets", json=ticket_form(), headers={**headers, **extra}, timeout=20)


@contextmanager
def load(base: str, headers: dict[str, str], taken: list[str]) -> Iterator[None]:
    """Keep submitting from three clients; what was answered 201 is noted, failures are not."""
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            try:
                answer = submit(base, headers)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 201:
                taken.append(answer.json()["number"])

    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            pool.submit(client)
        try:
            yield
        finally:
            stop.set()


def kill_all(settings: Settings, receiver: Receiver, dice: random.Random, server: Mortal | None) -> list[str]:
    """One round: everything is started, loaded, and killed at some moment in some order; returns what was answered 201."""
    taken: list[str] = []
    with fleet(settings, receiver) as ships:
        base = ships.api("--worker" if server is None else "--no-worker")
        if server:
            ships.worker()
        with load(base, sign_in(base), taken):
            time.sleep(0.3 + dice.random() / 2)
            doomed: list[Callable[[], None]] = [partial(kill, each) for each in ships.everybody()]
            doomed += [server.kill] if server else []
            dice.shuffle(doomed)
            for end in doomed:
                end()
                time.sleep(dice.random() / 20)
    if server:
        server.start()
    return taken


def hold_whole(settings: Settings, receiver: Receiver, taken: list[str]) -> None:
    """Every answered ticket is there, all that waits gets out, nothing is half stored, everything adds up."""
    database = Database(settings.database_url)
    with fleet(settings, receiver) as ships:
        ships.worker()
        assert until(lambda: not left(database), 60)
    with database.read() as session:
        numbers = list(session.scalars(select(Ticket.number)))
        rows = set(session.scalars(select(Outbox.id)))
        parts = Counter(session.scalars(select(Dispatch.ticket_id)))
        doubles = select(JobRun.kind).group_by(JobRun.kind, JobRun.period).having(func.count() > 1)
        assert session.scalars(doubles).all() == []
    assert len(numbers) == len(set(numbers))
    assert set(taken) <= set(numbers)
    assert set(parts.values()) <= {2}
    received = {int(headers["webhook-id"].rpartition("_")[2]) for headers, _ in receiver.taken}
    assert rows <= received
    assert faults(database) == []
    database.dispose()


def left(database: Database) -> int:
    with database.read() as session:
        return session.scalars(select(func.count()).where(Outbox.next_attempt_at.is_not(None))).one()


def let_leases_end(settings: Settings) -> None:
    """Stand in for the minute and a half until what a dead worker had taken is due again."""
    database = Database(settings.database_url)
    with database.write() as session:
        session.execute(text("UPDATE outbox SET next_attempt_at = created_at WHERE next_attempt_at IS NOT NULL"))
    database.dispose()


def under_fire(settings: Settings, receiver: Receiver, seeds: range, server: Mortal | None) -> None:
    taken = []
    for seed in seeds:
        taken += kill_all(settings, receiver, random.Random(seed), server)
        let_leases_end(settings)
    assert len(taken) > len(seeds)
    hold_whole(settings, receiver, taken)


@pytest.fixture
def sqlite_settings(fresh_sqlite: str, tmp_path: Path, small_models_dir: Path) -> Settings:
    database = Database(fresh_sqlite)
    enrol(database)
    database.dispose()
    return Settings(database_url=fresh_sqlite, var_dir=tmp_path / "var", models_dir=small_models_dir)


@pytest.fixture
def mortal_settings(mortal: Mortal, tmp_path: Path, small_models_dir: Path) -> Iterator[Settings]:
    """An installation on a server that may be killed; emptied afterwards."""
    database = Database(mortal.url)
    enrol(database)
    yield Settings(database_url=mortal.url, var_dir=tmp_path / "var", models_dir=small_models_dir)
    database.dispose()
    with database.write() as session:
        names = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        emptied = sorted({*names} - {"alembic_version", "access_head"})
        session.execute(text(f"TRUNCATE {', '.join(emptied)} RESTART IDENTITY CASCADE"))
        session.execute(text("UPDATE access_head SET seq = 0, hash = ''"))
    database.dispose()


@pytest.mark.soak
def test_everything_killed_under_load_on_sqlite(sqlite_settings: Settings, receiver: Receiver) -> None:
    under_fire(sqlite_settings, receiver, range(2), None)


def test_api_worker_and_database_killed_under_load(
    mortal_settings: Settings, receiver: Receiver, mortal: Mortal
) -> None:
    under_fire(mortal_settings, receiver, range(2), mortal)


@pytest.mark.soak
def test_a_hundred_times_on_sqlite(sqlite_settings: Settings, receiver: Receiver) -> None:
    under_fire(sqlite_settings, receiver, range(100, 200), None)


@pytest.mark.soak
def test_a_hundred_times_with_the_database(mortal_settings: Settings, receiver: Receiver, mortal: Mortal) -> None:
    under_fire(mortal_settings, receiver, range(200, 300), mortal)


def hold_away(answer: httpx.Response) -> None:
    """An answer that says clearly that the database cannot be reached, and when to come back."""
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.json()["code"], answer.headers["retry-after"]) == ("database-busy", "5")


def test_a_database_that_was_away_is_found_again_without_a_restart(mortal_settings: Settings, mortal: Mortal) -> None:
    with fleet(mortal_settings) as ships:
        base = ships.api("--worker")
        headers = sign_in(base)
        assert submit(base, headers).status_code == 201
        mortal.kill()
        for _ in range(6):
            hold_away(submit(base, headers))
        assert httpx.get(f"{base}/readyz", timeout=20).status_code == 503
        assert answers(base)
        mortal.start()
        assert until(lambda: submit(base, headers).status_code == 201, 20)
        assert httpx.get(f"{base}/readyz", timeout=20).status_code == 200


def test_a_statement_that_takes_too_long_is_answered_503(
    fresh_postgres: str, tmp_path: Path, small_models_dir: Path
) -> None:
    database = Database(fresh_postgres)
    enrol(database)
    settings = Settings(
        database_url=fresh_postgres, var_dir=tmp_path / "var", models_dir=small_models_dir, statement_seconds=1
    )
    with fleet(settings) as ships:
        ships.told["HOTLINE_STATEMENT_SECONDS"] = "1"
        base = ships.api("--no-worker")
        headers = sign_in(base)
        with database.write() as session:
            session.execute(text("LOCK TABLE ticket IN ACCESS EXCLUSIVE MODE"))
            started = time.monotonic()
            hold_away(submit(base, headers))
            assert time.monotonic() - started < 8
        assert submit(base, headers).status_code == 201
    assert faults(database) == []
    database.dispose()


def count(database: Database, table: type[Any]) -> int:
    with database.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_a_full_disk_is_told_and_leaves_nothing_half_done(hotline: Hotline, office: Office) -> None:
    database = office.database
    if not database.is_sqlite:
        pytest.skip("PostgreSQL 的磁盘不能在测试里填满")
    hotline.submit()
    with database.writer.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}")
    answers_ = [hotline.post("operator", "/tickets", ticket_form()) for _ in range(60)]
    full = [answer for answer in answers_ if answer.status_code != 201]
    assert {(answer.status_code, answer.json()["code"]) for answer in full} == {(507, "storage-full")}
    assert count(database, Ticket) == 1 + len(answers_) - len(full)
    assert faults(database) == []
    with database.writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    hotline.submit()


def test_a_clock_that_jumps_back_bends_no_history(hotline: Hotline, office: Office) -> None:
    number = hotline.submit()["number"]
    with time_machine.travel(clock.now() - timedelta(hours=3), tick=False):
        hotline.sign_in_anew()
        assert hotline.post("unit_handler@市工信局", f"/tickets/{number}/sign").status_code == 200
        later = hotline.submit()["number"]
    hotline.sign_in_anew()
    with office.database.read() as session:
        moments = list(
            session.scalars(select(TicketEvent.at).order_by(TicketEvent.ticket_id, TicketEvent.seq).limit(3))
        )
        dues = session.execute(select(Ticket.accepted_at, Ticket.due_at)).all()
    assert moments == sorted(moments)
    assert all(due_at is not None and due_at > accepted_at for accepted_at, due_at in dues)
    assert later != number
    assert faults(office.database) == []


def test_a_broken_model_leaves_a_service_in_triage(sqlite_settings: Settings, tmp_path: Path) -> None:
    models = Path(shutil.copytree(sqlite_settings.models_dir, tmp_path / "models"))
    version = current_model(models).name
    for path in (models / version).iterdir():
        path.write_bytes(path.read_bytes()[:100])
    settings = sqlite_settings.model_copy(update={"models_dir": models})
    with fleet(settings) as ships:
        base = ships.api("--no-worker")
        assert httpx.get(f"{base}/readyz", timeout=20).json()["status"] == "degraded"
        plain = ticket_form(override=None)
        answer = httpx.post(f"{base}/api/v1/tickets", json=plain, headers=sign_in(base), timeout=20)
        assert (answer.status_code, answer.json()["judgement"]["decision"]) == (201, "triage")


def test_broken_rules_let_no_service_start(sqlite_settings: Settings, tmp_path: Path) -> None:
    rules = copied(tmp_path)
    edit(rules / "units.yaml", "units:", "superior: BT-ZFB", "superior: BT-NOBODY")
    process = begin(sqlite_settings, "serve", "--port", "0", HOTLINE_RULES_DIR=str(rules))
    process.join(30)
    assert process.exitcode == 1


def through(bases: list[str], headers: dict[str, str], index: int, failures: list[str]) -> str:
    """Submit once, going on to the next process only where the last one could not even be reached."""
    for turn in range(200):
        base = bases[(index + turn) % len(bases)]
        try:
            answer = submit(base, headers, **{"Idempotency-Key": f"key-{index}"})
        except httpx.ConnectError:
            time.sleep(0.02)
            continue
        except httpx.TransportError as error:
            failures.append(type(error).__name__)
            continue
        if answer.status_code != 201:
            failures.append(answer.text)
        return str(answer.json().get("number"))
    raise AssertionError("没有一个进程接受")


def test_three_apis_and_two_workers_are_replaced_one_by_one_under_load(
    fresh_postgres: str, tmp_path: Path, small_models_dir: Path, receiver: Receiver
) -> None:
    database = Database(fresh_postgres)
    enrol(database)
    settings = Settings(database_url=fresh_postgres, var_dir=tmp_path / "var", models_dir=small_models_dir)
    failures: list[str] = []
    with fleet(settings, receiver) as ships:
        bases = [ships.api("--no-worker") for _ in range(3)]
        ships.worker()
        ships.worker()
        headers = sign_in(bases[0])
        with ThreadPoolExecutor(3) as pool:
            going = [pool.submit(through, bases, headers, index, failures) for index in range(90)]
            for place, base in enumerate(list(bases)):
                old = ships.apis[base]
                old.terminate()
                old.join(30)
                bases[place] = ships.api("--no-worker")
            for worker in ships.workers:
                worker.terminate()
                worker.join(30)
            numbers = [each.result() for each in going]
        assert [worker.exitcode for worker in ships.workers] == [0, 0]
    assert failures == []
    assert (len(set(numbers)), count(database, Ticket)) == (90, 90)
    database.dispose()
    hold_whole(settings, receiver, numbers)


def test_the_processes_of_one_service_are_replaced_one_by_one_and_lose_no_request(
    fresh_postgres: str, tmp_path: Path, small_models_dir: Path
) -> None:
    settings = Settings(database_url=fresh_postgres, var_dir=tmp_path / "var", models_dir=small_models_dir)
    asking, found = threading.Event(), Counter[str]()

    def ask(base: str) -> None:
        while not asking.wait(0.01):
            try:
                found[str(httpx.get(f"{base}/healthz", timeout=20).status_code)] += 1
            except httpx.TransportError as error:
                found[type(error).__name__] += 1

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "app.cli", "serve", "--processes", "2", "--port", port]
    environment = {**os.environ, **environment_of(settings), "PYTHONPATH": str(HOME)}
    keeper = subprocess.Popen(command, cwd=HOME, env=environment, stdin=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        assert until(lambda: answers(base) and len(children(keeper.pid)) > 2, 90)
        before = children(keeper.pid)
        with ThreadPoolExecutor(2) as pool:
            pool.submit(ask, base)
            pool.submit(ask, base)
            keeper.send_signal(signal.SIGHUP)
            replaced = until(lambda: len(before - children(keeper.pid)) == 2, 90)
            asking.set()
        assert replaced
        assert set(found) == {"200"}
        keeper.terminate()
        assert keeper.wait(30) == 0
    finally:
        keeper.kill()
        keeper.wait()


def children(pid: int) -> set[str]:
    """The numbers of the processes that one has started."""
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split())
