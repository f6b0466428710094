"""GET /metrics: are we late, where, and why. Figures are asked of the database when somebody looks, each by an index.

Counts and ages only; no work order's number, nobody's name; 专办件 are in no figure by unit.
"""

import math
import os
from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import clock
from app.classify.drift import drift
from app.edge.peers import require_metrics_reader
from app.jobs import ledger
from app.jobs.catalogue import make_runner
from app.jobs.standing import standings
from app.notify.deliver import oldest_due, waiting
from app.tickets.lifecycle import State
from app.tickets.office import Office
from app.tickets.queries import ordinary, recent_confidences
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Ticket

DRIFT_ANSWERS = 500
OWED = (Phase.AWAITING_SIGN.value, Phase.IN_PROGRESS.value, Phase.RETURNING.value)


def _gauge(name: str, told: str, *labels: str) -> Gauge:
    return Gauge(f"hotline_{name}", told, labels, multiprocess_mode="mostrecent")


DATABASE_UP = _gauge("database_up", "数据库是否答话（1 是；0 否，这时其余数字是上一次的）")
TICKETS = _gauge("tickets", "各在办状态的工单件数", "state")
OVERDUE_TICKETS = _gauge("overdue_tickets", "有时限已过的工单件数")
OVERDUE_PARTS = _gauge("overdue_parts", "各单位已过时限的承办任务数", "unit")
OLDEST_UNSIGNED = _gauge("oldest_unsigned_seconds", "等签收最久的承办任务已等的秒数；没有为 0")
OLDEST_TRIAGE = _gauge("oldest_triage_seconds", "等派单最久的工单已等的秒数；没有为 0")
OUTBOX_WAITING = _gauge("outbox_waiting", "待推送通知数")
OUTBOX_OLDEST = _gauge("outbox_oldest_seconds", "现在就该送出的通知中，最早一条已等的秒数；没有为 0")
OUTBOX_DEAD = _gauge("outbox_dead", "推送失败已放弃的通知数")
JOB_AGE = _gauge("job_finished_age_seconds", "各作业最近一期完成至今的秒数；从未完成为 NaN", "kind")
JOB_UNFINISHED = _gauge("job_unfinished", "各作业已开始而没有完成的期数（进行中或失败）", "kind")
JOB_FAILED = _gauge("job_failed", "各作业失败了或做它的进程中断了、等着再试的期数", "kind")
JOB_LATE = _gauge("job_late_seconds", "各作业最早一期到期而没有完成的已过的秒数；没有为 0", "kind")
MODEL_DRIFT = _gauge("model_drift", "近期把握与模型检验时的偏离（PSI，0.25 以上应检查模型）")


def add_metrics(app: FastAPI, office: Office) -> None:
    """Give an application its /metrics."""
    router = APIRouter()

    @router.get("/metrics", tags=["运行"], summary="指标", include_in_schema=False)
    def metrics(request: Request) -> Response:
        """Prometheus figures; of all processes together where PROMETHEUS_MULTIPROC_DIR is set."""
        require_metrics_reader(request.scope, office.settings)
        measure(office)
        registry: CollectorRegistry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.include_router(router)


def measure(office: Office) -> None:
    """Set every gauge; where the database does not answer, only that is told: the process has figures of its own."""
    steps: tuple[Callable[[Session, Office], None], ...] = (_tickets, _ages, _parts, _outbox, _jobs, _model)
    try:
        with office.database.read() as session:
            for step in steps:
                step(session, office)
    except DBAPIError:
        DATABASE_UP.set(0)
    else:
        DATABASE_UP.set(1)


def _tickets(session: Session, _office: Office) -> None:
    # Only the open ones: what has ended is a million rows, grows for ever, and is for the reports.
    open_states = [state.value for state in State if state.is_open]
    found = session.execute(
        select(Ticket.state, func.count()).where(Ticket.state.in_(open_states)).group_by(Ticket.state)
    )
    counts = {state: count for state, count in found}  # noqa: C416  rows are not pairs to the type checker
    for state in open_states:
        TICKETS.labels(state).set(counts.get(state, 0))
    OVERDUE_TICKETS.set(session.scalars(select(func.count()).where(Ticket.next_due_at < clock.now())).one())


def _ages(session: Session, _office: Office) -> None:
    OLDEST_UNSIGNED.set(_age(session, Dispatch.dispatched_at, Dispatch.state == Phase.AWAITING_SIGN.value))
    OLDEST_TRIAGE.set(_age(session, Ticket.held_since, Ticket.state == State.TRIAGE.value))


def _age(session: Session, moment: InstrumentedAttribute[datetime], waits: ColumnElement[bool]) -> float:
    # The count keeps PostgreSQL from walking the moments from the oldest row of all until one waits.
    oldest, _ = session.execute(select(func.min(moment), func.count()).where(waits)).one()
    return _seconds_since(oldest)


def _seconds_since(moment: datetime | None) -> float:
    return max((clock.now() - moment).total_seconds(), 0) if moment else 0


def _parts(session: Session, office: Office) -> None:
    late = (
        select(Dispatch.unit, func.count())
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(Dispatch.state.in_(OWED), Dispatch.next_due_at < clock.now(), ordinary())
        .group_by(Dispatch.unit)
    )
    counts = {unit: count for unit, count in session.execute(late)}  # noqa: C416  as above
    for unit in office.desk.rulebook.units:
        OVERDUE_PARTS.labels(unit.code).set(counts.get(unit.code, 0))


def _outbox(session: Session, office: Office) -> None:
    waits, dead = waiting(session)
    OUTBOX_WAITING.set(waits)
    OUTBOX_DEAD.set(dead)
    OUTBOX_OLDEST.set(_seconds_since(oldest_due(session, office.settings)))


def _jobs(session: Session, office: Office) -> None:
    finished, now = ledger.last_finished(session), clock.now()
    for found in standings(session, make_runner(office).jobs):
        kind = found.job.kind
        moment = finished.get(kind)
        JOB_AGE.labels(kind).set(_seconds_since(moment) if moment else math.nan)
        JOB_UNFINISHED.labels(kind).set(len(found.open))
        JOB_FAILED.labels(kind).set(len(found.failed))
        JOB_LATE.labels(kind).set(found.late_seconds(now))


def _model(session: Session, office: Office) -> None:
    """Set how far the newest answers' confidences lie from those the model was measured with."""
    classifier = office.desk.classifier
    shift = None
    if classifier is not None:
        shift = drift(classifier.confidences, recent_confidences(session, classifier.version, DRIFT_ANSWERS))
    # Not a number until there are enough answers: a nought would say that nothing has changed.
    MODEL_DRIFT.set(math.nan if shift is None else shift)
