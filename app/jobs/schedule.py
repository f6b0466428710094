"""When each job is due: reminders at their hours of working days, reports at the cut-off of their period. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from app.clock import SHANGHAI, local
from app.reports.periods import CutOffs, Span, after, at, before
from app.sla.calendar import WorkingCalendar


@dataclass(frozen=True)
class Slot:
    """One period of a job.

    Attributes:
        due_at: the moment from which it is to be done.
        useless_at: the moment from which it is no use any more (a day's reminder after office close); None: always of use.
    """

    period: str
    due_at: datetime
    useless_at: datetime | None = None


Slots = Callable[[datetime, datetime], Iterator[Slot]]


def reminders(calendar: WorkingCalendar, hour: time) -> Slots:
    """Return the slots of a reminder: at an hour of every working day, of use until that day's office close."""

    def slots(since: datetime, until: datetime) -> Iterator[Slot]:
        day = local(since).date()
        while (due_at := _moment(day, hour)) <= until:
            if due_at > since and calendar.is_working_day(day):
                yield Slot(day.isoformat(), due_at, calendar.windows(day)[-1][1].astimezone(UTC))
            day += timedelta(days=1)

    return slots


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


def _moment(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, SHANGHAI).astimezone(UTC)
