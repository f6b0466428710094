"""How the jobs stand: what is due and nobody has begun, what was begun and is not done, and what of it is lost."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app import clock
from app.jobs import ledger
from app.jobs.run import Job, fresh
from app.jobs.schedule import Slot
from app.jobs.tables import JobRun

# A worker begins what is due within seconds; a round that is busy with another report, within minutes.
NOT_BEGUN_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class Standing:
    """What a kind of job owes, the oldest first.

    Attributes:
        waiting: periods that are due and on nobody's record.
        open: runs that were begun and are not done.
    """

    job: Job
    waiting: list[Slot]
    open: list[JobRun]

    @property
    def failed(self) -> list[JobRun]:
        """The runs that failed, and those whose process died."""
        return [row for row in self.open if ledger.state_of(row) == ledger.FAILED]

    def late_seconds(self, now: datetime) -> float:
        """Return for how long the oldest period has been due that is not done, in seconds; 0: none is owed."""
        dues = [*(slot.due_at for slot in self.waiting), *(row.due_at for row in self.open)]
        return max((now - min(dues)).total_seconds(), 0) if dues else 0


@dataclass(frozen=True)
class Lost:
    """A period that does not get done by itself as it should; `reason` in words, without the fault's own text."""

    kind: str
    label: str
    period: str
    due_at: datetime
    attempts: int
    reason: str


def standings(session: Session, jobs: tuple[Job, ...]) -> list[Standing]:
    """Return how every kind of job stands now."""
    runs = ledger.open_runs(session)
    return [Standing(job, _waiting(session, job), [row for row in runs if row.kind == job.kind]) for job in jobs]


def _waiting(session: Session, job: Job) -> list[Slot]:
    slots = fresh(job, ledger.last_due(session, job.kind), clock.now())
    # An hour that was set anew makes a period of today due again that was done at its old hour.
    known = ledger.known(session, job.kind, [slot.period for slot in slots])
    return [slot for slot in slots if slot.period not in known]


def lost(session: Session, jobs: tuple[Job, ...]) -> list[Lost]:
    """Return what failed, whose process died, or what nobody began an hour after it was due, the oldest first.

    Of a kind that nobody begins only the oldest period is told, with how many there are.
    """
    before, found = clock.now() - NOT_BEGUN_AFTER, list[Lost]()
    for each in standings(session, jobs):
        job = each.job
        found += [Lost(job.kind, job.label, row.period, row.due_at, row.attempts, _why(row)) for row in each.failed]
        late = [slot for slot in each.waiting if slot.due_at <= before]
        if late:
            reason = f"到期一小时后还没有开始（共 {len(late)} 期），请看后台（hotline worker）是否在运行"
            found.append(Lost(job.kind, job.label, late[0].period, late[0].due_at, 0, reason))
    return sorted(found, key=lambda item: (item.due_at, item.kind))


def _why(row: JobRun) -> str:
    until = clock.spoken(row.lease_until) if row.lease_until else ""
    if row.status == ledger.RUNNING:
        return f"做它的进程中断了，租约已于 {until} 到期，等后台接手"
    if not row.attempts:
        return row.error
    return f"失败 {row.attempts} 次，{until} 起再试，原因见作业记录"
