"""kill -9 in the middle of every job and of the worker's round: whatever the moment, each thing is made once in the end."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, exists, make_url, select, text, update

from app import clock
from app.database import Database
from app.jobs.catalogue import make_runner
from app.jobs.run import Job
from app.jobs.schedule import Slot
from app.jobs.tables import JobRun
from app.jobs.worker import one_round
from app.notify.tables import InboxMessage, Outbox
from app.reminders.digest import days_of
from app.reminders.tables import Digest
from app.reports.tables import Report
from app.settings import Settings
from app.tickets.clocks import rebuild
from app.tickets.day_seal_tables import DaySeal
from app.tickets.intake import Desk
from app.tickets.office import Office
from app.tickets.tables import Dispatch
from tests.builders import Hotline
from tests.conftest import open_test_office
from tests.process.killing import begin, begin_job, faults, kill, let_leases_end, made, until
from tests.tickets.test_life import at

# Long past whenever the tests run, and inside the shipped calendar.
ACCEPTED = datetime(2025, 11, 3, 2, 0, tzinfo=UTC)
PERIODS = {
    "day_seal": "2025-11-04",
    "morning_reminder": "2025-11-05", "afternoon_reminder": "2025-11-06", "weekly_report": "2025-W45",
    "monthly_report": "2025-11", "annual_report": "2025",
}  # fmt: skip
MOMENTS = (0.03,)
SOAK = [pytest.param(seed, marks=pytest.mark.soak) for seed in range(20)]


@pytest.fixture
def seeded(hotline: Hotline) -> Iterator[None]:
    """Work orders of last year that nobody has touched since: every one is overdue now."""
    with at(hotline, ACCEPTED):
        for index in range(8):
            hotline.submit(urgent=index % 2 == 0)
    yield
    hotline.sign_in_anew()


def claimed(database: Database, kind: str) -> Callable[[], bool]:
    """Whether a process has taken a job."""

    def look() -> bool:
        with database.read() as session:
            return bool(session.scalar(select(exists().where(JobRun.kind == kind))))

    return look


def test_every_job_of_the_catalogue_is_killed_here(office: Office) -> None:
    assert {job.kind for job in make_runner(office).jobs} == set(PERIODS)


def slot_of(job: Job) -> Slot:
    """Return a job's slot of last year, a reminder's as if its day were not over."""
    now = clock.now()
    found = next(slot for slot in job.slots(now - timedelta(days=800), now) if slot.period == PERIODS[job.kind])
    return replace(found, until=None)


def kill_once(office: Office, kind: str, delay: float) -> Counter[str]:
    """Kill a job's process a moment after it took its period, finish with another, and return what there is then."""
    database, runner = office.database, make_runner(office)
    job = runner.find(kind)
    slot = slot_of(job)
    process = begin_job(office.settings, kind, slot)
    assert until(claimed(database, kind))
    time.sleep(delay)
    kill(process)
    let_leases_end(database)
    runner.run_slot(job, slot, again=True)
    with database.read() as session:
        return made(session)


def forget(database: Database) -> None:
    with database.write() as session:
        for table in (JobRun, DaySeal, Report, Digest, InboxMessage, Outbox):
            session.execute(delete(table))


def fall_due_today(office: Office) -> None:
    """The second round is about what is due today, whatever day the tests run on."""
    last = days_of(clock.now(), office.desk.calendar).today_ends - timedelta(seconds=1)
    with office.database.write() as session:
        session.execute(update(Dispatch).values(next_due_at=last))


def hold_single(office: Office, kind: str, delays: list[float]) -> None:
    fall_due_today(office)
    runner = make_runner(office)
    job = runner.find(kind)
    forget(office.database)
    assert runner.run_slot(job, slot_of(job))
    with office.database.read() as session:
        wanted = made(session)
    assert wanted["job 完成"] == 1
    assert wanted["report"] + wanted["digest"] + wanted["day_seal"] > 0
    for delay in delays:
        forget(office.database)
        assert kill_once(office, kind, delay) == wanted, delay
    # What was put off to today is put back as the events say.
    assert list(rebuild(office.database, check=False))
    assert faults(office.database) == []


@pytest.mark.parametrize("kind", PERIODS)
@pytest.mark.usefixtures("seeded")
def test_a_job_killed_in_the_middle_is_done_once(office: Office, kind: str) -> None:
    hold_single(office, kind, list(MOMENTS))


@pytest.mark.soak
@pytest.mark.parametrize("kind", PERIODS)
@pytest.mark.usefixtures("seeded")
def test_a_job_killed_at_many_moments_is_done_once(office: Office, kind: str) -> None:
    dice = random.Random(kind)
    hold_single(office, kind, [dice.expovariate(20) for _ in range(40)])


@pytest.fixture
def copied(office: Office, desk: Desk, seeded: None, tmp_path: Path) -> Iterator[Office]:
    """An office on a copy of the seeded database, where nobody is killed."""
    url = make_url(office.settings.database_url)
    if office.database.is_sqlite:
        with office.database.write() as session:
            session.execute(text("SELECT 1"))
        office.database.dispose()
        shutil.copy(str(url.database), tmp_path / "copy.sqlite3")
        other = url.set(database=str(tmp_path / "copy.sqlite3"))
    else:
        office.database.dispose()
        other = url.set(database=f"{url.database}_copy")
        serve(office.settings, f'CREATE DATABASE "{other.database}" TEMPLATE "{url.database}"')
    settings = office.settings.model_copy(update={"database_url": other.render_as_string(hide_password=False)})
    opened = open_test_office(settings, desk)
    yield opened
    opened.database.dispose()
    if not office.database.is_sqlite:
        serve(office.settings, f'DROP DATABASE "{other.database}" WITH (FORCE)')


def serve(settings: Settings, statement: str) -> None:
    engine = create_engine(make_url(settings.database_url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as server:
        server.execute(text(statement))
    engine.dispose()


def settled(office: Office) -> Counter[str]:
    """Work until nothing is left to be done, and return what there is then."""
    let_leases_end(office.database)
    while any(one_round(office, None).values()):
        pass
    with office.database.read() as session:
        return made(session)


def harass(office: Office, dice: random.Random, kills: int) -> None:
    for _ in range(kills):
        with office.database.read() as session:
            before = made(session)
        process = begin(office.settings, "worker")

        def moved(before: Counter[str] = before) -> bool:
            with office.database.read() as session:
                return made(session) != before

        until(moved, 4)
        time.sleep(dice.expovariate(30))
        kill(process)


def test_a_worker_killed_in_its_round_leaves_nothing_twice_and_nothing_out(office: Office, copied: Office) -> None:
    wanted = settled(copied)
    harass(office, random.Random(5), 3)
    assert settled(office) == wanted
    assert wanted["supervision_order"] > 0
    assert wanted["ticket_event signed"] > 0
    assert faults(office.database) == []


@pytest.mark.parametrize("seed", SOAK)
def test_a_worker_killed_again_and_again(office: Office, copied: Office, seed: int) -> None:
    wanted = settled(copied)
    harass(office, random.Random(seed), 5)
    assert settled(office) == wanted
    assert faults(office.database) == []


def test_four_worker_processes_make_each_thing_once(office: Office, copied: Office) -> None:
    if office.database.is_sqlite:
        pytest.skip("SQLite 只有一个后台进程")
    wanted = settled(copied)
    workers = [begin(office.settings, "worker") for _ in range(4)]

    def finished() -> bool:
        with office.database.read() as session:
            return made(session) == wanted

    until(finished, 20)
    for worker in workers:
        worker.terminate()
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert settled(office) == wanted
    assert faults(office.database) == []
