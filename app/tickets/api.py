"""The ticket API: submit, preview, release, sign, answer, look up, and the queues. JSON over HTTP, nothing else."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Role, Verb
from app.accounts.api import Allow
from app.accounts.service import special_supervisor
from app.errors import FieldFault, ForbiddenError, InvalidInputError, UnavailableError
from app.paging import PAGE_DEFAULT
from app.rulebook.shapes import LimitUnit, Rulebook
from app.sla.timer import count
from app.tickets import advice, assembly, queries, search, submission
from app.tickets.audit import Watched
from app.tickets.dues import DueOf
from app.tickets.forms import Kind, PreviewForm, TicketForm
from app.tickets.indexing import signature_of
from app.tickets.intake import find_district, find_unit, judge
from app.tickets.life_schemas import ExplainView
from app.tickets.lifecycle import State
from app.tickets.list_schemas import OverduePage, QueuePage
from app.tickets.office import Office
from app.tickets.schemas import (
    EventView,
    Judgement,
    Preview,
    RoutingView,
    SimilarPage,
    Submitted,
    TicketPage,
    TicketView,
)
from app.tickets.submission import NewTicket, RepeatKey, Stored
from app.tickets.veiling import PUBLIC
from app.tickets.views import explain_view, judgement_view, submitted_view
from app.web import NO_CONTROL, REFUSALS, Cursor, Limit, UnitQuery, database_of

EARLIEST_YEAR, LATEST_YEAR = 2000, 2999
router = APIRouter(prefix="/api/v1", tags=["工单"], responses=REFUSALS)


def _within_reach(moment: datetime) -> datetime:
    """Refuse moments that no database or calendar can hold once they are turned into UTC."""
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise ValueError(f"时间须在 {EARLIEST_YEAR} 年至 {LATEST_YEAR} 年之间")
    return moment.astimezone(UTC)


Number = Annotated[str, Path(max_length=24, pattern=NO_CONTROL, description="工单编号，如 BTQ261124000017")]
QueueState = Literal["awaiting_sign", "in_progress", "returning", "suspended", "replied", "excused", "informed"]
DeskStep = Literal["首次派单", "退单审核", "裁定", "延期审批", "挂起审批", "办结审核", "回访", "复核", "补充材料"]
Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
IfMatch = Annotated[str | None, Header(max_length=32, description='工单版本（ETag），如 "3"')]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$", description="24 小时内同键同内容只受理一次"),
]  # fmt: skip


async def office_of(request: Request) -> Office:
    """Return the application's office.

    A coroutine only so that the framework does not send so small a thing to another thread.
    """
    office: Office = request.app.state.office
    return office


OfficeOf = Annotated[Office, Depends(office_of)]


def version_of(if_match: str | None) -> int | None:
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
    if isinstance(form, TicketForm) and form.answered and caller.rows(Verb.TICKET_ANSWER) is None:
        raise ForbiddenError(f"{caller.role.label}不能登记直办办结（answered）")
    if isinstance(form, TicketForm) and caller.role is Role.CHANNEL and form.channel != caller.channel:
        raise ForbiddenError(f"本密钥只能以渠道“{caller.channel}”提交")


def _judged(form: PreviewForm, office: Office, at: datetime) -> tuple[Any, Judgement]:
    judged = judge(form, office.desk, at)
    version = office.desk.classifier.version if office.desk.classifier else ""
    return judged, judgement_view(judged, office.desk.rulebook, version, form.override)


@router.post("/tickets/preview", summary="预判（不保存）")
def preview(
    form: PreviewForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_PREVIEW))]
) -> Preview:
    """Judge an appeal while the caller is still on the line; nothing is stored.

    Besides the judgement: a split where the text holds several matters, what would change the answer, tickets like it.
    """
    _check_channel(form, caller)
    judged, judgement = _judged(form, office, clock.now())
    veiled = judged.confidentiality != PUBLIC
    known_by = (
        ()
        if veiled
        else (
            *office.sealer.find_keys(form.enterprise.name),
            *office.sealer.find_keys(form.enterprise.credit_code),
        )
    )
    with office.database.glance() as session:
        return advice.preview(session, caller, form, judged, judgement, office.desk, known_by)


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
    if not stored.created:
        response.status_code = 200
    response.headers["Location"] = f"/api/v1/tickets/{stored.number}"
    code = office.sealer.enquiry_code(stored.number)
    return submitted_view(stored.number, stored.accepted_at, stored.judgement, code)


def _find_repeat(request: Request, caller: Caller, repeat: RepeatKey | None) -> Stored | None:
    if repeat is None:
        return None
    with database_of(request).glance() as session:
        return submission.find_repeat(session, caller, repeat)


def _store(form: TicketForm, request: Request, office: Office, caller: Caller, repeat: RepeatKey | None) -> Stored:
    at = clock.now()
    judged, judgement = _judged(form, office, at)
    signatures = office.desk.signatures
    hidden = submission.to_hide(form, judged.confidentiality)
    signature = signature_of(signatures, (form.title, form.content), hidden) if signatures else None
    number = office.numbers.take(at)
    with database_of(request).write() as session:
        supervisor = special_supervisor(session) if judged.state is State.SPECIAL else None
        new = NewTicket(
            number,
            at,
            form,
            judged,
            judgement,
            caller,
            supervisor,
            signature,
            partner=_partner(form, office.desk.rulebook),
            hidden=hidden,
        )
        return submission.submit(session, new, office.sealer, repeat)


def _partner(form: TicketForm, rulebook: Rulebook) -> str:
    """Return the code of the unit that joined a 三方通话."""
    if form.answered is None or form.answered.partner is None:
        return ""
    return find_unit(form.answered.partner, rulebook, "/answered/partner").code


def _body_hash(form: TicketForm) -> str:
    return hashlib.sha256(form.model_dump_json().encode()).hexdigest()


@router.get("/tickets", summary="工单列表")
def list_tickets(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_LIST))],
    state: State | None = None,
    tag: Annotated[str | None, Query(pattern=r"^\d{4}$")] = None,
    unit: UnitQuery = None, urgent: bool | None = None,
    channel: Annotated[str | None, Query(max_length=20, pattern=NO_CONTROL)] = None,
    external_number: Annotated[str | None, Query(max_length=64, pattern=NO_CONTROL)] = None,
    kind: Annotated[Kind | None, Query(alias="type")] = None,
    district: Annotated[str | None, Query(max_length=30, pattern=NO_CONTROL, description="旗县区")] = None,
    hardness: Annotated[Literal["proposed", "ruled"] | None, Query(description="提请会商、已定疑难")] = None,
    reworked: Annotated[bool | None, Query(description="重办过的")] = None,
    returned: Annotated[bool | None, Query(description="退单过的")] = None,
    updated_since: Annotated[Moment | None, Query(description="只看此刻之后有变化的；轮询请与上次重叠几秒")] = None,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> TicketPage:  # fmt: skip
    """Tickets in order of their last change, for systems that poll (let polls overlap by a few seconds)."""
    rulebook = office.desk.rulebook
    code = find_unit(unit, rulebook, "?unit").code if unit else None
    place = find_district(district, rulebook) if district else None
    wanted = queries.ListFilter(
        state, tag, code, urgent, channel, external_number, kind, place, hardness, reworked, returned, updated_since
    )
    with office.database.glance() as session:
        return assembly.ticket_page(queries.tickets(session, caller, wanted, cursor, limit), rulebook)


@router.get("/search", summary="检索")
def search_tickets(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_LIST))],
    q: Annotated[str, Query(min_length=1, max_length=60, pattern=NO_CONTROL, description="编号、词语或企业全称")],
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> TicketPage:  # fmt: skip
    """Tickets that hold every word (number, title, masked content), or whose enterprise has that name; newest first."""
    with office.database.glance() as session:
        page = search.search(session, caller, q, office.sealer, cursor, limit)
        return assembly.ticket_page(page, office.desk.rulebook)


@router.get("/triage", summary="待派单（需人工判断）")
def list_triage(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.TRIAGE_READ))],
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> TicketPage:  # fmt: skip
    """Tickets that wait for a dispatcher, the one due first first."""
    with office.database.glance() as session:
        page = queries.triage(session, caller, cursor, limit)
        return assembly.ticket_page(page, office.desk.rulebook)


@router.get("/overdue", summary="超期清单")
def list_overdue(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.OVERDUE_READ))],
    unit: UnitQuery = None, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> OverduePage:  # fmt: skip
    """Every ticket with something past its time, unsigned and unassigned ones included, the longest overdue first."""
    rulebook, moment = office.desk.rulebook, clock.now()
    code = find_unit(unit, rulebook, "?unit").code if unit else None
    with office.database.glance() as session:
        page = queries.overdue(session, caller, code, cursor, limit)
        holders = queries.late_holders(session, [row[0].id for row in page.rows], moment)
        return assembly.overdue_page(page, holders, moment, rulebook)


@router.get("/due-soon", summary="即将到期")
def list_due_soon(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.OVERDUE_READ))],
    hours: Annotated[int, Query(ge=1, le=720, description="多少小时之内")] = 24,
    unit: UnitQuery = None, cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> OverduePage:  # fmt: skip
    """Tickets whose next obligation falls due within some hours, the first first; `overdue_minutes` is negative."""
    rulebook, moment, ahead = office.desk.rulebook, clock.now(), timedelta(hours=hours)
    code = find_unit(unit, rulebook, "?unit").code if unit else None
    with office.database.glance() as session:
        page = queries.overdue(session, caller, code, cursor, limit, ahead)
        holders = queries.late_holders(session, [row[0].id for row in page.rows], moment + ahead)
        return assembly.overdue_page(page, holders, moment, rulebook)


@router.get("/desk", summary="热线自办环节队列")
def read_desk(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.DESK_READ))],
    step: Annotated[DeskStep, Query(description="热线哪一个环节")],
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> TicketPage:  # fmt: skip
    """Tickets for which the hotline itself owes a step (派单、审核、回访 …), what is due first first."""
    with office.database.glance() as session:
        page = queries.desk(session, caller, step, cursor, limit)
        return assembly.ticket_page(page, office.desk.rulebook)


@router.get("/queue", summary="承办单位队列")
def read_queue(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.QUEUE_READ))],
    unit: Annotated[UnitQuery, Query(description="督办、派单、审计人员可指定任一单位")] = None,
    state: Annotated[QueueState | None, Query(description="不填为未答复的")] = None,
    tag: Annotated[str | None, Query(pattern=r"^\d{4}$")] = None,
    due_from: Moment | None = None, due_before: Moment | None = None, urgent: bool | None = None,
    due_of: Annotated[DueOf, Query(description="按哪个时限：next 最早的一项；closing 办结；any 任一；step 只误了环节")] = DueOf.NEXT,
    rework: Annotated[bool | None, Query(description="重办件")] = None,
    role: Literal["lead", "support"] | None = None, updated_since: Moment | None = None,
    order: Annotated[Literal["due", "changed"], Query(description="due 先到期的在前；changed 按变化先后")] = "due",
    counts: Annotated[bool, Query(description="附各状态件数")] = False,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> QueuePage:  # fmt: skip
    """What a unit has to do, what is due first first; with `updated_since`, what changed, oldest change first."""
    code = _queue_unit(unit, caller, office.desk.rulebook)
    wanted = queries.QueueFilter(state, tag, due_before, urgent, role, updated_since, order, due_from, rework, due_of)
    with office.database.glance() as session:
        page = queries.queue(session, caller, code, wanted, cursor, limit)
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


@router.get("/calendar/explain", summary="时限推算说明", tags=["规则"])
def explain_calendar(
    office: OfficeOf, _caller: Annotated[Caller, Depends(Allow(Verb.REFERENCE_READ))],
    start: Annotated[Moment, Query(alias="from", description="起算时间，带时区")],
    amount: Annotated[Decimal, Query(gt=0, le=400, max_digits=6, decimal_places=2)],
    unit: Annotated[Literal["分钟", "小时", "办公小时", "工作日", "自然日"], Query(description="单位")] = "工作日",
    keeper: Annotated[UnitQuery, Query(description="按哪个承办单位的办公时间；不填按全市")] = None,
) -> ExplainView:  # fmt: skip
    """How a limit is counted: every slice that counts, and every day between that does not, with why.

    Refused where it would rest on a year whose calendar is not imported: an explanation must not be a guess.
    """
    desk = office.desk
    calendar = desk.calendar_of(find_unit(keeper, desk.rulebook, "?keeper").code) if keeper else desk.calendar
    end = count(LimitUnit(unit), amount, start, calendar)
    if end.provisional:
        raise UnavailableError(
            f"{end.due.year} 年日历尚未导入（已导入至 {calendar.covered_until}），不能说明；请先导入该年日历"
        )
    return explain_view(start, end, calendar)


def seen(session: Session, number: str, response: Response, office: Office, caller: Caller) -> TicketView:
    """Return a ticket as a caller may see it, with its version in the ETag."""
    session.flush()
    view = assembly.ticket_view(queries.one(session, number, caller), caller, office.desk.rulebook, office.sealer)
    response.headers["ETag"] = f'"{view.version}"'
    return view


@router.get("/tickets/{number}", summary="查看工单")
def read_ticket(
    number: Number, response: Response, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_READ))]
) -> TicketView:
    """Where the ticket is, who has it, since when, why them, until when, and what happens next."""
    with office.database.glance() as session:
        return seen(session, number, response, office, caller)


@router.get("/tickets/{number}/routing", summary="为什么派给它")
def read_routing(
    number: Number, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_READ))]
) -> RoutingView:
    """The explanation in Chinese, and every judgement with its versions."""
    with office.database.glance() as session:
        ticket, rows = queries.judgements(session, number, caller)
        turn = advice.turn_of(session, ticket, office.desk)
        return assembly.routing_view(ticket, rows, office.desk.rulebook, clock.today(), turn)


@router.get("/tickets/{number}/similar", summary="相似工单")
def read_similar(
    number: Number, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_SIMILAR))],
    days: Annotated[int, Query(ge=1, le=3650, description="已办结的只看这些天内受理的；在办的不限")] = advice.SIMILAR_DAYS,
    limit: Annotated[int, Query(ge=1, le=50, description="最多几件")] = advice.SIMILAR_SHOWN,
) -> SimilarPage:  # fmt: skip
    """Tickets like this one, for joining (并案) and to spot repeats: the same enterprise's first, then the city's."""
    with office.database.glance() as session:
        return advice.similar_page(session, caller, number, office.desk, days, limit)


@router.get("/tickets/{number}/events", summary="工单经过")
def read_events(
    number: Number, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_READ))]
) -> list[EventView]:
    """Everything that happened to the ticket, in order; the hotline's own staff see the reasons people wrote."""
    with office.database.glance() as session:
        history = queries.history(session, number, caller)
        return assembly.event_views(history, caller, office.sealer)
