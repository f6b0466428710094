"""限时处办: what a unit does with its part: sign, contact the enterprise, report, answer, ask for time."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Role, Verb
from app.accounts.tables import Staff
from app.errors import ConflictError, FieldFault, ForbiddenError, InvalidInputError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitRule, LimitStep, LimitUnit
from app.sealing import Sealer
from app.sla.calendar import WorkingCalendar
from app.sla.limits import select as select_limit
from app.sla.timer import after_pause, due, limit_text, reach
from app.tickets.acts import Act, Opened, happen, lapse_requests, limit, open_ticket, own_part, row_of, settle
from app.tickets.intake import Desk
from app.tickets.lifecycle import Move
from app.tickets.schemas import ContactView
from app.tickets.standing import RESUME, Part, Phase
from app.tickets.submission import insert_note
from app.tickets.tables import ContactAttempt, Promise, Reply, Ticket, TicketParty, UnitRequest
from app.tickets.verb_forms import (
    AnswerForm,
    AssignForm,
    ContactAttemptForm,
    DecisionForm,
    ExtensionForm,
    InterimForm,
    ReasonForm,
    SuspensionForm,
)
from app.tickets.views import due_view, unit_view

ATTEMPTS_OF_DILIGENCE = 3
NOON, EVENING = time(12), time(18)
LEAD_OF_EXTENSION = Decimal("0.5")


def sign(session: Session, act: Act) -> Ticket:
    """Sign the caller's unit's part; signing twice is one signing.

    Raises:
        ConflictError: the unit's part is already answered, or under another proceeding.
    """
    work = open_ticket(session, act, Verb.TICKET_SIGN)
    part = own_part(work)
    if part.phase is Phase.IN_PROGRESS:
        return work.ticket
    if part.phase is not Phase.AWAITING_SIGN:
        raise ConflictError("本单位的任务已答复或正在审核，不需要再签收")
    sign_part(work, part)
    return settle(session, work)


def sign_part(work: Opened, part: Part, *, automatic: bool = False) -> None:
    """Let a part be signed, by its unit or, past the limit, by the system (counted as late)."""
    if part.role == "lead":
        work.require(Move.SIGN)
    limit_at = part.dues.get(LimitStep.SIGN.value)
    late = bool(limit_at and work.at > limit_at)
    happen(work, "signed", unit=part.unit, role=part.role, late=late, automatic=automatic)


def _working(work: Opened) -> Part:
    """Return the caller's part, which must be in hand.

    Raises:
        ConflictError: it is not signed yet, suspended, under review, or answered.
    """
    part = own_part(work)
    hints = {
        Phase.AWAITING_SIGN: "请先签收，再办理或答复", Phase.RETURNING: "本单位的退单正在审核；要继续办理请先撤回退单",
        Phase.SUSPENDED: "本单位的任务已挂起；要继续办理请先恢复",
        Phase.EXCUSED: "主办单位已说明理由先行答复，本单位不需要再提交意见",
    }  # fmt: skip
    if part.phase is not Phase.IN_PROGRESS:
        raise ConflictError(hints.get(part.phase, "本单位已答复，正在等待审核"))
    return part


def contact(session: Session, act: Act, form: ContactAttemptForm, sealer: Sealer) -> Ticket:
    """Record an attempt to reach the enterprise; reached once, or tried three times in two slots, fulfils 首次联系.

    Three calls in two or more time slots (morning, afternoon, evening of a day) are 已尽责联系, shown apart.

    Raises:
        ConflictError: the part is not in hand.
        InvalidInputError: the moment lies before the dispatch or in the future.
    """
    work = open_ticket(session, act, Verb.TICKET_RECORD_CONTACT)
    part = _working(work)
    at = _checked_moment(form.at, work, "/at")
    party = session.get_one(TicketParty, work.ticket.id)
    row = row_of(session, work, part)
    number = sealer.seal(form.phone) if form.phone else party.contact_phone
    session.add(
        ContactAttempt(
            ticket_id=work.ticket.id, dispatch_id=row.id, at=at, way=form.way, phone=number, reached=form.reached,
            remark=form.remark, made_by=act.caller.reference,
        )
    )  # fmt: skip
    session.flush()
    tries = session.scalars(select(ContactAttempt.at).where(ContactAttempt.dispatch_id == row.id)).all()
    diligent = not form.reached and diligently_tried(list(tries))
    happen(
        work, "contacted", unit=part.unit, reached=form.reached, way=form.way, at=at.isoformat(), diligent=diligent,
        counts=form.reached or diligent,
    )  # fmt: skip
    return settle(session, work)


def diligently_tried(moments: list[datetime]) -> bool:
    """Whether attempts are enough to count as 已尽责联系: three or more, in at least two time slots."""
    return len(moments) >= ATTEMPTS_OF_DILIGENCE and len({slot_of(moment) for moment in moments}) > 1


def slot_of(moment: datetime) -> tuple[date, str]:
    """Return the time slot of a call: its day, and morning, afternoon or evening."""
    spoken = clock.local(moment)
    part = "上午" if spoken.time() < NOON else "下午" if spoken.time() < EVENING else "晚间"
    return spoken.date(), part


def _checked_moment(moment: datetime, work: Opened, pointer: str) -> datetime:
    if not work.ticket.accepted_at <= moment <= work.at:
        message = f"时间须在受理（{clock.spoken(work.ticket.accepted_at)}）之后、现在之前"
        raise InvalidInputError(message, faults=(FieldFault(pointer, message),))
    return moment.astimezone(UTC)


def interim(session: Session, act: Act, form: InterimForm, desk: Desk) -> Ticket:
    """Tell the enterprise how far it is (阶段答复); where the closing limit is long, the next one has its own due time.

    Raises:
        ConflictError: the part is not in hand, or is a supporter's.
    """
    work = open_ticket(session, act, Verb.TICKET_INTERIM)
    part = _working(work)
    if part.role != "lead":
        raise ConflictError("阶段答复由主办单位作出；协办单位请直接提交意见")
    row = row_of(session, work, part)
    session.add(_written(work, row.id, "阶段", "", form.content))
    following = select_limit(desk.rulebook.limits, LimitStep.FURTHER_REPLY, work.case, clock.local(work.at).date())
    upcoming = due(following, work.at, desk.calendar) if following else None
    if upcoming and part.due_at and upcoming.due_at >= part.due_at:
        upcoming = None
    if upcoming:
        work.rules[LimitStep.INTERIM_REPLY.value] = due_view(upcoming)
    happen(work, "interim_replied", unit=part.unit, next=upcoming.due_at.isoformat() if upcoming else None)
    enqueue(session, work.at, [("enterprise.interim", {"number": act.number})])
    return settle(session, work)


def _written(work: Opened, dispatch_id: int, stage: str, result: str, content: str) -> Reply:
    return Reply(
        ticket_id=work.ticket.id, dispatch_id=dispatch_id, stage=stage, result=result, content=content,
        contact_way="", plan="", written_by=work.caller.reference, written_at=work.at,
    )  # fmt: skip


def answer(session: Session, act: Act, form: AnswerForm, desk: Desk) -> Ticket:
    """Answer for the caller's unit; the lead's answer goes on to review.

    Raises:
        ConflictError: not in hand, no contact with the enterprise on record, or a supporter's opinion is still open and
            the lead does not say why it goes on without it.
        InvalidInputError: the contact or a promised date cannot be.
    """
    work = open_ticket(session, act, Verb.TICKET_REPLY)
    part = _working(work)
    contacted = _contact_of(form, work, part)
    excused = _excused(form, work, part, desk) if part.role == "lead" else []
    row = row_of(session, work, part)
    reply = _written(work, row.id, "终" if part.role == "lead" else "协办", form.result.value, form.content)
    reply.contacted_at, reply.contact_way = contacted, form.contact.way if form.contact else ""
    reply.plan, reply.planned_on = form.plan, form.planned_on
    session.add(reply)
    session.flush()
    promises = _promises(session, form, work, part)
    lapse_requests(session, work, None if part.role == "lead" else part)
    payload = {
        "unit": part.unit, "role": part.role, "result": form.result.value, "reply": reply.id, "promises": promises,
        "contacted": contacted.isoformat(), "excused": excused, "late": bool(part.due_at and work.at > part.due_at),
    }  # fmt: skip
    if part.role == "lead":
        work.require(Move.REPLY)
        payload["review_due"] = limit(work, LimitStep.REVIEW, desk.rulebook, desk.calendar).due_at.isoformat()
    if form.without_opinions and excused:
        payload["note"] = insert_note(session, work.ticket.id, form.without_opinions, act.caller, work.at)
    happen(work, "replied", **payload)
    notices = [("ticket.replied", {"number": act.number, "unit": part.unit, "role": part.role})]
    notices += [("ticket.excused", {"number": act.number, "unit": unit, "role": "support"}) for unit in excused]
    enqueue(session, work.at, notices)
    return settle(session, work)


def _contact_of(form: AnswerForm, work: Opened, part: Part) -> datetime:
    """Return when the enterprise was reached: as the answer says, or as is on record."""
    if form.contact:
        return _checked_moment(form.contact.at, work, "/contact/at")
    if part.contacted_at:
        return part.contacted_at
    if part.role == "lead":
        raise ConflictError("没有联系企业的记录：请填写 contact（联系时间和方式），或先登记联系")
    return work.at


def _excused(form: AnswerForm, work: Opened, part: Part, desk: Desk) -> list[str]:
    """Return the supporters whose opinions the lead does not wait for; it must say why."""
    waiting = [other for other in work.standing.open_parts() if other.unit != part.unit]
    if waiting and form.without_opinions is None:
        names = "、".join(unit_view(other.unit, desk.rulebook).name for other in waiting)
        raise ConflictError(
            f"协办单位{names}还没有提交意见；请等候、催办，或填写 without_opinions 说明为何不等", code="opinions-open"
        )
    return [other.unit for other in waiting]


def _promises(session: Session, form: AnswerForm, work: Opened, part: Part) -> dict[str, str]:
    """Keep every date the answer promises, and return what is due when, by id."""
    dated = [
        (item.what, item.promised_on, f"/promises/{index}/promised_on") for index, item in enumerate(form.promises)
    ]
    if form.planned_on:
        dated.append((form.plan, form.planned_on, "/planned_on"))
    rows = []
    for what, day, pointer in dated:
        if day < clock.local(work.at).date():
            raise InvalidInputError("承诺日期已过", faults=(FieldFault(pointer, "须是今天或以后的日期"),))
        ends = end_of_day(day)
        rows.append(
            Promise(
                ticket_id=work.ticket.id,
                unit=part.unit,
                what=what,
                promised_on=day,
                due_at=ends,
                status="待兑现",
                remark="",
            )
        )
    session.add_all(rows)
    session.flush()
    return {str(row.id): row.due_at.isoformat() for row in rows}


def end_of_day(day: date) -> datetime:
    """Return 24:00 of a Baotou date."""
    return datetime.combine(day + timedelta(days=1), time(), clock.SHANGHAI).astimezone(UTC)


def ask_extension(session: Session, act: Act, form: ExtensionForm, desk: Desk) -> Ticket:
    """Ask for more time, at least half a working day before it is due; the due time stands until it is granted.

    Raises:
        ConflictError: urgent, too late, asked already, or beyond what the limits allow for the kind.
        InvalidInputError: more days than the limit allows.
    """
    work = open_ticket(session, act, Verb.TICKET_EXTEND)
    part = _working(work)
    rule = _extension_rule(work, part, desk)
    _check_extension(work, part, rule, form, desk.calendar)
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
    until = reach(rule.model_copy(update={"amount": amount}), start, desk.calendar)
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
    part = _working(work)
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
        name: _after_pause(due_at, began, work, desk).isoformat()
        for name, due_at in part.dues.items()
        if due_at > began and name != RESUME
    }
    happen(work, "resumed", unit=part.unit, dues=dues, automatic=note is None, note=note)


def _after_pause(due_at: datetime, began: datetime, work: Opened, desk: Desk) -> datetime:
    if work.standing.urgent:
        return due_at + (work.at - began)
    return after_pause(due_at, began, work.at, desk.calendar)


def assign(session: Session, act: Act, form: AssignForm) -> Ticket:
    """Give a part to a person of the unit, with a deputy for absence.

    Raises:
        ConflictError: the part owes nothing more.
        InvalidInputError: a login is not an active person of the unit.
    """
    work = open_ticket(session, act, Verb.TICKET_ASSIGN)
    part = own_part(work)
    if not part.is_open:
        raise ConflictError("本单位的任务已答复，不需要再分派")
    handler = _colleague(session, form.handler, part.unit, "/handler")
    deputy = _colleague(session, form.deputy, part.unit, "/deputy") if form.deputy else None
    happen(work, "assigned", unit=part.unit, handler=handler, deputy=deputy)
    return settle(session, work)


def _colleague(session: Session, login: str, unit: str, pointer: str) -> int:
    statement = select(Staff.id).where(Staff.login == login, Staff.unit == unit, Staff.active.is_(True))
    found = session.scalars(statement).one_or_none()
    if found is None:
        message = f"本单位没有登录名为“{login}”的在岗人员"
        raise InvalidInputError(message, faults=(FieldFault(pointer, message),))
    return found


def view_contact(session: Session, act: Act, form: ReasonForm, sealer: Sealer) -> ContactView:
    """Show the contact in full; the look, its reason and who looked are recorded.

    Raises:
        ForbiddenError: a unit asks for the contact of a 匿名 ticket; the hotline relays instead.
    """
    work = open_ticket(session, act, Verb.TICKET_CONTACT)
    if work.ticket.confidentiality == "匿名" and act.caller.role.of_unit:
        raise ForbiddenError("匿名交办件不向承办单位提供联系方式，请通过12345热线转达")
    party = session.get_one(TicketParty, work.ticket.id)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(work, "contact_viewed", role=act.caller.role.value, note=note)
    settle(session, work)
    return ContactView(
        enterprise=sealer.open(party.enterprise_name), credit_code=sealer.open(party.credit_code),
        contact_name=sealer.open(party.contact_name), contact_phone=sealer.open(party.contact_phone),
        contact_email=sealer.open(party.contact_email), address=sealer.open(party.address),
    )  # fmt: skip
