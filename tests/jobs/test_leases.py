"""The lease of a run holds for as long as its process works on it, and no longer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import clock
from app.database import Database, DatabaseBusyError
from app.jobs.catalogue import make_runner
from app.jobs.run import Job, Prepared, Progress, Runner
from app.jobs.schedule import Slot
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import Hotline

LEASE = timedelta(seconds=0.6)
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
