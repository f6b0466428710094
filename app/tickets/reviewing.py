"""办结反馈: review of the answer, callback to the enterprise, reassessment, rework, promises, archive."""

from dataclasses import replace
from datetime import UTC, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.errors import ConflictError, FieldFault, ForbiddenError, InvalidInputError, NotFoundError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.sealing import installed_sealer
from app.tickets.acts import Act, Opened, add_rows, happen, limit, open_by_id, open_ticket, settle
from app.tickets.checks import Finding, check_answer, same_text
from app.tickets.dispatching import evidence_of, next_round
from app.tickets.handling import diligently_tried
from app.tickets.intake import Desk
from app.tickets.life_tables import CallbackAttempt, DirectAnswer, Promise, Reply
from app.tickets.lifecycle import ENDED, Move, State, refused
from app.tickets.queries import one, ordinary
from app.tickets.receiving import follow_main
from app.tickets.standing import Phase
from app.tickets.submission import insert_note
from app.tickets.tables import Ticket, TicketParty, TicketText
from app.tickets.veiling import veiled_text, words_to_hide
from app.tickets.verb_forms import CallbackForm, PromiseResultForm, ReasonForm, ReassessForm, ReviewForm

MAX_REWORKS = 2
RECENT_ANSWERS = 200
DISSATISFIED = ("不满意", "非常不满意")
SOLVED = "已解决"


def final_answer(session: Session, ticket_id: int) -> Reply | None:
    """Return the lead's newest final answer."""
    statement = (
        select(Reply).where(Reply.ticket_id == ticket_id, Reply.stage == "终").order_by(Reply.id.desc()).limit(1)
    )
    return session.scalars(statement).first()


def findings(session: Session, ticket_id: int, *, contacted: bool) -> list[Finding]:
    """Return what the answer under review lacks, compared with the appeal and with other tickets' answers.

    The appeal's sentences are quoted as they may be shown; 专办件 are not told of.
    """
    reply = final_answer(session, ticket_id)
    if reply is None:
        return []
    text = session.get_one(TicketText, ticket_id)
    own = same_text(reply.content)
    recent = (
        select(Ticket.number, Reply.content)
        .join(Ticket, Ticket.id == Reply.ticket_id)
        .where(Reply.stage == "终", Reply.ticket_id != ticket_id, ordinary())
        .order_by(Reply.id.desc())
        .limit(RECENT_ANSWERS)
    )
    same = [number for number, content in session.execute(recent) if same_text(content) == own]
    ticket, party = session.get_one(Ticket, ticket_id), session.get_one(TicketParty, ticket_id)
    words = words_to_hide(ticket, party, installed_sealer())
    found = check_answer(f"{text.title}\n{text.content}", reply.content, contacted=contacted, same_elsewhere=same)
    return [replace(item, message=veiled_text(item.message, words)) for item in found]


def check(session: Session, number: str, caller: Caller) -> list[Finding]:
    """Return what a ticket's answer lacks, for the reviewer.

    Raises:
        NotFoundError: there is no such ticket, or the caller may not know of it.
    """
    whole = one(session, number, caller)
    leads = [part for part in whole.parts if part.role == "lead"]
    return findings(session, whole.ticket.id, contacted=bool(leads and leads[-1].contacted_at))


def review(session: Session, act: Act, form: ReviewForm, desk: Desk) -> Ticket:
    """Approve the lead's answer, or send it back with what it lacks; sent back, its due time is the same as before.

    Raises:
        ConflictError: no answer is under review, or the check found faults and the reviewer does not say why not.
    """
    work = open_ticket(session, act, Verb.TICKET_REVIEW)
    work.require(Move.APPROVE)
    lead = work.standing.lead()
    if lead is None:
        raise refused(work.state, "审核")
    note = insert_note(session, work.ticket.id, form.opinion, act.caller, work.at)
    if not form.approve:
        happen(work, "sent_back", unit=lead.unit, note=note)
        enqueue(session, work.at, [("ticket.sent_back", {"number": act.number, "unit": lead.unit})])
        return settle(session, work)
    faults = findings(session, work.ticket.id, contacted=lead.contacted_at is not None)
    if faults and form.despite_checks is None:
        told = "；".join(item.message for item in faults)
        raise ConflictError(
            f"答复检查发现：{told}。请退回补正，或填写 despite_checks 说明为何仍可通过", code="answer-lacks"
        )
    if form.despite_checks:
        insert_note(session, work.ticket.id, form.despite_checks, act.caller, work.at)
    reply = final_answer(session, work.ticket.id)
    closing = form.finding or (reply.result if reply else "")
    due_at = limit(work, LimitStep.CALLBACK, desk.rulebook, desk.calendar).due_at
    happen(
        work, "approved", closing=closing, finding=form.finding, due=due_at.isoformat(), note=note,
        checks=[item.code for item in faults],
    )  # fmt: skip
    enqueue(session, work.at, [("enterprise.answered", {"number": act.number})])
    ticket = settle(session, work)
    follow_main(session, ticket, closing, desk)
    return ticket


def callback(session: Session, act: Act, form: CallbackForm, desk: Desk) -> Ticket:
    """Record one callback. What the enterprise says decides: content closes it, otherwise the reviewer reassesses.

    Three attempts in two or more time slots without reaching anybody close it as 未接通, never as satisfied.

    Raises:
        ConflictError: the ticket does not wait for a callback.
        ForbiddenError: the caller answered the matter itself.
        InvalidInputError: the moment lies before the answer or in the future.
    """
    work = open_ticket(session, act, Verb.TICKET_CALLBACK)
    work.require(Move.CLOSE)
    if work.state is not State.AWAITING_CALLBACK:
        raise refused(work.state, "回访")
    _not_own_answer(session, work)
    at = form.at.astimezone(UTC)
    if not (work.standing.answered_at or work.ticket.accepted_at) <= at <= work.at:
        message = "回访时间须在办结之后、现在之前"
        raise InvalidInputError(message, faults=(FieldFault("/at", message),))
    attempt = CallbackAttempt(
        ticket_id=work.ticket.id, rework=work.standing.reworks, at=at, outcome=form.outcome, solved=form.solved or "",
        grade=form.grade or "", process_grade=form.process_grade or "", remark=form.remark,
        made_by=act.caller.reference,
    )  # fmt: skip
    session.add(attempt)
    session.flush()
    _call(session, work, form, attempt, desk)
    return settle(session, work)


def _not_own_answer(session: Session, work: Opened) -> None:
    direct = session.get(DirectAnswer, work.ticket.id)
    if direct and direct.answered_by == work.caller.reference:
        raise ForbiddenError("直办件须由另一人回访")


def _call(session: Session, work: Opened, form: CallbackForm, attempt: CallbackAttempt, desk: Desk) -> None:
    payload = {
        "outcome": form.outcome, "solved": form.solved or "", "grade": form.grade or "", "callback": attempt.id,
        "first": work.standing.reworks == 0,
    }  # fmt: skip
    if form.outcome != "接通":
        happen(work, "called", **payload, then="again", due=None)
        if form.outcome == "拒访" or _tried_enough(session, work):
            happen(work, "closed", closing="", why=form.outcome)
        return
    unhappy = form.solved != SOLVED or form.grade in DISSATISFIED
    if unhappy:
        due_at = limit(work, LimitStep.REASSESSMENT, desk.rulebook, desk.calendar).due_at
        happen(work, "called", **payload, then="reassess", due=due_at.isoformat())
    else:
        happen(work, "called", **payload, then="closed", due=None)
        happen(work, "closed", closing="", why="企业认可")


def _tried_enough(session: Session, work: Opened) -> bool:
    statement = select(CallbackAttempt.at).where(
        CallbackAttempt.ticket_id == work.ticket.id, CallbackAttempt.rework == work.standing.reworks
    )
    return diligently_tried(list(session.scalars(statement)))


def reassess(session: Session, act: Act, form: ReassessForm, desk: Desk) -> Ticket:
    """Decide whether what the enterprise said calls for rework; at most twice, then 会商.

    Raises:
        ConflictError: nothing is to be reassessed, or it was reworked twice already.
    """
    work = open_ticket(session, act, Verb.TICKET_REASSESS)
    work.require(Move.REWORK)
    note = insert_note(session, work.ticket.id, form.opinion, act.caller, work.at)
    if form.rework:
        _rework(session, work, note, desk)
    elif work.state is State.CLOSED:
        raise refused(work.state, "再次办结")
    else:
        happen(work, "closed", closing=form.finding, why="复核", note=note)
    return settle(session, work)


def _rework(session: Session, work: Opened, note: int, desk: Desk) -> None:
    if work.standing.children:
        raise ConflictError("母件不重办，请在有关子件上重办：" + "、".join(work.standing.children))
    if work.standing.reworks >= MAX_REWORKS:
        raise ConflictError(f"已重办 {MAX_REWORKS} 次，请提请会商（conference）或督办，不再重办")
    lead = work.standing.lead()
    if lead is None:
        raise ConflictError("直办件没有承办单位；企业不满意的请登记新诉求派单")
    due_at = limit(work, LimitStep.REWORK, desk.rulebook, desk.calendar_of(lead.unit)).due_at
    before = len(work.standing.parts)
    happen(
        work, "rework_ordered", round=next_round(work), lead=lead.unit, supporters=[], note=note,
        dues={LimitStep.REWORK.value: due_at.isoformat()},
    )  # fmt: skip
    add_rows(session, work, work.standing.parts[before:], evidence_of([lead.unit], work, desk))
    facts = {"number": work.ticket.number, "unit": lead.unit, "due_at": due_at.isoformat()}
    enqueue(session, work.at, [("ticket.rework", facts)])


def settle_promise(session: Session, act: Act, promise_id: int, form: PromiseResultForm) -> Ticket:
    """Record whether a promise was kept.

    Raises:
        NotFoundError: the ticket has no such promise.
        ConflictError: it is settled already.
    """
    work = open_ticket(session, act, Verb.TICKET_PROMISE)
    promise = session.get(Promise, promise_id)
    if promise is None or promise.ticket_id != work.ticket.id:
        raise NotFoundError("没有这项承诺")
    if promise.status != "待兑现":
        raise ConflictError(f"该承诺已登记为“{promise.status}”")
    promise.status = "已兑现" if form.kept else "未兑现"
    promise.settled_at, promise.settled_by, promise.remark = work.at, act.caller.reference, form.remark
    happen(work, "promise_settled", promise=promise.id, kept=form.kept)
    return settle(session, work)


def archive(session: Session, act: Act) -> Ticket:
    """Lock a closed ticket; archiving twice is one archiving.

    Raises:
        ConflictError: it is not closed, or a promise is still open.
    """
    work = open_ticket(session, act, Verb.TICKET_ARCHIVE)
    if work.state is State.ARCHIVED:
        return work.ticket
    work.require(Move.ARCHIVE)
    if work.standing.promises:
        raise ConflictError("还有承诺没有兑现结果，登记后再归档")
    happen(work, "archived")
    return settle(session, work)


def archive_due(session: Session, ticket_id: int, desk: Desk) -> bool:
    """Archive a closed ticket whose appeal window (考核申诉) has passed and whose promises are settled; whether it was."""
    work = open_by_id(session, ticket_id)
    if work.state is not State.CLOSED or work.standing.promises or work.standing.closed_at is None:
        return False
    if limit(work, LimitStep.APPEAL, desk.rulebook, desk.calendar, work.standing.closed_at).due_at > work.at:
        return False
    happen(work, "archived")
    settle(session, work)
    return True


def join_children(session: Session, parent_id: int) -> bool:
    """Close a parent whose children have all come to an end; whether it closed."""
    states = session.scalars(select(Ticket.state).where(Ticket.parent_id == parent_id)).all()
    if not all(State(state) in ENDED for state in states):
        return False
    work = open_by_id(session, parent_id)
    if work.state is not State.SPLIT:
        return False
    work.require(Move.JOIN)
    happen(work, "closed", closing="子件办结", why="子件全部办结")
    settle(session, work)
    return True


def urge(session: Session, act: Act, form: ReasonForm, throttle_hours: int) -> Ticket:
    """Press the unit at the enterprise's wish (催办), at most once in some hours.

    Raises:
        ConflictError: nobody is working on it, or it was pressed a short while ago.
    """
    work = open_ticket(session, act, Verb.TICKET_URGE)
    press(session, work, throttle_hours, form.reason)
    return settle(session, work)


def press(session: Session, work: Opened, throttle_hours: int, reason: str) -> None:
    """Let an opened ticket be pressed, and tell every unit that works on it.

    Raises:
        ConflictError: nobody is working on it, or it was pressed a short while ago.
    """
    if not work.state.is_open:
        raise refused(work.state, "催办")
    last = work.ticket.urged_at
    if last and work.at - last < timedelta(hours=throttle_hours):
        raise ConflictError(f"{clock.spoken(last)} 已催办，{throttle_hours} 小时内不重复催办", code="urged-recently")
    note = insert_note(session, work.ticket.id, reason, work.caller, work.at)
    work.ticket.urged_at, work.ticket.urges = work.at, work.ticket.urges + 1
    happen(work, "urged", times=work.ticket.urges, note=note)
    units = [part.unit for part in work.standing.open_parts() if part.phase is not Phase.SUSPENDED]
    enqueue(session, work.at, [("ticket.urged", {"number": work.ticket.number, "unit": unit}) for unit in units])
