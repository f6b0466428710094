"""疑难诉求: proposed by rule or person, ruled by a 会商 whose record alone can give another date (measure 31)."""

import json

from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Verb
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.tickets.acts import Act, Opened, happen, open_ticket, settle
from app.tickets.handling import end_of_day
from app.tickets.intake import Desk, find_unit
from app.tickets.life_tables import Conference
from app.tickets.lifecycle import refused
from app.tickets.standing import Standing
from app.tickets.submission import insert_note
from app.tickets.tables import Ticket
from app.tickets.verb_forms import ConferenceForm, ReasonForm

MANY_UNITS = 3
MANY_RETURNS = 2


def signs_of_hardness(standing: Standing, *, gap: bool) -> list[str]:
    """Return by which rules a ticket is proposed as 疑难; it changes no due time."""
    units = {part.unit for part in standing.parts if part.role != "informed"}
    signs = (
        (standing.returns >= MANY_RETURNS, f"退单{standing.returns}次"),
        (standing.extensions > 0, "已延期"),
        (len(units) >= MANY_UNITS, f"涉及{len(units)}家单位"),
        (standing.reworks >= MANY_RETURNS, f"重办{standing.reworks}次"),
        (gap, "没有措施明确责任"),
    )
    return [text for holds, text in signs if holds]


def propose_hard(session: Session, act: Act, form: ReasonForm) -> Ticket:
    """Propose a ticket for a 会商.

    Raises:
        ConflictError: it is closed, or proposed or ruled already.
    """
    work = open_ticket(session, act, Verb.TICKET_HARD)
    if not work.state.is_open:
        raise refused(work.state, "提请会商")
    if work.standing.hardness:
        raise ConflictError("已列为疑难")
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(work, "hard_proposed", signs=signs_of_hardness(work.standing, gap=work.ticket.gap), note=note)
    return settle(session, work)


def confer(session: Session, act: Act, form: ConferenceForm, desk: Desk) -> Ticket:
    """Record a 会商: who took part, what was concluded, the steps and dates; the original due time stays in the figures.

    Raises:
        ConflictError: the ticket is closed, or nobody leads it while a date is to be set.
        InvalidInputError: a unit is unknown, or a date is past.
    """
    work = open_ticket(session, act, Verb.TICKET_CONFER)
    if not work.state.is_open:
        raise refused(work.state, "登记会商")
    lead = find_unit(form.lead, desk.rulebook, "/lead").code
    names = [find_unit(name, desk.rulebook, f"/participants/{i}").code for i, name in enumerate(form.participants)]
    steps = [
        {
            "unit": find_unit(item.unit, desk.rulebook, f"/steps/{i}/unit").code,
            "what": item.what,
            "due_on": str(item.due_on),
        }
        for i, item in enumerate(form.steps)
    ]
    due_at = _new_due(work, form)
    record = Conference(
        ticket_id=work.ticket.id, level=form.level, held_at=form.held_at, conclusion=form.conclusion, lead=lead,
        participants=json.dumps(names), steps=json.dumps(steps, ensure_ascii=False), due_on=form.due_on,
        recorded_by=act.caller.reference, recorded_at=work.at,
    )  # fmt: skip
    session.add(record)
    session.flush()
    happen(work, "conferred", conference=record.id, level=form.level, lead=lead, due=due_at)
    told = sorted({lead, *names, *(item["unit"] for item in steps)})
    enqueue(session, work.at, [("ticket.conferred", {"number": act.number, "unit": unit}) for unit in told])
    return settle(session, work)


def _new_due(work: Opened, form: ConferenceForm) -> str | None:
    if form.held_at > work.at:
        raise InvalidInputError("会商时间不能晚于现在", faults=(FieldFault("/held_at", "不能晚于现在"),))
    if form.due_on is None:
        return None
    lead = work.standing.lead()
    if lead is None or LimitStep.CLOSING.value not in lead.owed():
        raise ConflictError("工单现在没有主办单位在办理，不能由会商确定新的期限；请先派单")
    if form.due_on < clock.local(work.at).date():
        raise InvalidInputError("新的期限已过", faults=(FieldFault("/due_on", "须是今天或以后的日期"),))
    return end_of_day(form.due_on).isoformat()
