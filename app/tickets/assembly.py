"""Puts rows together into the views a caller may see: masked, with names for codes."""

import json
from datetime import date, datetime

from app.accounts.access import Caller, Role
from app.paging import Page
from app.rulebook.shapes import Rulebook
from app.sealing import Sealer
from app.tickets.life_tables import Reply
from app.tickets.lifecycle import NEXT_STEPS, State
from app.tickets.list_schemas import (
    JobView,
    NoticeView,
    OverdueLine,
    OverduePage,
    QueueCounts,
    QueueLine,
    QueuePage,
    StuckView,
)
from app.tickets.masking import mask_code, mask_name, mask_phone, mask_text
from app.tickets.queries import History, Line, QueueRow, Whole
from app.tickets.schemas import (
    ArrearsView,
    AttachmentView,
    EventView,
    Judgement,
    PartyView,
    ReplyView,
    RoutingView,
    TicketLine,
    TicketPage,
    TicketView,
    TurnView,
)
from app.tickets.stuck import Stuck
from app.tickets.tables import Ticket, TicketEvent, TicketJudgement, TicketParty
from app.tickets.veiling import is_veiled, shown_title, veiled_text, words_to_hide
from app.tickets.views import (
    EVENT_LABELS,
    HOTLINE_NAME,
    PART_ROLES,
    PART_STATES,
    explain,
    holder_of,
    part_view,
    tag_view,
    unit_view,
    without_words,
)

HARDNESS = {"": "", "proposed": "提请会商", "ruled": "疑难"}


def ticket_view(whole: Whole, caller: Caller, rulebook: Rulebook, sealer: Sealer) -> TicketView:
    """Return a ticket as a caller may see it.

    Nobody sees who appeals on a 隐名 or 匿名 ticket, in the text either; units see the text reviewed for them, once there
    is one. Everybody sees numbers masked.
    """
    ticket, text = whole.ticket, whole.text
    hidden = is_veiled(ticket)
    words = words_to_hide(ticket, whole.party, sealer)
    reviewed = bool(hidden and text.reviewed and caller.role.of_unit)
    tag = rulebook.tag_by_code.get(ticket.tag)
    state = State(ticket.state)
    return TicketView(
        number=ticket.number, state=state.value, state_label=state.label,
        holder=holder_of(ticket, whole.supervisor, rulebook), since=ticket.held_since, due_at=ticket.due_at,
        due_provisional=ticket.due_provisional, original_due_at=ticket.original_due_at, overdue_at=ticket.overdue_at,
        closing=ticket.closing, solved=ticket.solved, first_grade=ticket.first_grade,
        final_grade=ticket.final_grade, hardness=HARDNESS[ticket.hardness], returns=ticket.returns,
        reworks=ticket.reworks, urges=ticket.urges, next=NEXT_STEPS[state], next_step=ticket.next_step,
        next_due_at=ticket.next_due_at, type=ticket.kind, urgent=ticket.urgent,
        confidentiality=ticket.confidentiality, channel=ticket.channel,
        external_number=None if hidden and caller.role is not Role.CHANNEL else ticket.external_number,
        tag=tag_view(tag) if tag else None, gap=ticket.gap,
        district=rulebook.district_by_code[ticket.district].name if ticket.district else None,
        title=veiled_text("" if reviewed else text.title, words),
        content=veiled_text(text.reviewed if reviewed else text.content, words),
        reviewed="" if caller.role.of_unit or caller.role is Role.CHANNEL else veiled_text(text.reviewed, words),
        complained_of=veiled_text(text.complained_of, words), party=None if hidden else _party(whole.party, sealer),
        callback_wanted=ticket.callback_wanted, arrears=_arrears(whole, hidden=hidden),
        attachments=[AttachmentView(name=veiled_text(item.name, words), media_type=item.media_type, size=item.size)
                     for item in whole.attachments],
        parts=[part_view(part, rulebook) for part in whole.parts],
        replies=[_reply(row, unit, rulebook, words) for row, unit in whole.replies],
        accepted_at=ticket.accepted_at, dispatched_at=ticket.dispatched_at, updated_at=ticket.updated_at,
        version=ticket.version, rulebook_version=ticket.rulebook_version, model_version=ticket.model_version,
    )  # fmt: skip


def _arrears(whole: Whole, *, hidden: bool) -> ArrearsView | None:
    """Return what is owed by whom; the contract's name may tell who appeals."""
    row = whole.arrears
    if row is None:
        return None
    names = (name for name in ArrearsView.model_fields if name != "contract_name")
    return ArrearsView(
        contract_name="" if hidden else mask_text(row.contract_name), **{name: getattr(row, name) for name in names}
    )


def _party(party: TicketParty, sealer: Sealer) -> PartyView:
    return PartyView(
        enterprise=sealer.open(party.enterprise_name), credit_code=mask_code(sealer.open(party.credit_code)),
        size=party.enterprise_size, park=sealer.open(party.park), contact_name=mask_name(sealer.open(party.contact_name)),
        contact_phone=mask_phone(sealer.open(party.contact_phone)),
    )  # fmt: skip


def _reply(row: Reply, unit: str, rulebook: Rulebook, words: tuple[str, ...]) -> ReplyView:
    names = ("stage", "result", "contacted_at", "contact_way", "planned_on", "written_at")
    values = {name: getattr(row, name) for name in names}
    return ReplyView(
        unit=unit_view(unit, rulebook), content=veiled_text(row.content, words), plan=veiled_text(row.plan, words), **values,
    )  # fmt: skip


def _tag_name(code: str, rulebook: Rulebook) -> str:
    tag = rulebook.tag_by_code.get(code)
    return tag.name if tag else ""


def ticket_page(page: Page[Line], rulebook: Rulebook) -> TicketPage:
    """Return a page of tickets."""
    return TicketPage(items=[_ticket_line(*row, rulebook) for row in page.rows], next_cursor=page.next_cursor)


def _ticket_line(ticket: Ticket, title: str, rulebook: Rulebook) -> TicketLine:
    state = State(ticket.state)
    return TicketLine(
        number=ticket.number, state=state.value, state_label=state.label, type=ticket.kind, tag=ticket.tag,
        tag_name=_tag_name(ticket.tag, rulebook), urgent=ticket.urgent,
        lead=unit_view(ticket.lead_unit, rulebook).name if ticket.lead_unit else None,
        title=shown_title(ticket, title),
        accepted_at=ticket.accepted_at, due_at=ticket.due_at, next_step=ticket.next_step,
        next_due_at=ticket.next_due_at, updated_at=ticket.updated_at,
    )  # fmt: skip


def overdue_page(page: Page[Line], holders: dict[int, list[str]], moment: datetime, rulebook: Rulebook) -> OverduePage:
    """Return a page of the overdue list; what no unit holds is the hotline's own."""
    items = []
    for ticket, _title in page.rows:
        if ticket.next_due_at is None:
            continue
        units = [unit_view(code, rulebook).name for code in holders.get(ticket.id, [])]
        late = int((moment - ticket.next_due_at).total_seconds() // 60)
        state = State(ticket.state)
        items.append(
            OverdueLine(
                number=ticket.number, state=state.value, state_label=state.label, urgent=ticket.urgent, tag=ticket.tag,
                tag_name=_tag_name(ticket.tag, rulebook), step=ticket.next_step or "",
                holder="、".join(units) or HOTLINE_NAME, due_at=ticket.next_due_at, overdue_minutes=late,
            )
        )  # fmt: skip
    return OverduePage(items=items, next_cursor=page.next_cursor)


def stuck_view(found: Stuck, jobs: list[JobView], rulebook: Rulebook) -> StuckView:
    """Return what is stuck; the jobs come from above, where they are known."""
    notices = [
        NoticeView(
            kind=row.kind, created_at=row.created_at, attempts=row.attempts, error=row.last_error or "",
            reference=json.loads(row.payload),
        )
        for row in found.notices
    ]  # fmt: skip
    return StuckView(
        unowned=[_ticket_line(*row, rulebook) for row in found.unowned],
        gaps=[_ticket_line(*row, rulebook) for row in found.gaps],
        notices=notices,
        jobs=jobs,
    )


def queue_page(
    unit: str, page: Page[QueueRow], counts: dict[str, int] | None, moment: datetime, rulebook: Rulebook
) -> QueuePage:
    """Return a page of a unit's queue."""
    return QueuePage(
        unit=unit_view(unit, rulebook), items=[_queue_line(row, moment, rulebook) for row in page.rows],
        next_cursor=page.next_cursor, counts=QueueCounts(**counts) if counts else None,
    )  # fmt: skip


def _queue_line(row: QueueRow, moment: datetime, rulebook: Rulebook) -> QueueLine:
    return QueueLine(
        number=row.number, role=PART_ROLES[row.role], state=row.state, state_label=PART_STATES[row.state], type=row.kind,
        tag=row.tag, tag_name=_tag_name(row.tag, rulebook), urgent=row.urgent, title=shown_title(row, row.title),
        dispatched_at=row.dispatched_at, due_at=row.due_at, next_step=row.next_step, next_due_at=row.next_due_at,
        overdue=bool(row.next_due_at and row.next_due_at < moment), updated_at=row.updated_at,
    )  # fmt: skip


def event_views(history: History, caller: Caller, sealer: Sealer) -> list[EventView]:
    """Return events with their Chinese labels; reasons are for the hotline's own staff."""
    own_staff = not caller.role.of_unit and caller.role is not Role.CHANNEL
    words = words_to_hide(history.whole.ticket, history.whole.party, sealer) if own_staff else ()
    return [_event_view(event, history.notes if own_staff else {}, words) for event in history.events]


def _event_view(event: TicketEvent, notes: dict[int, str], words: tuple[str, ...]) -> EventView:
    payload = json.loads(event.payload)
    return EventView(
        reason=veiled_text(notes.get(payload.get("note") or 0, ""), words),
        seq=event.seq, kind=event.kind, label=EVENT_LABELS[event.kind], at=event.at, actor=event.actor,
        payload=payload, hash=event.hash,
    )  # fmt: skip


def routing_view(
    ticket: Ticket, rows: list[TicketJudgement], rulebook: Rulebook, day: date, turn: TurnView | None
) -> RoutingView:
    """Return why a ticket went where it went: the newest judgement explained, all of them listed, what would change it.

    Of a veiled caller's text no word is told: places and peculiar words would say who it is.
    """
    judgements = [Judgement.model_validate_json(row.payload) for row in rows]
    if is_veiled(ticket):
        judgements, turn = [without_words(item) for item in judgements], None
    explanation = [*explain(judgements[-1], rulebook), *([turn.told] if turn else [])]
    return RoutingView(
        number=ticket.number, explanation=explanation, judgements=judgements, turn=turn,
        notice_status=rulebook.notice.status_line(day),
    )  # fmt: skip
