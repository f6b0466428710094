"""What every verb on a stored ticket does: lock the row, fold its events, let something happen, write the snapshot."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import SYSTEM, Caller, Verb
from app.errors import ConflictError, NotFoundError, PreconditionFailedError, UnavailableError
from app.rulebook.shapes import LimitStep, Rulebook
from app.sla.calendar import WorkingCalendar
from app.sla.limits import LimitCase, require
from app.sla.timer import Due, due
from app.tickets.events import Chain, Happening, append
from app.tickets.fold import apply, fold
from app.tickets.life_tables import UnitRequest
from app.tickets.lifecycle import Move, State, step
from app.tickets.queries import visible
from app.tickets.schemas import DueView
from app.tickets.standing import Fact, Part, Standing, read_fact
from app.tickets.tables import Dispatch, Ticket, TicketEvent
from app.tickets.views import due_view

# Keeps other verbs out, yet lets rows that only point to the ticket (cards, supervision) be written meanwhile: a sweep that
# had to wait for the ticket while holding what the verb needs would stand in its way for ever.
KEY_SHARE = True


@dataclass(frozen=True)
class Act:
    """Who acts on which ticket, at which version of it.

    Attributes:
        if_match: the version the caller saw; None: whatever it is now.
    """

    number: str
    caller: Caller
    if_match: int | None = None


@dataclass
class Opened:
    """A locked ticket with its history folded, and what is happening to it in this transaction.

    Attributes:
        rules: due times with their rules that this act gives out, by step; kept with the parts they concern.
    """

    ticket: Ticket
    standing: Standing
    chain: Chain
    caller: Caller
    at: datetime
    happenings: list[Happening] = field(default_factory=list)
    rules: dict[str, DueView] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """Where the ticket stands now, what has happened in this act included."""
        return self.standing.state

    @property
    def case(self) -> LimitCase:
        """What of the ticket bears on its limits."""
        return LimitCase(
            self.standing.kind,
            self.standing.urgent,
            self.standing.hardness == "ruled",
            self.standing.statute,
            self.ticket.tag,
        )

    def require(self, move: Move) -> None:
        """Ask the transition table.

        Raises:
            ConflictError: the ticket's state does not allow the move.
        """
        step(self.state, move)


def open_ticket(session: Session, act: Act, verb: Verb) -> Opened:
    """Return a ticket for a verb, locked for this transaction.

    Raises:
        NotFoundError: there is none, or the caller may not know of it.
        PreconditionFailedError: somebody changed it since the caller looked.
        ConflictError: it is past its term, its persons and words are gone.
    """
    statement = (
        select(Ticket)
        .where(Ticket.number == act.number, visible(act.caller, verb))
        .with_for_update(key_share=KEY_SHARE)
    )
    ticket = session.scalar(statement)
    if ticket is None:
        raise NotFoundError(f"没有工单 {act.number}，或您无权查看")
    if act.if_match is not None and act.if_match != ticket.version:
        raise PreconditionFailedError(f"工单已被他人更新（现为第 {ticket.version} 版），请刷新后再操作")
    if ticket.anonymised_at is not None:
        raise ConflictError(
            "此件已过保存期限，个人信息和内容已清除，不能再办理；有新情况请登记新诉求", code="anonymised"
        )
    return opened(session, ticket, act.caller)


def open_by_id(session: Session, ticket_id: int, caller: Caller = SYSTEM) -> Opened:
    """Return a ticket locked for something that follows from another act or from the clock."""
    ticket = session.scalars(select(Ticket).where(Ticket.id == ticket_id).with_for_update(key_share=KEY_SHARE)).one()
    return opened(session, ticket, caller)


def opened(session: Session, ticket: Ticket, caller: Caller) -> Opened:
    """Return a ticket that is locked already."""
    events = load_events(session, ticket)
    last = events[-1]
    if (last.seq, last.hash) != (ticket.last_seq, ticket.last_hash):
        # Going on would hide for ever that something was cut off.
        raise UnavailableError(
            f"工单 {ticket.number} 的历史与链头不符，不能再办理；请审计员用 hotline audit verify 核查"
        )
    chain = Chain(ticket.id, ticket.month, ticket.number, last.seq, last.hash)
    # Nothing happens before what has happened: a clock set back must not bend the history.
    at = max(clock.now(), last.at)
    return Opened(ticket, fold(facts_of(events)), chain, caller, at)


def load_events(session: Session, ticket: Ticket) -> list[TicketEvent]:
    """Return a ticket's events in order."""
    statement = select(TicketEvent).where(TicketEvent.ticket_month == ticket.month, TicketEvent.ticket_id == ticket.id)
    return list(session.scalars(statement.order_by(TicketEvent.seq)))


def facts_of(events: list[TicketEvent]) -> list[Fact]:
    """Return stored events as the fold reads them."""
    return [read_fact(event.kind, event.at, event.payload) for event in events]


def happen(work: Opened, kind: str, **payload: Any) -> None:
    """Let something happen; it is written when the act is settled."""
    work.happenings.append(Happening(kind, payload))
    apply(work.standing, Fact(kind, work.at, payload))


def settle(session: Session, work: Opened) -> Ticket:
    """Write what happened and the snapshot of where the ticket stands now."""
    if not work.happenings:
        return work.ticket
    append(session, work.chain, work.at, work.caller.reference, work.happenings)
    work.ticket.version += 1
    work.ticket.updated_at = work.at
    for name, value in ticket_columns(work.standing).items():
        setattr(work.ticket, name, value)
    rows = session.scalars(select(Dispatch).where(Dispatch.ticket_id == work.ticket.id))
    parts = {(part.unit, part.round): part for part in work.standing.parts}
    for row in rows:
        _write_part(row, parts[row.unit, row.round], work)
    session.flush()
    return work.ticket


def _write_part(row: Dispatch, part: Part, work: Opened) -> None:
    values = part_columns(part)
    if part.dues:
        values["dues"] = _dues_with_rules(row.dues, part, work.rules if part.is_open else {})
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.updated_at = work.at


def _dues_with_rules(stored: str, part: Part, rules: dict[str, DueView]) -> str:
    """Return a part's due times as stored, each with the rule it was born with; moved ones keep their rule."""
    entries: dict[str, dict[str, Any]] = {item["step"]: item for item in json.loads(stored)}
    for name, due_at in part.dues.items():
        if name in rules:
            entries[name] = rules[name].model_dump(mode="json")
        if name in entries:
            entries[name]["due_at"] = DueView(**{**entries[name], "due_at": due_at}).model_dump(mode="json")["due_at"]
    return json.dumps(list(entries.values()), ensure_ascii=False)


def ticket_columns(standing: Standing) -> dict[str, Any]:
    """Return the columns of `ticket` that are a snapshot of the fold."""
    desk, following = standing.desk_next(), standing.next()
    return {
        "state": standing.state.value, "kind": standing.kind, "urgent": standing.urgent,
        "lead_unit": standing.lead_unit, "dispatched_at": standing.dispatched_at, "due_at": standing.due_at,
        "original_due_at": standing.original_due_at, "due_provisional": standing.provisional,
        "dispatch_due_at": standing.dispatch_due, "callback_due_at": standing.callback_due,
        "overdue_at": standing.overdue_at, "answered_at": standing.answered_at, "closed_at": standing.closed_at,
        "closing": standing.closing, "solved": standing.solved, "first_grade": standing.first_grade,
        "final_grade": standing.final_grade, "returns": standing.returns, "appointed": standing.appointed,
        "reworks": standing.reworks, "hardness": standing.hardness, "held_since": standing.since,
        "desk_step": desk[1] if desk else None, "desk_due_at": desk[0] if desk else None,
        "next_step": following[1] if following else None, "next_due_at": following[0] if following else None,
    }  # fmt: skip


def part_columns(part: Part) -> dict[str, Any]:
    """Return the columns of `dispatch` that are a snapshot of the fold."""
    following = part.next()
    return {
        "role": part.role, "state": part.phase.value, "dispatched_at": part.dispatched_at,
        "sign_due_at": part.dues.get(LimitStep.SIGN.value),
        "contact_due_at": part.dues.get(LimitStep.FIRST_CONTACT.value), "due_at": part.due_at,
        "original_due_at": part.original_due_at,
        "next_step": following[1] if following else None, "next_due_at": following[0] if following else None,
        "signed_at": part.signed_at, "contacted_at": part.contacted_at,
        "contact_kind": part.contact_kind, "replied_at": part.replied_at,
        "ended_at": part.ended_at, "resumes_at": part.resumes_at,
        "paused_seconds": int(part.paused.total_seconds()), "late": ",".join(sorted(part.late)),
        "rework": part.rework, "handler": part.handler, "deputy": part.deputy,
    }  # fmt: skip


def limit(
    work: Opened, step_: LimitStep, rulebook: Rulebook, calendar: WorkingCalendar, start: datetime | None = None
) -> Due:
    """Return when a step of the ticket is due, counted from now or from a start; its rule is kept with the parts.

    Raises:
        LimitMissingError: the rules have no limit for the step.
    """
    begins = start or work.at
    found = due(require(rulebook.limits, step_, work.case, clock.local(begins).date()), begins, calendar)
    work.rules[step_.value] = due_view(found)
    return found


def own_part(work: Opened) -> Part:
    """Return the part of the caller's unit.

    Raises:
        NotFoundError: the ticket is no longer with the unit.
        ConflictError: the unit was only informed.
    """
    part = work.standing.part_of(work.caller.unit)
    if part is None:
        raise NotFoundError(f"工单 {work.ticket.number} 已不在本单位")
    if part.role == "informed":
        raise ConflictError("本单位只是知悉此件，不需要签收或答复")
    return part


def row_of(session: Session, work: Opened, part: Part) -> Dispatch:
    """Return the stored row of a part."""
    statement = select(Dispatch).where(
        Dispatch.ticket_id == work.ticket.id, Dispatch.unit == part.unit, Dispatch.round == part.round
    )
    return session.scalars(statement).one()


def is_special(ticket: Ticket) -> bool:
    """Whether a ticket is a 专办件, which only the named supervisor and the unit that has it may know of."""
    return ticket.special_supervisor is not None or ticket.state == State.SPECIAL.value


def lapse_requests(session: Session, work: Opened, part: Part | None = None) -> None:
    """Close what units asked for and nobody decided, where their part ends (of one part, or of all open ones)."""
    rows = [row_of(session, work, item).id for item in ([part] if part else work.standing.open_parts())]
    waiting = (UnitRequest.dispatch_id.in_(rows), UnitRequest.status == "待批")
    session.execute(update(UnitRequest).where(*waiting).values(status="失效", decided_at=work.at))


def add_rows(session: Session, work: Opened, parts: list[Part], evidence: Mapping[str, str]) -> None:
    """Write rows for parts that came of this act; each due time keeps the rule that `work.rules` has for it."""
    for part in parts:
        entries = [{**work.rules[name].model_dump(mode="json")} for name in part.dues if name in work.rules]
        row = Dispatch(
            ticket_id=work.ticket.id, unit=part.unit, round=part.round, tag=work.ticket.tag,
            urgent=work.standing.urgent, evidence=evidence.get(part.unit, "[]"), updated_at=work.at,
            dues=json.dumps(entries, ensure_ascii=False), **part_columns(part),
        )  # fmt: skip
        session.add(row)
    session.flush()


def keep_rules(work: Opened, row: Dispatch) -> None:
    """Let parts that come of this act be born with the rules of an older part's due times."""
    for item in json.loads(row.dues):
        work.rules.setdefault(item["step"], DueView(**item))
