"""One function per verb on a stored ticket: lock the row, ask lifecycle, write the event, fold the due times anew."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.accounts.service import special_supervisor
from app.errors import (
    ConflictError,
    FieldFault,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PreconditionFailedError,
)
from app.notify.outbox import enqueue
from app.routing.engine import Assignment, Outcome, forbidden_units, guarded
from app.rulebook.shapes import LimitStep, Rulebook
from app.sealing import Sealer
from app.sla.limits import LimitCase, require
from app.sla.timer import due
from app.tickets.events import Happening, append, open_chain
from app.tickets.forms import (
    ArrearsForm,
    ContactRequest,
    CorrectForm,
    DispatchForm,
    OverrideForm,
    PreviewForm,
    ReplyForm,
)
from app.tickets.intake import Desk, Judged, find_unit, judge, named_evidence
from app.tickets.lifecycle import Move, State, step
from app.tickets.queries import visible
from app.tickets.schemas import ContactView, Judgement
from app.tickets.submission import (
    accused_json,
    due_of,
    insert_judgement,
    insert_note,
    judged_payload,
    send_out,
)
from app.tickets.tables import Dispatch, Reply, Ticket, TicketArrears, TicketJudgement, TicketParty, TicketText
from app.tickets.views import judgement_view

WAITING_FOR_DISPATCH = {State.TRIAGE.value, State.SPECIAL.value}


@dataclass(frozen=True)
class Act:
    """Who acts on which ticket, at which version of it.

    Attributes:
        if_match: the version the caller saw; None: whatever it is now.
    """

    number: str
    caller: Caller
    if_match: int | None = None


def locked(session: Session, act: Act, verb: Verb) -> Ticket:
    """Return the ticket, locked for this transaction.

    Raises:
        NotFoundError: there is none, or the caller may not know of it.
        PreconditionFailedError: somebody changed it since the caller looked.
    """
    statement = select(Ticket).where(Ticket.number == act.number, visible(act.caller, verb)).with_for_update()
    ticket = session.scalar(statement)
    if ticket is None:
        raise NotFoundError(f"没有工单 {act.number}，或您无权查看")
    if act.if_match is not None and act.if_match != ticket.version:
        raise PreconditionFailedError(f"工单已被他人更新（现为第 {ticket.version} 版），请刷新后再操作")
    return ticket


def record(session: Session, ticket: Ticket, at: datetime, caller: Caller, happenings: list[Happening]) -> None:
    """Append events to a locked ticket and move its version on."""
    append(session, open_chain(session, ticket.id, ticket.month, ticket.number), at, caller.reference, happenings)
    ticket.version += 1
    ticket.updated_at = at


def dispatch(session: Session, act: Act, form: DispatchForm, desk: Desk) -> tuple[Ticket, Judgement]:
    """Send out a ticket that waits for a person, to the unit named or to the one the tag says.

    Raises:
        ConflictError: the ticket is not waiting for a dispatcher, or something still stands against sending it.
        InvalidInputError: tag or unit unknown, or the unit may not get it (回避).
    """
    ticket = locked(session, act, Verb.TICKET_DISPATCH)
    _keep_special(ticket, act.caller)
    step(State(ticket.state), Move.DISPATCH)
    override = _override(form.tag or ticket.tag or None, form.unit, _settled(session, ticket)[1], form.reason)
    at = clock.now()
    stored = _stored_form(session, ticket, override)
    judged = judge(stored, desk, at, accepted_at=ticket.accepted_at, accused_cleared=form.accused_cleared)
    judged = _with_supporters(judged, form.supporters, desk.rulebook)
    if judged.state is not State.AWAITING_SIGN:
        raise ConflictError(_why_not(judged))
    note = insert_note(session, ticket.id, form.reason, act.caller, at)
    judgement = judgement_view(judged, desk.rulebook, _model_version(desk), override)
    happenings = _take_over(session, ticket, judged, judgement, at, note)
    record(session, ticket, at, act.caller, happenings)
    return ticket, judgement


def correct(session: Session, act: Act, form: CorrectForm, desk: Desk) -> tuple[Ticket, Judgement]:
    """Correct what was judged of a waiting ticket and judge again; it goes out as soon as nothing stands against it.

    Raises:
        ConflictError: the ticket is already with a unit.
        InvalidInputError: tag or district unknown, or nothing was corrected.
    """
    if not form.accused_cleared and {form.tag, form.type, form.urgent, form.district} == {None}:
        raise InvalidInputError("没有需要更正的内容", faults=(FieldFault("", "至少填写一项更正"),))
    ticket = locked(session, act, Verb.TICKET_CORRECT)
    _keep_special(ticket, act.caller)
    step(State(ticket.state), Move.DISPATCH)
    at = clock.now()
    tag, urgent = _settled(session, ticket)
    override = _override(form.tag or tag, None, urgent if form.urgent is None else form.urgent, form.reason)
    stored = _stored_form(session, ticket, override)
    changes = {key: value for key, value in (("type", form.type), ("district", form.district)) if value is not None}
    judged = judge(
        stored.model_copy(update=changes),
        desk,
        at,
        accepted_at=ticket.accepted_at,
        accused_cleared=form.accused_cleared,
    )
    judgement = judgement_view(judged, desk.rulebook, _model_version(desk), override)
    note = insert_note(session, ticket.id, form.reason, act.caller, at)
    happenings = _take_over(session, ticket, judged, judgement, at, note)
    record(session, ticket, at, act.caller, happenings)
    return ticket, judgement


def _keep_special(ticket: Ticket, caller: Caller) -> None:
    """Name the acting supervisor on a 专办件 that had none, so that it stays with one person wherever it goes."""
    if ticket.state == State.SPECIAL.value and ticket.special_supervisor is None:
        ticket.special_supervisor = caller.ident


def _settled(session: Session, ticket: Ticket) -> tuple[str | None, bool | None]:
    """Return the tag and urgency a person gave before; correcting something else must not hand them back to the model."""
    statement = select(TicketJudgement.payload).where(TicketJudgement.ticket_id == ticket.id)
    newest = session.scalars(statement.order_by(TicketJudgement.seq.desc()).limit(1)).one()
    judgement = Judgement.model_validate_json(newest)
    tag = judgement.tag.code if judgement.tag and judgement.tag_source == "人工" else None
    return tag, judgement.urgent if judgement.urgent_source == "人工" else None


def _override(tag: str | None, unit: str | None, urgent: bool | None, reason: str) -> OverrideForm | None:
    if tag is None and unit is None and urgent is None:
        return None
    return OverrideForm(tag=tag, unit=unit, urgent=urgent, reason=reason)


def _stored_form(session: Session, ticket: Ticket, override: OverrideForm | None) -> PreviewForm:
    """Return the appeal as it was submitted, for judging again; what was corrected before stays corrected."""
    text = session.get_one(TicketText, ticket.id)
    arrears = session.get(TicketArrears, ticket.id)
    columns = ArrearsForm.model_fields
    return PreviewForm(
        title=text.title, content=text.content, type=ticket.kind, district=ticket.district or "",
        complained_of=text.complained_of, urgent=ticket.urgent or None,
        confidentiality=ticket.confidentiality if ticket.confidentiality_chosen else None,
        arrears=ArrearsForm(**{name: getattr(arrears, name) for name in columns}) if arrears else None,
        override=override,
    )  # fmt: skip


def _with_supporters(judged: Judged, names: tuple[str, ...] | None, rulebook: Rulebook) -> Judged:
    """Put the supporters a person named in the place of the tag's own; the accused rule holds for them too."""
    decision, tag, facts = judged.decision, judged.tag, judged.facts
    if names is None or decision is None or decision.lead is None or tag is None:
        return judged
    taken = {decision.lead.unit}
    barred = forbidden_units(facts.accused, rulebook) if facts and guarded(facts, tag) else frozenset()
    supporters = []
    for index, name in enumerate(names):
        unit = find_unit(name, rulebook, f"/supporters/{index}", clock.today())
        if unit.code in taken or unit.code in barred:
            message = f"{unit.short}已在承办之列，或按回避规定不能转给它"
            raise InvalidInputError(message, faults=(FieldFault(f"/supporters/{index}", message),))
        taken.add(unit.code)
        supporters.append(Assignment(unit.code, named_evidence(tag, unit.code, clock.today(), rulebook)))
    return replace(judged, decision=replace(decision, supporters=tuple(supporters)))


def _why_not(judged: Judged) -> str:
    if judged.reasons:
        return "尚不能派出：" + "；".join(reason.message for reason in judged.reasons)
    if judged.decision and judged.decision.outcome is Outcome.TOLD:
        return f"该标签应告知途径，不派单：{judged.decision.told}；如确需派单，请指定单位"
    return "按回避规定没有可以转办的单位，须作为专办件处理；请用更正（correct）转专办"


def _model_version(desk: Desk) -> str:
    return desk.classifier.version if desk.classifier else ""


def _take_over(
    session: Session, ticket: Ticket, judged: Judged, judgement: Judgement, at: datetime, note: int
) -> list[Happening]:
    """Put a new judgement into a ticket's columns and return the events of it."""
    seq = session.scalars(select(func.max(TicketJudgement.seq)).where(TicketJudgement.ticket_id == ticket.id)).one()
    insert_judgement(session, ticket.id, seq + 1, judgement, at)
    ticket.kind, ticket.urgent = judged.kind, judged.urgent
    ticket.tag = judged.tag.code if judged.tag else ""
    ticket.district, ticket.accused = judged.place.district, accused_json(judged.accused)
    ticket.gap, ticket.confidentiality = judgement.gap, judged.confidentiality
    ticket.rulebook_version, ticket.model_version = judgement.rulebook_version, judgement.model_version
    corrected = Happening("corrected", judged_payload(judgement, note))
    return [corrected, *_move_on(session, ticket, judged, at)]


def _move_on(session: Session, ticket: Ticket, judged: Judged, at: datetime) -> list[Happening]:
    state = State(ticket.state)
    match judged.state:
        case State.AWAITING_SIGN:
            ticket.state = step(state, Move.DISPATCH).value
            return [_send(session, ticket, judged, at)]
        case State.TOLD:
            if state is not State.TOLD:
                ticket.state = step(state, Move.TELL).value
            ticket.next_step = ticket.next_due_at = None
            return [Happening("told", {"tag": ticket.tag})]
        case State.SPECIAL:
            _wait_for_dispatch(ticket, judged)
            return [_make_special(session, ticket)]
        case _:
            happenings = [] if state is State.TRIAGE else [Happening("retriaged", {"from": state.value})]
            ticket.state = State.TRIAGE.value if state is State.TRIAGE else step(state, Move.RETRIAGE).value
            _wait_for_dispatch(ticket, judged)
            return happenings


def _wait_for_dispatch(ticket: Ticket, judged: Judged) -> None:
    """Put the hotline's own limit in force; it runs from acceptance whatever was corrected since."""
    waiting = due_of(judged.dues, LimitStep.FIRST_DISPATCH)
    if waiting:
        ticket.next_step, ticket.next_due_at = waiting.step.value, waiting.due_at


def _send(session: Session, ticket: Ticket, judged: Judged, at: datetime) -> Happening:
    closing, signing = due_of(judged.dues, LimitStep.CLOSING), due_of(judged.dues, LimitStep.SIGN)
    ticket.dispatched_at = at
    ticket.lead_unit = judged.decision.lead.unit if judged.decision and judged.decision.lead else None
    ticket.due_at = closing.due_at if closing else None
    ticket.due_provisional = bool(closing and closing.provisional)
    ticket.next_step, ticket.next_due_at = LimitStep.SIGN.value, signing.due_at if signing else None
    rounds = session.scalars(select(func.max(Dispatch.round)).where(Dispatch.ticket_id == ticket.id)).one() or 0
    return send_out(session, ticket.id, rounds + 1, ticket.number, judged, at)


def _make_special(session: Session, ticket: Ticket) -> Happening:
    if State(ticket.state) is not State.SPECIAL:
        ticket.state = step(State(ticket.state), Move.MAKE_SPECIAL).value
    ticket.special_supervisor = special_supervisor(session)
    return Happening("made_special", {"supervisor": ticket.special_supervisor})


def sign(session: Session, act: Act) -> Ticket:
    """Sign the caller's unit's part; signing twice is one signing.

    Raises:
        ConflictError: the unit's part is already answered.
    """
    ticket = locked(session, act, Verb.TICKET_SIGN)
    part = _own_part(session, ticket, act.caller)
    if part.state == "in_progress":
        return ticket
    if part.state != "awaiting_sign":
        raise ConflictError("本单位的任务已答复，不需要再签收")
    at = clock.now()
    if part.role == "lead":
        ticket.state = step(State(ticket.state), Move.SIGN).value
    late = bool(part.sign_due_at and at > part.sign_due_at)
    part.state, part.signed_at, part.signed_by = "in_progress", at, act.caller.reference
    part.next_step, part.next_due_at, part.updated_at = LimitStep.CLOSING.value, part.due_at, at
    refresh_next(session, ticket)
    record(session, ticket, at, act.caller, [Happening("signed", {"unit": part.unit, "role": part.role, "late": late})])
    return ticket


def reply(session: Session, act: Act, form: ReplyForm, desk: Desk) -> Ticket:
    """Answer for the caller's unit, with proof of contact; the lead's answer goes on to review.

    Raises:
        ConflictError: not signed yet, or already answered.
        InvalidInputError: the contact lies in the future or before the ticket was accepted.
    """
    ticket = locked(session, act, Verb.TICKET_REPLY)
    part = _own_part(session, ticket, act.caller)
    if part.state == "awaiting_sign":
        raise ConflictError("请先签收，再答复")
    if part.state != "in_progress":
        raise ConflictError("本单位已答复，正在等待审核")
    at = clock.now()
    _check_contact(form.contact.at, ticket.accepted_at, at)
    answer = Reply(
        ticket_id=ticket.id, dispatch_id=part.id, result=form.result.value, content=form.content,
        contacted_at=form.contact.at, contact_way=form.contact.way, plan=form.plan, planned_on=form.planned_on,
        written_by=act.caller.reference, written_at=at,
    )  # fmt: skip
    session.add(answer)
    session.flush()
    part.state, part.replied_at, part.updated_at = "replied", at, at
    part.next_step = part.next_due_at = None
    if part.role == "lead":
        ticket.state = step(State(ticket.state), Move.REPLY).value
        ticket.review_due_at = _review_due(ticket, at, desk)
    refresh_next(session, ticket)
    late = bool(part.due_at and at > part.due_at)
    payload = {"unit": part.unit, "role": part.role, "result": form.result.value, "reply": answer.id, "late": late}
    record(session, ticket, at, act.caller, [Happening("replied", payload)])
    enqueue(session, at, [("ticket.replied", {"number": ticket.number, "unit": part.unit, "role": part.role})])
    return ticket


def _own_part(session: Session, ticket: Ticket, caller: Caller) -> Dispatch:
    statement = (
        select(Dispatch)
        .where(Dispatch.ticket_id == ticket.id, Dispatch.unit == caller.unit, Dispatch.state != "handed_over")
        .order_by(Dispatch.round.desc())
        .limit(1)
    )
    part = session.scalars(statement).one_or_none()
    if part is None:
        raise NotFoundError(f"工单 {ticket.number} 已不在本单位")
    if part.state == "informed":
        raise ConflictError("本单位只是知悉此件，不需要签收或答复")
    return part


def _check_contact(contacted: datetime, accepted: datetime, now: datetime) -> None:
    if contacted > now or contacted < accepted:
        message = f"联系时间须在受理（{clock.spoken(accepted)}）之后、现在之前"
        raise InvalidInputError(message, faults=(FieldFault("/contact/at", message),))


def _review_due(ticket: Ticket, at: datetime, desk: Desk) -> datetime:
    case = LimitCase(ticket.kind, ticket.urgent)
    rule = require(desk.rulebook.limits, LimitStep.REVIEW, case, clock.local(at).date())
    return due(rule, at, desk.calendar).due_at


def refresh_next(session: Session, ticket: Ticket) -> None:
    """Fold a ticket's next obligation anew: the earliest of its open parts and the hotline's own review."""
    session.flush()
    statement = select(Dispatch.next_due_at, Dispatch.next_step).where(
        Dispatch.ticket_id == ticket.id, Dispatch.next_due_at.is_not(None)
    )
    owed = [(row.next_due_at, row.next_step) for row in session.execute(statement)]
    if (
        ticket.state in WAITING_FOR_DISPATCH
        and ticket.next_step == LimitStep.FIRST_DISPATCH.value
        and ticket.next_due_at
    ):
        owed.append((ticket.next_due_at, ticket.next_step))
    if ticket.state == State.AWAITING_REVIEW.value and ticket.review_due_at:
        owed.append((ticket.review_due_at, LimitStep.REVIEW.value))
    ticket.next_due_at, ticket.next_step = min(owed) if owed else (None, None)


def view_contact(session: Session, act: Act, form: ContactRequest, sealer: Sealer) -> ContactView:
    """Show the contact in full; the look, its reason and who looked are recorded.

    Raises:
        ForbiddenError: a unit asks for the contact of a 匿名 ticket; the hotline relays instead.
    """
    ticket = locked(session, act, Verb.TICKET_CONTACT)
    if ticket.confidentiality == "匿名" and act.caller.role.of_unit:
        raise ForbiddenError("匿名交办件不向承办单位提供联系方式，请通过12345热线转达")
    party = session.get_one(TicketParty, ticket.id)
    at = clock.now()
    note = insert_note(session, ticket.id, form.reason, act.caller, at)
    record(
        session, ticket, at, act.caller, [Happening("contact_viewed", {"role": act.caller.role.value, "note": note})]
    )
    return ContactView(
        enterprise=sealer.open(party.enterprise_name), credit_code=sealer.open(party.credit_code),
        contact_name=sealer.open(party.contact_name), contact_phone=sealer.open(party.contact_phone),
        contact_email=sealer.open(party.contact_email), address=sealer.open(party.address),
    )  # fmt: skip
