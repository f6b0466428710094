"""Notices over HTTP: the inbox, subscriptions, and what was not delivered."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.errors import FieldFault, InvalidInputError
from app.notify import subscriptions
from app.notify.forms import (
    ActiveForm,
    CountView,
    InboxPage,
    InboxView,
    NoticeLine,
    ReplayForm,
    SubscriptionForm,
    SubscriptionView,
)
from app.paging import PAGE_DEFAULT
from app.sealing import Sealer
from app.web import REFUSALS, Cursor, Limit, database_of

EARLIEST_YEAR = 2000
router = APIRouter(prefix="/api/v1", tags=["通知"], responses=REFUSALS)
Ident = Annotated[int, Path(ge=1, le=2**62)]
Keeps = Annotated[Caller, Depends(Allow(Verb.SUBSCRIPTION_KEEP))]
Watches = Annotated[Caller, Depends(Allow(Verb.NOTICE_READ))]
Mends = Annotated[Caller, Depends(Allow(Verb.NOTICE_RESEND))]


def _sealer(request: Request) -> Sealer:
    found: Sealer = request.app.state.office.sealer
    return found


@router.get("/inbox", summary="收件箱")
def read_inbox(
    request: Request, caller: Annotated[Caller, Depends(Allow(Verb.INBOX_READ))],
    unread: Annotated[bool, Query(description="只看未读")] = False, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> InboxPage:  # fmt: skip
    """The messages of one's unit, or of one's desk of the hotline, the newest first."""
    with database_of(request).read() as session:
        return subscriptions.inbox(session, caller, cursor, limit, unread=unread)


@router.post("/inbox/{message}/read", summary="标为已读")
def mark_read(
    message: Ident, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.INBOX_READ))]
) -> InboxView:
    """Mark a message as read, for everybody of the unit or desk."""
    with database_of(request).write() as session:
        return subscriptions.inbox_view(subscriptions.read(session, message, caller))


@router.get("/subscriptions", summary="通知订阅")
def list_subscriptions(request: Request, caller: Keeps) -> list[SubscriptionView]:
    """The addresses that get notices; their keys are not shown."""
    sealer = _sealer(request)
    with database_of(request).read() as session:
        return [subscriptions.view(row, sealer) for row in subscriptions.kept(session, caller)]


@router.post("/subscriptions", summary="新增订阅", status_code=201)
def keep_subscription(form: SubscriptionForm, request: Request, caller: Keeps) -> SubscriptionView:
    """Keep an address; it is checked now and at every sending."""
    sealer, state = _sealer(request), request.app.state
    with database_of(request).write() as session:
        row = subscriptions.keep(session, form, caller, state.rulebook, (sealer, state.settings))
        return subscriptions.view(row, sealer)


@router.post("/subscriptions/{ident}/active", summary="启用、停用订阅")
def switch(ident: Ident, form: ActiveForm, request: Request, caller: Keeps) -> SubscriptionView:
    """Switch a subscription on or off; what waits for one that is off is dropped."""
    with database_of(request).write() as session:
        row = subscriptions.one(session, ident, caller)
        row.active = form.active
        session.flush()
        return subscriptions.view(row, _sealer(request))


@router.post("/subscriptions/{ident}/try", summary="试发", status_code=202)
def try_out(ident: Ident, request: Request, caller: Keeps) -> Response:
    """Send one notice of a try to the address; whether it arrived shows there, and in the list of stuck notices."""
    with database_of(request).write() as session:
        subscriptions.try_out(session, subscriptions.one(session, ident, caller))
    return Response(status_code=202)


@router.get("/notices/stuck", summary="送不出去的通知")
def list_stuck_notices(
    request: Request, _: Watches,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="上一页最后一条的 id，看更早的")] = None,
) -> list[NoticeLine]:  # fmt: skip
    """Notices that were given up, or wait for more than an hour after a failure; the newest 100 first."""
    with database_of(request).read() as session:
        return subscriptions.stuck(session, before)


@router.post("/notices/{notice}/resend", summary="重发通知", status_code=202)
def resend(notice: Ident, request: Request, _: Mends) -> Response:
    """Put a notice that was given up back into the queue."""
    with database_of(request).write() as session:
        subscriptions.resend(session, notice)
    return Response(status_code=202)


@router.post("/notices/{notice}/dismiss", summary="搁置通知", status_code=204)
def dismiss(notice: Ident, request: Request, caller: Mends) -> None:
    """Put a notice that was given up aside: it is neither sent nor counted as failed any more."""
    with database_of(request).write() as session:
        subscriptions.dismiss(session, notice, caller)


@router.post("/notices/replay", summary="重放通知")
def replay(form: ReplayForm, request: Request, _: Mends) -> CountView:
    """Send a webhook receiver everything since a moment once more; it knows them by their `webhook-id`."""
    if form.since.tzinfo is None or form.since.year < EARLIEST_YEAR:
        message = f"时间须带时区，且不早于 {EARLIEST_YEAR} 年"
        raise InvalidInputError(message, faults=(FieldFault("/since", message),))
    with database_of(request).write() as session:
        return CountView(count=subscriptions.replay(session, form.since, form.subscription))
