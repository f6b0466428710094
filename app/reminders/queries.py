"""Reads of reminders: cards, a day's digests, calls to be made. A unit sees its own."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.paging import Page, cut, decode_cursor
from app.reminders.duty import WAITING, on_duty, step_name
from app.reminders.schemas import CardPage, CardView, DigestView, DutyCallView
from app.reminders.sending import DESK
from app.reminders.tables import Card, Digest, DutyCall
from app.rulebook.shapes import Rulebook
from app.tickets.acts import is_special
from app.tickets.queries import visible
from app.tickets.tables import Ticket

CALLS_SHOWN = 200
LATEST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CardFilter:
    """What the cards are narrowed to; None: not narrowed."""

    unit: str | None = None
    level: str | None = None
    day: date | None = None


def cards(
    session: Session, caller: Caller, wanted: CardFilter, cursor: str | None, limit: int
) -> Page[tuple[Card, str]]:  # fmt: skip
    """Return a page of cards, the newest first; of work orders the caller may see."""
    statement = select(Card, Ticket.number).join(Ticket, Ticket.id == Card.ticket_id)
    statement = statement.where(visible(caller, Verb.CARD_READ))
    unit = caller.unit if caller.role.of_unit else wanted.unit
    for column, value in ((Card.unit, unit), (Card.level, wanted.level), (Card.day, wanted.day)):
        if value is not None:
            statement = statement.where(column == value)
    if cursor:
        made_at, ident = decode_cursor(cursor, (str, int))
        statement = statement.where(tuple_(Card.made_at, Card.id) < (_moment(str(made_at)), int(ident or 0)))
    rows = session.execute(statement.order_by(Card.made_at.desc(), Card.id.desc()).limit(limit + 1)).all()
    return cut([(row[0], row[1]) for row in rows], limit, lambda row: [row[0].made_at.isoformat(), row[0].id])


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return LATEST_MOMENT


def card_page(page: Page[tuple[Card, str]], rulebook: Rulebook) -> CardPage:
    """Return cards as they are shown."""
    items = [
        CardView(
            number=number, unit=card.unit, unit_name=name_of(card.unit, rulebook), kind=card.kind, level=card.level,
            day=card.day, due_at=card.due_at, made_at=card.made_at,
        )
        for card, number in page.rows
    ]  # fmt: skip
    return CardPage(items=items, next_cursor=page.next_cursor)


def name_of(unit: str, rulebook: Rulebook) -> str:
    """Return a unit's short name, or its code where the rules no longer know it."""
    found = rulebook.unit_by_code.get(unit)
    return found.short if found else unit


def digests(session: Session, caller: Caller, day: date, unit: str | None, rulebook: Rulebook) -> list[DigestView]:
    """Return a day's digests: a unit's own, the hotline's desk and all units for those who watch them."""
    statement = select(Digest).where(Digest.day == day).order_by(Digest.round, Digest.audience)
    asked = caller.unit if caller.role.of_unit else unit
    if asked:
        statement = statement.where(Digest.audience == f"unit:{asked}")
    found = []
    for row in session.scalars(statement):
        name = "督办" if row.audience == DESK else name_of(row.audience.removeprefix("unit:"), rulebook)
        found.append(
            DigestView(
                day=row.day, round=row.round, audience=row.audience, name=name, made_at=row.made_at,
                content=json.loads(row.content),
            )
        )  # fmt: skip
    return found


def calls(session: Session, caller: Caller, rulebook: Rulebook, *, waiting: bool) -> list[DutyCallView]:
    """Return the calls that wait to be made, what is due first first; or all, the newest first."""
    statement = select(DutyCall, Ticket).join(Ticket, Ticket.id == DutyCall.ticket_id)
    statement = statement.where(visible(caller, Verb.DUTY_CALL_READ))
    if waiting:
        statement = statement.where(DutyCall.status == WAITING).order_by(DutyCall.due_at, DutyCall.id)
    else:
        statement = statement.order_by(DutyCall.id.desc())
    return [call_view(call, ticket, rulebook) for call, ticket in session.execute(statement.limit(CALLS_SHOWN))]


def call_view(call: DutyCall, ticket: Ticket, rulebook: Rulebook) -> DutyCallView:
    """Return a call as it is shown, with whom to call today."""
    person = on_duty(rulebook, call.unit, call.step, clock.now())
    return DutyCallView(
        id=call.id, number=ticket.number, unit=call.unit, unit_name=name_of(call.unit, rulebook), step=call.step,
        step_name=step_name(call.step, special=is_special(ticket)), person=person.name, phone=person.phone,
        due_at=call.due_at, status=call.status, called_at=call.called_at, outcome=call.outcome, remark=call.remark,
    )  # fmt: skip
