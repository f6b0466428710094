"""Delivers the outbox by every channel: at least once, with back-off and jitter, quiet at night, dead after many tries."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.database import Database
from app.notify.channels import SENDERS, Notice, PhoneOf, Post, RefusedError, signed
from app.notify.tables import Outbox, Subscription
from app.notify.targets import TargetError
from app.sealing import Sealer, SealError
from app.settings import Settings

# A batch must end within its lease, or a second worker takes the same notices: 5 × 10 s < 90 s.
BATCH = 5
LEASE = timedelta(seconds=90)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
MAX_ATTEMPTS = 12
# What people read; machines are told at all hours.
FOR_PEOPLE = ("wecom", "dingtalk", "sms", "email")
REFUSALS = (httpx.HTTPError, httpx.InvalidURL, OSError, RefusedError, TargetError, SealError)
log = logging.getLogger("hotline.notify")

Send = Callable[[Notice], None]
Chance = Callable[[], float]


@dataclass(frozen=True)
class Deliverer:
    """What one worker delivers with.

    Attributes:
        at_work: whether people may be disturbed now (working days, within the hours of the settings).
        chance: a number from 0 to 1 for the jitter.
    """

    settings: Settings
    sealer: Sealer
    post: Post
    at_work: Callable[[], bool]
    chance: Chance = random.SystemRandom().random

    def send(self, notice: Notice) -> None:
        """Send one notice; raises what is in REFUSALS when the receiver does not take it."""
        if notice.subscription is None:
            self._own_webhook(notice)
        else:
            SENDERS[notice.channel](notice, self.post)

    def _own_webhook(self, notice: Notice) -> None:
        body, headers = signed(notice, self.settings.webhook_secret.get_secret_value())
        self.post.client.post(self.settings.webhook_url, content=body, headers=headers).raise_for_status()

    def wanted(self) -> list[ColumnElement[bool]]:
        """Return the conditions of what can be sent now: the own webhook if there is one; to people only by day."""
        return sendable(self.settings, by_day=self.at_work())


def sendable(settings: Settings, *, by_day: bool) -> list[ColumnElement[bool]]:
    """Return the conditions of what can be sent: the own webhook if there is one; to people only by day."""
    found: list[ColumnElement[bool]] = []
    if not settings.webhook_url:
        found.append(Outbox.subscription_id.is_not(None))
    if not by_day:
        found.append(or_(Outbox.channel.not_in(FOR_PEOPLE), Outbox.urgent.is_(True)))
    return found


def make_deliverer(
    settings: Settings, sealer: Sealer, client: httpx.Client, phone_of: PhoneOf, at_work: Callable[[], bool]
) -> Deliverer:
    """Return what delivers notices of an installation."""
    return Deliverer(settings, sealer, Post(settings, client, phone_of), at_work)


def deliver_due(database: Database, deliverer: Deliverer) -> int:
    """Send what is due, one batch; returns how many notices their receivers took.

    A claimed notice is leased: should this process die, it becomes due again.
    """
    with database.write() as session:
        claimed = _claim(session, deliverer)
    taken = 0
    for notice, sealed in claimed:
        try:
            deliverer.send(_opened(notice, sealed, deliverer.sealer))
        except REFUSALS as error:
            reason = str(error) if isinstance(error, RefusedError | TargetError) else type(error).__name__
            with database.write() as session:
                _put_off(session, notice, reason, deliverer.chance())
            continue
        taken += 1
        with database.write() as session:
            _settle(session, notice)
    return taken


def _claim(session: Session, deliverer: Deliverer) -> list[tuple[Notice, tuple[str, str]]]:
    now = clock.now()
    statement = (
        select(Outbox)
        .where(Outbox.next_attempt_at <= now, *deliverer.wanted())
        .order_by(Outbox.next_attempt_at, Outbox.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    claimed = []
    for row in session.scalars(statement).all():
        row.attempts += 1
        row.next_attempt_at = now + LEASE
        wanted = session.get(Subscription, row.subscription_id) if row.subscription_id else None
        if row.subscription_id and (wanted is None or not wanted.active):
            row.next_attempt_at, row.last_error = None, "订阅已取消"
            continue
        notice = Notice(row.id, row.kind, row.payload, row.created_at, row.attempts, row.channel, row.subscription_id)
        claimed.append((notice, (wanted.target, wanted.secret) if wanted else ("", "")))
    return claimed


def _opened(notice: Notice, sealed: tuple[str, str], sealer: Sealer) -> Notice:
    target, secret = (sealer.open(value) for value in sealed)
    return Notice(
        notice.id, notice.kind, notice.payload, notice.created_at, notice.attempts, notice.channel, notice.subscription,
        target, secret,
    )  # fmt: skip


def _settle(session: Session, notice: Notice) -> None:
    values = {"delivered_at": clock.now(), "next_attempt_at": None, "last_error": None}
    session.execute(update(Outbox).where(Outbox.id == notice.id).values(**values))


def _put_off(session: Session, notice: Notice, error: str, chance: float) -> None:
    now = clock.now()
    dead = notice.attempts >= MAX_ATTEMPTS
    longest = min(FIRST_WAIT * 2 ** (notice.attempts - 1), LONGEST_WAIT)
    # Half of the wait is by chance, so that many notices to one receiver do not come back all at once.
    wait = longest * (0.5 + chance / 2)
    values = {
        "last_error": error[:200],
        "dead_at": now if dead else None,
        "next_attempt_at": None if dead else now + wait,
    }
    mine = (Outbox.id == notice.id, Outbox.attempts == notice.attempts, Outbox.delivered_at.is_(None))
    session.execute(update(Outbox).where(*mine).values(**values))
    log.warning("notice not delivered", extra={"kind": notice.kind, "reason": error, "count": notice.attempts})


def waiting(session: Session) -> tuple[int, int]:
    """Return how many notices wait for delivery and how many were given up."""
    waits = session.scalars(select(func.count()).where(Outbox.next_attempt_at.is_not(None))).one()
    dead = session.scalars(select(func.count()).where(Outbox.dead_at.is_not(None))).one()
    return waits, dead


def oldest_due(session: Session, settings: Settings) -> datetime | None:
    """Return when the oldest notice was written that waits though it can be sent at any hour; None: there is none."""
    waits = (Outbox.next_attempt_at.is_not(None), *sendable(settings, by_day=False))
    # The count keeps PostgreSQL from walking the moments from the oldest row of all until one waits.
    oldest, _ = session.execute(select(func.min(Outbox.created_at), func.count()).where(*waits)).one()
    return oldest if isinstance(oldest, datetime) else None
