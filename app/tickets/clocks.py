"""Holds the columns against the fold of the events, and counts provisional due times anew once a calendar is imported."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import Database
from app.rulebook.shapes import LimitStep
from app.sla.timer import dispatch_dues
from app.tickets.acts import Opened, facts_of, happen, load_events, open_by_id, part_columns, settle, ticket_columns
from app.tickets.events import broken_link
from app.tickets.fold import fold
from app.tickets.intake import Desk
from app.tickets.lifecycle import State
from app.tickets.standing import Part
from app.tickets.tables import Dispatch, Ticket
from app.tickets.views import due_view

CHUNK = 200


@dataclass(frozen=True)
class Difference:
    """A column that is not what the events say.

    Attributes:
        where: the ticket's number, with unit and round for a part.
    """

    where: str
    column: str
    stored: Any
    folded: Any


def differences(session: Session, ticket: Ticket) -> Iterator[Difference]:
    """Yield every column of a ticket and its parts that its events do not reproduce, and a broken chain."""
    events = load_events(session, ticket)
    broken = broken_link(ticket.number, events, (ticket.last_seq, ticket.last_hash))
    if broken is not None:
        yield Difference(ticket.number, "hash", broken.seq, None)
        return
    standing = fold(facts_of(events))
    yield from _compare(ticket.number, ticket, ticket_columns(standing))
    rows = {
        (row.unit, row.round): row for row in session.scalars(select(Dispatch).where(Dispatch.ticket_id == ticket.id))
    }
    for part in standing.parts:
        where = f"{ticket.number} {part.unit} 第{part.round}轮"
        row = rows.pop((part.unit, part.round), None)
        if row is None:
            yield Difference(where, "dispatch", None, part.phase.value)
        else:
            yield from _compare(where, row, part_columns(part))
    for unit, number in rows:
        yield Difference(f"{ticket.number} {unit} 第{number}轮", "dispatch", "有行无事件", None)


def _compare(where: str, row: Any, folded: dict[str, Any]) -> Iterator[Difference]:
    for column, value in folded.items():
        stored = getattr(row, column)
        if stored != value:
            yield Difference(where, column, stored, value)


def rebuild(database: Database, *, check: bool) -> Iterator[Difference]:
    """Walk all tickets and yield what differs; without `check`, columns are written as the events say."""
    last = 0
    while True:
        with database.read() as session:
            statement = select(Ticket).where(Ticket.id > last).order_by(Ticket.id).limit(CHUNK)
            tickets = list(session.scalars(statement))
            wrong = {ticket.id: list(differences(session, ticket)) for ticket in tickets}
        if not tickets:
            return
        last = tickets[-1].id
        for ticket_id, found in wrong.items():
            yield from found
            if found and not check and found[0].column != "hash":
                _write(database, ticket_id)


def _write(database: Database, ticket_id: int) -> None:
    with database.write() as session:
        work = open_by_id(session, ticket_id)
        for name, value in ticket_columns(work.standing).items():
            setattr(work.ticket, name, value)
        parts = {(part.unit, part.round): part for part in work.standing.parts}
        for row in session.scalars(select(Dispatch).where(Dispatch.ticket_id == ticket_id)):
            for name, value in part_columns(parts[row.unit, row.round]).items():
                setattr(row, name, value)


def recalculate(database: Database, desk: Desk) -> int:
    """Count the provisional due times of open tickets anew with the calendar as it is now; returns how many changed.

    Due times that a person gave since (延期、挂起、会商、法定起算) stand: the person decided them.
    """
    open_states = [state.value for state in State if state.is_open]
    with database.read() as session:
        found = list(
            session.scalars(select(Ticket.id).where(Ticket.due_provisional.is_(True), Ticket.state.in_(open_states)))
        )
    changed = 0
    for ticket_id in found:
        with database.write() as session:
            work = open_by_id(session, ticket_id)
            if _recalculated(work, desk):
                settle(session, work)
                changed += 1
    return changed


def _recalculated(work: Opened, desk: Desk) -> bool:
    dues: dict[str, dict[str, str]] = {}
    due_at = original = None
    provisional = False
    city = replace(work.case, covers="")
    for part in work.standing.open_parts():
        if not _as_born(part):
            provisional = provisional or part.role == "lead"
            continue
        counted = {
            due.step.value: due
            for due in dispatch_dues(desk.rulebook, desk.calendar_of(part.unit), city, part.dispatched_at)
        }
        dues[part.unit] = {name: counted[name].due_at.isoformat() for name in part.dues if name in counted}
        work.rules.update({name: due_view(due) for name, due in counted.items()})
        provisional = provisional or any(due.provisional for due in counted.values())
        closing = dues[part.unit].get(LimitStep.CLOSING.value)
        if part.role == "lead" and work.standing.due_at == work.standing.original_due_at == part.due_at:
            due_at = original = closing
    if not dues or provisional:
        return False
    happen(work, "recalculated", provisional=False, original=original, dues=dues, due=due_at, desk={})
    return True


def _as_born(part: Part) -> bool:
    return not part.given and not part.rework and part.due_at == part.original_due_at
