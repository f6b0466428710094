"""The home page and the lists it leads to: the very answers of the API, shown as tables."""

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app import clock
from app.accounts.access import Caller, Verb
from app.accounts.browser import AllowPage
from app.pages.shell import page
from app.pages.waiting import latest_reports, waiting
from app.reports import api as reports
from app.rulebook.shapes import Rulebook
from app.supervision import api as supervision
from app.tickets import api as tickets
from app.tickets.api import DeskStep, OfficeOf, QueueState
from app.tickets.schemas import TicketPage
from app.web import Cursor, UnitQuery

router = APIRouter(include_in_schema=False)
MINUTES_AN_HOUR, HOURS_A_DAY = 60, 24
TICKET_HEADER = ("编号", "标题", "状态", "主办", "下一步", "期限")


@router.get("/")
def home(
    request: Request, office: OfficeOf, caller: Annotated[Caller, Depends(AllowPage(Verb.SESSION_READ))]
) -> Response:
    """Who is signed in, what waits for him, and the latest reports."""
    if caller.must_change:
        return RedirectResponse("/password", 303)
    with office.database.read() as session:
        waits, newest = waiting(session, caller), latest_reports(session, caller)
    unit = _unit_name(caller, office.desk.rulebook)
    return page(request, "home", caller, unit=unit, waits=waits, reports=newest, now=clock.now())


def _unit_name(caller: Caller, rulebook: Rulebook) -> str:
    found = rulebook.unit_by_code.get(caller.unit)
    return found.short if found else caller.unit or "12345营商环境专席"


@router.get("/lists/triage")
def show_triage(
    request: Request, office: OfficeOf, caller: Annotated[Caller, Depends(AllowPage(Verb.TRIAGE_READ))],
    cursor: Cursor = None,
) -> HTMLResponse:  # fmt: skip
    """Tickets that wait for a dispatcher."""
    return _tickets(request, caller, "待派单", tickets.list_triage(office, caller, cursor))


@router.get("/lists/desk")
def show_desk(
    request: Request, step: DeskStep, office: OfficeOf,
    caller: Annotated[Caller, Depends(AllowPage(Verb.DESK_READ))], cursor: Cursor = None,
) -> HTMLResponse:  # fmt: skip
    """Tickets for which the hotline itself owes a step."""
    return _tickets(request, caller, step, tickets.read_desk(office, caller, step, cursor))


def _tickets(request: Request, caller: Caller, title: str, found: TicketPage) -> HTMLResponse:
    rows = (
        (_marked(each.number, urgent=each.urgent), each.title, each.state_label, each.lead or "—", each.next_step or "—",
         clock.spoken(each.next_due_at) if each.next_due_at else "—")
        for each in found.items
    )  # fmt: skip
    return _table(request, caller, title, TICKET_HEADER, rows, found.next_cursor)


@router.get("/lists/overdue")
def show_overdue(
    request: Request, office: OfficeOf, caller: Annotated[Caller, Depends(AllowPage(Verb.OVERDUE_READ))],
    unit: UnitQuery = None, cursor: Cursor = None,
) -> HTMLResponse:  # fmt: skip
    """Tickets with something past its time, the longest overdue first."""
    found = tickets.list_overdue(office, caller, unit, cursor)
    rows = (
        (_marked(each.number, urgent=each.urgent), each.tag_name, each.state_label, each.holder, each.step,
         clock.spoken(each.due_at), _late(each.overdue_minutes))
        for each in found.items
    )  # fmt: skip
    header = ("编号", "归口标签", "状态", "在谁手里", "哪一步", "期限", "已超")
    return _table(request, caller, "超期", header, rows, found.next_cursor)


def _late(minutes: int) -> str:
    hours = minutes // MINUTES_AN_HOUR
    return f"{hours // HOURS_A_DAY}天{hours % HOURS_A_DAY}小时" if hours else f"{minutes}分钟"


@router.get("/lists/queue")
def show_queue(
    request: Request, office: OfficeOf, caller: Annotated[Caller, Depends(AllowPage(Verb.QUEUE_READ))],
    unit: UnitQuery = None, state: QueueState | None = None, rework: bool | None = None, overdue: bool = False,
    cursor: Cursor = None,
) -> HTMLResponse:  # fmt: skip
    """What a unit has to do, what is due first first; narrowed to what one count of the home page is of."""
    before = clock.now() if overdue else None
    found = tickets.read_queue(office, caller, unit, state, due_before=before, rework=rework, cursor=cursor)
    rows = (
        (_marked(each.number, urgent=each.urgent), each.title, each.role, each.state_label, each.next_step or "—",
         clock.spoken(each.next_due_at) if each.next_due_at else "—", "已超期" if each.overdue else "")
        for each in found.items
    )  # fmt: skip
    header = ("编号", "标题", "主协办", "状态", "下一步", "期限", "提示")
    return _table(request, caller, f"{found.unit.name} 待办", header, rows, found.next_cursor)


@router.get("/lists/supervision")
def show_supervision(
    request: Request, office: OfficeOf, caller: Annotated[Caller, Depends(AllowPage(Verb.SUPERVISION_READ))],
    unit: UnitQuery = None, cursor: Cursor = None,
) -> HTMLResponse:  # fmt: skip
    """Orders that wait for a unit's reply, the newest first."""
    found = supervision.list_orders(office, caller, unit, "已发", cursor=cursor)
    rows = (
        (each.number, each.unit_name, each.way, each.level, str(each.tickets),
         clock.spoken(each.due_at) if each.due_at else "—", "逾期未回复" if each.overdue else "")
        for each in found.items
    )  # fmt: skip
    header = ("编号", "承办单位", "方式", "级别", "工单数", "回复期限", "提示")
    return _table(request, caller, "督办待回复", header, rows, found.next_cursor)


@router.get("/lists/reports")
def show_reports(
    request: Request, office: OfficeOf, caller: Annotated[Caller, Depends(AllowPage(Verb.REPORT_READ))]
) -> HTMLResponse:
    """The newest reports, each in its forms."""
    return page(request, "reports", caller, reports=reports.list_reports(office, caller))


def _marked(number: str, *, urgent: bool) -> str:
    return f"{number}（紧急）" if urgent else number


def _table(
    request: Request, caller: Caller, title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]],
    cursor: str | None,
) -> HTMLResponse:  # fmt: skip
    """Show one page of a list, and lead on to the next with the same question."""
    asked = dict(request.query_params) | {"cursor": cursor or ""}
    onward = f"{request.url.path}?{urlencode(asked)}" if cursor else ""
    return page(request, "list", caller, title=title, header=header, rows=list(rows), onward=onward)
