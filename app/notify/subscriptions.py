"""Who wants which notices where: kept, changed, tried; and the notices that went nowhere, sent once more."""

import json
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller
from app.errors import ConflictError, FieldFault, ForbiddenError, InvalidInputError, NotFoundError
from app.notify.audiences import ENTERPRISE, EVERYTHING
from app.notify.deliver import reason
from app.notify.forms import InboxPage, InboxView, NoticeLine, SubscriptionForm, SubscriptionView
from app.notify.outbox import SMS, WEBHOOK
from app.notify.tables import InboxMessage, Outbox, Subscription
from app.notify.targets import TargetError, check_mail, check_url
from app.paging import cut, decode_cursor
from app.rulebook.shapes import Rulebook
from app.sealing import Sealer
from app.settings import Settings, is_strong_secret

STUCK_AFTER = timedelta(hours=1)
SHOWN = 100
REPLAY_MOST = 10_000
MASKED = 12


def audience_of(caller: Caller) -> str:
    """Return whose inbox a caller reads: the unit's, or that of the hotline's desk of the role."""
    return f"unit:{caller.unit}" if caller.role.of_unit else f"desk:{caller.role.value}"


def inboxes_of(caller: Caller) -> tuple[str, ...]:
    """Return the audiences whose messages a caller reads: the unit's or desk's, and a person's own."""
    return (audience_of(caller), f"staff:{caller.ident}") if caller.kind == "staff" else (audience_of(caller),)


def reach(caller: Caller) -> list[ColumnElement[bool]]:
    """Return the conditions on subscriptions that a caller's rows obey: a unit has its own, an administrator all."""
    return [Subscription.audience == audience_of(caller)] if caller.role.of_unit else []


def keep(
    session: Session, form: SubscriptionForm, caller: Caller, rulebook: Rulebook, sealing: tuple[Sealer, Settings]
) -> Subscription:
    """Keep a new subscription.

    Raises:
        ForbiddenError: a unit may subscribe to its own notices only.
        InvalidInputError: the address may not be used, or channel and audience do not go together.
    """
    sealer, settings = sealing
    if caller.role.of_unit and form.audience != audience_of(caller):
        raise ForbiddenError("只能订阅本单位的通知")
    _check(form, rulebook, settings)
    row = Subscription(
        audience=form.audience, channel=form.channel, kinds=",".join(form.kinds), target=sealer.seal(form.target),
        secret=sealer.seal(form.secret), active=True, created_by=caller.reference, created_at=clock.now(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _check(form: SubscriptionForm, rulebook: Rulebook, settings: Settings) -> None:
    unit = form.audience.removeprefix("unit:")
    if unit != form.audience and unit not in rulebook.unit_by_code:
        raise _fault("/audience", f"没有代码为 {unit} 的单位")
    if (form.channel == SMS) != (form.audience == ENTERPRISE):
        raise _fault("/channel", "短信只发给企业（enterprise），企业只收短信")
    if form.audience == EVERYTHING and form.channel != WEBHOOK:
        raise _fault("/channel", "订阅全部通知（all）只能用 webhook")
    if not form.secret.isascii():
        raise _fault("/secret", "密钥只能用英文字母、数字和符号")
    if form.channel == WEBHOOK and not is_strong_secret(form.secret):
        raise _fault("/secret", "webhook 须有签名密钥（base64，至少 24 字节）")
    try:
        if form.channel == "email":
            check_mail(form.target)
        else:
            check_url(form.target, settings)
    except TargetError as error:
        raise _fault("/target", str(error)) from error


def _fault(pointer: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, faults=(FieldFault(pointer, message),))


def one(session: Session, ident: int, caller: Caller) -> Subscription:
    """Return a subscription within the caller's reach.

    Raises:
        NotFoundError: there is none.
    """
    found = session.scalars(select(Subscription).where(Subscription.id == ident, *reach(caller))).one_or_none()
    if found is None:
        raise NotFoundError(f"没有订阅 {ident}")
    return found


def kept(session: Session, caller: Caller) -> list[Subscription]:
    """Return the subscriptions within the caller's reach."""
    return list(session.scalars(select(Subscription).where(*reach(caller)).order_by(Subscription.id)))


def view(row: Subscription, sealer: Sealer) -> SubscriptionView:
    """Return a subscription with only the beginning of its address."""
    target = sealer.open(row.target)
    shown = target if row.channel == "email" else f"{target[: len('https://') + MASKED]}…"
    return SubscriptionView(
        id=row.id, audience=row.audience, channel=row.channel, target=shown, kinds=row.kinds.split(","),
        active=row.active, created_at=row.created_at,
    )  # fmt: skip


def try_out(session: Session, row: Subscription) -> None:
    """Put one notice of a try into the queue for a subscription.

    Raises:
        ConflictError: an SMS goes to an enterprise and is not for trying.
    """
    if row.channel == SMS:
        raise ConflictError("短信发给企业，不能试发")
    now = clock.now()
    payload = {"title": "试发", "lines": ["这是一条试发通知，收到即表示设置正确。"], "urgent": True}
    session.add(
        Outbox(
            kind="notice.trial", payload=json.dumps(payload, ensure_ascii=False), channel=row.channel,
            subscription_id=row.id, urgent=True, created_at=now, next_attempt_at=now, attempts=0,
        )
    )  # fmt: skip
    session.flush()


def stuck(session: Session, older_than: int | None = None) -> list[NoticeLine]:
    """Return notices that were given up, and those that have waited for more than an hour after a failure, the newest first.

    `older_than` is the id of the last one seen, for the next page.
    """
    now = clock.now()
    waits = (Outbox.next_attempt_at.is_not(None)) & (Outbox.attempts > 0) & (Outbox.created_at < now - STUCK_AFTER)
    statement = select(Outbox).where(or_(Outbox.dead_at.is_not(None), waits)).order_by(Outbox.id.desc())
    if older_than is not None:
        statement = statement.where(Outbox.id < older_than)
    return [
        NoticeLine(
            id=row.id, kind=row.kind, channel=row.channel, subscription=row.subscription_id, attempts=row.attempts,
            created_at=row.created_at, next_attempt_at=row.next_attempt_at, dead_at=row.dead_at,
            error=reason(row, now), reference=json.loads(row.payload),
        )
        for row in session.scalars(statement.limit(SHOWN))
    ]  # fmt: skip


def resend(session: Session, ident: int) -> None:
    """Put a notice that was given up back into the queue.

    Raises:
        NotFoundError: there is none.
        ConflictError: it was not given up.
    """
    row = session.get(Outbox, ident, with_for_update=True)
    if row is None:
        raise NotFoundError(f"没有通知 {ident}")
    if row.dead_at is None:
        raise ConflictError("这条通知没有放弃：已送达，或仍在自动重试")
    row.dead_at, row.attempts, row.next_attempt_at = None, 0, clock.now()


def dismiss(session: Session, ident: int, caller: Caller) -> None:
    """Put a notice that was given up aside: nobody needs it any more, and it counts as failed no longer.

    Raises:
        NotFoundError: there is none.
        ConflictError: it was not given up.
    """
    row = session.get(Outbox, ident, with_for_update=True)
    if row is None:
        raise NotFoundError(f"没有通知 {ident}")
    if row.dead_at is None:
        raise ConflictError("这条通知没有放弃：已送达，或仍在自动重试")
    row.dead_at, row.last_error = None, f"已搁置（{caller.reference}）：{row.last_error or ''}"[:200]


def replay(session: Session, since: datetime, subscription: int | None) -> int:
    """Put every notice since a moment back into the queue for one receiver; returns how many.

    The receiver knows them by their `webhook-id`, which is the same as the first time.

    Raises:
        InvalidInputError: there would be more than can be sent in one go.
    """
    same = Outbox.subscription_id.is_(None) if subscription is None else Outbox.subscription_id == subscription
    wanted = (Outbox.created_at >= since, Outbox.channel == WEBHOOK, same)
    count = session.scalars(select(func.count()).select_from(Outbox).where(*wanted)).one()
    if count > REPLAY_MOST:
        raise _fault("/since", f"自该时刻起有 {count} 条，一次至多重放 {REPLAY_MOST} 条，请把时间改近")
    values = {"delivered_at": None, "dead_at": None, "attempts": 0, "next_attempt_at": clock.now()}
    session.execute(update(Outbox).where(*wanted).values(**values))
    return count


def inbox(session: Session, caller: Caller, cursor: str | None, limit: int, *, unread: bool) -> InboxPage:
    """Return a page of the caller's inbox, the newest first."""
    mine = InboxMessage.audience.in_(inboxes_of(caller))
    statement = select(InboxMessage).where(mine)
    if unread:
        statement = statement.where(InboxMessage.read_at.is_(None))
    if cursor:
        statement = statement.where(InboxMessage.id < int(decode_cursor(cursor, (int,))[0] or 0))
    rows = list(session.scalars(statement.order_by(InboxMessage.id.desc()).limit(limit + 1)))
    page = cut(rows, limit, lambda row: [row.id])
    count = select(func.count()).select_from(InboxMessage).where(mine, InboxMessage.read_at.is_(None))
    return InboxPage(
        items=[inbox_view(row) for row in page.rows], unread=session.scalars(count).one(), next_cursor=page.next_cursor
    )


def inbox_view(row: InboxMessage) -> InboxView:
    """Return a message as it is shown."""
    return InboxView(
        id=row.id, audience=row.audience, kind=row.kind, title=row.title, lines=json.loads(row.lines), link=row.link,
        urgent=row.urgent, created_at=row.created_at, read_at=row.read_at,
    )  # fmt: skip


def read(session: Session, ident: int, caller: Caller) -> InboxMessage:
    """Mark a message of the caller's inbox as read; the first reader stays on record.

    Raises:
        NotFoundError: there is none.
    """
    statement = select(InboxMessage).where(InboxMessage.id == ident, InboxMessage.audience.in_(inboxes_of(caller)))
    row = session.scalars(statement.with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError(f"收件箱里没有消息 {ident}")
    if row.read_at is None:
        row.read_at, row.read_by = clock.now(), caller.reference
        session.flush()
    return row
