"""Claims a period of a job for one worker, keeps its lease, and puts on record what came of it.

The last write of a job and the mark that it is done are one transaction, conditional on the lease: a worker that dies
before it leaves nothing, one that lost its lease writes nothing.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.errors import ConflictError
from app.jobs.schedule import Slot
from app.jobs.tables import JobRun
from app.notify.messages import Message, tell

LEASE = timedelta(minutes=5)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
# From here on a person must look; the service goes on trying all the same.
LOUD_AFTER = 6
TOLD = ("desk:admin", "desk:supervisor")
HISTORY = "/api/v1/jobs/history"
SEAL = "day_seal"
RUNNING, DONE, FAILED, SKIPPED = "进行中", "完成", "失败", "略过"


def claim(
    session: Session, kind: str, slot: Slot, owner: str, *, lease: timedelta = LEASE, again: bool = False
) -> JobRun | None:
    """Claim a period for the time of a lease; None when somebody has it, it is done, or it waits to be tried again.

    Where a person asks for it (`again`), a failed period is taken at once.
    """
    now = clock.now()
    row = _locked(session, kind, slot) or _made(session, kind, slot)
    if row is None or not _is_free(row, now, again=again):
        return None
    row.status, row.owner, row.attempts = RUNNING, owner, row.attempts + 1
    row.started_at, row.lease_until, row.progress = now, now + lease, ""
    session.flush()
    return row


def _locked(session: Session, kind: str, slot: Slot) -> JobRun | None:
    statement = select(JobRun).where(JobRun.kind == kind, JobRun.period == slot.period).with_for_update()
    return session.scalars(statement).one_or_none()


def _made(session: Session, kind: str, slot: Slot) -> JobRun | None:
    row = JobRun(
        kind=kind, period=slot.period, due_at=slot.due_at, status=FAILED, owner="", attempts=0, progress="", outcome="{}",
        error="",
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return None
    return row


def owe(session: Session, kind: str, slot: Slot) -> None:
    """Put a missed period on record as one that is still to be made."""
    row = _made(session, kind, slot)
    if row is not None:
        row.lease_until, row.error = clock.now(), "错过了，等后台补做"


def _is_free(row: JobRun, now: datetime, *, again: bool) -> bool:
    if row.status in {DONE, SKIPPED}:
        return False
    if row.status == RUNNING:
        return row.lease_until is None or row.lease_until <= now
    if again:
        return True
    waits = row.lease_until is not None and row.lease_until > now
    return row.status == FAILED and not waits


def renew(session: Session, row: JobRun, lease: timedelta) -> None:
    """Keep the lease of a long run for as long again.

    Raises:
        ConflictError: the lease has gone to somebody else.
    """
    _mine(session, row, {"lease_until": clock.now() + lease})


def show(session: Session, row: JobRun, progress: str) -> None:
    """Show how far a run is.

    Raises:
        ConflictError: the lease has gone to somebody else.
    """
    _mine(session, row, {"progress": progress[:64]})


def finish(session: Session, row: JobRun, outcome: dict[str, Any]) -> None:
    """Mark a run done, in the transaction of its last write.

    Raises:
        ConflictError: the lease has gone to somebody else; nothing of this transaction may stay.
    """
    text = json.dumps(outcome, ensure_ascii=False, sort_keys=True)
    values = {"status": DONE, "finished_at": clock.now(), "lease_until": None, "outcome": text, "error": ""}
    _mine(session, row, values)


def fail(session: Session, row: JobRun, error: str) -> None:
    """Mark a run failed; it is tried again with growing waits, at last every hour, for as long as it still makes sense.

    After some tries those who can mend it are told, once: a report that fails at night must not be missed in silence.
    """
    again_at = clock.now() + min(FIRST_WAIT * 2 ** (row.attempts - 1), LONGEST_WAIT)
    _mine(session, row, {"status": FAILED, "lease_until": again_at, "error": error[:500]})
    if row.attempts >= LOUD_AFTER:
        _tell(session, row)


def _tell(session: Session, row: JobRun) -> None:
    lines = (f"已试 {row.attempts} 次，原因见作业记录；系统每小时再试一次",)
    for audience in TOLD:
        key = f"job:{row.kind}:{row.period}"
        tell(
            session, clock.now(), audience,
            Message("job.failed", f"作业 {row.kind} {row.period} 一直没有成功", lines, HISTORY, key=key),
        )  # fmt: skip


def state_of(row: JobRun) -> str:
    """Return how a run stands: one whose lease has run out has died, whatever its row says."""
    died = row.status == RUNNING and row.lease_until is not None and row.lease_until <= clock.now()
    return FAILED if died else row.status


def failing(session: Session) -> int:
    """Return how many periods have failed so often that a person must look."""
    over = or_(JobRun.status == FAILED, and_(JobRun.status == RUNNING, JobRun.lease_until <= clock.now()))
    return session.scalars(select(func.count()).where(over, JobRun.attempts >= LOUD_AFTER)).one()


def skip(session: Session, kind: str, slot: Slot, owner: str) -> None:
    """Put on record that a period was missed and is not worth making any more (a reminder of a day gone by)."""
    row = claim(session, kind, slot, owner, again=True)
    if row is not None:
        values = {"status": SKIPPED, "finished_at": clock.now(), "lease_until": None, "error": "已过时效，不再补发"}
        _mine(session, row, values)


def _mine(session: Session, row: JobRun, values: dict[str, Any]) -> None:
    own = (JobRun.id == row.id, JobRun.owner == row.owner, JobRun.status == RUNNING, JobRun.attempts == row.attempts)
    changed = session.execute(update(JobRun).where(*own).values(**values).execution_options(synchronize_session=False))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise ConflictError("此项作业已由另一进程接手", code="lease-lost")


def unfinished(session: Session, kind: str) -> list[Slot]:
    """Return the periods of a kind that were begun and may be tried again, oldest first."""
    waiting = (JobRun.kind == kind, JobRun.status.in_((RUNNING, FAILED)))
    statement = select(JobRun).where(*waiting, JobRun.lease_until <= clock.now()).order_by(JobRun.due_at)
    return [Slot(row.period, row.due_at) for row in session.scalars(statement)]


def last_due(session: Session, kind: str) -> datetime | None:
    """Return the due time of the newest period on record."""
    statement = select(JobRun.due_at).where(JobRun.kind == kind).order_by(JobRun.due_at.desc()).limit(1)
    return session.scalar(statement)


def history(session: Session, kind: str | None, limit: int) -> list[JobRun]:
    """Return the newest runs, of one kind or of all."""
    statement = select(JobRun).order_by(JobRun.due_at.desc(), JobRun.id.desc()).limit(limit)
    return list(session.scalars(statement.where(JobRun.kind == kind) if kind else statement))


def sealed(session: Session) -> Iterator[tuple[date, str]]:
    """Yield day and hash of the daily seals as the ledger has them, beside the seals themselves."""
    statement = select(JobRun.outcome).where(JobRun.kind == SEAL, JobRun.status == DONE).order_by(JobRun.due_at)
    for text in session.scalars(statement):
        outcome = json.loads(text)
        if "hash" in outcome:
            yield date.fromisoformat(outcome["day"]), outcome["hash"]


def last_finished(session: Session) -> dict[str, datetime]:
    """Return when the newest period of each kind was done."""
    statement = select(JobRun.kind, func.max(JobRun.finished_at)).where(JobRun.status == DONE).group_by(JobRun.kind)
    return {kind: moment for kind, moment in session.execute(statement) if moment}


def open_runs(session: Session) -> list[JobRun]:
    """Return every run that was begun and is not done, the oldest period first."""
    return list(session.scalars(select(JobRun).where(JobRun.status.in_((RUNNING, FAILED))).order_by(JobRun.due_at)))


def known(session: Session, kind: str, periods: list[str]) -> set[str]:
    """Return which of these periods of a kind are on record."""
    return set(session.scalars(select(JobRun.period).where(JobRun.kind == kind, JobRun.period.in_(periods))))
