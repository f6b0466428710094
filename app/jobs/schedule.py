"""When each job is due: reports at the cut-off of their period, reminders at their hour of each working day. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from app.clock import SHANGHAI, local
from app.reports.periods import CutOffs, Span, after, at, before
from app.sla.calendar import WorkingCalendar


@dataclass(frozen=True)
class Slot:
    """One period of a job, the moment from which it is to be done, and until when that still makes sense (None: always)."""

    period: str
    due_at: datetime
    until: datetime | None = None


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


def working_days(hour: time, calendar: WorkingCalendar) -> Slots:
    """Return the slots of a reminder: each working day at its hour, worth making until the offices close that day."""

    def slots(since: datetime, until: datetime) -> Iterator[Slot]:
        day = local(since).date()
        while day <= local(until).date():
            due_at = datetime.combine(day, hour, SHANGHAI).astimezone(UTC)
            if calendar.is_working_day(day) and since < due_at <= until:
                close = calendar.windows(day)[-1][1].astimezone(UTC)
                yield Slot(day.isoformat(), due_at, max(close, due_at + timedelta(hours=1)))
            day += timedelta(days=1)

    return slots


def days_gone_by(ripe: timedelta) -> Slots:
    """Return the slots of what is made of every civil day, some time after it has ended."""

    def slots(since: datetime, until: datetime) -> Iterator[Slot]:
        day = local(since - ripe).date() - timedelta(days=1)
        while (due_at := datetime.combine(day + timedelta(days=1), time(), SHANGHAI).astimezone(UTC) + ripe) <= until:
            if due_at > since:
                yield Slot(day.isoformat(), due_at)
            day += timedelta(days=1)

    return slots


def newest(slots: Slots, moment: datetime) -> Slot | None:
    """Return the last slot that has come due, of the past year and a bit."""
    return max(slots(moment - timedelta(days=370), moment), key=lambda slot: slot.due_at, default=None)


def coming(slots: Slots, moment: datetime) -> Slot | None:
    """Return the next slot to come."""
    return next(slots(moment, moment + timedelta(days=370)), None)
