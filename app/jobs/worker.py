"""The worker's round: everything the service does without being asked. Any number of workers may run at once."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import httpx

from app import clock
from app.accounts.lockout import forget_old_failures
from app.accounts.sessions import forget_ended
from app.jobs.catalogue import make_runner
from app.jobs.run import Runner
from app.notify.deadline import SECONDS
from app.notify.deliver import Deliverer, deliver_due, forget_old, make_deliverer
from app.reminders.cards import make_cards
from app.reminders.duty import escalate
from app.supervision.ladder import propose
from app.tickets.office import Office
from app.tickets.reaching import mobile_of
from app.tickets.submission import forget_old_keys
from app.tickets.upkeep import (
    alarm_urgent_triage,
    archive_closed,
    hand_over_merged,
    join_parents,
    part_orphans,
    propose_hard_cases,
    resume_suspended,
    sign_for_the_silent,
)

log = logging.getLogger("hotline.worker")


def one_round(office: Office, deliverer: Deliverer | None, runner: Runner | None = None) -> dict[str, int]:
    """Do everything that is due once; returns how much of each was done, under `failed` how many steps could not be."""
    done: dict[str, int] = {}
    for name, step in _steps(office, deliverer, runner).items():
        try:
            done[name] = step()
        except Exception:
            # One row that cannot be worked on must not keep the cards, calls and reports of all others from being made.
            log.exception("step failed", extra={"job": name})
            done["failed"] = done.get("failed", 0) + 1
    return done


def _steps(office: Office, deliverer: Deliverer | None, runner: Runner | None) -> dict[str, Callable[[], int]]:
    """Return what a round does, in order."""
    database, desk = office.database, office.desk
    return {
        "alarms": lambda: alarm_urgent_triage(database),
        "handed_over": lambda: hand_over_merged(database, desk),
        "signed_for": lambda: sign_for_the_silent(database),
        "resumed": lambda: resume_suspended(database, desk),
        "joined": lambda: join_parents(database),
        "parted": lambda: part_orphans(database, desk),
        "archived": lambda: archive_closed(database, desk),
        "supervision": lambda: propose(database, desk),
        "cards": lambda: make_cards(database, desk),
        "duty_calls": lambda: escalate(database, desk.rulebook),
        "hard_proposed": lambda: propose_hard_cases(database),
        "notices": lambda: deliver_due(database, deliverer) if deliverer else 0,
        "reports": (runner or make_runner(office)).run_due,
        "keys_forgotten": lambda: _forget_keys(office),
        "notices_forgotten": lambda: forget_old(database, office.settings),
        "failures_forgotten": lambda: _forget_failures(office),
        "sessions_forgotten": lambda: _forget_sessions(office),
    }


def _forget_keys(office: Office) -> int:
    old = clock.now() - timedelta(hours=office.settings.idempotency_hours)
    with office.database.write() as session:
        return forget_old_keys(session, old)


def _forget_failures(office: Office) -> int:
    with office.database.write() as session:
        return forget_old_failures(session)


def _forget_sessions(office: Office) -> int:
    with office.database.write() as session:
        return forget_ended(session)


def deliverer_of(office: Office, client: httpx.Client) -> Deliverer:
    """Return what delivers the notices of an office; people are disturbed on working days within the hours only."""
    settings = office.settings

    def at_work() -> bool:
        now = clock.local(clock.now())
        hours = settings.notice_from_hour <= now.hour < settings.notice_until_hour
        return hours and office.desk.calendar.is_working_day(now.date())

    phone_of = partial(mobile_of, office.database, office.sealer)
    return make_deliverer(settings, office.sealer, client, phone_of, at_work)


def run(office: Office, stop: threading.Event) -> None:
    """Work until told to stop; a round that fails is logged and tried again.

    Notices leave by a thread of their own: a slow receiver must not hold up cards, calls and reports.
    """
    with httpx.Client(timeout=SECONDS, follow_redirects=False) as client:
        runner, deliverer = make_runner(office), deliverer_of(office, client)
        post = threading.Thread(target=_deliver, args=(office, deliverer, stop), name="notices", daemon=True)
        post.start()
        while not stop.is_set():
            try:
                done = one_round(office, None, runner)
            except Exception:
                # Whatever a round met (database away), the next one must still come.
                log.exception("worker round failed")
            else:
                for job, count in done.items():
                    if count:
                        log.info("done", extra={"job": job, "count": count})
            stop.wait(office.settings.worker_seconds)
        # What is being sent has a hard end of its own.
        post.join(2 * SECONDS)


def _deliver(office: Office, deliverer: Deliverer, stop: threading.Event) -> None:
    """Deliver until told to stop; without a pause while notices are being taken."""
    while not stop.is_set():
        taken = 0
        try:
            taken = deliver_due(office.database, deliverer)
        except Exception:
            log.exception("step failed", extra={"job": "notices"})
        if taken:
            log.info("done", extra={"job": "notices", "count": taken})
        else:
            stop.wait(office.settings.worker_seconds)
