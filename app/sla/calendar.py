"""Working days and office hours in Baotou, and how a time limit is counted along them.

The counting follows 民法典第二百零一条、第二百零三条: the day a limit starts is not counted, whatever day it is; a last
day that is no working day moves on to the next one; a limit in working days ends at office close, one in calendar days
at 24:00. Moments come in aware of any zone, dates are Baotou's, due times go out in UTC.

A year whose notice was not imported stops nobody: it is counted by weekends, statutory days and the latest known office
hours, and whatever rests on it is marked provisional (暂定).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count, islice, takewhile
from math import ceil

from app.clock import SHANGHAI, local
from app.rulebook.shapes import CalendarYear, OfficeHours, Window

Period = tuple[datetime, datetime]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SATURDAY = 5

# Only for a service that has no calendar file at all; every file brings its own office hours.
USUAL_OFFICE = OfficeHours(
    windows=(Window(opens=time(8, 30), closes=time(12)), Window(opens=time(14, 30), closes=time(17, 30))),
    source="市直机关公布的办公时间（市林草局2025年公开页）",
)

# 全国年节及纪念日放假办法 as in force since 2025: the days with a fixed date (元旦, 劳动节, 国庆节) …
FIXED_STATUTORY_DAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
# … and those that follow moon or sun: 除夕 (春节 is that day and the next three), 清明, 端午, 中秋; checked against the
# computed new moons and the sun's longitude in China Standard Time.
MOVING_STATUTORY_DAYS = {
    2027: (date(2027, 2, 5), date(2027, 4, 5), date(2027, 6, 9), date(2027, 9, 15)),
    2028: (date(2028, 1, 25), date(2028, 4, 4), date(2028, 5, 28), date(2028, 10, 3)),
    2029: (date(2029, 2, 12), date(2029, 4, 4), date(2029, 6, 16), date(2029, 9, 22)),
    2030: (date(2030, 2, 2), date(2030, 4, 5), date(2030, 6, 5), date(2030, 9, 12)),
}
SPRING_FESTIVAL_DAYS = 4


def is_statutory_day(day: date) -> bool:
    """Whether a day is a statutory holiday; outside 2027-2030 only those with a fixed date are known without a file."""
    if (day.month, day.day) in FIXED_STATUTORY_DAYS:
        return True
    eve, *others = MOVING_STATUTORY_DAYS.get(day.year, (date.max,))
    return day in others or 0 <= (day - eve).days < SPRING_FESTIVAL_DAYS


class Counted(StrEnum):
    """What a slice of a limit was counted as."""

    WORKING_DAY = "工作日"
    OFFICE_TIME = "办公时间"
    CALENDAR_DAY = "自然日"
    MOVED_ON = "顺延至"


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a counted limit: the Baotou date, what was counted there and, of office time only, how much."""

    day: date
    counted: Counted
    time: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a limit ends.

    Attributes:
        due: the last moment, aware, in UTC.
        provisional: whether it rests on a year whose calendar was not imported.
        slices: what was counted, in order; a day between them that is missing did not count (`why` says why).
    """

    due: datetime
    provisional: bool
    slices: tuple[Slice, ...]

    @property
    def last_day(self) -> date:
        """The Baotou date on which the limit ends, also at its 24:00; IndexError for plain elapsed time (no slices)."""
        return self.slices[-1].day


class WorkingCalendar:
    """The imported years as one calendar.

    A date belongs to whichever year's file lists it: the notice for one year may move days of its neighbours. Where two
    files list the same date, the later year's notice was issued later and holds. With `own_office` it is the calendar of
    a unit that keeps hours of its own: the days are the city's, the hours the unit's. Every method that takes a moment
    raises ValueError for one without a time zone.
    """

    def __init__(self, years: Iterable[CalendarYear], own_office: OfficeHours | None = None) -> None:
        self._own_office = own_office
        ordered = sorted(years, key=lambda year: year.year)
        self._offices = {year.year: year.office for year in ordered}
        self._latest_office = ordered[-1].office if ordered else USUAL_OFFICE
        self._listed: dict[date, tuple[bool, str]] = {}
        for span in (span for year in ordered for span in year.holidays):
            self._listed.update(dict.fromkeys(span.days_off, (False, f"{span.name}放假")))
            self._listed.update(dict.fromkeys(span.make_up, (True, f"{span.name}调休上班")))

    def covers(self, day: date) -> bool:
        """Whether the day's year was imported."""
        return day.year in self._offices

    @property
    def covered_until(self) -> date:
        """Last day of the unbroken run of imported years that begins with the earliest; `date.min` without any year."""
        if not self._offices:
            return date.min
        return date(next(year for year in count(min(self._offices)) if year + 1 not in self._offices), 12, 31)

    def is_working_day(self, day: date) -> bool:
        """Whether offices work on a day; a guess by weekday and statutory days where the year was not imported."""
        return self._judge(day)[0]

    def why(self, day: date) -> str:
        """Return why a day works or does not, in Chinese: 国庆节放假, 春节调休上班, 周末, 工作日 …"""
        return self._judge(day)[1]

    def _judge(self, day: date) -> tuple[bool, str]:
        if listed := self._listed.get(day):
            return listed
        if not self.covers(day) and is_statutory_day(day):
            return False, "法定节假日（暂定）"
        if day.weekday() >= SATURDAY:
            return False, "周末"
        return True, "工作日" if self.covers(day) else "工作日（暂定）"

    def windows(self, day: date) -> tuple[Period, ...]:
        """Return a day's office hours in order, aware in Asia/Shanghai; empty when nobody works."""
        if not self.is_working_day(day):
            return ()
        office = self._own_office or self._offices.get(day.year, self._latest_office)
        return tuple(
            (datetime.combine(day, window.opens, SHANGHAI), datetime.combine(day, window.closes, SHANGHAI))
            for window in sorted(office.windows, key=lambda window: window.opens)
        )

    def windows_from(self, moment: datetime) -> Iterator[Period]:
        """Walk the office hours after a moment, without end; the one in progress begins at the moment."""
        start = local(moment)
        for day in _days_from(start.date()):
            for opens, closes in self.windows(day):
                if closes > start:
                    yield max(opens, start), closes

    def add_working_days(self, start: datetime, days: int | Decimal) -> Reach:
        """Count working days, the day of the start left out; the limit ends at office close of the last one.

        A part of a day is that part of a day's office minutes (0.5: 3 h 15 min), counted from the minute. With whole
        days before it (1.5), the whole days are counted first and the part runs on from the close of the last one.

        Raises:
            ValueError: `days` is not positive.
        """
        whole, part = int(days), Decimal(days) % 1
        if not part:
            return self._whole_days(start, whole)
        if whole < 1:
            return self.add_office_minutes(start, self._share_of_day(start, part))
        first = self._whole_days(start, whole)
        rest = self.add_office_minutes(first.due, self._share_of_day(first.due, part))
        return Reach(rest.due, first.provisional or rest.provisional, first.slices + rest.slices)

    def _whole_days(self, start: datetime, days: int) -> Reach:
        _require_positive(days)
        first = local(start).date() + DAY
        counted = list(islice(filter(self.is_working_day, _days_from(first)), days))
        _, close = self.windows(counted[-1])[-1]
        return self._reach(close, first, [Slice(day, Counted.WORKING_DAY) for day in counted])

    def _share_of_day(self, start: datetime, part: Decimal) -> int:
        """Return a part of a day's office minutes, rounded up: a limit is never cut short by rounding."""
        opens, _ = next(self.windows_from(start))
        whole = sum((closes - opens for opens, closes in self.windows(opens.date())), timedelta())
        return ceil(part * (whole // MINUTE))

    def add_office_minutes(self, start: datetime, minutes: int) -> Reach:
        """Count minutes of office time from the very moment, or from the next opening when the offices are closed.

        A limit used up exactly at a closing time ends there, not at the next opening.

        Raises:
            ValueError: `minutes` is not positive.
        """
        _require_positive(minutes)
        left, due, slices = minutes * MINUTE, local(start), list[Slice]()
        periods = self.windows_from(start)
        while left:
            opens, closes = next(periods)
            used = min(left, closes - opens)
            slices.append(Slice(opens.date(), Counted.OFFICE_TIME, used))
            left, due = left - used, opens + used
        return self._reach(due, local(start).date(), slices)

    def add_calendar_days(self, start: datetime, days: int) -> Reach:
        """Count calendar days, the day of the start left out; the limit ends at 24:00 of the last one.

        A last day that is no working day moves on to the next working day. Only that end rests on the calendar, so
        only it can make the result provisional.

        Raises:
            ValueError: `days` is not positive.
        """
        _require_positive(days)
        first = local(start).date() + DAY
        counted = list(islice(_days_from(first), days))
        resting = next(filter(self.is_working_day, _days_from(counted[-1])))
        slices = [Slice(day, Counted.CALENDAR_DAY) for day in counted]
        if resting != counted[-1]:
            slices.append(Slice(resting, Counted.MOVED_ON))
        return self._reach(datetime.combine(resting + DAY, time(), SHANGHAI), counted[-1], slices)

    def _reach(self, due: datetime, judged_from: date, slices: Sequence[Slice]) -> Reach:
        """Close a count; it is provisional when any year between its first judged day and its last is missing."""
        judged = range(judged_from.year, slices[-1].day.year + 1)
        return Reach(due.astimezone(UTC), any(year not in self._offices for year in judged), tuple(slices))

    def office_time_between(self, begin: datetime, end: datetime) -> timedelta:
        """Return the exact office time between two moments, negative if the end comes first; it adds up over parts."""
        begin, end = local(begin), local(end)
        if end < begin:
            return -self.office_time_between(end, begin)
        periods = takewhile(lambda period: period[0] < end, self.windows_from(begin))
        return sum((min(closes, end) - opens for opens, closes in periods), timedelta())

    def office_minutes_between(self, begin: datetime, end: datetime) -> int:
        """Return the completed office minutes between two moments, negative when the end comes first."""
        return int(self.office_time_between(begin, end) / MINUTE)


def _days_from(day: date) -> Iterator[date]:
    return (day + timedelta(days=ahead) for ahead in count())


def _require_positive(amount: int) -> None:
    if amount < 1:
        raise ValueError(f"时限须为正数：{amount}")
