"""What an indicator is: declared once, as conditions on the rows of one grain, with what a reader must know about it.

A grain is what is counted: work orders, units' parts (承办件 = 单位 × 轮次), callbacks, requests, work orders under 督办, cards.
A moment puts a row into a period; of those rows the base is what the indicator is about, and the hits are what it asks for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, true
from sqlalchemy.orm import InstrumentedAttribute

from app.reminders.tables import Card
from app.reports.periods import Period
from app.supervision.tables import SupervisionOrder, SupervisionTicket
from app.tickets.life_tables import CallbackAttempt, UnitRequest
from app.tickets.tables import Dispatch, Ticket

Condition = Callable[[Period], ColumnElement[bool]]


class Grain(StrEnum):
    """What an indicator counts."""

    TICKET = "工单"
    PART = "承办件"
    CALLBACK = "回访"
    REQUEST = "申请"
    ORDER = "督办件"
    CARD = "红牌"


class Sense(StrEnum):
    """Which way is good."""

    HIGH = "越高越好"
    LOW = "越低越好"
    NEUTRAL = "不分好坏"


@dataclass(frozen=True)
class Indicator:
    """One indicator.

    Attributes:
        code: stable English name.
        numerator, denominator: what is divided by what, in words; a plain count has no denominator.
        moment: the time that puts a row into a period; None where `base` says it itself.
        base: what of the period's rows is the denominator (or the count).
        hit: what of the base is the numerator; None for a plain count.
        half: what of the rest counts half (宽口径: 部分解决×0.5); None: nothing does.
        source: the rule or the practice it is taken from.
        reach: where there is no moment, a coarse condition that an index serves and every row of the base fulfils.
        ripe_days: days after the moment before which a row cannot be judged.
    """

    code: str
    name: str
    grain: Grain
    numerator: str
    denominator: str
    moment: InstrumentedAttribute[Any] | None
    base: Condition
    hit: Condition | None
    source: str
    sense: Sense = Sense.NEUTRAL
    ripe_days: int = 0
    reach: Condition | None = None
    half: Condition | None = None

    @property
    def is_rate(self) -> bool:
        """Whether it is a rate, and no count."""
        return self.hit is not None

    def hits(self, period: Period) -> ColumnElement[bool]:
        """Return the condition of the hits among the base; of a plain count all are."""
        return self.hit(period) if self.hit else true()

    def halves(self, period: Period) -> ColumnElement[int]:
        """Return what a row of the base adds to the numerator, in halves: 2 for a hit, 1 for half of one, else 0."""
        if self.half is None:
            return case((self.hits(period), 2), else_=0)
        return case((self.hits(period), 2), (self.half(period), 1), else_=0)

    def within(self, period: Period) -> ColumnElement[bool]:
        """Return the condition that puts a row into a period."""
        if self.moment is not None:
            return in_period(self.moment, period.begins, period.ends)
        return self.reach(period) if self.reach else true()

    def counted(self, period: Period) -> ColumnElement[bool]:
        """Return the condition of the base."""
        return and_(self.within(period), self.base(period))


def in_period(moment: InstrumentedAttribute[Any], begins: datetime, ends: datetime) -> ColumnElement[bool]:
    """Return the condition that a stored moment lies in a half-open stretch of time."""
    return and_(moment >= begins, moment < ends)


def rows_of(grain: Grain, *, with_ticket: bool = True) -> FromClause:
    """Return the joined tables of a grain; a ticket's columns are at hand in every one, unless they are not wanted."""
    ticket, part = Ticket.__table__, Dispatch.__table__
    if grain is Grain.TICKET or not with_ticket:
        return _alone(grain)
    match grain:
        case Grain.PART:
            return part.join(ticket, Dispatch.ticket_id == Ticket.id)
        case Grain.CALLBACK:
            return CallbackAttempt.__table__.join(ticket, CallbackAttempt.ticket_id == Ticket.id)
        case Grain.REQUEST:
            parts = part.join(ticket, Dispatch.ticket_id == Ticket.id)
            return UnitRequest.__table__.join(parts, UnitRequest.dispatch_id == Dispatch.id)
        case Grain.ORDER:
            listed = SupervisionTicket.__table__.join(ticket, SupervisionTicket.ticket_id == Ticket.id)
            return SupervisionOrder.__table__.join(listed, SupervisionTicket.order_id == SupervisionOrder.id)
        case Grain.CARD:
            carded = Card.__table__.join(part, Card.dispatch_id == Dispatch.id)
            return carded.join(ticket, Card.ticket_id == Ticket.id)


def _alone(grain: Grain) -> FromClause:
    match grain:
        case Grain.TICKET:
            return Ticket.__table__
        case Grain.PART:
            return Dispatch.__table__
        case Grain.CALLBACK:
            return CallbackAttempt.__table__
        case Grain.REQUEST:
            return UnitRequest.__table__.join(Dispatch.__table__, UnitRequest.dispatch_id == Dispatch.id)
        case Grain.ORDER:
            return SupervisionOrder.__table__.join(
                SupervisionTicket.__table__, SupervisionTicket.order_id == SupervisionOrder.id
            )
        case Grain.CARD:
            return Card.__table__.join(Dispatch.__table__, Card.dispatch_id == Dispatch.id)


def ticket_of(grain: Grain) -> InstrumentedAttribute[Any]:
    """Return the column that says which ticket a row is about."""
    match grain:
        case Grain.TICKET:
            return Ticket.id
        case Grain.PART:
            return Dispatch.ticket_id
        case Grain.CALLBACK:
            return CallbackAttempt.ticket_id
        case Grain.REQUEST:
            return UnitRequest.ticket_id
        case Grain.ORDER:
            return SupervisionTicket.ticket_id
        case Grain.CARD:
            return Card.ticket_id


def unit_of(grain: Grain) -> InstrumentedAttribute[Any]:
    """Return the column that says whose a row is: the part's unit, or the ticket's lead (主办)."""
    if grain in {Grain.ORDER, Grain.CARD}:
        return SupervisionOrder.unit if grain is Grain.ORDER else Card.unit
    return Dispatch.unit if grain in {Grain.PART, Grain.REQUEST} else Ticket.lead_unit
