"""按责转办: a person's dispatch, correction, further units, other classification, the law's own clock."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Verb
from app.accounts.service import special_supervisor
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.notify.outbox import enqueue
from app.routing.engine import Assignment, Outcome, forbidden_units, guarded
from app.rulebook.shapes import LimitStep, Rulebook
from app.sla.limits import LimitCase
from app.sla.limits import select as select_limit
from app.sla.timer import dispatch_dues, due, first_dispatch_due
from app.tickets.acts import (
    Act,
    Opened,
    add_rows,
    happen,
    keep_rules,
    lapse_requests,
    limit,
    open_ticket,
    row_of,
    settle,
)
from app.tickets.forms import ArrearsForm, CorrectForm, DispatchForm, OverrideForm, PreviewForm
from app.tickets.indexing import reindex
from app.tickets.intake import REPORT_KIND, REPORT_VEIL, Desk, Judged, find_unit, judge, named_evidence
from app.tickets.lifecycle import Move, State, refused
from app.tickets.replay import facts_of
from app.tickets.schemas import Judgement
from app.tickets.standing import Part, Phase
from app.tickets.submission import (
    accused_json,
    dispatch_notices,
    dispatched_payload,
    due_of,
    evidence_json,
    insert_judgement,
    insert_note,
    insert_parts,
    judged_payload,
)
from app.tickets.tables import Dispatch, Ticket, TicketArrears, TicketJudgement, TicketText
from app.tickets.veiling import PUBLIC
from app.tickets.verb_forms import ReclassifyForm, StatuteForm, SupportForm
from app.tickets.views import due_view, judgement_view


def dispatch(session: Session, act: Act, form: DispatchForm, desk: Desk) -> tuple[Ticket, Judgement]:
    """Send out a ticket that waits for a person, to the unit named or to the one the tag says.

    Raises:
        ConflictError: the ticket is not waiting for a dispatcher, or something still stands against sending it.
        InvalidInputError: tag or unit unknown, or the unit may not get it (回避).
    """
    work = open_ticket(session, act, Verb.TICKET_DISPATCH)
    _keep_special(work)
    work.require(Move.DISPATCH)
    judgement = send(session, work, form, desk)
    return settle(session, work), judgement


def send(session: Session, work: Opened, form: DispatchForm, desk: Desk) -> Judgement:
    """Judge an opened ticket again with a person's word and send it out.

    Raises:
        ConflictError: something still stands against sending it.
        InvalidInputError: tag or unit unknown, or the unit may not get it (回避).
    """
    ticket = work.ticket
    override = _override(form.tag or ticket.tag or None, form.unit, _settled(session, ticket)[1], form.reason)
    judged = judge(
        _stored_form(session, ticket, override), desk, work.at, accepted_at=ticket.accepted_at,
        accused_cleared=form.accused_cleared,
    )  # fmt: skip
    judged = _with_supporters(judged, form.supporters, desk.rulebook)
    if judged.state is not State.AWAITING_SIGN:
        raise ConflictError(_why_not(judged))
    note = insert_note(session, ticket.id, form.reason, work.caller, work.at)
    judgement = judgement_view(judged, desk.rulebook, _model_version(desk), override)
    _take_over(session, work, judged, judgement, note)
    return judgement


def correct(session: Session, act: Act, form: CorrectForm, desk: Desk) -> tuple[Ticket, Judgement]:
    """Correct what was judged of a waiting ticket and judge again; it goes out as soon as nothing stands against it.

    Raises:
        ConflictError: the ticket is already with a unit.
        InvalidInputError: tag or district unknown, or nothing was corrected.
    """
    if not form.accused_cleared and {form.tag, form.type, form.urgent, form.district} == {None}:
        raise InvalidInputError("没有需要更正的内容", faults=(FieldFault("", "至少填写一项更正"),))
    work = open_ticket(session, act, Verb.TICKET_CORRECT)
    _keep_special(work)
    work.require(Move.DISPATCH)
    changes = {key: value for key, value in (("type", form.type), ("district", form.district)) if value is not None}
    judgement = judge_again(
        session, work, desk, form.reason, tag=form.tag, urgent=form.urgent, changes=changes,
        accused_cleared=form.accused_cleared,
    )  # fmt: skip
    return settle(session, work), judgement


def judge_again(
    session: Session, work: Opened, desk: Desk, reason: str, *, tag: str | None = None, urgent: bool | None = None,
    changes: Mapping[str, str] | None = None, accused_cleared: bool = False,
) -> Judgement:  # fmt: skip
    """Judge an opened, waiting ticket again; it moves on as soon as nothing stands against it."""
    ticket = work.ticket
    own_tag, own_urgent = _settled(session, ticket)
    override = _override(tag or own_tag, None, own_urgent if urgent is None else urgent, reason)
    stored = _stored_form(session, ticket, override).model_copy(update=dict(changes or {}))
    judged = judge(stored, desk, work.at, accepted_at=ticket.accepted_at, accused_cleared=accused_cleared)
    judgement = judgement_view(judged, desk.rulebook, _model_version(desk), override)
    before = ticket.confidentiality
    _take_over(session, work, judged, judgement, insert_note(session, ticket.id, reason, work.caller, work.at))
    if ticket.confidentiality != before:
        reindex(session, ticket, desk.signatures)
    return judgement


def _keep_special(work: Opened) -> None:
    """Name the acting supervisor on a 专办件 that had none, so that it stays with one person wherever it goes."""
    if work.state is State.SPECIAL and work.ticket.special_supervisor is None:
        work.ticket.special_supervisor = work.caller.ident


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
        _refuse_taken(unit.code, unit.short, taken | barred, f"/supporters/{index}")
        taken.add(unit.code)
        supporters.append(Assignment(unit.code, named_evidence(tag, unit.code, clock.today(), rulebook)))
    return replace(judged, decision=replace(decision, supporters=tuple(supporters)))


def _refuse_taken(code: str, name: str, taken: frozenset[str] | set[str], pointer: str) -> None:
    if code in taken:
        message = f"{name}已在承办之列，或按回避规定不能转给它"
        raise InvalidInputError(message, faults=(FieldFault(pointer, message),))


def _why_not(judged: Judged) -> str:
    if judged.reasons:
        return "尚不能派出：" + "；".join(reason.message for reason in judged.reasons)
    if judged.decision and judged.decision.outcome is Outcome.TOLD:
        return f"该标签应告知途径，不派单：{judged.decision.told}；如确需派单，请指定单位"
    return "按回避规定没有可以转办的单位，须作为专办件处理；请用更正（correct）转专办"


def _model_version(desk: Desk) -> str:
    return desk.classifier.version if desk.classifier else ""


def _take_over(session: Session, work: Opened, judged: Judged, judgement: Judgement, note: int) -> None:
    """Put a new judgement into a ticket's columns and let it move on."""
    ticket = work.ticket
    seq = session.scalars(select(func.max(TicketJudgement.seq)).where(TicketJudgement.ticket_id == ticket.id)).one()
    insert_judgement(session, ticket.id, seq + 1, judgement, work.at)
    ticket.tag = judged.tag.code if judged.tag else ""
    ticket.district, ticket.accused = judged.place.district, accused_json(judged.accused)
    ticket.gap, ticket.confidentiality = judgement.gap, judged.confidentiality
    ticket.rulebook_version, ticket.model_version = judgement.rulebook_version, judgement.model_version
    happen(work, "corrected", **judged_payload(judgement, note))
    _move_on(session, work, judged)


def _move_on(session: Session, work: Opened, judged: Judged) -> None:
    waits = due_of(judged.dues, LimitStep.FIRST_DISPATCH)
    due_at = waits.due_at.isoformat() if waits else ""
    match judged.state:
        case State.AWAITING_SIGN:
            work.require(Move.DISPATCH)
            _send_out(session, work, judged)
        case State.TOLD:
            if work.state is not State.TOLD:
                work.require(Move.TELL)
                happen(work, "told", tag=work.ticket.tag)
        case State.SPECIAL:
            if work.state is not State.SPECIAL:
                work.require(Move.MAKE_SPECIAL)
            work.ticket.special_supervisor = special_supervisor(session)
            happen(work, "made_special", supervisor=work.ticket.special_supervisor, due=due_at)
        case _:
            if work.state is State.TRIAGE:
                happen(work, "triaged", due=due_at)
            else:
                work.require(Move.RETRIAGE)
                happen(work, "retriaged", **{"from": work.state.value, "due": due_at})


def _send_out(session: Session, work: Opened, judged: Judged) -> None:
    rounds = max((part.round for part in work.standing.parts), default=0)
    before = len(work.standing.parts)
    happen(work, "dispatched", **dispatched_payload(rounds + 1, judged))
    insert_parts(session, work.ticket.id, work.standing.parts[before:], judged, work.at)
    enqueue(session, work.at, dispatch_notices(work.ticket.number, judged))


def support(session: Session, act: Act, form: SupportForm, desk: Desk) -> Ticket:
    """Add supporting units to a ticket that is with its lead; the lead stays the lead (首接负责).

    Raises:
        ConflictError: no unit handles the ticket now.
        InvalidInputError: a unit is unknown, has a part already, or may not get it (回避).
    """
    work = open_ticket(session, act, Verb.TICKET_SUPPORT)
    lead = work.standing.lead()
    if lead is None or work.state not in {State.AWAITING_SIGN, State.IN_PROGRESS}:
        raise refused(work.state, "增加协办单位")
    taken = {part.unit for part in work.standing.parts if part.is_open} | set(barred_units(session, work.ticket, desk))
    codes = []
    for index, name in enumerate(form.units):
        unit = find_unit(name, desk.rulebook, f"/units/{index}", clock.today())
        _refuse_taken(unit.code, unit.short, taken, f"/units/{index}")
        taken.add(unit.code)
        codes.append(unit.code)
    _add_supporters(session, work, codes, lead, desk)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    work.happenings[-1].payload["note"] = note
    return settle(session, work)


def _add_supporters(session: Session, work: Opened, codes: list[str], lead: Part, desk: Desk) -> None:
    signing = limit(work, LimitStep.SIGN, desk.rulebook, desk.calendar_of(lead.unit))
    keep_rules(work, row_of(session, work, lead))
    # The supporter's opinion serves the lead's answer, so it is due when that is.
    dues = {LimitStep.SIGN.value: signing.due_at.isoformat()}
    if lead.due_at:
        dues[LimitStep.CLOSING.value] = lead.due_at.isoformat()
    before = len(work.standing.parts)
    happen(work, "supported", units=codes, round=next_round(work), dues=dues)
    add_rows(session, work, work.standing.parts[before:], evidence_of(codes, work, desk))
    facts = {"number": work.ticket.number, "urgent": work.standing.urgent, "role": "support"}
    due_at = dues.get(LimitStep.CLOSING.value)
    enqueue(session, work.at, [("ticket.dispatched", {**facts, "unit": code, "due_at": due_at}) for code in codes])


def next_round(work: Opened) -> int:
    """Return the round that parts given out now belong to."""
    return 1 + max((part.round for part in work.standing.parts), default=0)


def evidence_of(codes: Iterable[str], work: Opened, desk: Desk) -> dict[str, str]:
    """Return why each unit acts on a stored ticket, as stored with its part."""
    tag, day = desk.rulebook.tag_by_code.get(work.ticket.tag), clock.local(work.at).date()
    if tag is None:
        return {}
    named = {code: named_evidence(tag, code, day, desk.rulebook) for code in codes}
    return {code: evidence_json(Assignment(code, clauses)) for code, clauses in named.items()}


def barred_units(session: Session, ticket: Ticket, desk: Desk) -> frozenset[str]:
    """Return the units a stored ticket may not go to; a unit the rules have lost bars nobody."""
    facts = facts_of(ticket, session.get_one(TicketText, ticket.id), clock.today())
    tag = desk.rulebook.tag_by_code.get(ticket.tag)
    if tag is None or not guarded(facts, tag):
        return frozenset()
    known = (item for item in facts.accused if item.unit in desk.rulebook.unit_by_code)
    return forbidden_units(known, desk.rulebook)


def reclassify(session: Session, act: Act, form: ReclassifyForm, desk: Desk) -> Ticket:
    """Change type, urgency or tag of a ticket that is with a unit; its limits are judged anew from their own start.

    What has passed its time stays on record, whatever the new limits are; a closing time that a person has given since
    (延期、挂起、会商、法定起算) stands. Where it may not stay with a unit that has it, it waits for a dispatcher again.

    Raises:
        ConflictError: no unit handles the ticket now.
        InvalidInputError: the tag is unknown.
    """
    work = open_ticket(session, act, Verb.TICKET_RECLASSIFY)
    if work.state not in {State.AWAITING_SIGN, State.IN_PROGRESS}:
        raise refused(work.state, "重新认定类型、紧急程度或标签（待派单的用更正 correct）")
    if form.tag and form.tag not in desk.rulebook.tag_by_code:
        message = f"没有代码为 {form.tag} 的归口标签"
        raise InvalidInputError(message, faults=(FieldFault("/tag", message),))
    kind, urgent = form.type or work.standing.kind, work.standing.urgent if form.urgent is None else form.urgent
    before = {"type": work.standing.kind, "urgent": work.standing.urgent, "tag": work.ticket.tag}
    work.ticket.tag = form.tag or work.ticket.tag
    for row in session.scalars(select(Dispatch).where(Dispatch.ticket_id == work.ticket.id)):
        row.tag, row.urgent = work.ticket.tag, urgent
    dues = _dues_anew(work, LimitCase(kind, urgent, work.standing.hardness == "ruled", tag=work.ticket.tag), desk)
    lead = work.standing.lead()
    due_at = dues.get(lead.unit, {}).get(LimitStep.CLOSING.value) if lead and not lead.rework else None
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(
        work, "reclassified", type=kind, urgent=urgent, tag=work.ticket.tag, before=before, dues=dues, due=due_at,
        desk={}, note=note,
    )  # fmt: skip
    _guard_anew(session, work, desk)
    return settle(session, work)


def _guard_anew(session: Session, work: Opened, desk: Desk) -> None:
    """Keep what has turned out to be a 举报, or to complain of conduct, from its accused, and its author from everybody.

    信访工作条例第三十条: 不得将检举控告材料转给被检举控告的单位。
    """
    ticket = work.ticket
    ticket.kind = work.standing.kind
    if ticket.kind == REPORT_KIND and ticket.confidentiality == PUBLIC and not ticket.confidentiality_chosen:
        ticket.confidentiality = REPORT_VEIL
        reindex(session, ticket, desk.signatures)
    barred = barred_units(session, ticket, desk)
    if not any(part.unit in barred for part in work.standing.parts if part.is_open or part.phase is Phase.INFORMED):
        return
    lapse_requests(session, work)
    recalled = [part.unit for part in work.standing.open_parts()]
    enqueue(session, work.at, [("ticket.recalled", {"number": ticket.number, "unit": unit}) for unit in recalled])
    before = work.state.value
    work.require(Move.RETRIAGE)
    happen(work, "retriaged", **{"from": before}, recalled=recalled, due=waits_until(work, desk).isoformat())


def _dues_anew(work: Opened, case: LimitCase, desk: Desk) -> dict[str, dict[str, str | None]]:
    """Return what every open part owes under other limits, counted from its own dispatch; None: owed no more."""
    found: dict[str, dict[str, str | None]] = {}
    for part in work.standing.open_parts():
        if part.rework:
            continue
        dues = {
            item.step.value: item
            for item in dispatch_dues(desk.rulebook, desk.calendar_of(part.unit), case, part.dispatched_at)
        }
        work.rules.update({name: due_view(item) for name, item in dues.items()})
        changed: dict[str, str | None] = {name: dues[name].due_at.isoformat() for name in part.dues if name in dues}
        changed |= {name: None for name in part.dues if name not in dues}
        if part.given:
            changed.pop(LimitStep.CLOSING.value, None)
        found[part.unit] = changed
    return found


def start_statute(session: Session, act: Act, form: StatuteForm, desk: Desk) -> Ticket:
    """Put the law's own limit in force from its legal start; it governs 办结 only, the shorter steps stay.

    保障中小企业款项支付条例第二十五条: 30 days from receipt of the transferred papers.

    Raises:
        ConflictError: no unit handles the ticket, or its tag has no statutory limit.
        InvalidInputError: the start lies in the future.
    """
    work = open_ticket(session, act, Verb.TICKET_STATUTE)
    tag = desk.rulebook.tag_by_code.get(work.ticket.tag)
    if work.state not in {State.AWAITING_SIGN, State.IN_PROGRESS}:
        raise refused(work.state, "启用法定时限")
    if tag is None or not tag.statutory_limit:
        raise ConflictError("该归口标签没有法定时限，按本市时限办理")
    if form.started_at > work.at:
        message = "法定起算时间不能晚于现在"
        raise InvalidInputError(message, faults=(FieldFault("/started_at", message),))
    case = replace(work.case, covers=tag.statutory_limit)
    rule = select_limit(desk.rulebook.limits, LimitStep.CLOSING, case, clock.local(form.started_at).date())
    if rule is None or rule.covers != tag.statutory_limit:
        raise ConflictError(f"{tag.statutory_limit}的法定时限在起算之日尚未施行，按本市时限办理")
    ends = due(rule, form.started_at, desk.calendar)
    work.rules[LimitStep.CLOSING.value] = due_view(ends)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(
        work, "statute_started", covers=tag.statutory_limit, rule=rule.code, started=form.started_at.isoformat(),
        due=ends.due_at.isoformat(), note=note,
    )  # fmt: skip
    return settle(session, work)


def waits_until(work: Opened, desk: Desk) -> datetime:
    """Return when the hotline must have dispatched a ticket that waits again from now."""
    return first_dispatch_due(desk.rulebook, desk.calendar, work.case, work.at).due_at
