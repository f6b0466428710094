"""限时处办: time asked for and given — 延期, 挂起 and going on again. Whoever asks never decides."""

import json
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Role, Verb
from app.errors import ConflictError, FieldFault, ForbiddenError, InvalidInputError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitRule, LimitStep, LimitUnit
from app.sla.calendar import WorkingCalendar
from app.sla.limits import select as select_limit
from app.sla.timer import after_pause, limit_text, reach
from app.tickets.acts import Act, Opened, happen, limit, open_ticket, own_part, row_of, settle
from app.tickets.handling import end_of_day, working
from app.tickets.intake import Desk
from app.tickets.life_tables import UnitRequest
from app.tickets.lifecycle import Move
from app.tickets.standing import RESUME, Part, Phase
from app.tickets.submission import insert_note
from app.tickets.tables import Ticket
from app.tickets.verb_forms import DecisionForm, ExtensionForm, ReasonForm, SuspensionForm

LEAD_OF_EXTENSION = Decimal("0.5")


def ask_extension(session: Session, act: Act, form: ExtensionForm, desk: Desk) -> Ticket:
    """Ask for more time, at least half a working day before it is due; the due time stands until it is granted.

    Raises:
        ConflictError: urgent, too late, asked already, or beyond what the limits allow for the kind.
        InvalidInputError: more days than the limit allows.
    """
    work = open_ticket(session, act, Verb.TICKET_EXTEND)
    part = working(work)
    rule = _extension_rule(work, part, desk)
    _check_extension(work, part, rule, form, desk.calendar_of(part.unit))
    ruling = limit(work, LimitStep.EXTENSION_RULING, desk.rulebook, desk.calendar)
    request = _ask(session, work, part, "延期", ruling.due_at)
    request.explanation, request.days = form.reason, form.days
    request.evidence = json.dumps([item.model_dump() for item in form.evidence], ensure_ascii=False)
    session.flush()
    happen(
        work, "extension_asked", unit=part.unit, days=form.days, step=ruling.step.value, due=ruling.due_at.isoformat(),
        request=request.id,
    )  # fmt: skip
    return settle(session, work)


def _extension_rule(work: Opened, part: Part, desk: Desk) -> LimitRule:
    if work.standing.urgent:
        raise ConflictError("紧急件不延期；客观上办不了的请提请会商")
    if part.rework:
        raise ConflictError("重办件不延期；客观上办不了的请提请会商")
    rule = select_limit(desk.rulebook.limits, LimitStep.EXTENSION, work.case, clock.local(work.at).date())
    if rule is None:
        raise ConflictError("这一类工单没有延期规定，不能延期")
    return rule


def _check_extension(
    work: Opened, part: Part, rule: LimitRule, form: ExtensionForm, calendar: WorkingCalendar
) -> None:  # fmt: skip
    if f"{LimitStep.EXTENSION_RULING.value}:{part.unit}" in work.standing.desk:
        raise ConflictError("延期申请正在审批，请等候")
    cumulative = rule.hard or bool(rule.covers)
    if part.extended and not cumulative:
        raise ConflictError("已延期一次，不再延期；仍办不了的请提请会商")
    if form.days + part.extended_days > rule.amount:
        message = f"{'累计' if cumulative else ''}最多延期 {limit_text(rule)}（{rule.basis}）"
        raise InvalidInputError(message, faults=(FieldFault("/days", message),))
    if rule.covers and work.caller.role is not Role.UNIT_LEADER:
        raise ForbiddenError(f"{rule.covers}的延期须由处理部门负责人提出（{rule.basis}）")
    latest = rule.model_copy(update={"amount": LEAD_OF_EXTENSION, "unit": LimitUnit.WORKING_DAYS})
    if part.due_at is None or reach(latest, work.at, calendar).due > part.due_at:
        raise ConflictError("延期须在到期前至少半个工作日提出；现在提出已来不及，请尽快办理并说明情况")


def _ask(session: Session, work: Opened, part: Part, kind: str, ruling_due: datetime) -> UnitRequest:
    request = UnitRequest(
        ticket_id=work.ticket.id, dispatch_id=row_of(session, work, part).id, kind=kind, reason="", clause="",
        explanation="", suggested_unit="", evidence="[]", arbitration=False, status="待批", ruling_due_at=ruling_due,
        asked_by=work.caller.reference, asked_at=work.at, opinion="",
    )  # fmt: skip
    session.add(request)
    return request


def rule_extension(session: Session, act: Act, form: DecisionForm, desk: Desk, unit: str) -> Ticket:
    """Decide on an extension; granted, it counts from the due time as it stood, and the enterprise is told.

    Raises:
        ConflictError: the unit has asked for none.
    """
    work = open_ticket(session, act, Verb.TICKET_RULE_TIME)
    unit = unit or work.standing.lead_unit or ""
    part, request = _asked(session, work, unit, "延期")
    _decide(request, form, act, work)
    note = insert_note(session, work.ticket.id, form.opinion, act.caller, work.at)
    if not form.grant:
        happen(
            work, "extension_refused", unit=unit, step=LimitStep.EXTENSION_RULING.value, request=request.id, note=note
        )
        return settle(session, work)
    rule = _extension_rule(work, part, desk)
    amount = Decimal(request.days or 0)
    start = part.due_at or work.at
    until = reach(rule.model_copy(update={"amount": amount}), start, desk.calendar_of(part.unit))
    happen(work, "extended", unit=unit, until=until.due.isoformat(), days=request.days, request=request.id, note=note)
    enqueue(session, work.at, [("enterprise.extended", {"number": act.number, "due_at": until.due.isoformat()})])
    return settle(session, work)


def _asked(session: Session, work: Opened, unit: str, kind: str) -> tuple[Part, UnitRequest]:
    part = work.standing.part_of(unit)
    if part:
        row = row_of(session, work, part)
        statement = select(UnitRequest).where(
            UnitRequest.dispatch_id == row.id, UnitRequest.kind == kind, UnitRequest.status == "待批"
        )
        request = session.scalars(statement.order_by(UnitRequest.id.desc())).first()
        if request and part.phase in {Phase.IN_PROGRESS, Phase.SUSPENDED}:
            return part, request
    raise ConflictError(f"该单位没有待审批的{kind}申请")


def _decide(request: UnitRequest, form: DecisionForm, act: Act, work: Opened) -> None:
    request.status = "准予" if form.grant else "不予"
    request.decided_at, request.decided_by, request.opinion = work.at, act.caller.reference, form.opinion


def ask_suspension(session: Session, act: Act, form: SuspensionForm, desk: Desk) -> Ticket:
    """Ask that the clock stand still, for a reason of the closed list, with evidence and an end.

    Raises:
        ConflictError: the part is not in hand, or one is asked for already.
        InvalidInputError: the end is past, or further off than the limit allows.
    """
    work = open_ticket(session, act, Verb.TICKET_SUSPEND)
    part = working(work)
    if f"{LimitStep.SUSPENSION_RULING.value}:{part.unit}" in work.standing.desk:
        raise ConflictError("挂起申请正在审批，请等候")
    longest = limit(work, LimitStep.SUSPENSION, desk.rulebook, desk.calendar)
    until = end_of_day(form.until)
    if not work.at < until <= longest.due_at:
        message = f"截止日须在今天至 {clock.spoken(longest.due_at)} 之间（{longest.limit_text}以内）"
        raise InvalidInputError(message, faults=(FieldFault("/until", message),))
    ruling = limit(work, LimitStep.SUSPENSION_RULING, desk.rulebook, desk.calendar)
    request = _ask(session, work, part, "挂起", ruling.due_at)
    request.reason, request.explanation, request.until = form.reason.value, form.explanation, form.until
    request.evidence = json.dumps([item.model_dump() for item in form.evidence], ensure_ascii=False)
    session.flush()
    happen(
        work, "suspension_asked", unit=part.unit, reason=form.reason.value, until=until.isoformat(),
        step=ruling.step.value, due=ruling.due_at.isoformat(), request=request.id,
    )  # fmt: skip
    return settle(session, work)


def rule_suspension(session: Session, act: Act, form: DecisionForm, unit: str) -> Ticket:
    """Decide on a suspension; granted, the clock stands still until its end or until the unit goes on.

    Raises:
        ConflictError: the unit has asked for none, or its end has passed meanwhile.
    """
    work = open_ticket(session, act, Verb.TICKET_RULE_TIME)
    unit = unit or work.standing.lead_unit or ""
    part, request = _asked(session, work, unit, "挂起")
    until = end_of_day(request.until) if request.until else work.at
    if form.grant and until <= work.at:
        raise ConflictError("申请的挂起截止日已过，请不予批准并告知单位重新申请")
    _decide(request, form, act, work)
    note = insert_note(session, work.ticket.id, form.opinion, act.caller, work.at)
    if form.grant:
        if part.role == "lead":
            work.require(Move.SUSPEND)
        happen(
            work, "suspended", unit=unit, reason=request.reason, until=until.isoformat(), request=request.id, note=note
        )
        enqueue(session, work.at, [("enterprise.suspended", {"number": act.number, "until": until.isoformat()})])
    else:
        happen(
            work, "suspension_refused", unit=unit, step=LimitStep.SUSPENSION_RULING.value, request=request.id, note=note
        )
    return settle(session, work)


def resume(session: Session, act: Act, form: ReasonForm, desk: Desk) -> Ticket:
    """Go on after a suspension, before its end.

    Raises:
        ConflictError: the part is not suspended.
    """
    work = open_ticket(session, act, Verb.TICKET_RESUME)
    part = own_part(work)
    if part.phase is not Phase.SUSPENDED:
        raise ConflictError("本单位的任务没有挂起")
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    resume_part(work, part, desk, note=note)
    return settle(session, work)


def resume_part(work: Opened, part: Part, desk: Desk, note: int | None = None) -> None:
    """Let a suspended part's clock run on: every open due time moves by exactly what the pause cost."""
    if part.role == "lead":
        work.require(Move.RESUME)
    began = part.suspended_at or work.at
    dues = {
        name: _after_pause(due_at, began, work, desk.calendar_of(part.unit)).isoformat()
        for name, due_at in part.dues.items()
        if due_at > began and name != RESUME
    }
    happen(work, "resumed", unit=part.unit, dues=dues, automatic=note is None, note=note)


def _after_pause(due_at: datetime, began: datetime, work: Opened, calendar: WorkingCalendar) -> datetime:
    if work.standing.urgent:
        return due_at + (work.at - began)
    return after_pause(due_at, began, work.at, calendar)
