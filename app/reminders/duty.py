"""Urgent work orders do not wait for a digest: the duty desk calls the unit's person on duty, then its leader, then takes over.

No answer in 30 minutes leads to the next step; so does a call that reached nobody. Every call is put on record. Who is on
duty stands in units.yaml (roster); a unit without a roster is called at its duty phone.

Calls about a 专办件 are for its named supervisor to make and to take over, who finds them in an inbox nobody else reads: no
desk of the hotline is told or sees them, and nothing of them leaves the service.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, aliased

from app import clock
from app.accounts.access import Caller, Verb
from app.accounts.service import acting_supervisor
from app.database import Database
from app.errors import ConflictError, NotFoundError
from app.notify.audiences import DISPATCHER, OPERATOR, SUPERVISOR
from app.notify.messages import Message, lay, tell
from app.reminders.schemas import CallForm
from app.reminders.tables import DutyCall
from app.rulebook.shapes import LimitStep, Rulebook
from app.tickets.acts import is_special
from app.tickets.queries import visible
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Ticket

PATIENCE = timedelta(minutes=30)
PERSON, LEADER, DESK = 1, 2, 3
WAITING, CALLED, NEEDLESS = "待拨", "已拨", "不必拨"
REACHED, UNREACHED = "接通", "未接通"
STEP_NAMES = {PERSON: "值班人员", LEADER: "带班领导", DESK: "热线值班台"}
NAMED_SUPERVISOR = "指定的督办人员"
BATCH = 200
# Whoever may record a call, since any of them may have to make it.
DUTY_DESK = f"{OPERATOR},{DISPATCHER},{SUPERVISOR}"
RUNNING = (Phase.AWAITING_SIGN.value, Phase.IN_PROGRESS.value)


@dataclass(frozen=True)
class OnDuty:
    """Whom to call; an empty phone: the roster names nobody."""

    name: str
    phone: str


@dataclass(frozen=True)
class Wanted:
    """A call that is to be asked for, by its part, its ticket and whom it is to reach."""

    dispatch_id: int
    ticket: Ticket
    unit: str
    step: int


def step_name(step: int, *, special: bool) -> str:
    """Return whom a step reaches; a 专办件 is taken over by its named supervisor, not by the desk."""
    return NAMED_SUPERVISOR if special and step == DESK else STEP_NAMES[step]


def on_duty(rulebook: Rulebook, unit: str, step: int, at: datetime) -> OnDuty:
    """Return whom a step calls on a day; the unit's duty phone where the roster names nobody."""
    found = rulebook.unit_by_code.get(unit)
    if found is None:
        # The rules have dropped the unit; whoever calls finds an empty number and asks the switchboard.
        return OnDuty("", "")
    day = clock.local(at).date()
    wanted = [person for person in found.roster if person.on_duty(day) and person.leader == (step == LEADER)]
    return OnDuty(wanted[0].name, wanted[0].phone) if wanted else OnDuty("", found.duty_phone)


def _silent() -> tuple[ColumnElement[bool], ...]:
    """What makes a part silent: nobody signed it in time or spoke to the enterprise; being signed for does not count."""
    late = Dispatch.late.like(f"%{LimitStep.SIGN.value}%")
    unsigned = or_(Dispatch.signed_at.is_(None), late)
    return (Dispatch.state.in_(RUNNING), unsigned, Dispatch.contacted_at.is_(None))


def escalate(database: Database, rulebook: Rulebook) -> int:
    """Ask for every call that is due, and drop those that are needless by now; returns how many were asked for."""
    try:
        with database.write() as session:
            _drop_needless(session)
            return _first_calls(session, rulebook) + _next_calls(session, rulebook)
    except (IntegrityError, OperationalError):
        # Another worker asked for the same call in the same moment; the next round finds what is left.
        return 0


def _drop_needless(session: Session) -> None:
    silent = select(Dispatch.id).where(*_silent())
    waiting = update(DutyCall).where(DutyCall.status == WAITING, DutyCall.dispatch_id.not_in(silent))
    session.execute(waiting.values(status=NEEDLESS).execution_options(synchronize_session=False))


def _first_calls(session: Session, rulebook: Rulebook) -> int:
    asked = exists().where(DutyCall.dispatch_id == Dispatch.id)
    statement = (
        select(Dispatch.id, Ticket, Dispatch.unit)
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(Dispatch.urgent.is_(True), Dispatch.role == "lead", *_silent(), ~asked)
        .order_by(Dispatch.id)
        .limit(BATCH)
    )
    found = session.execute(statement).all()
    for dispatch, ticket, unit in found:
        _ask(session, Wanted(dispatch, ticket, unit, PERSON), rulebook)
    return len(found)


def _next_calls(session: Session, rulebook: Rulebook) -> int:
    """Ask for the next step where a call reached nobody, or half an hour has brought no answer."""
    patience = clock.now() - PATIENCE
    later = aliased(DutyCall)
    last = ~exists().where(later.dispatch_id == DutyCall.dispatch_id, later.step > DutyCall.step)
    over = or_(
        DutyCall.outcome == UNREACHED,
        and_(DutyCall.status == WAITING, DutyCall.due_at <= patience),
        and_(DutyCall.outcome == REACHED, DutyCall.called_at <= patience),
    )
    statement = (
        select(DutyCall, Ticket)
        .join(Dispatch, Dispatch.id == DutyCall.dispatch_id)
        .join(Ticket, Ticket.id == DutyCall.ticket_id)
        .where(DutyCall.step < DESK, DutyCall.status != NEEDLESS, last, over, *_silent())
        .order_by(DutyCall.id)
        .limit(BATCH)
    )
    found = session.execute(statement).all()
    for call, ticket in found:
        _ask(session, Wanted(call.dispatch_id, ticket, call.unit, call.step + 1), rulebook)
    return len(found)


def _ask(session: Session, wanted: Wanted, rulebook: Rulebook) -> None:
    now = clock.now()
    session.add(
        DutyCall(
            dispatch_id=wanted.dispatch_id, ticket_id=wanted.ticket.id, unit=wanted.unit, step=wanted.step, due_at=now,
            status=WAITING, called_by="", outcome="", remark="",
        )
    )  # fmt: skip
    session.flush()
    known = rulebook.unit_by_code.get(wanted.unit)
    unit = known.short if known else wanted.unit
    special = is_special(wanted.ticket)
    what = f"紧急{'专办' if special else ''}件 {wanted.ticket.number}"
    title = f"{what}：请电话通知{unit}{STEP_NAMES[wanted.step]}"
    if wanted.step == DESK:
        title = f"{what}：{unit}值班人员和带班领导均未响应，请{step_name(DESK, special=special)}接手"
    lines = ("联系人见值班电话清单，拨打后请登记结果",)
    call = Message("reminder.call", title, lines, "/api/v1/duty-calls", urgent=True)
    notice = Message("reminder.urgent", f"{what} 待签收", (), f"/api/v1/tickets/{wanted.ticket.number}", urgent=True)
    if special:
        supervisor = acting_supervisor(session, wanted.ticket.special_supervisor)
        if supervisor is not None:
            lay(session, now, f"staff:{supervisor}", call)
    else:
        tell(session, now, DUTY_DESK, call)
    if wanted.step == PERSON:
        (lay if special else tell)(session, now, f"unit:{wanted.unit}", notice)


def record(session: Session, ident: int, form: CallForm, caller: Caller) -> DutyCall:
    """Put on record that a call was made and whether it reached anybody.

    Raises:
        NotFoundError: there is no such call, or the caller may not know of it.
        ConflictError: it was made before, or is needless by now.
    """
    statement = select(DutyCall).join(Ticket, Ticket.id == DutyCall.ticket_id)
    statement = statement.where(DutyCall.id == ident, visible(caller, Verb.DUTY_CALL_RECORD)).with_for_update(
        of=DutyCall
    )
    call = session.scalars(statement).one_or_none()
    if call is None:
        raise NotFoundError(f"没有值班电话 {ident}")
    if call.status != WAITING:
        raise ConflictError(f"这通电话已是“{call.status}”，不再登记")
    call.status, call.outcome, call.remark = CALLED, form.outcome, form.remark
    call.called_at, call.called_by = clock.now(), caller.reference
    session.flush()
    return call
