"""What the service does by itself: alarms, signing for units that do not, resuming, merged units, proposals of hard cases."""

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from app import clock
from app.database import Database
from app.notify.outbox import enqueue
from app.rulebook.shapes import LimitStep
from app.tickets.acts import (
    Opened,
    add_rows,
    happen,
    is_special,
    keep_rules,
    lapse_requests,
    limit,
    open_by_id,
    row_of,
    settle,
)
from app.tickets.dispatching import barred_units, next_round, waits_until
from app.tickets.handling import sign_part
from app.tickets.hard import MANY_RETURNS, MANY_UNITS, signs_of_hardness
from app.tickets.intake import Desk
from app.tickets.life_tables import UnitRequest
from app.tickets.lifecycle import Move, State
from app.tickets.receiving import ENDED_WITHOUT_ANSWER, part_from_ended
from app.tickets.reviewing import archive_due, join_children
from app.tickets.standing import OPEN_PHASES, Part, Phase
from app.tickets.tables import Dispatch, Ticket
from app.tickets.timekeeping import resume_part

URGENT_TRIAGE_PATIENCE = timedelta(minutes=5)
# Five working days are never fewer than seven days of the calendar; a shorter rule only waits a little longer.
SHORTEST_APPEAL = timedelta(days=7)
BATCH = 200
OPEN_PARTS = tuple(phase.value for phase in OPEN_PHASES)
OPEN_STATES = tuple(state.value for state in State if state.is_open)
log = logging.getLogger("hotline.upkeep")


def _each(database: Database, found: list[int], act: Callable[[Session, Opened], bool]) -> int:
    """Act on tickets, one transaction each, so that one that cannot holds up no other; returns how many changed."""
    done = 0
    for ticket_id in found:
        try:
            with database.write() as session:
                work = open_by_id(session, ticket_id)
                if act(session, work):
                    settle(session, work)
                    done += 1
        except Exception:
            log.exception("upkeep failed", extra={"ticket": ticket_id})
    return done


def _ids(database: Database, *conditions: ColumnElement[bool]) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(Ticket.id).where(*conditions).order_by(Ticket.id).limit(BATCH)))


def alarm_urgent_triage(database: Database) -> int:
    """Raise one alarm for every urgent ticket that has waited for a dispatcher too long; returns how many."""
    before = clock.now() - URGENT_TRIAGE_PATIENCE
    waiting = (
        Ticket.state == State.TRIAGE.value, Ticket.urgent.is_(True), Ticket.alarmed_at.is_(None), Ticket.accepted_at < before,
    )  # fmt: skip

    def alarm(session: Session, work: Opened) -> bool:
        if work.ticket.alarmed_at or work.state is not State.TRIAGE:
            return False
        work.ticket.alarmed_at = work.at
        happen(work, "alarmed", patience_minutes=5)
        payload = {"number": work.ticket.number, "accepted_at": work.ticket.accepted_at.isoformat(), "urgent": True}
        enqueue(session, work.at, [("ticket.urgent_triage_overdue", payload)], hidden=is_special(work.ticket))
        return True

    return _each(database, _ids(database, *waiting), alarm)


def sign_for_the_silent(database: Database) -> int:
    """Sign for every unit that let its 签收 limit pass: counted as late, told to the supervisor; returns how many tickets."""
    with database.read() as session:
        late = select(Dispatch.ticket_id).where(Dispatch.state == "awaiting_sign", Dispatch.sign_due_at < clock.now())
        found = sorted(set(session.scalars(late.order_by(Dispatch.sign_due_at).limit(BATCH))))

    def sign(session: Session, work: Opened) -> bool:
        for part in work.standing.open_parts():
            due_at = part.dues.get(LimitStep.SIGN.value)
            if part.phase is Phase.AWAITING_SIGN and due_at and due_at < work.at:
                sign_part(work, part, automatic=True)
                facts = {"number": work.ticket.number, "unit": part.unit, "role": part.role}
                enqueue(session, work.at, [("ticket.unsigned", facts)], hidden=is_special(work.ticket))
        return bool(work.happenings)

    return _each(database, found, sign)


def resume_suspended(database: Database, desk: Desk) -> int:
    """Let every suspension end on its day; returns how many tickets."""
    with database.read() as session:
        over = select(Dispatch.ticket_id).where(Dispatch.state == "suspended", Dispatch.resumes_at <= clock.now())
        found = sorted(set(session.scalars(over.limit(BATCH))))

    def resume(session: Session, work: Opened) -> bool:
        for part in work.standing.open_parts():
            if part.phase is Phase.SUSPENDED and part.resumes_at and part.resumes_at <= work.at:
                resume_part(work, part, desk)
                enqueue(session, work.at, [("ticket.resumed", {"number": work.ticket.number, "unit": part.unit})])
        return bool(work.happenings)

    return _each(database, found, resume)


def join_parents(database: Database) -> int:
    """Close every split ticket whose children have all come to an end; returns how many."""
    joined = 0
    for ticket_id in _ids(database, Ticket.state == State.SPLIT.value):
        with database.write() as session:
            joined += join_children(session, ticket_id)
    return joined


def part_orphans(database: Database, desk: Desk) -> int:
    """Give tickets back to the dispatchers whose main ended without an answer; returns how many."""
    main = aliased(Ticket)
    orphaned = select(main.id).where(main.id == Ticket.main_id, main.state.in_(ENDED_WITHOUT_ANSWER)).exists()
    parted = 0
    for ticket_id in _ids(database, Ticket.state == State.MERGED.value, orphaned):
        with database.write() as session:
            parted += part_from_ended(session, ticket_id, desk)
    return parted


def archive_closed(database: Database, desk: Desk) -> int:
    """Archive what was closed long enough ago that no appeal can come any more; returns how many."""
    before = clock.now() - SHORTEST_APPEAL
    archived = 0
    waiting = (Ticket.state == State.CLOSED.value, Ticket.closed_at < before, Ticket.next_due_at.is_(None))
    for ticket_id in _ids(database, *waiting):
        with database.write() as session:
            archived += archive_due(session, ticket_id, desk)
    return archived


def propose_hard_cases(database: Database) -> int:
    """Propose for 会商 what the rules call hard (退单两次、延期、三家以上单位、重办两次、无措施覆盖); returns how many."""
    extended = select(UnitRequest.id).where(
        UnitRequest.ticket_id == Ticket.id, UnitRequest.kind == "延期", UnitRequest.status == "准予"
    )
    units = select(func.count(Dispatch.unit.distinct())).where(
        Dispatch.ticket_id == Ticket.id, Dispatch.role != "informed"
    )
    hard = or_(
        Ticket.returns >= MANY_RETURNS, Ticket.reworks >= MANY_RETURNS, extended.exists(),
        units.scalar_subquery() >= MANY_UNITS, Ticket.gap.is_(True),
    )  # fmt: skip

    def propose(_session: Session, work: Opened) -> bool:
        signs = signs_of_hardness(work.standing, gap=work.ticket.gap)
        if not signs or work.standing.hardness or not work.state.is_open:
            return False
        happen(work, "hard_proposed", signs=signs)
        return True

    return _each(database, _ids(database, Ticket.hardness == "", Ticket.state.in_(OPEN_STATES), hard), propose)


def hand_over_merged(database: Database, desk: Desk) -> int:
    """Move the open parts of units that have ceased to their successors; returns how many tickets moved.

    The enterprise's clock runs on; only the successor's own 签收 limit starts now (机构改革).
    """
    today = clock.today()
    gone = [unit.code for unit in desk.rulebook.units if not unit.valid_on(today) and unit.successor]
    if not gone:
        return 0
    statement = select(Dispatch.ticket_id).where(Dispatch.unit.in_(gone), Dispatch.state.in_(OPEN_PARTS))
    with database.read() as session:
        waiting = sorted(set(session.scalars(statement.limit(BATCH))))

    def hand_over(session: Session, work: Opened) -> bool:
        for part in work.standing.open_parts():
            if part.unit in gone and part.is_open:
                _hand_over(session, work, part, desk)
        return bool(work.happenings)

    return _each(database, waiting, hand_over)


def _hand_over(session: Session, work: Opened, part: Part, desk: Desk) -> None:
    successor = desk.rulebook.current_unit(part.unit, clock.today()).code
    if successor in barred_units(session, work.ticket, desk):
        _take_back(work, part, desk)
        return
    if part.role == "lead":
        work.require(Move.HAND_OVER)
    old = row_of(session, work, part)
    keep_rules(work, old)
    lapse_requests(session, work, part)
    signing = limit(work, LimitStep.SIGN, desk.rulebook, desk.calendar_of(successor))
    before = len(work.standing.parts)
    dues = {LimitStep.SIGN.value: signing.due_at.isoformat()}
    happen(
        work, "handed_over", **{"from": part.unit, "to": successor, "role": part.role},
        round=next_round(work), dues=dues,
    )  # fmt: skip
    add_rows(session, work, work.standing.parts[before:], {successor: old.evidence})
    facts = {"number": work.ticket.number, "unit": successor, "role": part.role}
    enqueue(session, work.at, [("ticket.dispatched", facts)])


def _take_back(work: Opened, part: Part, desk: Desk) -> None:
    """Give a ticket back to the dispatchers: its unit was merged into the very body it complains of."""
    happen(work, "handed_over", **{"from": part.unit, "to": "", "role": part.role}, round=part.round, dues={})
    if part.role == "lead":
        # The whole round ends: a supporter's part left open would stand beside the next round's for ever.
        before = work.state.value
        work.require(Move.RETRIAGE)
        happen(work, "retriaged", **{"from": before}, due=waits_until(work, desk).isoformat())
