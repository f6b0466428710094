"""When each job is due: reports at the cut-off of their period. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.reports.periods import CutOffs, Span, after, at, before


@dataclass(frozen=True)
class Slot:
    """One period of a job, and the moment from which it is to be done."""

    period: str
    due_at: datetime


Slots = Callable[[datetime, datetime], Iterator[Slot]]


def reports(span: Span, cuts: CutOffs) -> Slots:
    """Return the slots of a report: each period, at its cut-off."""

    def slots(since: datetime, until: datetime) -> Iterator[Slot]:
        period = at(span, since, cuts)
        if before(period, cuts).ends > since:
            period = before(period, cuts)
        while period.ends <= until:
            if period.ends > since:
                yield Slot(period.key, period.ends)
            period = after(period, cuts)

    return slots


def newest(slots: Slots, moment: datetime) -> Slot | None:
    """Return the last slot that has come due, of the past year and a bit."""
    return max(slots(moment - timedelta(days=370), moment), key=lambda slot: slot.due_at, default=None)


def coming(slots: Slots, moment: datetime) -> Slot | None:
    """Return the next slot to come."""
    return next(slots(moment, moment + timedelta(days=370)), None)
