"""Report periods and their cut-offs: weeks (2026-W47), months (2026-10) and years (2026) that tile the time. Pure.

A period ends at its cut-off and the next begins there, so that every moment belongs to exactly one week, one month and
one year; the cut-off day and hour are settings, for cities cut differently (one bulletin cuts at noon).
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from app.clock import SHANGHAI, local

FIRST_YEAR, LAST_YEAR = 2000, 2100
MONTHS = 12
LAST_HOUR = 24
DAYS_OF_WEEK = 7
LONGEST_MONTH = 31
WEEK = re.compile(r"(\d{4})-W(\d{2})")
MONTH = re.compile(r"(\d{4})-(\d{2})")
YEAR = re.compile(r"(\d{4})")


class Span(StrEnum):
    """How long a period is."""

    WEEK = "weekly"
    MONTH = "monthly"
    YEAR = "annual"


class PeriodError(ValueError):
    """A period's name cannot be read; the text is one clear line."""


@dataclass(frozen=True)
class CutOffs:
    """Where periods are cut: a day of the week (1 to 7) and of the month (31: its last day), and an hour up to 24."""

    week_day: int = DAYS_OF_WEEK
    week_hour: int = LAST_HOUR
    month_day: int = LONGEST_MONTH
    month_hour: int = LAST_HOUR


@dataclass(frozen=True, order=True)
class Period:
    """One period.

    Attributes:
        begins: its first moment, aware, in UTC.
        ends: its cut-off: the first moment that belongs to the next period.
        key: its name (2026-W47, 2026-10, 2026).
    """

    begins: datetime
    ends: datetime
    span: Span
    key: str

    @property
    def last_day(self) -> date:
        """The last Baotou date of which the period has a part."""
        return local(self.ends - timedelta(microseconds=1)).date()

    @property
    def first_day(self) -> date:
        """The first Baotou date of which the period has a part."""
        return local(self.begins).date()

    @property
    def title(self) -> str:
        """The period as people write it: 2026年第47周, 2026年10月, 2026年度."""
        match self.span:
            case Span.WEEK:
                return f"{self.key[:4]}年第{int(self.key[-2:])}周"
            case Span.MONTH:
                return f"{self.key[:4]}年{int(self.key[-2:])}月"
            case Span.YEAR:
                return f"{self.key}年度"

    def holds(self, moment: datetime) -> bool:
        """Whether a moment belongs to the period."""
        return self.begins <= moment < self.ends


def parse(span: Span, key: str, cuts: CutOffs) -> Period:
    """Return the period of a name.

    Raises:
        PeriodError: the name is none of its span, or its year is out of range.
    """
    match span:
        case Span.WEEK:
            year, week = _read(WEEK, key, "2026-W47")
            return _week(year, week, cuts)
        case Span.MONTH:
            year, month = _read(MONTH, key, "2026-10")
            return _month(year, month, cuts)
        case Span.YEAR:
            return _year(_read(YEAR, key, "2026")[0], cuts)


def at(span: Span, moment: datetime, cuts: CutOffs) -> Period:
    """Return the period a moment belongs to."""
    day = local(moment).date()
    guesses = (_around(span, day + timedelta(days=ahead), cuts) for ahead in (0, DAYS_OF_WEEK, -DAYS_OF_WEEK, 31, -31))
    return next(period for period in guesses if period.holds(moment))


def before(period: Period, cuts: CutOffs) -> Period:
    """Return the period just before (环比)."""
    return at(period.span, period.begins - timedelta(microseconds=1), cuts)


def after(period: Period, cuts: CutOffs) -> Period:
    """Return the period just after."""
    return at(period.span, period.ends, cuts)


def year_before(period: Period, cuts: CutOffs) -> Period:
    """Return the period of the same name a year earlier (同比); for a 53rd week the year's last."""
    year = int(period.key[:4]) - 1
    if period.span is Span.WEEK:
        return _week(year, min(int(period.key[-2:]), _weeks_of(year)), cuts)
    return parse(period.span, f"{year}{period.key[4:]}", cuts)


def last_ended(span: Span, moment: datetime, cuts: CutOffs) -> Period:
    """Return the newest period that has come to its cut-off."""
    return before(at(span, moment, cuts), cuts)


def _read(pattern: re.Pattern[str], key: str, example: str) -> tuple[int, ...]:
    found = pattern.fullmatch(key)
    if found is None:
        raise PeriodError(f"期次“{key}”写法不对，应如 {example}")
    return tuple(int(part) for part in found.groups())


def _check_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise PeriodError(f"年份须在 {FIRST_YEAR} 至 {LAST_YEAR} 之间")


def _weeks_of(year: int) -> int:
    return date(year, 12, 28).isocalendar().week


def _around(span: Span, day: date, cuts: CutOffs) -> Period:
    if span is Span.WEEK:
        year, week, _ = day.isocalendar()
        return _week(year, week, cuts)
    return _month(day.year, day.month, cuts) if span is Span.MONTH else _year(day.year, cuts)


def _moment(day: date, hour: int) -> datetime:
    return (datetime.combine(day, time(), SHANGHAI) + timedelta(hours=hour)).astimezone(UTC)


def _week(year: int, week: int, cuts: CutOffs) -> Period:
    _check_year(year)
    if not 1 <= week <= _weeks_of(year):
        raise PeriodError(f"{year}年只有{_weeks_of(year)}周")
    ends = _moment(date.fromisocalendar(year, week, cuts.week_day), cuts.week_hour)
    return Period(ends - timedelta(days=DAYS_OF_WEEK), ends, Span.WEEK, f"{year}-W{week:02d}")


def _month_end(year: int, month: int, cuts: CutOffs) -> datetime:
    last = calendar.monthrange(year, month)[1]
    return _moment(date(year, month, min(cuts.month_day, last)), cuts.month_hour)


def _month(year: int, month: int, cuts: CutOffs) -> Period:
    _check_year(year)
    if not 1 <= month <= MONTHS:
        raise PeriodError("月份须在 1 至 12 之间")
    earlier = (year, month - 1) if month > 1 else (year - 1, MONTHS)
    return Period(_month_end(*earlier, cuts), _month_end(year, month, cuts), Span.MONTH, f"{year}-{month:02d}")


def _year(year: int, cuts: CutOffs) -> Period:
    _check_year(year)
    return Period(_month_end(year - 1, MONTHS, cuts), _month_end(year, MONTHS, cuts), Span.YEAR, f"{year}")
