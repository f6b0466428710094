"""Reads: one ticket, its history, lists, a unit's queue, triage and the overdue list. All keyset-paged on indexes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, or_, select, true, tuple_
from sqlalchemy.orm import Session, aliased

from app.accounts.access import Caller, Role, Rows, Verb
from app.accounts.tables import Staff
from app.clock import now
from app.errors import NotFoundError
from app.paging import Page, Sortable, cut, decode_cursor
from app.tickets.dues import DueOf, due_within
from app.tickets.life_tables import Reply
from app.tickets.lifecycle import State
from app.tickets.standing import OPEN_PHASES, UNSEEN
from app.tickets.tables import (
    Dispatch,
    Ticket,
    TicketArrears,
    TicketAttachment,
    TicketEvent,
    TicketJudgement,
    TicketNote,
    TicketParty,
    TicketText,
)

# Sorts after every real time: a part without an obligation comes last in a queue.
NEVER = datetime.fromisoformat("9999-12-31T00:00:00+00:00")
OPEN_PARTS = tuple(phase.value for phase in OPEN_PHASES)
HIDDEN_PARTS = tuple(phase.value for phase in UNSEEN)
FIRST_YEAR = 2000


def visible(caller: Caller, verb: Verb) -> ColumnElement[bool]:
    """Return the condition on Ticket that a caller's rows for a verb obey; 专办件 only for the named supervisor."""
    match caller.rows(verb):
        case Rows.ALL:
            return _not_special(caller)
        case Rows.OWN_UNIT:
            # An alias, so that the condition stands by itself inside queries that select parts too.
            part = aliased(Dispatch)
            return exists().where(
                part.ticket_id == Ticket.id, part.unit == caller.unit, part.state.not_in(HIDDEN_PARTS)
            )
        case Rows.OWN_CHANNEL:
            # What an operator took in is the hotline's own, whatever channel it names: a bureau may run that channel.
            own = and_(Ticket.channel == caller.channel, Ticket.created_by.like("key:%"))
            return and_(own, ordinary())
        case _:
            return false()


def ordinary(of: type[Ticket] = Ticket) -> ColumnElement[bool]:
    """Return the condition that a ticket is no 专办件, which only the named supervisor may know of."""
    return and_(of.special_supervisor.is_(None), of.state != State.SPECIAL.value)


def _not_special(caller: Caller) -> ColumnElement[bool]:
    if caller.kind != "staff" or caller.role is not Role.SUPERVISOR:
        return ordinary()
    mine = Ticket.special_supervisor == caller.ident
    if caller.takes_special:
        # Whoever is named now also has what a predecessor left, and what came when nobody was named.
        active = exists().where(Staff.id == Ticket.special_supervisor, Staff.active.is_(True))
        mine = or_(mine, Ticket.special_supervisor.is_(None), ~active)
    return or_(ordinary(), mine)


@dataclass(frozen=True)
class Whole:
    """A ticket with everything that belongs to it."""

    ticket: Ticket
    text: TicketText
    party: TicketParty
    arrears: TicketArrears | None
    attachments: list[TicketAttachment]
    parts: list[Dispatch]
    replies: list[tuple[Reply, str]]
    supervisor: str


def one(session: Session, number: str, caller: Caller) -> Whole:
    """Return a ticket.

    Raises:
        NotFoundError: there is none, or the caller may not know of it.
    """
    return _whole(session, number, visible(caller, Verb.TICKET_READ))


def whole(session: Session, number: str) -> Whole:
    """Return a ticket for somebody who has proved to know it by its code.

    Raises:
        NotFoundError: there is none.
    """
    return _whole(session, number, true())


def _whole(session: Session, number: str, condition: ColumnElement[bool]) -> Whole:
    statement = (
        select(Ticket, TicketText, TicketParty)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .join(TicketParty, TicketParty.ticket_id == Ticket.id)
        .where(Ticket.number == number, condition)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        raise NotFoundError(f"没有工单 {number}，或您无权查看")
    ticket, text, party = row
    parts = session.scalars(
        select(Dispatch).where(Dispatch.ticket_id == ticket.id).order_by(Dispatch.round, Dispatch.id)
    ).all()
    replies = session.execute(
        select(Reply, Dispatch.unit).join(Dispatch, Dispatch.id == Reply.dispatch_id)
        .where(Reply.ticket_id == ticket.id).order_by(Reply.id)
    ).all()  # fmt: skip
    named = session.get(Staff, ticket.special_supervisor) if ticket.special_supervisor else None
    attachments = session.scalars(select(TicketAttachment).where(TicketAttachment.ticket_id == ticket.id)).all()
    arrears = session.get(TicketArrears, ticket.id)
    return Whole(
        ticket,
        text,
        party,
        arrears,
        list(attachments),
        list(parts),
        [(row[0], row[1]) for row in replies],
        named.name if named else "",
    )


@dataclass(frozen=True)
class History:
    """A ticket's events in order, and the reasons people wrote by id."""

    whole: Whole
    events: list[TicketEvent]
    notes: dict[int, str]


def history(session: Session, number: str, caller: Caller) -> History:
    """Return a ticket's events in order, and the reasons people wrote by id.

    Raises:
        NotFoundError: as for `one`.
    """
    found = one(session, number, caller)
    ticket = found.ticket
    statement = select(TicketEvent).where(TicketEvent.ticket_month == ticket.month, TicketEvent.ticket_id == ticket.id)
    events = list(session.scalars(statement.order_by(TicketEvent.seq)))
    notes = session.scalars(select(TicketNote).where(TicketNote.ticket_id == ticket.id))
    return History(found, events, {note.id: note.text for note in notes})


def judgements(session: Session, number: str, caller: Caller) -> tuple[Ticket, list[TicketJudgement]]:
    """Return every judgement of a ticket, oldest first.

    Raises:
        NotFoundError: as for `one`.
    """
    ticket = one(session, number, caller).ticket
    statement = select(TicketJudgement).where(TicketJudgement.ticket_id == ticket.id)
    return ticket, list(session.scalars(statement.order_by(TicketJudgement.seq)))


@dataclass(frozen=True)
class ListFilter:
    """What a list of tickets is narrowed to; None: not narrowed."""

    state: State | None = None
    tag: str | None = None
    unit: str | None = None
    urgent: bool | None = None
    channel: str | None = None
    external_number: str | None = None
    kind: str | None = None
    district: str | None = None
    hardness: str | None = None
    reworked: bool | None = None
    returned: bool | None = None
    updated_since: datetime | None = None


Line = tuple[Ticket, str]


def tickets(session: Session, caller: Caller, wanted: ListFilter, cursor: str | None, limit: int) -> Page[Line]:
    """Return a page of tickets in order of their last change, oldest change first, so that a poller misses nothing."""
    statement = select(Ticket, TicketText.title).join(TicketText, TicketText.ticket_id == Ticket.id)
    statement = statement.where(visible(caller, Verb.TICKET_LIST), *_narrowed(wanted))
    if cursor:
        after, ident = _moment_cursor(cursor)
        statement = statement.where(tuple_(Ticket.updated_at, Ticket.id) > (after, ident))
    rows = session.execute(statement.order_by(Ticket.updated_at, Ticket.id).limit(limit + 1)).all()
    return cut([(row[0], row[1]) for row in rows], limit, lambda row: _moment_values(row[0].updated_at, row[0].id))


def _narrowed(wanted: ListFilter) -> list[ColumnElement[bool]]:
    pairs = (
        (Ticket.tag, wanted.tag), (Ticket.lead_unit, wanted.unit), (Ticket.urgent, wanted.urgent),
        (Ticket.channel, wanted.channel), (Ticket.external_number, wanted.external_number),
        (Ticket.state, wanted.state.value if wanted.state else None),
        (Ticket.kind, wanted.kind), (Ticket.district, wanted.district), (Ticket.hardness, wanted.hardness),
        (Ticket.reworks > 0, wanted.reworked), (Ticket.returns > 0, wanted.returned),
    )  # fmt: skip
    conditions: list[ColumnElement[bool]] = [column == value for column, value in pairs if value is not None]
    if wanted.updated_since:
        conditions.append(Ticket.updated_at >= wanted.updated_since)
    return conditions


def _moment_values(moment: datetime | None, ident: int) -> list[Sortable]:
    return [(moment or NEVER).isoformat(), ident]


def _moment_cursor(cursor: str) -> tuple[datetime, int]:
    moment, ident = decode_cursor(cursor, (str, int))
    try:
        after = datetime.fromisoformat(str(moment)).astimezone(UTC)
    except (ValueError, OverflowError):
        after = NEVER
    return (after if after.year >= FIRST_YEAR else NEVER), int(ident or 0)


def in_triage(caller: Caller) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on tickets that wait for a dispatcher, as far as a caller may know of them."""
    return visible(caller, Verb.TRIAGE_READ), Ticket.state.in_([State.TRIAGE.value, State.SPECIAL.value])


def triage(session: Session, caller: Caller, cursor: str | None, limit: int) -> Page[Line]:
    """Return tickets that wait for a dispatcher: the one due first is first (urgent ones have minutes, not hours)."""
    statement = (
        select(Ticket, TicketText.title).join(TicketText, TicketText.ticket_id == Ticket.id).where(*in_triage(caller))
    )
    return _due_first(session, statement, cursor, limit)


def desk(session: Session, caller: Caller, step: str, cursor: str | None, limit: int) -> Page[Line]:
    """Return tickets for which the hotline itself owes a step, what is due first first."""
    statement = (
        select(Ticket, TicketText.title)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .where(visible(caller, Verb.DESK_READ), Ticket.desk_step == step)
    )
    if cursor:
        after, ident = _moment_cursor(cursor)
        statement = statement.where(tuple_(Ticket.desk_due_at, Ticket.id) > (after, ident))
    rows = session.execute(statement.order_by(Ticket.desk_due_at, Ticket.id).limit(limit + 1)).all()
    return cut([(row[0], row[1]) for row in rows], limit, lambda row: _moment_values(row[0].desk_due_at, row[0].id))


def _due_first(session: Session, statement: Select[Ticket, str], cursor: str | None, limit: int) -> Page[Line]:
    if cursor:
        after, ident = _moment_cursor(cursor)
        statement = statement.where(tuple_(Ticket.next_due_at, Ticket.id) > (after, ident))
    rows = session.execute(statement.order_by(Ticket.next_due_at, Ticket.id).limit(limit + 1)).all()
    return cut([(row[0], row[1]) for row in rows], limit, lambda row: _moment_values(row[0].next_due_at, row[0].id))


def due_before(caller: Caller, moment: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on tickets with an obligation due before a moment, as far as a caller may know of them."""
    return visible(caller, Verb.OVERDUE_READ), Ticket.next_due_at < moment


def overdue(
    session: Session, caller: Caller, unit: str | None, cursor: str | None, limit: int, ahead: timedelta | None = None
) -> Page[Line]:  # fmt: skip
    """Return tickets with an obligation past its time, the longest overdue first; no state is left out.

    With `ahead`, those instead whose next obligation falls due within that time.
    """
    moment = now() + (ahead or timedelta())
    statement = (
        select(Ticket, TicketText.title)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .where(*due_before(caller, moment))
    )
    if ahead:
        statement = statement.where(Ticket.next_due_at >= now())
    if unit:
        late = exists().where(Dispatch.ticket_id == Ticket.id, Dispatch.unit == unit, Dispatch.next_due_at < moment)
        statement = statement.where(late)
    return _due_first(session, statement, cursor, limit)


def late_holders(session: Session, ticket_ids: list[int], moment: datetime) -> dict[int, list[str]]:
    """Return the units whose parts are overdue, by ticket, earliest first."""
    statement = (
        select(Dispatch.ticket_id, Dispatch.unit)
        .where(Dispatch.ticket_id.in_(ticket_ids), Dispatch.next_due_at < moment)
        .order_by(Dispatch.next_due_at, Dispatch.id)
    )
    holders: dict[int, list[str]] = {}
    for ticket_id, unit in session.execute(statement):
        holders.setdefault(ticket_id, []).append(unit)
    return holders


@dataclass(frozen=True)
class QueueFilter:
    """What a unit's queue is narrowed to; without a state: what is still open."""

    state: str | None = None
    tag: str | None = None
    due_before: datetime | None = None
    urgent: bool | None = None
    role: str | None = None
    updated_since: datetime | None = None
    order: str = "due"
    due_from: datetime | None = None
    rework: bool | None = None
    due_of: DueOf = DueOf.NEXT


class QueueRow(NamedTuple):
    """One line of a unit's queue: its part, and of the ticket what the line shows."""

    id: int
    role: str
    state: str
    tag: str
    urgent: bool
    dispatched_at: datetime
    due_at: datetime | None
    next_step: str | None
    next_due_at: datetime | None
    updated_at: datetime
    number: str
    kind: str
    confidentiality: str
    special_supervisor: int | None
    title: str


_QUEUE_COLUMNS = (
    Dispatch.id, Dispatch.role, Dispatch.state, Dispatch.tag, Dispatch.urgent, Dispatch.dispatched_at, Dispatch.due_at,
    Dispatch.next_step, Dispatch.next_due_at, Dispatch.updated_at, Ticket.number, Ticket.kind, Ticket.confidentiality,
    Ticket.special_supervisor, TicketText.title,
)  # fmt: skip


def queue(
    session: Session, caller: Caller, unit: str, wanted: QueueFilter, cursor: str | None, limit: int
) -> Page[QueueRow]:
    """Return a page of a unit's parts: what is due first is first; answered parts and polls go by last change."""
    changed = wanted.updated_since or wanted.order == "changed" or wanted.state in {"replied", "informed"}
    moment = Dispatch.updated_at if changed else Dispatch.next_due_at
    parts = select(Dispatch.id).where(Dispatch.unit == unit, *_queue_conditions(wanted))
    if not caller.role.of_unit:
        # A unit's own parts are its own to see; others may not see every ticket behind them.
        parts = parts.join(Ticket, Ticket.id == Dispatch.ticket_id).where(visible(caller, Verb.QUEUE_READ))
    if cursor:
        after, ident = _moment_cursor(cursor)
        parts = parts.where(tuple_(moment, Dispatch.id) > (after, ident))
    # The page is found by its index alone; only its rows are then looked up.
    page = parts.order_by(moment, Dispatch.id).limit(limit + 1).subquery()
    statement = (
        select(*_QUEUE_COLUMNS)
        .join(page, page.c.id == Dispatch.id)
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .join(TicketText, TicketText.ticket_id == Dispatch.ticket_id)
        .order_by(moment, Dispatch.id)
    )
    rows = [QueueRow._make(row) for row in session.execute(statement).all()]
    return cut(rows, limit, lambda row: _moment_values(row.updated_at if changed else row.next_due_at, row.id))


def _queue_conditions(wanted: QueueFilter) -> list[ColumnElement[bool]]:
    if wanted.state:
        states: tuple[str, ...] = (wanted.state,)
    else:
        states = (*OPEN_PARTS, "replied") if wanted.updated_since else OPEN_PARTS
    conditions: list[ColumnElement[bool]] = [Dispatch.state.in_(states)]
    pairs = (
        (Dispatch.tag, wanted.tag),
        (Dispatch.urgent, wanted.urgent),
        (Dispatch.role, wanted.role),
        (Dispatch.rework > 0, wanted.rework),
    )
    conditions += [column == value for column, value in pairs if value is not None]
    conditions += due_within(wanted.due_of, wanted.due_from, wanted.due_before)
    if wanted.updated_since:
        conditions.append(Dispatch.updated_at >= wanted.updated_since)
    return conditions


def queue_counts(session: Session, unit: str) -> dict[str, int]:
    """Return how many of a unit's parts stand where."""
    moment = now()
    is_open = Dispatch.state.in_(OPEN_PARTS)
    sums = {
        "awaiting_sign": Dispatch.state == "awaiting_sign",
        "in_progress": Dispatch.state == "in_progress",
        "rework": and_(is_open, Dispatch.rework > 0),
        "suspended": Dispatch.state == "suspended",
        "replied": Dispatch.state == "replied",
        "overdue": and_(is_open, Dispatch.next_due_at < moment),
        "urgent": and_(is_open, Dispatch.urgent.is_(True)),
    }
    columns = [
        func.coalesce(func.sum(case((condition, 1), else_=0)), 0).label(name) for name, condition in sums.items()
    ]
    row = session.execute(select(*columns).where(Dispatch.unit == unit)).mappings().one()
    return {str(name): int(value) for name, value in row.items()}


def recent_confidences(session: Session, model: str, count: int) -> list[float]:
    """Return the confidences of a model's newest first judgements (those a person made have none).

    Looked for among the newest judgements only, ten for each one wanted: a model that has just been put to work has none
    yet, and the walk for them would go back to the first ticket.
    """
    newest = (
        select(
            TicketJudgement.ticket_id, TicketJudgement.seq, TicketJudgement.model_version, TicketJudgement.confidence
        )
        .order_by(TicketJudgement.ticket_id.desc(), TicketJudgement.seq.desc())
        .limit(count * 10)
        .subquery()
    )
    statement = (
        select(newest.c.confidence)
        .where(newest.c.seq == 1, newest.c.model_version == model, newest.c.confidence > 0)
        .order_by(newest.c.ticket_id.desc())
        .limit(count)
    )
    return list(session.scalars(statement))
