"""Puts a ticket's clocks and its case file (requests, contacts, callbacks, promises, rulings, 会商) into views."""

import json
from datetime import datetime, timedelta

from app.accounts.access import Caller
from app.rulebook.shapes import Rulebook
from app.sealing import Sealer
from app.sla.calendar import WorkingCalendar
from app.tickets.case_queries import CaseFile
from app.tickets.intake import Desk
from app.tickets.life_schemas import (
    AttemptView,
    CallbackView,
    CaseFileView,
    ClockView,
    ConferenceView,
    DirectAnswerView,
    EnquiryView,
    PromiseView,
    RequestView,
    StepView,
    StretchView,
    UnitClock,
)
from app.tickets.life_tables import Conference, DirectAnswer, Ruling, UnitRequest
from app.tickets.lifecycle import NEXT_STEPS, State
from app.tickets.masking import mask_phone, mask_text
from app.tickets.queries import Whole
from app.tickets.schemas import RulingView, UnitView
from app.tickets.sealed import read_json
from app.tickets.standing import POLICY, Holder, Part, Standing, Stretch, late_at
from app.tickets.tables import Ticket
from app.tickets.veiling import is_veiled, veiled_text, words_to_hide
from app.tickets.views import PART_ROLES, PART_STATES, holder_of, unit_view

MINUTE = timedelta(minutes=1)
HOLDERS = {
    Holder.UNIT: "承办单位", Holder.DESK: "热线", Holder.UNOWNED: "待派单", Holder.PAUSED: "暂停",
    Holder.CHILDREN: "子件", Holder.MAIN: "主件",
}  # fmt: skip


def _minutes(span: timedelta) -> int:
    return int(span / MINUTE)


def clock_view(ticket: Ticket, standing: Standing, now: datetime, desk: Desk) -> ClockView:
    """Return both clocks of a ticket as they stand now."""
    standing, rulebook = late_at(standing, now), desk.rulebook
    stretches = standing.until(now)

    def spent(*holders: Holder) -> int:
        chosen = (item for item in stretches if item.holder in holders)
        return _minutes(sum((item.end - item.begin for item in chosen), timedelta()))

    begun = [part for part in standing.parts if part.role != "informed"]
    return ClockView(
        number=ticket.number, policy=POLICY, accepted_at=standing.accepted_at, closed_at=standing.closed_at,
        original_due_at=standing.original_due_at, due_at=standing.due_at, overdue_at=standing.overdue_at,
        overdue_by=_whose(standing.overdue_by, rulebook),
        total_minutes=_minutes((standing.closed_at or now) - standing.accepted_at),
        holding_minutes=spent(Holder.UNIT, Holder.DESK, Holder.CHILDREN, Holder.MAIN),
        unowned_minutes=spent(Holder.UNOWNED), paused_minutes=spent(Holder.PAUSED),
        stretches=[_stretch(item, rulebook) for item in stretches],
        units=[_unit_clock(part, now, rulebook, desk.calendar_of(part.unit)) for part in begun],
    )  # fmt: skip


def _whose(holder: str, rulebook: Rulebook) -> str:
    if not holder:
        return ""
    known = {item.value: label for item, label in HOLDERS.items()}
    return known.get(holder) or unit_view(holder, rulebook).name


def _stretch(item: Stretch, rulebook: Rulebook) -> StretchView:
    return StretchView(
        begin=item.begin, end=item.end, holder=HOLDERS[item.holder],
        unit=unit_view(item.unit, rulebook) if item.unit else None, minutes=_minutes(item.end - item.begin),
    )  # fmt: skip


def _unit_clock(part: Part, now: datetime, rulebook: Rulebook, calendar: WorkingCalendar) -> UnitClock:
    end = part.replied_at or part.ended_at or now
    return UnitClock(
        unit=unit_view(part.unit, rulebook), role=PART_ROLES[part.role], round=part.round,
        state=PART_STATES[part.phase.value], due_at=part.due_at, held_minutes=_minutes(part.held(now)),
        office_minutes=calendar.office_minutes_between(part.dispatched_at, end), late=sorted(part.late),
    )  # fmt: skip


def case_file_view(found: CaseFile, caller: Caller, rulebook: Rulebook, sealer: Sealer) -> CaseFileView:
    """Return what was written about a ticket; numbers called are masked, and hidden where the caller is veiled."""
    hidden = is_veiled(found.ticket)
    words = words_to_hide(found.ticket, found.party, sealer)
    from_units = hidden and caller.role.of_unit
    return CaseFileView(
        number=found.ticket.number,
        requests=[_request(row, unit, rulebook, words) for row, unit in found.requests],
        contacts=[
            AttemptView(
                unit=unit_view(unit, rulebook), at=row.at, way=row.way, reached=row.reached, remark=veiled_text(row.remark, words),
                phone="" if hidden else mask_phone(sealer.open(row.phone)),
            )
            for row, unit in found.contacts
        ],
        callbacks=[
            CallbackView(
                at=row.at, rework=row.rework, outcome=row.outcome, solved=row.solved, grade=row.grade,
                process_grade=row.process_grade,
                remark="" if from_units else veiled_text(row.remark, words),
            )
            for row in found.callbacks
        ],
        promises=[
            PromiseView(
                id=row.id, unit=unit_view(row.unit, rulebook), what=veiled_text(row.what, words), promised_on=row.promised_on,
                status=row.status, settled_at=row.settled_at,
            )
            for row in found.promises
        ],
        rulings=[ruling_view(row, rulebook, words) for row in found.rulings],
        conferences=[_conference(row, rulebook, words) for row in found.conferences],
        answered=_direct(found.answered, rulebook, words) if found.answered else None,
        children=found.children,
        joined=found.joined,
    )  # fmt: skip


def _named(code: str, rulebook: Rulebook) -> UnitView | None:
    return unit_view(code, rulebook) if code else None


def _request(row: UnitRequest, unit: str, rulebook: Rulebook, words: tuple[str, ...]) -> RequestView:
    return RequestView(
        id=row.id, unit=unit_view(unit, rulebook), kind=row.kind, reason=row.reason, clause=row.clause,
        explanation=veiled_text(row.explanation, words), suggested=_named(row.suggested_unit, rulebook), days=row.days,
        until=row.until, arbitration=row.arbitration, status=row.status, ruling_due_at=row.ruling_due_at,
        asked_at=row.asked_at, decided_at=row.decided_at, opinion=veiled_text(row.opinion, words),
    )  # fmt: skip


def ruling_view(row: Ruling, rulebook: Rulebook, words: tuple[str, ...]) -> RulingView:
    """Return a ruling as a precedent, without the words that tell who a veiled caller is."""
    tag = rulebook.tag_by_code.get(row.tag)
    return RulingView(
        tag=row.tag, tag_name=tag.name if tag else "", kind=row.kind, objector=unit_view(row.objector, rulebook),
        unit=unit_view(row.unit, rulebook), clause=row.clause, opinion=veiled_text(row.opinion, words),
        participants=read_json(row.participants, []), ruled_at=row.ruled_at,
    )  # fmt: skip


def _conference(row: Conference, rulebook: Rulebook, words: tuple[str, ...]) -> ConferenceView:
    steps = [
        StepView(unit=unit_view(item["unit"], rulebook), what=veiled_text(item["what"], words), due_on=item["due_on"])
        for item in read_json(row.steps, [])
    ]
    return ConferenceView(
        level=row.level, held_at=row.held_at, conclusion=veiled_text(row.conclusion, words), due_on=row.due_on, steps=steps,
        participants=[unit_view(code, rulebook) for code in json.loads(row.participants)],
        lead=unit_view(row.lead, rulebook),
    )  # fmt: skip


def _direct(row: DirectAnswer, rulebook: Rulebook, words: tuple[str, ...]) -> DirectAnswerView:
    return DirectAnswerView(
        way=row.way, partner=_named(row.partner, rulebook), result=row.result, content=veiled_text(row.content, words),
        answered_at=row.answered_at,
    )  # fmt: skip


# What the enterprise may read: an answer counts once the hotline has approved it.
ANSWERED = (State.AWAITING_CALLBACK, State.REASSESSMENT, State.CLOSED, State.ARCHIVED)


def enquiry_view(whole: Whole, rulebook: Rulebook) -> EnquiryView:
    """Return what the enterprise sees of its own case: state, unit, due time, approved reply; nothing else."""
    ticket, state = whole.ticket, State(whole.ticket.state)
    approved = [reply for reply, _ in whole.replies if reply.stage == "终"] if state in ANSWERED else []
    unit = unit_view(ticket.lead_unit, rulebook).name if ticket.lead_unit else holder_of(ticket, "", rulebook)
    unit = "专人办理" if state is State.SPECIAL else unit
    return EnquiryView(
        number=ticket.number, state_label=state.label, unit=unit, accepted_at=ticket.accepted_at, due_at=ticket.due_at,
        next=NEXT_STEPS[state], replies=[mask_text(reply.content) for reply in approved[-1:]],
    )  # fmt: skip
