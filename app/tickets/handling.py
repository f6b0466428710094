"""限时处办: what a unit does with its part: sign, contact the enterprise, report, answer, ask for time."""

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Verb
from app.accounts.tables import Staff
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.sealing import Sealer, installed_sealer
from app.sla.limits import select as select_limit
from app.sla.timer import due
from app.tickets.acts import (
    Act,
    Opened,
    happen,
    is_special,
    lapse_requests,
    limit,
    open_ticket,
    own_part,
    row_of,
    settle,
)
from app.tickets.checks import verbatim
from app.tickets.intake import Desk
from app.tickets.life_tables import ContactAttempt, Promise, Reply
from app.tickets.lifecycle import Move
from app.tickets.standing import Part, Phase
from app.tickets.submission import insert_note
from app.tickets.tables import Ticket, TicketParty
from app.tickets.verb_forms import (
    AnswerForm,
    AssignForm,
    ContactAttemptForm,
    InterimForm,
)
from app.tickets.views import due_view, unit_view

ATTEMPTS_OF_DILIGENCE = 3
NOON, EVENING = time(12), time(18)


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


def working(work: Opened) -> Part:
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
    part = working(work)
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
    part = working(work)
    if part.role != "lead":
        raise ConflictError("阶段答复由主办单位作出；协办单位请直接提交意见")
    row = row_of(session, work, part)
    session.add(_written(work, row.id, "阶段", "", form.content))
    following = select_limit(desk.rulebook.limits, LimitStep.FURTHER_REPLY, work.case, clock.local(work.at).date())
    upcoming = due(following, work.at, desk.calendar_of(part.unit)) if following else None
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
        content_find=installed_sealer().find_key(verbatim(content)), contact_way="", plan="",
        written_by=work.caller.reference, written_at=work.at,
    )  # fmt: skip


def answer(session: Session, act: Act, form: AnswerForm, desk: Desk) -> Ticket:
    """Answer for the caller's unit; the lead's answer goes on to review.

    Raises:
        ConflictError: not in hand, no contact with the enterprise on record, or a supporter's opinion is still open and
            the lead does not say why it goes on without it.
        InvalidInputError: the contact or a promised date cannot be.
    """
    work = open_ticket(session, act, Verb.TICKET_REPLY)
    part = working(work)
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
        "contacted": contacted.isoformat(), "way": form.contact.way if form.contact else "", "excused": excused,
        "late": bool(part.due_at and work.at > part.due_at),
    }  # fmt: skip
    if part.role == "lead":
        work.require(Move.REPLY)
        payload["review_due"] = limit(work, LimitStep.REVIEW, desk.rulebook, desk.calendar).due_at.isoformat()
    if form.without_opinions and excused:
        payload["note"] = insert_note(session, work.ticket.id, form.without_opinions, act.caller, work.at)
    happen(work, "replied", **payload)
    notices = [("ticket.replied", {"number": act.number, "unit": part.unit, "role": part.role})]
    notices += [("ticket.excused", {"number": act.number, "unit": unit, "role": "support"}) for unit in excused]
    enqueue(session, work.at, notices, hidden=is_special(work.ticket))
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
