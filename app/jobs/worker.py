"""The worker's round: everything the service does without being asked. Any number of workers may run at once."""

import logging
import threading
from datetime import timedelta
from functools import partial

import httpx

from app import clock
from app.accounts.lockout import forget_old_failures
from app.accounts.sessions import forget_ended
from app.jobs.catalogue import make_runner
from app.jobs.run import Runner
from app.notify.channels import TIMEOUT_SECONDS
from app.notify.deliver import Deliverer, deliver_due, make_deliverer
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
    """Do everything that is due once; returns how much of each was done."""
    done = {}
    database, desk = office.database, office.desk
    done["alarms"] = alarm_urgent_triage(database)
    done["handed_over"] = hand_over_merged(database, desk)
    done["signed_for"] = sign_for_the_silent(database)
    done["resumed"] = resume_suspended(database, desk)
    done["joined"] = join_parents(database)
    done["parted"] = part_orphans(database, desk)
    done["archived"] = archive_closed(database, desk)
    done["supervision"] = propose(database, desk)
    done["cards"] = make_cards(database, desk)
    done["duty_calls"] = escalate(database, desk.rulebook)
    done["hard_proposed"] = propose_hard_cases(database)
    done["notices"] = deliver_due(office.database, deliverer) if deliverer else 0
    done["reports"] = (runner or make_runner(office)).run_due()
    with office.database.write() as session:
        old = clock.now() - timedelta(hours=office.settings.idempotency_hours)
        done["keys_forgotten"] = forget_old_keys(session, old)
        done["failures_forgotten"] = forget_old_failures(session)
        done["sessions_forgotten"] = forget_ended(session)
    return done


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
    """Work until told to stop; a round that fails is logged and tried again."""
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
        deliverer, runner = deliverer_of(office, client), make_runner(office)
        while not stop.is_set():
            try:
                done = one_round(office, deliverer, runner)
            except Exception:
                # Whatever a round met (database away, receiver mad), the next one must still come.
                log.exception("worker round failed")
            else:
                for job, count in done.items():
                    if count:
                        log.info("done", extra={"job": job, "count": count})
            stop.wait(office.settings.worker_seconds)
