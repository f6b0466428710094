"""Delivers the outbox by every channel: at least once, with back-off and jitter, quiet at night, dead after many tries."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from sqlalchemy import ColumnElement, case, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.database import Database
from app.notify.channels import SENDERS, Notice, PhoneOf, Post, RefusedError, TooSlowError, post_within, signed
from app.notify.tables import InboxMessage, Outbox, Subscription
from app.notify.targets import TargetError
from app.sealing import Sealer
from app.settings import Settings

# Claimed one by one, so that none waits behind a slow receiver while its lease runs out.
BATCH = 5
LEASE = timedelta(seconds=90)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
MAX_ATTEMPTS = 12
# What people read; machines are told at all hours.
FOR_PEOPLE = ("wecom", "dingtalk", "sms", "email")
# Faults that lie with the receiver as a whole and would meet every other notice to it as well.
AWAY = (httpx.TransportError, TooSlowError)
NO_ADDRESS = "没有设置推送地址，不再等待"
READY = timedelta(days=1)
FORGET = 200
GIVEN_UP = "多次尝试都没有做完"
# Begins what is kept of a notice that was claimed; what the receiver said last time stays behind it.
CLAIMED = "正在发送："
IN_HAND, CUT_OFF = "正在发送，还没有结果", "发送它的后台中断了"
ERROR_CHARS = 200
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
        """Send one notice; raises whatever kept the receiver from taking it."""
        if notice.subscription is None:
            self._own_webhook(notice)
        else:
            SENDERS[notice.channel](notice, self.post)

    def _own_webhook(self, notice: Notice) -> None:
        body, headers = signed(notice, self.settings.webhook_secret.get_secret_value())
        post_within(self.post.client, httpx.URL(self.settings.webhook_url), body, headers, {})

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
    """Send what is due, up to a batch; returns how many notices their receivers took.

    A claimed notice is leased: should this process die, it becomes due again. While one is being sent to a subscription,
    no other worker sends there; to the installation's own webhook all of them do.
    """
    taken = 0
    for _ in range(BATCH):
        with database.write() as session:
            claimed = _claim(session, deliverer)
        if claimed is None:
            break
        taken += _sent(database, deliverer, *claimed)
    return taken


def _sent(database: Database, deliverer: Deliverer, notice: Notice, sealed: tuple[str, str]) -> bool:
    try:
        deliverer.send(_opened(notice, sealed, deliverer.sealer))
    except Exception as error:  # noqa: BLE001  one receiver, whatever it answers, must not keep others from being served
        reason = str(error) if isinstance(error, RefusedError | TargetError) else type(error).__name__
        with database.write() as session:
            _put_off(session, notice, reason, deliverer.chance(), away=isinstance(error, AWAY))
        return False
    with database.write() as session:
        _settle(session, notice)
    return True


def _claim(session: Session, deliverer: Deliverer) -> tuple[Notice, tuple[str, str]] | None:
    """Lease the next notice, urgent ones first; None: nothing is due to anybody who is free."""
    now, busy = clock.now(), list[int]()
    while (row := _next(session, deliverer, now, busy)) is not None:
        wanted = _free(session, row.subscription_id, now) if row.subscription_id else None
        if row.subscription_id and wanted is None:
            busy.append(row.subscription_id)
            continue
        if wanted and not wanted.active:
            row.next_attempt_at, row.last_error = None, "订阅已取消"
        elif row.attempts >= MAX_ATTEMPTS:
            # Every process that had it died over it.
            row.next_attempt_at, row.dead_at, row.last_error = None, now, _after(GIVEN_UP, row)
        else:
            row.attempts, row.next_attempt_at = row.attempts + 1, now + LEASE
            row.last_error = f"{CLAIMED}{_last(row)}"[:ERROR_CHARS]
            notice = Notice(
                row.id, row.kind, row.payload, row.created_at, row.attempts, row.channel, row.subscription_id
            )
            return notice, (wanted.target, wanted.secret) if wanted else ("", "")
        session.flush()
    return None


def _last(row: Outbox) -> str:
    return (row.last_error or "").removeprefix(CLAIMED)


def _after(what: str, row: Outbox) -> str:
    last = _last(row)
    return f"{what}；上一次：{last}"[:ERROR_CHARS] if last else what


def reason(row: Outbox, now: datetime) -> str:
    """Return why a notice that was tried is not delivered: in hand, cut off with its worker, or what the receiver said."""
    if row.last_error and not row.last_error.startswith(CLAIMED):
        return row.last_error
    return _after(IN_HAND if row.next_attempt_at and row.next_attempt_at > now else CUT_OFF, row)


def _in_hand(now: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions of what a worker is sending: a try without an outcome whose lease is not over."""
    # Claims lie close ahead, a little further where the other machine's clock is fast; what was put off may be legion.
    leased = (Outbox.next_attempt_at > now, Outbox.next_attempt_at <= now + 2 * LEASE)
    return [*leased, Outbox.attempts > 0, Outbox.last_error.startswith(CLAIMED), Outbox.subscription_id.is_not(None)]


def _free(session: Session, ident: int, now: datetime) -> Subscription | None:
    """Return a subscription nobody is sending to, locked until the claim is committed; None: somebody is.

    `_next` has looked already, but before the lock: a claim that was committed in between shows only to a look after it.
    """
    lock = select(Subscription).where(Subscription.id == ident).with_for_update(skip_locked=True, key_share=True)
    found = session.scalars(lock).one_or_none()
    held = found and session.scalar(select(exists().where(Outbox.subscription_id == ident, *_in_hand(now))))
    return None if held else found


def _next(session: Session, deliverer: Deliverer, now: datetime, busy: list[int]) -> Outbox | None:
    """Lock the next notice that is due to the own webhook or to a subscription to which nobody is sending."""
    held = select(Outbox.subscription_id).where(*_in_hand(now))
    free = Outbox.subscription_id.not_in(held) & Outbox.subscription_id.not_in(busy)
    alone = or_(Outbox.subscription_id.is_(None), free)
    due = select(Outbox).where(Outbox.next_attempt_at <= now, alone, *deliverer.wanted())
    first = due.order_by(Outbox.next_attempt_at, Outbox.id).limit(1).with_for_update(skip_locked=True)
    for urgent in (True, False):
        found = session.scalars(first.where(Outbox.urgent.is_(urgent))).one_or_none()
        if found is not None:
            return found
    return None


def _opened(notice: Notice, sealed: tuple[str, str], sealer: Sealer) -> Notice:
    target, secret = (sealer.open(value) for value in sealed)
    return Notice(
        notice.id, notice.kind, notice.payload, notice.created_at, notice.attempts, notice.channel, notice.subscription,
        target, secret,
    )  # fmt: skip


def _settle(session: Session, notice: Notice) -> None:
    values = {"delivered_at": clock.now(), "next_attempt_at": None, "last_error": None}
    session.execute(update(Outbox).where(Outbox.id == notice.id).values(**values))


def _put_off(session: Session, notice: Notice, error: str, chance: float, *, away: bool) -> None:
    now = clock.now()
    longest = min(FIRST_WAIT * 2 ** (notice.attempts - 1), LONGEST_WAIT)
    # Half of the wait is by chance, so that many notices to one receiver do not come back all at once.
    again = now + longest * (0.5 + chance / 2)
    mine = (Outbox.id == notice.id, Outbox.attempts == notice.attempts, Outbox.delivered_at.is_(None))
    session.execute(
        update(Outbox).where(*mine).values(last_error=error[:ERROR_CHARS], **_again(notice.attempts, now, again))
    )
    if away:
        _put_off_others(session, notice, now, again)
    log.warning("notice not delivered", extra={"kind": notice.kind, "reason": error, "count": notice.attempts})


def _again(attempts: int, now: datetime, again: datetime) -> dict[str, datetime | None]:
    dead = attempts >= MAX_ATTEMPTS
    return {"dead_at": now if dead else None, "next_attempt_at": None if dead else again}


def _put_off_others(session: Session, notice: Notice, now: datetime, again: datetime) -> None:
    """Let all that is due to a receiver that is away wait with the one that was tried: an attempt for each, one for all.

    Urgent ones are tried each by itself.
    """
    same = Outbox.subscription_id == notice.subscription if notice.subscription else Outbox.subscription_id.is_(None)
    due = (same, Outbox.next_attempt_at <= now, Outbox.urgent.is_(False), Outbox.id != notice.id)
    last = Outbox.attempts + 1 >= MAX_ATTEMPTS
    values = {
        "attempts": Outbox.attempts + 1,
        "dead_at": case((last, now), else_=None),
        "next_attempt_at": case((last, None), else_=again),
        "last_error": "接收方连不上，与同一地址的其他通知一起等",
    }
    session.execute(update(Outbox).where(*due).values(**values).execution_options(synchronize_session=False))


def forget_old(database: Database, settings: Settings) -> int:
    """Let go of notices nobody will send any more, some at a time; returns how many rows went.

    Without an address of its own the installation keeps a day's notices ready for one, not years of them; what was
    delivered or dropped stays for the days of the settings, for a receiver that asks for it again.
    """
    now = clock.now()
    with database.write() as session:
        if not settings.webhook_url:
            unsent = (Outbox.next_attempt_at < now - READY, Outbox.subscription_id.is_(None))
            parked = {"next_attempt_at": None, "last_error": NO_ADDRESS}
            session.execute(update(Outbox).where(*unsent).values(**parked).execution_options(synchronize_session=False))
        before = now - timedelta(days=settings.notice_days)
        done = (Outbox.created_at < before, Outbox.next_attempt_at.is_(None), Outbox.dead_at.is_(None))
        old = session.scalars(select(Outbox.id).where(*done).order_by(Outbox.created_at).limit(FORGET)).all()
        session.execute(delete(Outbox).where(Outbox.id.in_(old)))
        first = session.execute(
            select(InboxMessage.id, InboxMessage.created_at).order_by(InboxMessage.id).limit(FORGET)
        )
        over = [ident for ident, made in first if made < before]
        session.execute(delete(InboxMessage).where(InboxMessage.id.in_(over)))
    return len(old)


def waiting(session: Session) -> tuple[int, int]:
    """Return how many notices wait for delivery and how many were given up of addresses that are still in use."""
    waits = session.scalars(select(func.count()).where(Outbox.next_attempt_at.is_not(None))).one()
    off = select(Subscription.id).where(Subscription.active.is_(False))
    used = or_(Outbox.subscription_id.is_(None), Outbox.subscription_id.not_in(off))
    dead = session.scalars(select(func.count()).where(Outbox.dead_at.is_not(None), used)).one()
    return waits, dead


def oldest_due(session: Session, settings: Settings) -> datetime | None:
    """Return when the oldest notice was written that waits though it can be sent at any hour; None: there is none."""
    waits = (Outbox.next_attempt_at.is_not(None), *sendable(settings, by_day=False))
    # The count keeps PostgreSQL from walking the moments from the oldest row of all until one waits.
    oldest, _ = session.execute(select(func.min(Outbox.created_at), func.count()).where(*waits)).one()
    return oldest if isinstance(oldest, datetime) else None
