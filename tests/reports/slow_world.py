"""What happened, read once more from exported rows in plain Python: no SQL of the reports, no fold of the service.

Lives are retold from the event log alone (states, due times, who had it, when it was late); callbacks, requests and 督办 come
from their own rows. The rules are those of docs/reports.md: whoever was late before a part was taken from it stays late.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from app.database import Database
from app.reminders.tables import Card
from app.supervision.tables import SupervisionOrder, SupervisionStep, SupervisionTicket
from app.tickets.life_tables import CallbackAttempt, UnitRequest
from app.tickets.tables import Dispatch, Ticket, TicketEvent, TicketParty

SIGN, CONTACT, CLOSE, REWORK = "签收", "首次联系", "办结", "重办"
OPEN, RETURNING = "open", "returning"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass
class Share:
    """One unit's part in one round. `phase`: open, returning, suspended, replied, excused, returned, recalled."""

    unit: str
    round: int
    role: str
    rework: int
    sent: datetime
    dues: dict[str, datetime]
    first_due: datetime | None = None
    phase: str = OPEN
    signed: datetime | None = None
    reached: list[datetime] = field(default_factory=list)
    diligent: list[datetime] = field(default_factory=list)
    replied: datetime | None = None
    ended: datetime | None = None
    late: set[str] = field(default_factory=set)

    @property
    def due(self) -> datetime | None:
        return self.dues.get(CLOSE, self.dues.get(REWORK))

    def look(self, now: datetime) -> None:
        """Note what it still owed when its time had passed."""
        if self.phase not in {OPEN, RETURNING}:
            return
        owed = {CLOSE, REWORK} | ({SIGN} if self.signed is None else set())
        owed |= {CONTACT} if self.role == "lead" and not self.reached and not self.diligent else set()
        self.late |= {step for step in owed if step in self.dues and self.dues[step] < now}

    def end(self, phase: str, at: datetime) -> None:
        self.phase, self.ended = phase, at


@dataclass
class Matter:
    """One work order's life.

    Attributes:
        owed_from, sent: until when it had first to be sent out, and when it was.
        answered: the first submission that passed its review, or the hotline's own answer.
        call_due: until when the newest callback had to be begun; `calls` and `grades` since then.
    """

    id: int
    number: str
    parent: int | None
    accepted: datetime
    kind: str
    tag: str
    enterprise: str
    hidden: bool
    lead: str = ""
    send_by: datetime | None = None
    sent: datetime | None = None
    waits: bool = False
    direct: bool = False
    answered: datetime | None = None
    call_due: datetime | None = None
    calls: int = 0
    grades: int = 0
    under_review: bool = False
    sent_back: int = 0
    returns: int = 0
    reworks: int = 0
    shares: list[Share] = field(default_factory=list)

    def with_unit(self, unit: str) -> Share:
        return next(
            each for each in reversed(self.shares) if each.unit == unit and each.phase not in {"returned", "recalled"}
        )

    def in_round(self, unit: str, number: int) -> Share:
        return next(each for each in self.shares if (each.unit, each.round) == (unit, number))

    def recall(self, at: datetime) -> None:
        for each in self.shares:
            if each.phase in {OPEN, RETURNING, "suspended"}:
                each.end("recalled", at)


@dataclass(frozen=True)
class Voice:
    """What an enterprise said in a callback."""

    matter: Matter
    at: datetime
    order: int
    reached: bool
    solved: str
    grade: str
    rework: int


@dataclass(frozen=True)
class Wish:
    """What a unit asked for about its part."""

    matter: Matter
    unit: str
    round: int
    kind: str
    status: str
    decided: datetime | None


@dataclass(frozen=True)
class Press:
    """A work order under one 督办单."""

    matter: Matter
    unit: str
    due: datetime | None
    status: str
    result: str
    replied: datetime | None
    level: str
    issued: datetime | None


@dataclass(frozen=True)
class Carded:
    """A card on one unit's part."""

    matter: Matter
    share: Share
    level: str
    made: datetime


@dataclass
class World:
    """Everything that happened."""

    matters: dict[int, Matter]
    voices: list[Voice]
    wishes: list[Wish]
    presses: list[Press]
    cards: list[Carded]

    def shares(self) -> Iterator[tuple[Matter, Share]]:
        for matter in self.matters.values():
            for share in matter.shares:
                yield matter, share

    def wished(self, matter: Matter, share: Share, kind: str) -> list[str]:
        """Return how a part's requests of a kind were decided."""
        return [
            each.status for each in self.wishes
            if each.matter is matter and (each.unit, each.round, each.kind) == (share.unit, share.round, kind)
        ]  # fmt: skip


def read_world(database: Database) -> World:
    """Read every row once and retell every life; 专办件 are left out, for they count in nothing."""
    with database.read() as session:
        parties = dict(session.execute(select(TicketParty.ticket_id, TicketParty.enterprise_group)).all())
        matters = {
            row.id: Matter(
                row.id, row.number, row.parent_id, row.accepted_at, row.kind, row.tag, parties.get(row.id, ""),
                row.special_supervisor is not None or row.state == "special",
            )
            for row in session.scalars(select(Ticket))
        }  # fmt: skip
        for event in session.scalars(select(TicketEvent).order_by(TicketEvent.ticket_id, TicketEvent.seq)):
            _tell(matters[event.ticket_id], event.kind, event.at, json.loads(event.payload))
        parts = {row.id: (row.unit, row.round) for row in session.scalars(select(Dispatch))}
        voices = [
            Voice(matters[row.ticket_id], row.at, row.id, row.outcome == "接通", row.solved, row.grade, row.rework)
            for row in session.scalars(select(CallbackAttempt))
        ]
        wishes = [
            Wish(matters[row.ticket_id], *parts[row.dispatch_id], row.kind, row.status, row.decided_at)
            for row in session.scalars(select(UnitRequest))
        ]
        steps: dict[int, datetime | None] = defaultdict(lambda: None)
        for step in session.scalars(select(SupervisionStep).order_by(SupervisionStep.id)):
            if step.kind in {"回复", "退回"}:
                steps[step.order_id] = step.at if step.kind == "回复" else None
        orders = {row.id: row for row in session.scalars(select(SupervisionOrder))}
        presses = [
            Press(
                matters[row.ticket_id], order.unit, order.due_at, order.status, order.result, steps[order.id], order.level,
                order.issued_at,
            )
            for row in session.scalars(select(SupervisionTicket)) for order in [orders[row.order_id]]
        ]  # fmt: skip
        cards = [
            Carded(
                matters[row.ticket_id], matters[row.ticket_id].in_round(*parts[row.dispatch_id]), row.level, row.made_at
            )
            for row in session.scalars(select(Card))
        ]
    seen = {ident: matter for ident, matter in matters.items() if not matter.hidden}
    return World(
        seen, [each for each in voices if each.matter.id in seen], [each for each in wishes if each.matter.id in seen],
        [each for each in presses if each.matter.id in seen], [each for each in cards if each.matter.id in seen],
    )  # fmt: skip


# What happens beside the figures: told to somebody, noted, or asked for without an effect of its own.
ASIDE = {
    "judged", "interim_replied", "extension_asked", "extension_refused", "suspension_asked", "suspension_refused", "supervised",
    "hard_proposed", "alarmed", "urged", "closed", "archived", "corrected", "made_special", "info_asked", "assigned",
}  # fmt: skip


def _tell(matter: Matter, kind: str, at: datetime, body: dict[str, Any]) -> None:
    """Let one event happen; an event nobody knows is a fault of this file."""
    for share in matter.shares:
        share.look(at)
    if kind in ASIDE:
        matter.waits = kind != "info_asked" and matter.waits
        return
    for tell in (_sending, _of_a_part, _of_time, _answering, _ending):
        if tell(matter, kind, at, body):
            return
    raise AssertionError(kind)


def _sending(matter: Matter, kind: str, at: datetime, body: dict[str, Any]) -> bool:
    if kind == "accepted":
        return True
    if kind in {"triaged", "retriaged", "unmerged", "restored", "supplemented"}:
        again = kind not in {"triaged", "retriaged"} and matter.sent is None
        matter.send_by = moment(body["due"]) if again or matter.send_by is None else matter.send_by
        matter.waits = True
        if kind in {"triaged", "retriaged"}:
            matter.recall(at)
            matter.lead = ""
        return True
    if kind == "dispatched":
        matter.sent, matter.send_by, matter.waits = matter.sent or at, matter.send_by or at, False
        matter.lead = body["lead"]
        _add(matter, at, body, {"lead": [body["lead"]], "support": body["supporters"]})
        return True
    if kind == "supported":
        _add(matter, at, body, {"support": body["units"]})
        return True
    return False


def _add(matter: Matter, at: datetime, body: dict[str, Any], units: dict[str, list[str]], rework: int = 0) -> None:
    for role, names in units.items():
        for unit in names:
            share = Share(
                unit, body["round"], role, rework, at, {step: moment(due) for step, due in body["dues"].items()}
            )
            share.first_due = share.due
            if rework:
                share.signed = at
                share.reached.append(at)
            matter.shares.append(share)


def _of_a_part(matter: Matter, kind: str, at: datetime, body: dict[str, Any]) -> bool:
    if kind in {"replied", "sent_back"}:
        _reply(matter, matter.with_unit(body["unit"]), at if kind == "replied" else None, body)
    elif kind == "contacted":
        share = matter.with_unit(body["unit"])
        if body["counts"]:
            (share.reached if body["reached"] else share.diligent).append(moment(body["at"]))
    elif kind in {"signed", "objected", "return_kept"}:
        share = matter.with_unit(body["unit"])
        share.phase = RETURNING if kind == "objected" else OPEN
        share.signed = share.signed or at
    elif kind == "return_upheld":
        share = matter.with_unit(body["unit"])
        share.end("returned", at)
        if share.role == "lead":
            matter.returns, matter.lead, matter.waits = matter.returns + 1, "", True
            matter.recall(at)
    else:
        return False
    return True


def _reply(matter: Matter, share: Share, at: datetime | None, body: dict[str, Any]) -> None:
    """Let a part be answered or, without a moment, its answer be sent back."""
    share.phase, share.replied = "replied" if at else OPEN, at
    matter.under_review = at is not None and share.role == "lead"
    if at is None:
        matter.sent_back += 1
        return
    if body["way"]:
        share.reached.append(moment(body["contacted"]))
    for unit in body["excused"]:
        matter.with_unit(unit).end("excused", at)


def _of_time(matter: Matter, kind: str, at: datetime, body: dict[str, Any]) -> bool:
    if kind in {"extended", "suspended", "resumed"}:
        share = matter.with_unit(body["unit"])
        if kind == "extended":
            share.dues[CLOSE] = moment(body["until"])
        share.phase = "suspended" if kind == "suspended" else OPEN
        if kind == "resumed":
            share.dues |= {step: moment(due) for step, due in body["dues"].items()}
        return True
    if kind in {"conferred", "statute_started"}:
        if body["due"]:
            next(each for each in reversed(matter.shares) if each.role == "lead").dues[CLOSE] = moment(body["due"])
        return True
    if kind in {"reclassified", "recalculated"}:
        for unit, dues in body["dues"].items():
            share = matter.with_unit(unit)
            share.dues = {step: due for step, due in share.dues.items() if dues.get(step, "") is not None}
            share.dues |= {step: moment(due) for step, due in dues.items() if due}
        return True
    return False


def _answering(matter: Matter, kind: str, at: datetime, body: dict[str, Any]) -> bool:
    if kind in {"answered", "main_settled", "approved"}:
        first = at
        if kind == "approved":
            first = next(each.replied for each in reversed(matter.shares) if each.role == "lead") or at
        matter.answered = matter.answered or first
        matter.direct = matter.direct or kind == "answered"
        matter.call_due, matter.calls, matter.grades = moment(body["due"]), 0, 0
        matter.waits = matter.under_review = False
        return True
    if kind == "called":
        matter.calls, matter.grades = matter.calls + 1, matter.grades + bool(body["grade"])
        return True
    if kind == "rework_ordered":
        matter.reworks += 1
        _add(matter, at, body, {"lead": [body["lead"]], "support": body["supporters"]}, matter.reworks)
        return True
    return False


def _ending(matter: Matter, kind: str, at: datetime, body: dict[str, Any]) -> bool:
    del body
    if kind not in {"withdrawn", "merged", "split", "told", "invalidated"}:
        return False
    matter.recall(at)
    matter.waits = False
    return True
