"""退单: a unit's objection, its review, and 裁定. The ticket stays in every sweep; the time lost is the whole clock's."""

import json

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Verb
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.sealing import installed_sealer
from app.tickets.acts import Act, Opened, happen, is_special, limit, open_ticket, own_part, row_of, settle
from app.tickets.dispatching import send, waits_until
from app.tickets.forms import DispatchForm
from app.tickets.intake import Desk, find_unit
from app.tickets.life_tables import Ruling, UnitRequest
from app.tickets.lifecycle import Move, State, refused
from app.tickets.queries import ordinary
from app.tickets.receiving import recall_notices
from app.tickets.standing import Part, Phase
from app.tickets.submission import insert_note
from app.tickets.tables import Ticket, TicketParty
from app.tickets.veiling import words_to_hide
from app.tickets.verb_forms import ArbitrationForm, ObjectionForm, ReasonForm, RulingForm

KIND = "退单"


def object_to(session: Session, act: Act, form: ObjectionForm, desk: Desk) -> Ticket:
    """Object to being responsible: within the window, with clause and the unit it should be.

    Objecting is receiving, so it counts as signing. A second objection to one ticket goes to 裁定; after an appointment
    there is none (潍坊市热线条例第二十二条).

    Raises:
        ConflictError: the window is over, the unit was appointed, its objection was refused before, or it has answered.
        InvalidInputError: the suggested unit is unknown or the objector itself.
    """
    work = open_ticket(session, act, Verb.TICKET_OBJECT)
    part = own_part(work)
    _may_object(work, part)
    suggested = _suggested(form, part, desk)
    again = part.role == "lead" and work.standing.returns > 0
    if part.role == "lead":
        work.require(Move.OBJECT_AGAIN if again else Move.OBJECT)
    ruling = limit(work, LimitStep.ARBITRATION if again else LimitStep.RETURN_RULING, desk.rulebook, desk.calendar)
    request = UnitRequest(
        ticket_id=work.ticket.id, dispatch_id=row_of(session, work, part).id, kind=KIND, reason=form.reason.value,
        clause=form.clause, explanation=form.explanation, suggested_unit=suggested, evidence="[]", arbitration=again,
        status="待批", ruling_due_at=ruling.due_at, asked_by=act.caller.reference, asked_at=work.at, opinion="",
    )  # fmt: skip
    session.add(request)
    session.flush()
    happen(
        work, "objected", unit=part.unit, role=part.role, reason=form.reason.value, suggested=suggested,
        step=ruling.step.value, due=ruling.due_at.isoformat(), request=request.id,
    )  # fmt: skip
    facts = {"number": act.number, "unit": part.unit, "step": ruling.step.value}
    enqueue(session, work.at, [("ticket.objected", facts)], hidden=is_special(work.ticket))
    return settle(session, work)


def _may_object(work: Opened, part: Part) -> None:
    if part.phase is Phase.RETURNING:
        raise ConflictError("本单位的退单正在审核，请等候审核结果")
    if part.phase not in {Phase.AWAITING_SIGN, Phase.IN_PROGRESS}:
        raise refused(work.state, "退单")
    if part.rework:
        raise ConflictError("重办件不能退单；确有困难请申请延期或提请会商")
    if part.no_return or (part.role == "lead" and work.standing.appointed):
        raise ConflictError("承办单位已由热线审核或裁定指定，不能再退单；确有困难请申请延期或提请会商")
    window = part.dues.get(LimitStep.RETURN_REQUEST.value)
    if window and work.at > window:
        raise ConflictError(f"退单时限（{clock.spoken(window)}）已过，请继续办理；确有困难请申请延期或提请会商")


def _suggested(form: ObjectionForm, part: Part, desk: Desk) -> str:
    if form.suggested is None:
        return ""
    unit = find_unit(form.suggested, desk.rulebook, "/suggested", clock.today())
    if unit.code == part.unit:
        message = "建议的承办单位不能是本单位"
        raise InvalidInputError(message, faults=(FieldFault("/suggested", message),))
    return unit.code


def take_back(session: Session, act: Act, form: ReasonForm) -> Ticket:
    """Withdraw the unit's own objection and go on with the work.

    Raises:
        ConflictError: there is no objection under review.
    """
    work = open_ticket(session, act, Verb.TICKET_OBJECT)
    part = own_part(work)
    if part.phase is not Phase.RETURNING:
        raise ConflictError("本单位没有正在审核的退单")
    if part.role == "lead":
        work.require(Move.KEEP)
    request = _open_request(session, work, part)
    request.status, request.decided_at, request.decided_by = "撤回", work.at, act.caller.reference
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(
        work, "return_kept", unit=part.unit, role=part.role, final=False, withdrawn=True, request=request.id, note=note
    )
    return settle(session, work)


def _open_request(session: Session, work: Opened, part: Part) -> UnitRequest:
    statement = select(UnitRequest).where(
        UnitRequest.ticket_id == work.ticket.id, UnitRequest.dispatch_id == row_of(session, work, part).id,
        UnitRequest.kind == KIND, UnitRequest.status == "待批",
    )  # fmt: skip
    return session.scalars(statement).one()


def _disputed(work: Opened, unit: str, desk: Desk) -> Part:
    """Return the part whose objection is to be ruled on: the lead's, or that of the unit named."""
    waiting = [part for part in work.standing.parts if part.phase is Phase.RETURNING]
    if unit:
        code = find_unit(unit, desk.rulebook, "?unit").code
        waiting = [part for part in waiting if part.unit == code]
    if not waiting:
        raise refused(work.state, "审核退单")
    return next((part for part in waiting if part.role == "lead"), waiting[0])


def rule(session: Session, act: Act, form: RulingForm, desk: Desk, unit: str = "") -> Ticket:
    """Rule on an objection: uphold it and send the ticket on with its history, or let the unit keep it.

    Args:
        session: the transaction.
        act: who rules on which ticket.
        form: the ruling.
        desk: rules and model.
        unit: whose objection; left out: the lead's, or the only one.

    Raises:
        ConflictError: nothing is under review, or it is a 裁定.
        InvalidInputError: the unit named is the objector, unknown, or may not get it.
    """
    work = open_ticket(session, act, Verb.TICKET_RULE)
    part = _disputed(work, unit, desk)
    if work.state is State.ARBITRATION and part.role == "lead":
        raise ConflictError("二次退单须裁定（arbitrate），由督办人员会同市委编办、市司法局作出")
    request = _open_request(session, work, part)
    request.status = "准予" if form.uphold else "不予"
    request.decided_at, request.decided_by, request.opinion = work.at, act.caller.reference, form.opinion
    session.flush()
    note = insert_note(session, work.ticket.id, form.opinion, act.caller, work.at)
    facts = {"number": act.number, "unit": part.unit, "upheld": form.uphold}
    enqueue(session, work.at, [("ticket.return_ruled", facts)])
    to = part.unit
    if not form.uphold:
        if part.role == "lead":
            work.require(Move.KEEP)
        happen(
            work,
            "return_kept",
            unit=part.unit,
            role=part.role,
            final=True,
            withdrawn=False,
            request=request.id,
            note=note,
        )
    else:
        to = _uphold(session, work, part, form, desk, note, request.id)
    _precedent(session, work, part, to, request, "退单审核", [], request.clause)
    return settle(session, work)


def _uphold(
    session: Session, work: Opened, part: Part, form: RulingForm, desk: Desk, note: int, request: int
) -> str:  # fmt: skip
    """Let the objector go, and send the ticket to the unit named; returns that unit's code, or nothing."""
    if form.unit:
        _refuse_objector(form.unit, part, desk)
    if part.role == "lead":
        work.require(Move.UPHOLD)
    recalled = recall_notices(session, work) if part.role == "lead" else []
    happen(
        work, "return_upheld", unit=part.unit, role=part.role, final=False, request=request, note=note,
        recalled=[code for code in recalled if code != part.unit], due=waits_until(work, desk).isoformat(),
    )  # fmt: skip
    if part.role != "lead" or not form.unit:
        return ""
    send(session, work, DispatchForm(tag=form.tag, unit=form.unit, reason=form.opinion), desk)
    return work.standing.lead_unit or ""


def _refuse_objector(name: str, part: Part, desk: Desk) -> None:
    if find_unit(name, desk.rulebook, "/unit", clock.today()).code == part.unit:
        message = "准予退单后不能再派给提出退单的单位；由它办理请选择不予采纳"
        raise InvalidInputError(message, faults=(FieldFault("/unit", message),))


def arbitrate(session: Session, act: Act, form: ArbitrationForm, desk: Desk) -> Ticket:
    """Appoint the unit that acts after a second objection; it cannot return the ticket.

    Raises:
        ConflictError: the ticket is not under 裁定.
        InvalidInputError: the unit is unknown or may not get it.
    """
    work = open_ticket(session, act, Verb.TICKET_ARBITRATE)
    if work.state is not State.ARBITRATION:
        raise refused(work.state, "裁定")
    part = _disputed(work, "", desk)
    request = _open_request(session, work, part)
    unit = find_unit(form.unit, desk.rulebook, "/unit", clock.today())
    request.status = "不予" if unit.code == part.unit else "准予"
    request.decided_at, request.decided_by, request.opinion = work.at, act.caller.reference, form.opinion
    session.flush()
    note = insert_note(session, work.ticket.id, form.opinion, act.caller, work.at)
    if unit.code == part.unit:
        work.require(Move.KEEP)
        happen(
            work, "return_kept", unit=part.unit, role="lead", final=True, withdrawn=False, request=request.id, note=note
        )
    else:
        work.require(Move.UPHOLD)
        recalled = [code for code in recall_notices(session, work) if code != part.unit]
        happen(
            work, "return_upheld", unit=part.unit, role="lead", final=True, request=request.id, note=note,
            recalled=recalled, due=waits_until(work, desk).isoformat(),
        )  # fmt: skip
        named = DispatchForm(tag=form.tag, unit=unit.code, reason=form.opinion, accused_cleared=False)
        send(session, work, named, desk)
    enqueue(session, work.at, [("ticket.arbitrated", {"number": act.number, "unit": unit.code})])
    _precedent(session, work, part, unit.code, request, "裁定", list(form.participants), form.clause)
    return settle(session, work)


def _precedent(
    session: Session, work: Opened, part: Part, unit: str, request: UnitRequest, kind: str, participants: list[str],
    clause: str,
) -> None:  # fmt: skip
    """Keep a ruling as a precedent, where it says whose duty the matter is."""
    if not unit or part.role != "lead":
        return
    session.add(
        Ruling(
            ticket_id=work.ticket.id, kind=kind, tag=work.ticket.tag, objector=part.unit, unit=unit, clause=clause,
            opinion=request.opinion, participants=json.dumps(participants, ensure_ascii=False),
            ruled_by=work.caller.reference, ruled_at=work.at,
        )
    )  # fmt: skip


def precedents(session: Session, tag: str, limit_: int) -> list[tuple[Ruling, tuple[str, ...]]]:
    """Return the newest rulings on a tag's matters, each with the words to hide in it; none on 专办件."""
    statement = (
        select(Ruling, Ticket, TicketParty)
        .join(Ticket, Ticket.id == Ruling.ticket_id)
        .join(TicketParty, TicketParty.ticket_id == Ticket.id)
        .where(Ruling.tag == tag, ordinary())
        .order_by(Ruling.ruled_at.desc(), Ruling.id.desc())
        .limit(limit_)
    )
    sealer = installed_sealer()
    return [(ruling, words_to_hide(ticket, party, sealer)) for ruling, ticket, party in session.execute(statement)]


def proposals(session: Session) -> list[tuple[str, str, str, int]]:
    """Return what rulings say against the mapping: tag, objector, the unit it went to, how often; most frequent first."""
    times = func.count()
    statement = (
        select(Ruling.tag, Ruling.objector, Ruling.unit, times)
        .where(Ruling.objector != Ruling.unit)
        .group_by(Ruling.tag, Ruling.objector, Ruling.unit)
        .order_by(times.desc(), Ruling.tag, Ruling.unit)
    )
    return [(tag, objector, unit, count) for tag, objector, unit, count in session.execute(statement)]
