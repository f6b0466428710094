"""Parts by when they are due: by what comes first, by their answer, by either, or late with a step though not with the answer.

A digest counts and its link lists by the same conditions.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.tickets.standing import Phase
from app.tickets.tables import Dispatch

Moment = InstrumentedAttribute[datetime | None]


class DueOf(StrEnum):
    """Which due time of a part is meant."""

    NEXT = "next"
    CLOSING = "closing"
    ANY = "any"
    STEP = "step"


def due_within(of: DueOf, start: datetime | None, before: datetime | None) -> list[ColumnElement[bool]]:
    """Return the conditions on parts due from a moment on and before another; None: no bound.

    Of a part that is suspended only what comes first counts: its other times stand still.
    """
    if start is None and before is None:
        return []
    if of is DueOf.NEXT:
        return [_between(Dispatch.next_due_at, start, before)]
    running = Dispatch.state != Phase.SUSPENDED.value
    closing = _between(Dispatch.due_at, start, before)
    if of is DueOf.CLOSING:
        return [running, closing]
    step = _between(Dispatch.next_due_at, start, before)
    if of is DueOf.ANY:
        return [running, or_(step, closing)]
    return [running, step, or_(Dispatch.due_at.is_(None), ~closing)]


def _between(column: Moment, start: datetime | None, before: datetime | None) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [column.is_not(None)]
    bounds += [column >= start] if start else []
    bounds += [column < before] if before else []
    return and_(*bounds)
