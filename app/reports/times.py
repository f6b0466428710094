"""How long things took: mean, median and ninth decile, in working days and in days of the calendar. Pure but for one query."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clock import local
from app.reports.periods import Period
from app.sla.calendar import WorkingCalendar
from app.tickets.queries import ordinary
from app.tickets.tables import Dispatch, Ticket

MINUTE = timedelta(minutes=1)
DAY_MINUTES = Decimal(24 * 60)
DAY = timedelta(days=1)
MEDIAN, NINTH_DECILE = Decimal("0.5"), Decimal("0.9")


class OfficeClock:
    """Office minutes between moments, from a table of days: counts a year's work orders in no time."""

    def __init__(self, calendar: WorkingCalendar, first: date, last: date) -> None:
        self._windows: list[tuple[datetime, datetime]] = []
        self._before: list[int] = []
        total, day = 0, first
        while day <= last:
            for opens, closes in calendar.windows(day):
                self._windows.append((opens, closes))
                self._before.append(total)
                total += int((closes - opens) / MINUTE)
            day += DAY
        self._opens = [opens for opens, _ in self._windows]
        # What a working day is worth where minutes are told as days: that of the last one known.
        newest = {opens.date() for opens, _ in self._windows[-1:]}
        self.day_minutes = sum(int((b - a) / MINUTE) for a, b in self._windows if a.date() in newest) or 1

    def minutes(self, begin: datetime, end: datetime) -> int:
        """Return the office minutes between two moments inside the table."""
        return self._until(end) - self._until(begin)

    def _until(self, moment: datetime) -> int:
        index = bisect_right(self._opens, moment) - 1
        if index < 0:
            return 0
        opens, closes = self._windows[index]
        return self._before[index] + int((min(moment, closes) - opens) / MINUTE)


@dataclass(frozen=True)
class Length:
    """How long something took, in office minutes and in minutes."""

    office: int
    whole: int


def summary(lengths: list[Length], day_minutes: int) -> dict[str, Any]:
    """Return number, mean, P50 and P90 in working days and in days; None where there is nothing to measure."""
    found: dict[str, Any] = {"n": len(lengths)}
    for name, per_day, values in (
        ("working_days", Decimal(day_minutes), sorted(item.office for item in lengths)),
        ("days", DAY_MINUTES, sorted(item.whole for item in lengths)),
    ):
        found[name] = {
            "mean": _days(Decimal(sum(values)) / len(values), per_day) if values else None,
            "p50": _days(_rank(values, MEDIAN), per_day) if values else None,
            "p90": _days(_rank(values, NINTH_DECILE), per_day) if values else None,
        }
    return found


def _rank(values: list[int], share: Decimal) -> Decimal:
    """Return the smallest value that at least a share of all does not exceed (nearest rank)."""
    return Decimal(values[max(ceil(share * len(values)), 1) - 1])


def _days(minutes: Decimal, per_day: Decimal) -> str:
    return str((minutes / per_day).quantize(Decimal("0.01")))


def handling(session: Session, period: Period, calendar: WorkingCalendar) -> dict[str, Any]:
    """Return how long handling took (派单至办结, pauses left out) of what was answered in a period, whole and by unit.

    With it 全程时长: from acceptance to closing, nothing deducted, of what was closed in the period.
    """
    parts = select(Dispatch.unit, Dispatch.dispatched_at, Dispatch.replied_at, Dispatch.paused_seconds)
    parts = parts.join(Ticket, Ticket.id == Dispatch.ticket_id).where(
        Dispatch.role == "lead", Dispatch.rework == 0, Dispatch.replied_at >= period.begins,
        Dispatch.replied_at < period.ends, Ticket.answered_at.is_not(None), ordinary(),
    )  # fmt: skip
    whole = select(Ticket.accepted_at, Ticket.closed_at).where(
        Ticket.closed_at >= period.begins, Ticket.closed_at < period.ends, Ticket.answered_at.is_not(None), ordinary()
    )
    handled: list[Any] = list(session.execute(parts))
    closed: list[Any] = list(session.execute(whole))
    begins = [row[1] for row in handled] + [row[0] for row in closed]
    first = min(begins, default=period.begins)
    clock = OfficeClock(calendar, local(first).date(), period.last_day)
    by_unit: dict[str, list[Length]] = defaultdict(list)
    for unit, begin, end, paused in handled:
        by_unit[unit].append(_length(clock, begin, end, timedelta(seconds=paused)))
    every = [length for lengths in by_unit.values() for length in lengths]
    through = [_length(clock, begin, end, timedelta()) for begin, end in closed]
    return {
        "handling": summary(every, clock.day_minutes), "through": summary(through, clock.day_minutes),
        "units": {unit: summary(lengths, clock.day_minutes) for unit, lengths in sorted(by_unit.items())},
    }  # fmt: skip


def _length(clock: OfficeClock, begin: datetime, end: datetime, paused: timedelta) -> Length:
    """Return a length; a pause is taken off the office time in the share that it has of the whole."""
    whole = end - begin
    office = clock.minutes(begin, end)
    if paused and whole > paused:
        office = round(office * ((whole - paused) / whole))
    return Length(max(office, 0), max(int((whole - paused) / MINUTE), 0))
