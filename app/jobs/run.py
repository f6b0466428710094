"""Runs the jobs that are due: once each whatever races, missed periods caught up in order, failures tried again."""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app import clock
from app.errors import ConflictError, NotFoundError
from app.jobs import ledger
from app.jobs.lease import kept
from app.jobs.schedule import Slot, Slots, newest
from app.jobs.tables import JobRun
from app.tickets.office import Office

# An hour that was set anew moves a slot by less than a day.
NEAR = timedelta(days=1)
log = logging.getLogger("hotline.jobs")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What a job found out, and what remains to be written in one transaction.

    Attributes:
        outcome: counts and names for the history; no personal data.
    """

    outcome: dict[str, Any]
    write: Callable[[Session], None]


@dataclass(frozen=True)
class Job:
    """One kind of job.

    Attributes:
        prepare: finds out what is to be written for a period; changes nothing.
    """

    kind: str
    label: str
    slots: Slots
    prepare: Callable[[Office, str, Progress], Prepared]


@dataclass
class Runner:
    """Runs jobs for one worker process.

    Attributes:
        lease: for how long a period stays this worker's after its last sign of life; renewed while a job runs.
    """

    office: Office
    jobs: tuple[Job, ...]
    lease: timedelta = ledger.LEASE
    owner: str = field(default_factory=lambda: f"{socket.gethostname()[:24]}:{os.getpid()}:{uuid.uuid4().hex[:8]}")

    def run_due(self) -> int:
        """Run everything that is due; returns how many periods were done."""
        return sum(self._run_kind(job) for job in self.jobs)

    def _run_kind(self, job: Job) -> int:
        now = clock.now()
        with self.office.database.read() as session:
            again, last = ledger.unfinished(session, job.kind), ledger.last_due(session, job.kind)
        wanted = [*(_whole(job, slot) for slot in again), *fresh(job, last, now)]
        over = [slot for slot in wanted if slot.until and slot.until < now]
        if over:
            with self.office.database.write() as session:
                for slot in over:
                    ledger.skip(session, job.kind, slot, self.owner)
        return sum(self.run_slot(job, slot) for slot in wanted if slot not in over)

    def run_slot(self, job: Job, slot: Slot, *, again: bool = False) -> bool:
        """Run one period; whether it was done here.

        A fault is put on record with its kind and text, and the period is tried again later.
        """
        with self.office.database.write() as session:
            row = ledger.claim(session, job.kind, slot, self.owner, lease=self.lease, again=again)
        if row is None:
            return False
        try:
            with kept(self.office.database, row, self.lease):
                self._do(job, row)
        except Exception as error:
            log.exception("job failed", extra={"job": job.kind, "period": slot.period})
            self._put_down(row, error)
            return False
        log.info("job done", extra={"job": job.kind, "period": slot.period})
        return True

    def run_by_hand(self, job: Job, slot: Slot) -> bool:
        """Run a period that a person asked for, a failed one at once; whether it was done here.

        What came due before it and was missed is put down as owed: the worker looks for what is due from the newest period on
        record, and would pass the older ones over for good.
        """
        with self.office.database.write() as session:
            last = ledger.last_due(session, job.kind)
            missed = job.slots(last, slot.due_at) if last is not None and last < slot.due_at else []
            for each in missed:
                if each.due_at < slot.due_at:
                    ledger.owe(session, job.kind, each)
        return self.run_slot(job, slot, again=True)

    def _do(self, job: Job, row: JobRun) -> None:
        prepared = job.prepare(self.office, row.period, self._progress(row))
        with self.office.database.write() as session:
            prepared.write(session)
            ledger.finish(session, row, prepared.outcome)

    def _put_down(self, row: JobRun, error: Exception) -> None:
        try:
            with self.office.database.write() as session:
                ledger.fail(session, row, f"{type(error).__name__}: {error}")
        except ConflictError:
            log.warning("job lost its lease", extra={"job": row.kind, "period": row.period})

    def _progress(self, row: JobRun) -> Progress:
        def progress(text: str) -> None:
            with self.office.database.write() as session:
                ledger.show(session, row, text)

        return progress

    def find(self, kind: str) -> Job:
        """Return a job by its kind.

        Raises:
            NotFoundError: there is none.
        """
        found = next((job for job in self.jobs if job.kind == kind), None)
        if found is None:
            raise NotFoundError(f"没有作业 {kind}；有：{'、'.join(job.kind for job in self.jobs)}")
        return found

    def slot_of(self, job: Job, period: str | None) -> Slot:
        """Return the slot of a named period, or the newest that has come due.

        Raises:
            NotFoundError: the job has no such period up to now.
            ConflictError: it is a reminder of a day gone by, and would send today's state under that day's name.
        """
        now = clock.now()
        last = newest(job.slots, now)
        found = last
        if period is not None or last is None:
            found = next((slot for slot in _since_ever(job, now) if slot.period == period), None)
        if found is not None and found.until and found.until < now:
            raise ConflictError(f"{job.label} {found.period} 已过时效，不再补发；要看此刻的情况请查队列")
        if found is None:
            raise NotFoundError(
                f"{job.label}没有已到期的期次“{period or ''}”" + (f"，最近一期是 {last.period}" if last else "")
            )
        return found


def fresh(job: Job, last: datetime | None, now: datetime) -> list[Slot]:
    """Return the slots that have come due since the newest on record; of an empty ledger only the newest."""
    if last is not None:
        return list(job.slots(last, now))
    found = newest(job.slots, now)
    return [found] if found else []


def _whole(job: Job, slot: Slot) -> Slot:
    """Return a slot from the ledger with the time until which it makes sense, which the ledger does not keep.

    Found by its period: its hour may have been set anew since.
    """
    near = job.slots(slot.due_at - NEAR, slot.due_at + NEAR)
    found = next((each for each in near if each.period == slot.period), None)
    return replace(slot, until=found.until) if found else slot


def _since_ever(job: Job, now: datetime) -> list[Slot]:
    return list(job.slots(now.replace(year=now.year - 11, day=1), now))
