"""The lease of a run holds for as long as its process works on it, and no longer."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.database import Database, DatabaseBusyError
from app.jobs import ledger
from app.jobs.catalogue import make_runner
from app.jobs.run import Job, Prepared, Progress, Runner
from app.jobs.schedule import Slot
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import Hotline
from tests.command import hotline_command
from tests.process.killing import environment_of

LEASE = timedelta(seconds=0.8)
PERIOD = "2026-W45"


class Stumbling(Database):
    """A database whose first renewal of a lease finds it locked."""

    stumbled = False

    @contextmanager
    def write(self) -> Iterator[Session]:
        if threading.current_thread().name == "lease" and not self.stumbled:
            self.stumbled = True
            raise DatabaseBusyError("系统繁忙，请稍后重试（写入排队超时）")
        with super().write() as session:
            yield session


@pytest.fixture
def slot() -> Slot:
    return Slot(PERIOD, clock.now())


def doing(office: Office, prepare: Any) -> tuple[Runner, Job]:
    """A runner with a short lease, and a report that is prepared like this."""
    runner = replace(make_runner(office), lease=LEASE)
    return runner, replace(runner.find("weekly_report"), prepare=prepare)


def quickly(*_: Any) -> Prepared:
    return Prepared({}, lambda _: None)


def test_a_job_that_outlasts_its_lease_is_begun_by_nobody_else(settings: Settings, office: Office, slot: Slot) -> None:
    begun, enough, done = threading.Event(), threading.Event(), list[bool]()

    def slowly(_office: Office, _period: str, _progress: Progress) -> Prepared:
        begun.set()
        enough.wait(30)
        return quickly()

    stumbling = Stumbling(settings.database_url)
    runner, job = doing(replace(office, database=stumbling), slowly)
    thread = threading.Thread(target=lambda: done.append(runner.run_slot(job, slot)))
    thread.start()
    assert begun.wait(10)
    time.sleep(LEASE.total_seconds() + 0.1)
    other, same = doing(office, quickly)
    taken = other.run_slot(same, slot, again=True)
    enough.set()
    thread.join(30)
    stumbling.dispose()
    assert (taken, done, stumbling.stumbled) == (False, [True], True)


def test_a_job_whose_process_died_is_taken_over_when_its_lease_is_over(
    hotline: Hotline, office: Office, slot: Slot
) -> None:
    def dies(*_: Any) -> Prepared:
        raise KeyboardInterrupt

    runner, job = doing(office, dies)
    with pytest.raises(KeyboardInterrupt):
        runner.run_slot(job, slot)
    other, well = doing(office, quickly)
    assert not other.run_slot(well, slot)
    time.sleep(LEASE.total_seconds())
    assert other.run_slot(well, slot)
    run = hotline.get("admin", "/jobs/history").json()[0]
    assert (run["period"], run["status"], run["attempts"]) == (PERIOD, "完成", 2)


def test_the_history_says_who_has_a_run_and_until_when(hotline: Hotline, office: Office, slot: Slot) -> None:
    runner, seen = make_runner(office), list[dict[str, Any]]()

    def looks(*_: Any) -> Prepared:
        seen.extend(hotline.get("admin", "/jobs/history").json())
        raise OSError("No space left on device")

    began = clock.now()
    runner.run_slot(replace(runner.find("weekly_report"), prepare=looks), slot)
    held, failed = seen[0], hotline.get("admin", "/jobs/history").json()[0]
    assert (held["status"], held["owner"], failed["owner"]) == ("进行中", runner.owner, runner.owner)
    until, again = (datetime.fromisoformat(run["lease_until"]) - began for run in (held, failed))
    assert timedelta(0) <= until - ledger.LEASE < timedelta(minutes=1)
    assert timedelta(0) <= again - ledger.FIRST_WAIT < timedelta(minutes=1)
    told = hotline_command(("jobs", "history"), {**os.environ, **environment_of(office.settings)}).stdout
    assert f"{runner.owner}，{clock.spoken(began + again)} 起再试" in told
