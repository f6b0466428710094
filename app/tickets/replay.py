"""Which tickets another rulebook would send elsewhere. Changes nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.routing.accused import Accused, speaks_of_conduct
from app.routing.engine import Decision, Facts, Outcome, decide
from app.rulebook.shapes import Rulebook
from app.tickets.lifecycle import State
from app.tickets.tables import Ticket, TicketText

CHUNK = 500


@dataclass(frozen=True)
class Moved:
    """One open ticket that the other rules would handle otherwise."""

    number: str
    tag: str
    before: str
    after: str


def replay(session: Session, before: Rulebook, after: Rulebook, day: date) -> Iterator[Moved]:
    """Yield every open ticket whose lead, supporters or handling differ between two rulebooks on a day."""
    open_states = [state.value for state in State if state.is_open]
    statement = (
        select(Ticket, TicketText)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .where(Ticket.state.in_(open_states), Ticket.tag != "")
        .order_by(Ticket.id)
        .execution_options(yield_per=CHUNK)
    )
    for ticket, text in session.execute(statement):
        moved = compare(ticket, text, before, after, day)
        if moved:
            yield moved


def compare(
    ticket: Ticket, text: TicketText, before: Rulebook, after: Rulebook, day: date | None = None
) -> Moved | None:  # fmt: skip
    """Return how two rulebooks differ over a ticket on a day (left out: the day it came); None: they agree."""
    facts = facts_of(ticket, text, day or clock.local(ticket.accepted_at).date())
    old, new = _spoken(facts, before), _spoken(facts, after)
    return Moved(ticket.number, ticket.tag, old, new) if old != new else None


def facts_of(ticket: Ticket, text: TicketText, day: date) -> Facts:
    """Return the facts of a stored ticket, as the engine takes them."""
    accused = tuple(Accused(organ="", **item) for item in json.loads(ticket.accused))
    return Facts(
        ticket.tag, ticket.kind, ticket.confidentiality != "公开", ticket.district, (), accused,
        speaks_of_conduct(f"{text.title}\n{text.content}"), day,
    )  # fmt: skip


def _spoken(facts: Facts, rulebook: Rulebook) -> str:
    """Return a decision as comparable words; units by code would hide a renamed one, names would hide a merged one."""
    if facts.tag not in rulebook.tag_by_code:
        return f"标签 {facts.tag} 不存在"
    known = tuple(item for item in facts.accused if item.unit in rulebook.unit_by_code)
    decision = decide(Facts(**{**vars(facts), "accused": known}), rulebook)
    return _words(decision, rulebook)


def _words(decision: Decision, rulebook: Rulebook) -> str:
    match decision.outcome:
        case Outcome.TOLD:
            return "告知途径"
        case Outcome.SPECIAL:
            return "专办件"
        case Outcome.DISPATCH:
            lead = rulebook.short(decision.lead.unit) if decision.lead else "属地待定"
            helpers = "、".join(rulebook.short(item.unit) for item in decision.supporters)
            return f"{lead}（协办：{helpers}）" if helpers else lead
