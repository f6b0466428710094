"""Delivers the outbox by signed webhook (Standard Webhooks): at least once, with back-off, dead after many tries."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from app import clock
from app.database import Database
from app.notify.tables import Outbox
from app.settings import Settings

# A batch must end within its lease, or a second worker takes the same notices: 5 × 10 s < 90 s.
BATCH = 5
LEASE = timedelta(seconds=90)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
MAX_ATTEMPTS = 12
TIMEOUT_SECONDS = 10.0
log = logging.getLogger("hotline.notify")


@dataclass(frozen=True)
class Notice:
    """One claimed notice."""

    id: int
    kind: str
    payload: str
    created_at: datetime
    attempts: int


Send = Callable[[Notice], None]


def make_sender(settings: Settings, client: httpx.Client) -> Send | None:
    """Return what sends a notice to the configured receiver; None while no receiver is configured.

    The sender raises httpx.HTTPError when the receiver does not take the notice.
    """
    if not settings.webhook_url:
        return None
    signer = Webhook(settings.webhook_secret.get_secret_value())

    def send(notice: Notice) -> None:
        body = json.dumps(
            {"type": notice.kind, "timestamp": notice.created_at.isoformat(), "data": json.loads(notice.payload)},
            ensure_ascii=False,
        )
        moment, ident = clock.now(), f"msg_{notice.id}"
        headers = {
            "content-type": "application/json",
            "webhook-id": ident,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signer.sign(ident, moment, body),
        }
        client.post(settings.webhook_url, content=body.encode(), headers=headers).raise_for_status()

    return send


def deliver_due(database: Database, send: Send) -> int:
    """Send what is due, one batch; returns how many notices the receiver took.

    A claimed notice is leased: should this process die, it becomes due again.
    """
    with database.write() as session:
        notices = _claim(session)
    taken = 0
    for notice in notices:
        try:
            send(notice)
        except httpx.HTTPError as error:
            with database.write() as session:
                _put_off(session, notice, type(error).__name__)
            continue
        taken += 1
        with database.write() as session:
            _settle(session, notice)
    return taken


def _claim(session: Session) -> list[Notice]:
    now = clock.now()
    statement = (
        select(Outbox)
        .where(Outbox.next_attempt_at <= now)
        .order_by(Outbox.next_attempt_at, Outbox.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    claimed = []
    for row in session.scalars(statement):
        row.attempts += 1
        row.next_attempt_at = now + LEASE
        claimed.append(Notice(row.id, row.kind, row.payload, row.created_at, row.attempts))
    return claimed


def _settle(session: Session, notice: Notice) -> None:
    values = {"delivered_at": clock.now(), "next_attempt_at": None, "last_error": None}
    session.execute(update(Outbox).where(Outbox.id == notice.id).values(**values))


def _put_off(session: Session, notice: Notice, error: str) -> None:
    now = clock.now()
    dead = notice.attempts >= MAX_ATTEMPTS
    wait = min(FIRST_WAIT * 2 ** (notice.attempts - 1), LONGEST_WAIT)
    values = {"last_error": error, "dead_at": now if dead else None, "next_attempt_at": None if dead else now + wait}
    mine = (Outbox.id == notice.id, Outbox.attempts == notice.attempts, Outbox.delivered_at.is_(None))
    session.execute(update(Outbox).where(*mine).values(**values))
    log.warning("notice not delivered", extra={"kind": notice.kind, "reason": error, "count": notice.attempts})


def waiting(session: Session) -> tuple[int, int]:
    """Return how many notices wait for delivery and how many were given up."""
    waits = session.scalars(select(func.count()).where(Outbox.next_attempt_at.is_not(None))).one()
    dead = session.scalars(select(func.count()).where(Outbox.dead_at.is_not(None))).one()
    return waits, dead
