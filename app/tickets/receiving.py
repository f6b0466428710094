"""集中受理: what the hotline does with an appeal before, or instead of, giving it to a unit."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.access import Verb
from app.errors import ConflictError, FieldFault, InvalidInputError, NotFoundError, UnavailableError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.sealing import installed_sealer
from app.tickets.acts import KEY_SHARE, Act, Opened, happen, lapse_requests, limit, open_by_id, open_ticket, settle
from app.tickets.dispatching import judge_again, waits_until
from app.tickets.forms import DirectAnswerForm, OverrideForm, TicketForm
from app.tickets.indexing import reindex, signature_of
from app.tickets.intake import Desk, find_unit, judge
from app.tickets.lifecycle import Move, State
from app.tickets.queries import visible
from app.tickets.schemas import Judgement
from app.tickets.sealed import DAMAGED
from app.tickets.submission import NewTicket, Origin, insert_direct_answer, insert_note, insert_ticket
from app.tickets.tables import Ticket, TicketParty, TicketText
from app.tickets.veiling import PUBLIC, identifying
from app.tickets.verb_forms import ChildForm, InfoForm, MergeForm, ReasonForm, SplitForm, SupplementForm
from app.tickets.views import judgement_view

REPORT = "举报"
ENDED_WITHOUT_ANSWER = tuple(state.value for state in (State.WITHDRAWN, State.INVALID, State.TOLD, State.SPLIT))


def ask_info(session: Session, act: Act, form: InfoForm, desk: Desk) -> Ticket:
    """Ask the enterprise to add what is missing; the enterprise's clock stands still until it does.

    Raises:
        ConflictError: the ticket does not wait for a dispatcher.
    """
    work = open_ticket(session, act, Verb.TICKET_ASK_INFO)
    work.require(Move.ASK_INFO)
    until = limit(work, LimitStep.SUPPLEMENT, desk.rulebook, desk.calendar).due_at.isoformat()
    note = insert_note(session, work.ticket.id, form.wanted, act.caller, work.at)
    happen(work, "info_asked", until=until, note=note)
    enqueue(session, work.at, [("enterprise.info_wanted", {"number": act.number, "until": until})])
    return settle(session, work)


def supplement(session: Session, act: Act, form: SupplementForm, desk: Desk) -> tuple[Ticket, Judgement]:
    """Add what the enterprise has told since and judge again; it goes out where that settles it.

    A 转办文本 written before is void.

    Raises:
        ConflictError: nothing was asked for.
        UnavailableError: the stored text does not open; writing it anew would lose it.
    """
    work = open_ticket(session, act, Verb.TICKET_SUPPLEMENT)
    work.require(Move.SUPPLEMENT)
    text = session.get_one(TicketText, work.ticket.id)
    if text.content == DAMAGED:
        raise UnavailableError("这件工单的正文打不开，不能补充；请联系系统管理员恢复数据密钥或备份")
    text.content = f"{text.content}\n（企业补充）{form.content}"
    # What was reviewed says nothing of what has come since: units read the masked whole until it is gone over again.
    text.reviewed = ""
    reindex(session, work.ticket, desk.signatures)
    happen(work, "supplemented", due=waits_until(work, desk).isoformat())
    judgement = judge_again(session, work, desk, form.reason)
    return settle(session, work), judgement


def answer_directly(session: Session, act: Act, form: DirectAnswerForm, desk: Desk) -> Ticket:
    """Record that the hotline settled it itself (在线解答、三方通话); the callback still comes.

    Raises:
        ConflictError: a unit has it already.
        InvalidInputError: the partner of the call is unknown.
    """
    work = open_ticket(session, act, Verb.TICKET_ANSWER)
    work.require(Move.ANSWER)
    partner = find_unit(form.partner, desk.rulebook, "/partner").code if form.partner else ""
    due_at = limit(work, LimitStep.CALLBACK, desk.rulebook, desk.calendar).due_at
    happen(work, "answered", way=form.way, partner=partner, due=due_at.isoformat())
    insert_direct_answer(session, work.ticket.id, form, partner, act.caller, work.at)
    ticket = settle(session, work)
    follow_main(session, ticket, "直办", desk)
    return ticket


def withdraw(session: Session, act: Act, form: ReasonForm) -> Ticket:
    """Take an appeal back at the enterprise's wish; every unit that works on it is told.

    Raises:
        ConflictError: it is a 举报, which does not end because its author withdraws, or it is past that.
    """
    work = open_ticket(session, act, Verb.TICKET_WITHDRAW)
    work.require(Move.WITHDRAW)
    if work.standing.kind == REPORT:
        raise ConflictError("举报不因举报人撤回而终止核查；可在办理中记明其意愿")
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    recalled = recall_notices(session, work)
    happen(work, "withdrawn", recalled=recalled, note=note)
    return settle(session, work)


def recall_notices(session: Session, work: Opened) -> list[str]:
    """Tell every unit with an open part that it is taken from it; returns their codes for the event."""
    lapse_requests(session, work)
    units = [part.unit for part in work.standing.open_parts()]
    facts = {"number": work.ticket.number}
    enqueue(session, work.at, [("ticket.recalled", {**facts, "unit": unit}) for unit in units])
    return units


def invalidate(session: Session, act: Act, form: ReasonForm) -> Ticket:
    """Find that something is no appeal (骚扰、空白、测试).

    Raises:
        ConflictError: it has left the hotline's hands.
    """
    work = open_ticket(session, act, Verb.TICKET_INVALIDATE)
    work.require(Move.INVALIDATE)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(work, "invalidated", note=note)
    return settle(session, work)


def restore(session: Session, act: Act, form: ReasonForm, desk: Desk) -> Ticket:
    """Take a withdrawn or invalid appeal up again; its clock has run on.

    Raises:
        ConflictError: it was neither withdrawn nor invalid.
    """
    work = open_ticket(session, act, Verb.TICKET_RESTORE)
    work.require(Move.RESTORE)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(work, "restored", due=waits_until(work, desk).isoformat(), note=note)
    return settle(session, work)


def merge(session: Session, act: Act, form: MergeForm) -> Ticket:
    """Join a ticket to the one it is the same matter as (并案); it keeps its own number, clock and callback.

    Raises:
        ConflictError: either ticket is in a state that cannot be joined, or they would form a chain.
        InvalidInputError: the main ticket is unknown or the ticket itself.
    """
    if form.main == act.number:
        raise _no_main("不能并入自己")
    main = _other(session, act, form.main)
    work = open_ticket(session, act, Verb.TICKET_MERGE)
    work.require(Move.MERGE)
    if not State(main.state).is_open or main.state in {State.MERGED.value, State.SPLIT.value}:
        raise ConflictError(f"主件 {main.number} 为“{State(main.state).label}”，不能再并入")
    if main.confidentiality != work.ticket.confidentiality:
        raise ConflictError("两件的保密方式不同，不能并案")
    if session.scalars(select(Ticket.id).where(Ticket.main_id == work.ticket.id).limit(1)).first():
        raise ConflictError("本件已有其他工单并入，请并入本件的主件或先撤销")
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    recalled = recall_notices(session, work)
    work.ticket.main_id = main.id
    happen(work, "merged", main=main.number, recalled=recalled, note=note)
    return settle(session, work)


def _other(session: Session, act: Act, number: str) -> Ticket:
    """Return the main ticket, locked: it must not close while another joins it."""
    seen = select(Ticket).where(Ticket.number == number, visible(act.caller, Verb.TICKET_MERGE))
    main = session.scalar(seen.with_for_update(key_share=KEY_SHARE))
    if main is None:
        raise _no_main(f"没有工单 {number}，或您无权查看")
    return main


def _no_main(message: str) -> InvalidInputError:
    return InvalidInputError(message, faults=(FieldFault("/main", message),))


def unmerge(session: Session, act: Act, form: ReasonForm, desk: Desk) -> Ticket:
    """Undo a joining: the ticket waits for a dispatcher again, its clock has run on.

    Raises:
        ConflictError: it is not joined to another.
    """
    work = open_ticket(session, act, Verb.TICKET_MERGE)
    work.require(Move.UNMERGE)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(work, "unmerged", main=work.standing.main, due=waits_until(work, desk).isoformat(), note=note)
    work.ticket.main_id = None
    return settle(session, work)


def follow_main(session: Session, main: Ticket, closing: str, desk: Desk) -> None:
    """Bring every ticket joined to one that has passed review to its own callback."""
    joined = session.scalars(
        select(Ticket.id).where(Ticket.main_id == main.id, Ticket.state == State.MERGED.value).order_by(Ticket.id)
    )
    for ticket_id in joined.all():
        work = open_by_id(session, ticket_id)
        work.require(Move.FOLLOW_MAIN)
        due_at = limit(work, LimitStep.CALLBACK, desk.rulebook, desk.calendar).due_at
        happen(work, "main_settled", main=main.number, closing=closing, due=due_at.isoformat())
        settle(session, work)


def part_from_ended(session: Session, ticket_id: int, desk: Desk) -> bool:
    """Give a joined ticket back to the dispatchers whose main ended without an answer; whether it was one."""
    work = open_by_id(session, ticket_id)
    main = session.get(Ticket, work.ticket.main_id) if work.ticket.main_id else None
    if work.state is not State.MERGED or main is None or main.state not in ENDED_WITHOUT_ANSWER:
        return False
    happen(work, "unmerged", main=main.number, due=waits_until(work, desk).isoformat())
    work.ticket.main_id = None
    settle(session, work)
    return True


def split(session: Session, act: Act, form: SplitForm, desk: Desk) -> list[str]:
    """Split a ticket into children that are dispatched each by itself; returns their numbers.

    The parent waits for all of them. A child keeps the parent's acceptance and the enterprise's due time.

    Raises:
        ConflictError: the ticket cannot be split now, or is itself a child.
        InvalidInputError: a tag or unit is unknown.
    """
    work = open_ticket(session, act, Verb.TICKET_SPLIT)
    work.require(Move.SPLIT)
    if work.ticket.parent_id is not None:
        raise ConflictError("子件不能再拆分；请在母件上补充拆分或会商")
    numbers = [f"{work.ticket.number}-{index:02d}" for index in range(1, len(form.children) + 1)]
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    for index, (number, child) in enumerate(zip(numbers, form.children, strict=True)):
        _insert_child(session, work, number, _child_form(work, child, form.reason), f"/children/{index}", desk)
    happen(work, "split", children=numbers, recalled=recall_notices(session, work), note=note)
    settle(session, work)
    return numbers


def _child_form(work: Opened, child: ChildForm, reason: str) -> TicketForm:
    ticket = work.ticket
    return TicketForm.model_validate(
        {
            "channel": ticket.channel, "title": child.title, "content": child.content, "type": ticket.kind,
            "district": ticket.district or "", "urgent": ticket.urgent or None,
            "confidentiality": ticket.confidentiality, "callback_wanted": ticket.callback_wanted,
            "override": OverrideForm(tag=child.tag, unit=child.unit, reason=reason),
        }
    )  # fmt: skip


def _insert_child(session: Session, work: Opened, number: str, form: TicketForm, pointer: str, desk: Desk) -> None:
    parent = work.ticket
    complained_of = session.get_one(TicketText, parent.id).complained_of
    form = form.model_copy(update={"complained_of": complained_of})
    try:
        judged = judge(form, desk, work.at)
    except InvalidInputError as error:
        faults = tuple(FieldFault(fault.pointer.replace("/override", pointer), fault.message) for fault in error.faults)
        raise InvalidInputError(error.message, faults=faults) from error
    judgement = judgement_view(judged, desk.rulebook, desk.classifier.version if desk.classifier else "", form.override)
    party = session.get_one(TicketParty, parent.id)
    hidden = () if judged.confidentiality == PUBLIC else identifying(party, installed_sealer())
    signature = signature_of(desk.signatures, (form.title, form.content), hidden) if desk.signatures else None
    new = NewTicket(
        number, work.at, form, judged, judgement, work.caller, parent.special_supervisor, signature,
        Origin(parent.id, parent.number, parent.accepted_at, parent.due_at), hidden=hidden,
    )  # fmt: skip
    child = insert_ticket(session, new)
    if child is None:
        raise NotFoundError("子件没有建成，请重试")
    columns = [column.key for column in TicketParty.__table__.columns if column.key != "ticket_id"]
    session.add(TicketParty(ticket_id=child, **{name: getattr(party, name) for name in columns}))
