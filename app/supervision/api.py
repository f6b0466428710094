"""督办 over HTTP: `/supervision` and what of it concerns one work order."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.accounts.browser import AllowDocument, opened_in_browser
from app.errors import ForbiddenError
from app.paging import PAGE_DEFAULT
from app.papers.docx import docx
from app.rulebook.supervision import Level, Way
from app.supervision import course, queries
from app.supervision.forms import ConcludeForm, IssueForm, OpinionForm, RaiseForm, RecordForm, ReplyForm
from app.supervision.paper import letter
from app.supervision.schemas import OrderLine, OrderPage, OrderView, Paper
from app.supervision.tables import SupervisionOrder
from app.tickets.api import Number, OfficeOf
from app.tickets.intake import find_unit
from app.web import REFUSALS, Cursor, Limit, UnitQuery

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
router = APIRouter(prefix="/api/v1", tags=["督办"], responses=REFUSALS)
OrderNumber = Annotated[str, Path(pattern=r"^DB\d{10,14}$", description="督办单编号")]
Reads = Annotated[Caller, Depends(Allow(Verb.SUPERVISION_READ))]
Issues = Annotated[Caller, Depends(Allow(Verb.SUPERVISION_ISSUE))]


def _done(office: OfficeOf, caller: Caller, act: Callable[[Session], SupervisionOrder]) -> OrderView:
    """Carry an act out in one transaction and return the order as its caller may see it."""
    with office.database.write() as session:
        return queries.whole(session, act(session), caller, office.desk)


@router.get("/supervision", summary="督办单列表")
def list_orders(
    office: OfficeOf, caller: Reads,
    unit: Annotated[UnitQuery, Query(description="只看一个单位")] = None,
    status: Literal["拟发", "已发", "已回复", "已办结", "已撤销"] | None = None,
    way: Way | None = None, level: Level | None = None,
    overdue: Annotated[bool | None, Query(description="逾期未回复的")] = None,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> OrderPage:  # fmt: skip
    """Orders, the newest first; a unit sees its own once they have gone out."""
    code = find_unit(unit, office.desk.rulebook, "?unit").code if unit else None
    if caller.role.of_unit and code not in {None, caller.unit}:
        raise ForbiddenError("只能查看本单位的督办单")
    wanted = queries.OrderFilter(code, status, way, level, overdue)
    with office.database.read() as session:
        return queries.page(queries.orders(session, caller, wanted, cursor, limit), office.desk)


@router.post("/supervision", summary="发起督办", status_code=201)
def raise_order(form: RaiseForm, office: OfficeOf, caller: Issues) -> OrderView:
    """Raise an order by hand; it goes out at once."""
    return _done(office, caller, lambda session: course.raise_order(session, form, caller, office.desk))


@router.get("/supervision/{order}", summary="督办单")
def read_order(order: OrderNumber, office: OfficeOf, caller: Reads) -> OrderView:
    """One order with its work orders and everything that was done about it."""
    with office.database.read() as session:
        return queries.whole(session, queries.one(session, order, caller), caller, office.desk)


@router.get(
    "/supervision/{order}/paper", summary="督办通知单（文书）", response_model=Paper,
    responses={200: {"content": {DOCX: {}}}},
)  # fmt: skip
def read_paper(
    order: OrderNumber, request: Request, office: OfficeOf,
    caller: Annotated[Caller, Depends(AllowDocument(Verb.SUPERVISION_READ))],
    form: Annotated[
        Literal["json", "docx"] | None, Query(alias="format", description="不填：浏览器打开的是 docx，程序得到 json")
    ] = None,
) -> Paper | Response:  # fmt: skip
    """What stands on the paper that goes to the unit; as a Word file in the layout of GB/T 9704."""
    form = form or ("docx" if opened_in_browser(request) else "json")
    with office.database.read() as session:
        found = queries.paper(session, queries.one(session, order, caller), caller, office.desk)
    if form == "json":
        return found
    headers = {"Content-Disposition": f'attachment; filename="{found.number}.docx"'}
    return Response(docx(letter(found)), media_type=DOCX, headers=headers)


@router.post("/supervision/{order}/issue", summary="发出督办")
def issue(order: OrderNumber, form: IssueForm, office: OfficeOf, caller: Issues) -> OrderView:
    """Send out what a rule proposed, as it is or changed."""
    return _done(office, caller, lambda session: course.issue(session, order, form, caller, office.desk))


@router.post("/supervision/{order}/record", summary="登记电话、现场、约谈")
def record(order: OrderNumber, form: RecordForm, office: OfficeOf, caller: Issues) -> OrderView:
    """Put a call, a visit or a talk on record."""
    return _done(office, caller, lambda session: course.record(session, order, form, caller))


@router.post("/supervision/{order}/reply", summary="回复督办")
def reply(
    order: OrderNumber, form: ReplyForm, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.SUPERVISION_REPLY))],
) -> OrderView:  # fmt: skip
    """Answer an order for one's unit."""
    return _done(office, caller, lambda session: course.reply(session, order, form, caller))


@router.post("/supervision/{order}/conclude", summary="督办办结")
def conclude(order: OrderNumber, form: ConcludeForm, office: OfficeOf, caller: Issues) -> OrderView:
    """Conclude an order: 落实 or 未落实."""
    return _done(office, caller, lambda session: course.conclude(session, order, form, caller))


@router.post("/supervision/{order}/send-back", summary="退回督办回复")
def send_back(order: OrderNumber, form: OpinionForm, office: OfficeOf, caller: Issues) -> OrderView:
    """Send a reply back that does not do."""
    return _done(office, caller, lambda session: course.send_back(session, order, form, caller))


@router.post("/supervision/{order}/cancel", summary="撤销督办")
def cancel(order: OrderNumber, form: OpinionForm, office: OfficeOf, caller: Issues) -> OrderView:
    """Cancel an order with a reason."""
    return _done(office, caller, lambda session: course.cancel(session, order, form, caller))


@router.get("/tickets/{number}/supervision", summary="工单的督办")
def about_ticket(number: Number, office: OfficeOf, caller: Reads) -> list[OrderLine]:
    """The orders about a work order, the newest first."""
    with office.database.read() as session:
        return [queries.line(order, office.desk) for order in queries.about(session, number, caller)]
