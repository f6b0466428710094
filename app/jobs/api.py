"""Jobs over HTTP: what there is, what ran, and running a period by hand."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app import clock
from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.jobs import ledger
from app.jobs.catalogue import make_runner
from app.jobs.schedule import coming, newest
from app.jobs.tables import JobRun
from app.tickets.api import OfficeOf
from app.web import NO_CONTROL, REFUSALS

router = APIRouter(prefix="/api/v1", tags=["作业"], responses=REFUSALS)
Kind = Annotated[str, Path(max_length=24, pattern=r"^[a-z_]+$")]


class JobLine(BaseModel):
    """A job, its newest period that has come due and the next to come."""

    kind: str
    label: str
    last: str | None
    next: str | None
    next_at: datetime | None


class RunLine(BaseModel):
    """One run on record; `owner` is the process (machine:number:mark) that has it or had it last.

    `lease_until`: while it runs, until when it is that process's, renewed as it works; of a failed one, from when on it
    is tried again.
    """

    kind: str
    period: str
    due_at: datetime
    status: str
    attempts: int
    owner: str
    lease_until: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    progress: str
    outcome: str
    error: str


class RunForm(BaseModel):
    """Which period to run; without one the newest that has come due."""

    model_config = ConfigDict(extra="forbid")

    period: Annotated[str, Field(max_length=16, pattern=NO_CONTROL)] | None = None


class RunAnswer(BaseModel):
    """Whether the period was run now; a period that is done is not done again."""

    kind: str
    period: str
    ran: bool


@router.get("/jobs", summary="作业列表")
def list_jobs(office: OfficeOf, _: Annotated[Caller, Depends(Allow(Verb.JOB_READ))]) -> list[JobLine]:
    """Every job with its newest period and the next."""
    now, found = clock.now(), []
    for job in make_runner(office).jobs:
        last, following = newest(job.slots, now), coming(job.slots, now)
        found.append(
            JobLine(
                kind=job.kind, label=job.label, last=last.period if last else None,
                next=following.period if following else None, next_at=following.due_at if following else None,
            )
        )  # fmt: skip
    return found


@router.get("/jobs/history", summary="作业记录")
def job_history(
    office: OfficeOf, _: Annotated[Caller, Depends(Allow(Verb.JOB_READ))],
    kind: Annotated[str | None, Query(max_length=24, pattern=r"^[a-z_]+$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[RunLine]:  # fmt: skip
    """The newest runs."""
    with office.database.read() as session:
        return [run_line(row) for row in ledger.history(session, kind, limit)]


def run_line(row: JobRun) -> RunLine:
    """Return a run as it is shown."""
    return RunLine(
        kind=row.kind, period=row.period, due_at=row.due_at, status=ledger.state_of(row), attempts=row.attempts,
        owner=row.owner, lease_until=row.lease_until, started_at=row.started_at, finished_at=row.finished_at,
        progress=row.progress, outcome=row.outcome, error=row.error,
    )  # fmt: skip


@router.post("/jobs/{kind}/run", summary="运行作业")
def run_job(
    kind: Kind, form: RunForm, office: OfficeOf, _: Annotated[Caller, Depends(Allow(Verb.JOB_RUN))]
) -> RunAnswer:
    """Run a period by hand; a failed one is tried at once."""
    runner = make_runner(office)
    job = runner.find(kind)
    slot = runner.slot_of(job, form.period)
    return RunAnswer(kind=kind, period=slot.period, ran=runner.run_by_hand(job, slot))
