"""Processes that can be killed by the hundred: forked from one that has the program loaded, each with settings of its own.

Such a process runs the `hotline` command as a shell would; only the seconds of loading the program are spared.
"""

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import clock
from app.accounts import audit as access
from app.database import Database
from app.jobs.catalogue import make_runner
from app.jobs.schedule import Slot
from app.jobs.tables import JobRun
from app.notify.tables import InboxMessage, Outbox
from app.reminders.tables import Card, Digest, DutyCall
from app.reports.tables import Report
from app.settings import Settings, load_settings
from app.supervision.tables import SupervisionOrder, SupervisionTicket
from app.tickets import audit, seal_watch
from app.tickets.clocks import rebuild
from app.tickets.day_seal_tables import DaySeal
from app.tickets.office import open_office
from app.tickets.tables import TicketEvent

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.process.killing", "app.cli"])
MADE = (DaySeal, Report, Digest, Card, DutyCall, SupervisionOrder, SupervisionTicket)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the settings of a test's installation as environment variables."""
    return {
        "HOTLINE_DATABASE_URL": settings.database_url,
        "HOTLINE_VAR_DIR": str(settings.var_dir),
        "HOTLINE_MODELS_DIR": str(settings.models_dir),
        "HOTLINE_WORKER_SECONDS": "0.05",
        "HOTLINE_LOG_LEVEL": "ERROR",
    }


def begin(settings: Settings, *arguments: str, **but: str) -> BaseProcess:
    """Start `hotline …` as a process of its own."""
    process = _context.Process(target=_command, args=(environment_of(settings) | but, arguments))
    process.start()
    return process


def begin_job(settings: Settings, kind: str, slot: Slot) -> BaseProcess:
    """Start a job's slot in a process of its own; one of a day gone by, too, which the command refuses."""
    process = _context.Process(target=_job, args=(environment_of(settings), kind, slot))
    process.start()
    return process


def _job(environment: dict[str, str], kind: str, slot: Slot) -> None:
    os.environ.update(environment)
    runner = make_runner(open_office(load_settings()))
    runner.run_slot(runner.find(kind), slot, again=True)


def _command(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    from app.cli import main  # noqa: PLC0415  a test's own process need not load it, its children have it by the fork

    os.environ.update(environment)
    sys.argv = ["hotline", *arguments]
    main()


def kill(process: BaseProcess) -> None:
    """End a process by kill -9."""
    process.kill()
    process.join()


def faults(database: Database) -> list[str]:
    """Return everything that does not hold: events' chains, the record of access, daily seals, columns against events."""
    entry, watch = access.verify(database), seal_watch.stored(database)
    return [
        *(f"{item.number} {item.message}" for item in audit.verify(database, see=watch.see)),
        *(f"{item.day} {item.message}" for item in seal_watch.verify(database, watch)),
        *(f"{item.where} {item.column}" for item in rebuild(database, check=True)),
        *([entry.message] if entry else []),
    ]


def made(session: Session) -> Counter[str]:
    """Return how much the jobs have made, by table, and of events, messages and notices by kind."""
    found: Counter[str] = Counter()
    for table in MADE:
        found[table.__tablename__] = session.scalars(select(func.count()).select_from(table)).one()
    for kind in (TicketEvent.kind, Outbox.kind, InboxMessage.kind):
        for name, count in session.execute(select(kind, func.count()).group_by(kind)):
            found[f"{kind.class_.__tablename__} {name}"] = count
    for status, attempts in session.execute(select(JobRun.status, func.count()).group_by(JobRun.status)):
        found[f"job {status}"] = attempts
    return found


def let_leases_end(database: Database) -> None:
    """Stand in for the minutes until the lease of a dead worker is over."""
    with database.write() as session:
        session.execute(update(JobRun).where(JobRun.lease_until.is_not(None)).values(lease_until=clock.now()))


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Wait until something has come about; whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True
