"""The ticket API: submit, preview, release, sign, answer, look up, and the queues. JSON over HTTP, nothing else."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AwareDatetime

from app import clock
from app.accounts.access import Caller, Role, Verb
from app.accounts.api import Allow
from app.accounts.service import special_supervisor
from app.errors import FieldFault, ForbiddenError, InvalidInputError
from app.paging import PAGE_DEFAULT, PAGE_MAX
from app.rulebook.shapes import Rulebook
from app.tickets import assembly, queries, service, submission
from app.tickets.forms import ContactRequest, CorrectForm, DispatchForm, PreviewForm, ReplyForm, TicketForm
from app.tickets.intake import find_unit, judge
from app.tickets.lifecycle import State
from app.tickets.office import Office
from app.tickets.schemas import (
    ContactView,
    EventView,
    Judgement,
    OverduePage,
    QueuePage,
    RoutingView,
    Submitted,
    TicketPage,
    TicketView,
)
from app.tickets.submission import NewTicket, RepeatKey, Stored
from app.tickets.views import judgement_view, submitted_view
from app.web import PROBLEM, ReadSession, WriteSession, database_of

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {PROBLEM: {}}}
    for status, text in (
        (401, "未登录"), (403, "无权操作"), (404, "没有找到"), (409, "当前状态不允许"), (412, "数据已被他人更新"),
        (413, "请求过大"), (422, "内容有误"), (503, "服务暂不可用"),
    )
}  # fmt: skip

router = APIRouter(prefix="/api/v1", tags=["工单"], responses=REFUSALS)

Number = Annotated[str, Path(max_length=24, description="工单编号，如 BTQ261124000014")]
Cursor = Annotated[str | None, Query(max_length=500, description="上一页给出的 next_cursor")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="每页件数")]
IfMatch = Annotated[str | None, Header(max_length=32, description='工单版本（ETag），如 "3"')]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$", description="24 小时内同键同内容只受理一次"),
]  # fmt: skip


def office_of(request: Request) -> Office:
    """Return the application's office."""
    office: Office = request.app.state.office
    return office


OfficeOf = Annotated[Office, Depends(office_of)]


def _version(if_match: str | None) -> int | None:
    """Return the version an If-Match header names."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdigit():
        message = 'If-Match 应为工单的 ETag，如 "3"'
        raise InvalidInputError(message, faults=(FieldFault("header:If-Match", message),))
    return int(text)


def _check_channel(form: PreviewForm, caller: Caller) -> None:
    if form.override and caller.rows(Verb.TICKET_OVERRIDE) is None:
        raise ForbiddenError(f"{caller.role.label}不能指定标签、单位或紧急程度（override）")
    if isinstance(form, TicketForm) and caller.role is Role.CHANNEL and form.channel != caller.channel:
        raise ForbiddenError(f"本密钥只能以渠道“{caller.channel}”提交")


def _judged(form: PreviewForm, office: Office, at: datetime) -> tuple[Any, Judgement]:
    judged = judge(form, office.desk, at)
    version = office.desk.classifier.version if office.desk.classifier else ""
    return judged, judgement_view(judged, office.desk.rulebook, version, form.override)


@router.post("/tickets/preview", summary="预判（不保存）")
def preview(
    form: PreviewForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_PREVIEW))]
) -> Judgement:
    """Judge an appeal while the caller is still on the line; nothing is stored."""
    _check_channel(form, caller)
    return _judged(form, office, clock.now())[1]


@router.post(
    "/tickets", status_code=201, summary="提交诉求", responses={200: {"description": "同渠道同外部编号的工单已存在"}}
)
def submit(
    form: TicketForm, request: Request, response: Response, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SUBMIT))], key: Key = None,
) -> Submitted:  # fmt: skip
    """Take an appeal in. The answer leaves only after everything is committed."""
    _check_channel(form, caller)
    repeat = RepeatKey(key, _body_hash(form)) if key else None
    stored = _find_repeat(request, caller, repeat) or _store(form, request, office, caller, repeat)
    if stored.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    elif not stored.created:
        response.status_code = 200
    response.headers["Location"] = f"/api/v1/tickets/{stored.number}"
    return submitted_view(stored.number, stored.accepted_at, stored.judgement)


def _find_repeat(request: Request, caller: Caller, repeat: RepeatKey | None) -> Stored | None:
    if repeat is None:
        return None
    with database_of(request).read() as session:
        return submission.find_repeat(session, caller, repeat)


def _store(form: TicketForm, request: Request, office: Office, caller: Caller, repeat: RepeatKey | None) -> Stored:
    at = clock.now()
    judged, judgement = _judged(form, office, at)
    number = office.numbers.take(at)
    with database_of(request).write() as session:
        supervisor = special_supervisor(session) if judged.state is State.SPECIAL else None
        new = NewTicket(number, at, form, judged, judgement, caller, supervisor)
        return submission.submit(session, new, office.sealer, repeat)


def _body_hash(form: TicketForm) -> str:
    return hashlib.sha256(form.model_dump_json().encode()).hexdigest()


@router.get("/tickets", summary="工单列表")
def list_tickets(
    session: ReadSession, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_LIST))],
    state: State | None = None,
    tag: Annotated[str | None, Query(pattern=r"^\d{4}$")] = None,
    unit: Annotated[str | None, Query(max_length=40, description="主办单位")] = None,
    urgent: bool | None = None,
    channel: Annotated[str | None, Query(max_length=20)] = None,
    external_number: Annotated[str | None, Query(max_length=64)] = None,
    updated_since: Annotated[AwareDatetime | None, Query(description="只看此刻之后有变化的")] = None,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> TicketPage:  # fmt: skip
    """Tickets in order of their last change, so that a system that polls misses nothing."""
    rulebook = office.desk.rulebook
    code = find_unit(unit, rulebook, "?unit").code if unit else None
    wanted = queries.ListFilter(state, tag, code, urgent, channel, external_number, updated_since)
    return assembly.ticket_page(queries.tickets(session, caller, wanted, cursor, limit), rulebook)


@router.get("/triage", summary="待派单（需人工判断）")
def list_triage(
    session: ReadSession, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TRIAGE_READ))],
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> TicketPage:  # fmt: skip
    """Tickets that wait for a dispatcher, the one due first first."""
    return assembly.ticket_page(queries.triage(session, caller, cursor, limit), office.desk.rulebook)


@router.get("/overdue", summary="超期清单")
def list_overdue(
    session: ReadSession, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.OVERDUE_READ))],
    unit: Annotated[str | None, Query(max_length=40)] = None, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> OverduePage:  # fmt: skip
    """Every ticket with something past its time, unsigned and unassigned ones included, the longest overdue first."""
    rulebook = office.desk.rulebook
    code = find_unit(unit, rulebook, "?unit").code if unit else None
    page = queries.overdue(session, caller, code, cursor, limit)
    moment = clock.now()
    holders = queries.late_holders(session, [row[0].id for row in page.rows], moment)
    return assembly.overdue_page(page, holders, moment, rulebook)


@router.get("/queue", summary="承办单位队列")
def read_queue(
    session: ReadSession, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.QUEUE_READ))],
    unit: Annotated[str | None, Query(max_length=40, description="督办、派单、审计人员可指定任一单位")] = None,
    state: Annotated[Literal["awaiting_sign", "in_progress", "replied"] | None, Query(description="不填为未答复的")] = None,
    tag: Annotated[str | None, Query(pattern=r"^\d{4}$")] = None,
    due_before: AwareDatetime | None = None, urgent: bool | None = None,
    role: Literal["lead", "support"] | None = None,
    updated_since: AwareDatetime | None = None,
    counts: Annotated[bool, Query(description="附各状态件数")] = False,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> QueuePage:  # fmt: skip
    """What a unit has to do, what is due first first; with `updated_since`, what changed, oldest change first."""
    code = _queue_unit(unit, caller, office.desk.rulebook)
    wanted = queries.QueueFilter(state, tag, due_before, urgent, role, updated_since)
    page = queries.queue(session, code, wanted, cursor, limit)
    numbers = queries.queue_counts(session, code) if counts else None
    return assembly.queue_page(code, page, numbers, clock.now(), office.desk.rulebook)


def _queue_unit(unit: str | None, caller: Caller, rulebook: Rulebook) -> str:
    """Return the unit whose queue a caller may read."""
    if caller.role.of_unit:
        if unit and find_unit(unit, rulebook, "?unit").code != caller.unit:
            raise ForbiddenError("只能查看本单位的队列")
        return caller.unit
    if not unit:
        raise InvalidInputError("请用 unit 指定单位", faults=(FieldFault("?unit", "必填"),))
    return find_unit(unit, rulebook, "?unit").code


def _etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


@router.get("/tickets/{number}", summary="查看工单")
def read_ticket(
    number: Number, response: Response, session: ReadSession, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_READ))],
) -> TicketView:  # fmt: skip
    """Where the ticket is, who has it, since when, why them, until when, and what happens next."""
    view = assembly.ticket_view(queries.one(session, number, caller), caller, office.desk.rulebook, office.sealer)
    _etag(response, view.version)
    return view


@router.get("/tickets/{number}/routing", summary="为什么派给它")
def read_routing(
    number: Number, session: ReadSession, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_READ))]
) -> RoutingView:
    """The explanation in Chinese, and every judgement with its versions."""
    ticket, rows = queries.judgements(session, number, caller)
    return assembly.routing_view(ticket, rows, office.desk.rulebook, clock.today())


@router.get("/tickets/{number}/events", summary="工单经过")
def read_events(
    number: Number, session: ReadSession, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_READ))]
) -> list[EventView]:
    """Everything that happened to the ticket, in order."""
    return [assembly.event_view(event) for event in queries.history(session, number, caller)[1]]


def _read_back(number: str, response: Response, session: WriteSession, office: Office, caller: Caller) -> TicketView:
    """Return the ticket as it stands after a verb."""
    session.flush()
    view = assembly.ticket_view(queries.one(session, number, caller), caller, office.desk.rulebook, office.sealer)
    _etag(response, view.version)
    return view


@router.post("/tickets/{number}/dispatch", summary="人工派单")
def dispatch(
    number: Number, form: DispatchForm, response: Response, session: WriteSession, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_DISPATCH))], if_match: IfMatch = None,
) -> TicketView:  # fmt: skip
    """Send out a ticket that waits for a person."""
    service.dispatch(session, service.Act(number, caller, _version(if_match)), form, office.desk)
    return _read_back(number, response, session, office, caller)


@router.post("/tickets/{number}/correct", summary="更正判断")
def correct(
    number: Number, form: CorrectForm, session: WriteSession, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_CORRECT))], if_match: IfMatch = None,
) -> Judgement:  # fmt: skip
    """Correct tag, type, urgency or place of a waiting ticket; it goes out as soon as nothing stands against it."""
    return service.correct(session, service.Act(number, caller, _version(if_match)), form, office.desk)[1]


@router.post("/tickets/{number}/sign", summary="签收")
def sign(
    number: Number, response: Response, session: WriteSession, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SIGN))], if_match: IfMatch = None,
) -> TicketView:  # fmt: skip
    """Sign for the caller's unit; signing twice is one signing."""
    service.sign(session, service.Act(number, caller, _version(if_match)))
    return _read_back(number, response, session, office, caller)


@router.post("/tickets/{number}/reply", summary="答复")
def reply(
    number: Number, form: ReplyForm, response: Response, session: WriteSession, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_REPLY))], if_match: IfMatch = None,
) -> TicketView:  # fmt: skip
    """Answer for the caller's unit, with proof of contact."""
    service.reply(session, service.Act(number, caller, _version(if_match)), form, office.desk)
    return _read_back(number, response, session, office, caller)


@router.post("/tickets/{number}/contact", summary="查看联系方式（留痕）")
def contact(
    number: Number, form: ContactRequest, session: WriteSession, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_CONTACT))],
) -> ContactView:  # fmt: skip
    """Show the contact in full; who looked and why is recorded."""
    return service.view_contact(session, service.Act(number, caller), form, office.sealer)
