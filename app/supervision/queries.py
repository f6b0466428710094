"""Reads of 督办单: lists, one order, those about a work order, and the paper of a written one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.errors import ConflictError, NotFoundError
from app.paging import Page, cut, decode_cursor
from app.supervision.knowing import reach
from app.supervision.schemas import OrderLine, OrderPage, OrderView, Paper, PaperTicket, StepView
from app.supervision.tables import CANCELLED, ISSUED, PROPOSED, SupervisionOrder, SupervisionStep, SupervisionTicket
from app.tickets.intake import Desk
from app.tickets.queries import visible
from app.tickets.sealed import read_json
from app.tickets.tables import Ticket

INSTANT = timedelta(microseconds=1)
LATEST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)
SIGNED = "包头市12345政务服务便民热线（营商环境专席）"


@dataclass(frozen=True)
class OrderFilter:
    """What the orders are narrowed to; None: not narrowed."""

    unit: str | None = None
    status: str | None = None
    way: str | None = None
    level: str | None = None
    overdue: bool | None = None


def orders(
    session: Session, caller: Caller, wanted: OrderFilter, cursor: str | None, limit: int
) -> Page[SupervisionOrder]:  # fmt: skip
    """Return a page of orders, the newest first."""
    statement = select(SupervisionOrder).where(*reach(caller, Verb.SUPERVISION_READ))
    pairs = (
        (SupervisionOrder.unit, wanted.unit), (SupervisionOrder.status, wanted.status),
        (SupervisionOrder.way, wanted.way), (SupervisionOrder.level, wanted.level),
    )  # fmt: skip
    for column, value in pairs:
        if value is not None:
            statement = statement.where(column == value)
    if wanted.overdue is not None:
        late = (SupervisionOrder.status == ISSUED) & (SupervisionOrder.due_at < clock.now())
        statement = statement.where(late if wanted.overdue else ~late)
    if cursor:
        raised_at, ident = decode_cursor(cursor, (str, int))
        after = (_moment(str(raised_at)), int(ident or 0))
        statement = statement.where(tuple_(SupervisionOrder.raised_at, SupervisionOrder.id) < after)
    newest = statement.order_by(SupervisionOrder.raised_at.desc(), SupervisionOrder.id.desc()).limit(limit + 1)
    return cut(list(session.scalars(newest)), limit, lambda row: [row.raised_at.isoformat(), row.id])


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return LATEST_MOMENT


def one(session: Session, number: str, caller: Caller) -> SupervisionOrder:
    """Return an order.

    Raises:
        NotFoundError: there is none, or the caller may not know of it.
    """
    found = session.scalars(
        select(SupervisionOrder).where(SupervisionOrder.number == number, *reach(caller, Verb.SUPERVISION_READ))
    ).one_or_none()
    if found is None:
        raise NotFoundError(f"没有督办单 {number}，或您无权查看")
    return found


def about(session: Session, number: str, caller: Caller) -> list[SupervisionOrder]:
    """Return the orders about a work order the caller may see, the newest first.

    Raises:
        NotFoundError: there is no such work order, or the caller may not know of it.
    """
    ticket = session.scalars(
        select(Ticket.id).where(Ticket.number == number, visible(caller, Verb.SUPERVISION_READ))
    ).one_or_none()
    if ticket is None:
        raise NotFoundError(f"没有工单 {number}，或您无权查看")
    mine = select(SupervisionTicket.order_id).where(SupervisionTicket.ticket_id == ticket)
    statement = select(SupervisionOrder).where(SupervisionOrder.id.in_(mine), *reach(caller, Verb.SUPERVISION_READ))
    return list(session.scalars(statement.order_by(SupervisionOrder.id.desc())))


def line(order: SupervisionOrder, desk: Desk) -> OrderLine:
    """Return an order as a list shows it."""
    unit = desk.rulebook.unit_by_code.get(order.unit)
    return OrderLine(
        number=order.number or "", way=order.way, level=order.level, unit=order.unit,
        unit_name=unit.short if unit else order.unit, rule=order.rule, status=order.status, tickets=order.tickets,
        raised_at=order.raised_at, issued_at=order.issued_at, due_at=order.due_at, replied_at=order.replied_at,
        concluded_at=order.concluded_at, result=order.result,
        overdue=order.status == ISSUED and order.due_at is not None and order.due_at < clock.now(),
    )  # fmt: skip


def page(found: Page[SupervisionOrder], desk: Desk) -> OrderPage:
    """Return a page of orders as it is shown."""
    return OrderPage(items=[line(order, desk) for order in found.rows], next_cursor=found.next_cursor)


def whole(session: Session, order: SupervisionOrder, caller: Caller, desk: Desk) -> OrderView:
    """Return an order with its work orders and everything that was done about it."""
    numbers = (
        select(Ticket.number)
        .where(Ticket.id.in_(select(SupervisionTicket.ticket_id).where(SupervisionTicket.order_id == order.id)))
        .where(visible(caller, Verb.SUPERVISION_READ))
        .order_by(Ticket.id)
    )
    steps = select(SupervisionStep).where(SupervisionStep.order_id == order.id).order_by(SupervisionStep.id)
    return OrderView(
        **line(order, desk).model_dump(), requirement=order.requirement, basis=order.basis,
        numbers=list(session.scalars(numbers)),
        steps=[
            StepView(
                kind=step.kind, at=step.at, by=step.by, text=step.text, person=step.person,
                attachments=read_json(step.attachments, []),
            )
            for step in session.scalars(steps)
        ],
    )  # fmt: skip


def paper(session: Session, order: SupervisionOrder, caller: Caller, desk: Desk) -> Paper:
    """Return the written form of an order as it went out, with those of its work orders that the caller may see now.

    Raises:
        ConflictError: it has not gone out, or was cancelled.
    """
    if order.issued_at is None or order.due_at is None or order.status in {PROPOSED, CANCELLED}:
        raise ConflictError("督办单发出后才有文书；已撤销的没有文书")
    day = clock.local(order.issued_at).date()
    unit = desk.rulebook.unit_by_code.get(order.unit)
    opening = f"你单位承办的下列 {order.tickets} 件企业诉求，经研究决定予以{order.way}督办（{order.level}）。"
    return Paper(
        title="督办通知单",
        number=order.number or "",
        addressee=unit.full.split("（")[0] if unit else order.unit,
        paragraphs=[
            opening, f"要求：{order.requirement}", f"依据：{order.basis}。",
            f"请于 {clock.spoken(order.due_at)} 前书面回复办理情况，附联系企业的凭证；逾期未回复的，提请约谈。",
        ],
        tickets=_paper_tickets(session, order, caller, desk),
        reply_by=order.due_at,
        signed=SIGNED,
        day=day,
    )  # fmt: skip


def _paper_tickets(session: Session, order: SupervisionOrder, caller: Caller, desk: Desk) -> list[PaperTicket]:
    statement = (
        select(Ticket.number, SupervisionTicket.tag, SupervisionTicket.due_at)
        .join(SupervisionTicket, SupervisionTicket.ticket_id == Ticket.id)
        .where(SupervisionTicket.order_id == order.id, visible(caller, Verb.SUPERVISION_READ))
        .order_by(SupervisionTicket.due_at, Ticket.id)
    )
    found = []
    for number, tag, due_at in session.execute(statement):
        known = desk.rulebook.tag_by_code.get(tag or "")
        days = _working_days_late(due_at, order.issued_at, desk)
        found.append(
            PaperTicket(number=number, tag=known.name if known else tag or "", due_at=due_at, overdue_days=days)
        )
    return found


def _working_days_late(due_at: datetime | None, at: datetime | None, desk: Desk) -> int:
    """Return how many working days after its due day a part was when the order went out; 24:00 belongs to the day it ends."""
    if due_at is None or at is None or due_at >= at:
        return 0
    first, last = (clock.local(moment).date().toordinal() for moment in (due_at - INSTANT, at))
    days = (clock.local(at).date().fromordinal(number) for number in range(first + 1, last + 1))
    return sum(desk.calendar.is_working_day(day) for day in days)
