"""The course of a 督办单: 拟发 → 已发 → 已回复 → 已办结, or 已撤销; one function a verb. Every step stays on record.

A supervisor issues what a rule proposed, or raises an order at once; the unit replies; the supervisor concludes with 落实 or
未落实, or sends it back for another reply (包府发〔2024〕40号第31项: 电话、书面、现场督办).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, delete, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.accounts.service import acting_supervisor
from app.errors import ConflictError, FieldFault, InvalidInputError, NotFoundError
from app.notify.messages import Message, lay, tell
from app.rulebook.supervision import Way
from app.supervision.causes import OPEN_PARTS, SHARING, days_of, holds
from app.supervision.forms import ConcludeForm, IssueForm, OpinionForm, RaiseForm, RecordForm, ReplyForm
from app.supervision.knowing import reach, special_of
from app.supervision.tables import (
    CANCELLED,
    CONCLUDED,
    ISSUED,
    PROPOSED,
    REPLIED,
    SupervisionOrder,
    SupervisionStep,
    SupervisionTicket,
)
from app.tickets.acts import happen, open_by_id, settle
from app.tickets.intake import Desk, find_unit
from app.tickets.queries import ordinary, visible
from app.tickets.tables import Dispatch, Ticket

DONE, UNDONE = "落实", "未落实"
BY_HAND = "人工"


@dataclass(frozen=True)
class Subject:
    """A part that an order is about, and the code of the rule that brought it; a person may bring it any number of times."""

    ticket_id: int
    dispatch_id: int
    rule: str = ""


def locked(session: Session, number: str, caller: Caller, verb: Verb) -> SupervisionOrder:
    """Return an order, locked, that the caller's rows for a verb reach.

    Raises:
        NotFoundError: there is none, or the caller may not know of it.
    """
    statement = select(SupervisionOrder).where(SupervisionOrder.number == number, *reach(caller, verb))
    order = session.scalars(statement.with_for_update()).one_or_none()
    if order is None or caller.rows(verb) is None:
        raise NotFoundError(f"没有督办单 {number}，或您无权查看")
    return order


def make(session: Session, order: SupervisionOrder, subjects: Iterable[Subject]) -> SupervisionOrder:
    """Write a new order with its number and its work orders."""
    session.add(order)
    session.flush()
    order.number = f"DB{clock.local(order.raised_at).year}{order.id:06d}"
    add(session, order, subjects)
    return order


def add(session: Session, order: SupervisionOrder, subjects: Iterable[Subject]) -> None:
    """Put further work orders into an order that has not gone out."""
    rows = [
        SupervisionTicket(
            order_id=order.id,
            ticket_id=each.ticket_id,
            dispatch_id=each.dispatch_id,
            cause=each.rule or f"{BY_HAND}:{order.id}",
        )
        for each in subjects
    ]
    session.add_all(rows)
    order.tickets += len(rows)
    session.flush()


def raise_order(session: Session, form: RaiseForm, caller: Caller, desk: Desk) -> SupervisionOrder:
    """Raise an order by hand; it goes out at once.

    Raises:
        InvalidInputError: the unit is unknown, a work order is not in its hands, or the time to reply is past.
    """
    unit = find_unit(form.unit, desk.rulebook, "/unit").code
    now = clock.now()
    order = SupervisionOrder(
        way=form.way.value, level=form.level.value, unit=unit, requirement=form.requirement, rule="",
        basis=desk.rulebook.supervision.basis, status=PROPOSED, raised_by=caller.reference, raised_at=now, result="",
        tickets=0,
    )  # fmt: skip
    make(session, order, _subjects(session, form, unit, caller))
    _send(session, order, form.due_at, caller, desk)
    return order


def _subjects(session: Session, form: RaiseForm, unit: str, caller: Caller) -> list[Subject]:
    statement = (
        select(Ticket.number, Ticket.id, Dispatch.id)
        .join(Dispatch, Dispatch.ticket_id == Ticket.id)
        .where(
            Ticket.number.in_(form.tickets), Dispatch.unit == unit, Dispatch.state.in_(OPEN_PARTS),
            Dispatch.role.in_(SHARING), visible(caller, Verb.SUPERVISION_ISSUE),
            # Not even by the supervisor who may see it: beside others it would be read by all who read the order.
            ordinary(),
        )
    )  # fmt: skip
    found = {number: (ticket, part) for number, ticket, part in session.execute(statement)}
    faults = tuple(
        FieldFault(f"/tickets/{index}", f"{number} 不在该单位手中（没有这件、已办完，或已改派）")
        for index, number in enumerate(form.tickets)
        if number not in found
    )
    if faults:
        raise InvalidInputError("有工单不能列入这张督办单", faults=faults)
    return [Subject(*found[number]) for number in dict.fromkeys(form.tickets)]


def issue(session: Session, number: str, form: IssueForm, caller: Caller, desk: Desk) -> SupervisionOrder:
    """Send out what a rule proposed, as it is or changed, without what has been settled since it was proposed.

    Raises:
        NotFoundError: there is no such order.
        ConflictError: it has gone out or was cancelled, or nothing of it still holds.
        InvalidInputError: the time to reply is past.
    """
    order = locked(session, number, caller, Verb.SUPERVISION_ISSUE)
    _require(order, PROPOSED)
    _drop_settled(session, order, caller, desk)
    order.way = (form.way or Way(order.way)).value
    order.level = form.level.value if form.level else order.level
    order.requirement = form.requirement or order.requirement
    _send(session, order, form.due_at, caller, desk)
    return order


def _drop_settled(session: Session, order: SupervisionOrder, caller: Caller, desk: Desk) -> None:
    """Leave out parts that are no longer the unit's, or no longer what the rule is about; a rule may bring them again."""
    rule = next((rule for rule in desk.rulebook.supervision.rules if rule.code == order.rule), None)
    held = holds(rule, days_of(desk)) if rule else [Dispatch.state.in_(OPEN_PARTS)]
    if special_of(session, order) is None:
        held = [*held, ordinary()]
    still = select(Dispatch.id).join(Ticket, Ticket.id == Dispatch.ticket_id).where(Dispatch.unit == order.unit, *held)
    mine = SupervisionTicket.order_id == order.id
    gone = session.execute(
        select(SupervisionTicket.id, case((ordinary(), Ticket.number), else_="（不便列明）").label("number"))
        .join(Ticket, Ticket.id == SupervisionTicket.ticket_id)
        .where(mine, SupervisionTicket.dispatch_id.not_in(still))
        .order_by(SupervisionTicket.id)
    ).all()
    if len(gone) == order.tickets:
        raise ConflictError("所列工单都已办结、答复、移交或情形已消除，没有可督办的；请撤销这张督办单")
    if gone:
        session.execute(delete(SupervisionTicket).where(SupervisionTicket.id.in_([row.id for row in gone])))
        order.tickets -= len(gone)
        _note(
            session, order, "移出", caller, f"情形已消除，移出 {len(gone)} 件：{'、'.join(row.number for row in gone)}"
        )


def _freeze(session: Session, order: SupervisionOrder) -> list[int]:
    """Keep what the paper says of every part as it stands now; returns the work orders."""
    statement = (
        select(SupervisionTicket, Dispatch.tag, Dispatch.due_at)
        .join(Dispatch, Dispatch.id == SupervisionTicket.dispatch_id)
        .where(SupervisionTicket.order_id == order.id)
        .order_by(SupervisionTicket.ticket_id)
    )
    tickets = []
    for row, tag, due_at in session.execute(statement):
        row.tag, row.due_at = tag, due_at
        tickets.append(row.ticket_id)
    return list(dict.fromkeys(tickets))


def _send(session: Session, order: SupervisionOrder, due_at: datetime | None, caller: Caller, desk: Desk) -> None:
    now = clock.now()
    if due_at is not None and due_at <= now:
        raise InvalidInputError("回复期限须在此刻之后", faults=(FieldFault("/due_at", "须在此刻之后"),))
    days = desk.rulebook.supervision.reply_days(Way(order.way))
    order.status, order.issued_at = ISSUED, now
    order.due_at = due_at or desk.calendar_of(order.unit).add_working_days(now, days).due
    _note(session, order, "发出", caller, order.requirement)
    for ticket_id in _freeze(session, order):
        work = open_by_id(session, ticket_id)
        happen(work, "supervised", order=order.number, way=order.way, level=order.level, unit=order.unit)
        settle(session, work)
    _tell(
        session, order, f"{order.way}督办 {order.number}：{order.tickets} 件，请于 {clock.spoken(order.due_at)} 前回复"
    )


def record(session: Session, number: str, form: RecordForm, caller: Caller) -> SupervisionOrder:
    """Put a call, a visit or a talk on record.

    Raises:
        NotFoundError: there is no such order.
        ConflictError: it is not in force.
        InvalidInputError: the time lies before the order or ahead of now.
    """
    order = locked(session, number, caller, Verb.SUPERVISION_ISSUE)
    _require(order, ISSUED, REPLIED)
    if form.at > clock.now() or (order.issued_at and form.at < order.issued_at.replace(second=0, microsecond=0)):
        raise InvalidInputError("记录时间有误", faults=(FieldFault("/at", "须在督办单发出之后、此刻之前"),))
    step = _note(session, order, form.kind, caller, form.text)
    step.person = form.person
    return order


def reply(session: Session, number: str, form: ReplyForm, caller: Caller) -> SupervisionOrder:
    """Answer an order for one's unit; a further reply may follow until it is concluded.

    Raises:
        NotFoundError: there is no such order of the unit's.
        ConflictError: it is not in force.
    """
    order = locked(session, number, caller, Verb.SUPERVISION_REPLY)
    _require(order, ISSUED, REPLIED)
    step = _note(session, order, "回复", caller, form.text)
    step.attachments = json.dumps([each.model_dump(mode="json") for each in form.attachments], ensure_ascii=False)
    order.status, order.replied_at = REPLIED, order.replied_at or step.at
    _tell(session, order, f"督办单 {order.number} 已回复", "supervision.replied", supervisor=True)
    return order


def conclude(session: Session, number: str, form: ConcludeForm, caller: Caller) -> SupervisionOrder:
    """Conclude an order: 落实 needs a reply; 未落实 may follow silence once the time has passed.

    Raises:
        NotFoundError: there is no such order.
        ConflictError: it is not in force, or has no reply yet and still has time.
    """
    order = locked(session, number, caller, Verb.SUPERVISION_ISSUE)
    _require(order, ISSUED, REPLIED)
    if order.status == ISSUED and (form.done or (order.due_at and order.due_at > clock.now())):
        raise ConflictError("承办单位还没有回复；期限未到的请先等回复，确已落实的请单位补回复")
    step = _note(session, order, "办结", caller, form.opinion)
    order.status, order.concluded_at, order.result = CONCLUDED, step.at, DONE if form.done else UNDONE
    _tell(session, order, f"督办单 {order.number} 已办结：{order.result}", "supervision.concluded")
    return order


def send_back(session: Session, number: str, form: OpinionForm, caller: Caller) -> SupervisionOrder:
    """Send a reply back: it does not do, and the time to answer is not prolonged by it.

    Raises:
        NotFoundError: there is no such order.
        ConflictError: there is no reply to send back.
    """
    order = locked(session, number, caller, Verb.SUPERVISION_ISSUE)
    _require(order, REPLIED)
    _note(session, order, "退回", caller, form.reason)
    order.status, order.replied_at = ISSUED, None
    _tell(session, order, f"督办单 {order.number} 的回复被退回，请重新回复", "supervision.sent_back")
    return order


def cancel(session: Session, number: str, form: OpinionForm, caller: Caller) -> SupervisionOrder:
    """Cancel an order with a reason; what a rule proposed for it is not proposed again.

    Raises:
        NotFoundError: there is no such order.
        ConflictError: it is concluded or cancelled already.
    """
    order = locked(session, number, caller, Verb.SUPERVISION_ISSUE)
    _require(order, PROPOSED, ISSUED, REPLIED)
    was_out = order.status != PROPOSED
    _note(session, order, "撤销", caller, form.reason)
    order.status = CANCELLED
    if was_out:
        _tell(session, order, f"督办单 {order.number} 已撤销", "supervision.cancelled")
    return order


def _require(order: SupervisionOrder, *statuses: str) -> None:
    if order.status not in statuses:
        raise ConflictError(f"督办单 {order.number} 现为“{order.status}”，不能这样做")


def _note(session: Session, order: SupervisionOrder, kind: str, caller: Caller, text: str) -> SupervisionStep:
    step = SupervisionStep(
        order_id=order.id, kind=kind, at=clock.now(), by=caller.reference, text=text, person="", attachments="[]"
    )
    session.add(step)
    session.flush()
    return step


def _message(order: SupervisionOrder, title: str, kind: str) -> Message:
    return Message(
        kind, title, (f"{order.way}督办，{order.level}，{order.tickets} 件",), f"/api/v1/supervision/{order.number}"
    )


def _tell(
    session: Session, order: SupervisionOrder, title: str, kind: str = "supervision.issued", *, supervisor: bool = False
) -> None:
    """Tell the order's unit or the supervisors; of one about a 专办件 the named one, and nothing of it leaves the service."""
    message, special = _message(order, title, kind), special_of(session, order)
    if special is None:
        tell(session, clock.now(), "desk:supervisor" if supervisor else f"unit:{order.unit}", message)
        return
    named = acting_supervisor(session, special.special_supervisor) if supervisor else None
    if named is not None or not supervisor:
        lay(session, clock.now(), f"staff:{named}" if supervisor else f"unit:{order.unit}", message)
