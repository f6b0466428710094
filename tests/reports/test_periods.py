"""Periods tile the time, whatever the cut-off."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import spoken
from app.reports.periods import CutOffs, Period, PeriodError, Span, after, at, before, last_ended, parse, year_before

NOON_FRIDAY_25TH = CutOffs(week_day=5, week_hour=12, month_day=25, month_hour=12)
CUTS = st.builds(
    CutOffs, week_day=st.integers(1, 7), week_hour=st.integers(0, 24), month_day=st.integers(20, 31),
    month_hour=st.integers(0, 24),
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2004, 1, 1), datetime(2096, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


def bounds(period: Period) -> tuple[str, str]:
    return spoken(period.begins), spoken(period.ends)


@pytest.mark.parametrize(
    ("span", "key", "begins", "ends", "title"),
    [
        (Span.WEEK, "2026-W47", "2026-11-16 00:00", "2026-11-23 00:00", "2026年第47周"),
        (Span.WEEK, "2026-W01", "2025-12-29 00:00", "2026-01-05 00:00", "2026年第1周"),
        (Span.WEEK, "2026-W53", "2026-12-28 00:00", "2027-01-04 00:00", "2026年第53周"),
        (Span.MONTH, "2026-02", "2026-02-01 00:00", "2026-03-01 00:00", "2026年2月"),
        (Span.YEAR, "2026", "2026-01-01 00:00", "2027-01-01 00:00", "2026年度"),
    ],
)
def test_a_name_stands_for_its_days(span: Span, key: str, begins: str, ends: str, title: str) -> None:
    period = parse(span, key, CutOffs())
    assert (bounds(period), period.title) == ((begins, ends), title)


@pytest.mark.parametrize(
    ("span", "key", "begins", "ends"),
    [
        (Span.WEEK, "2026-W47", "2026-11-13 12:00", "2026-11-20 12:00"),
        (Span.MONTH, "2026-03", "2026-02-25 12:00", "2026-03-25 12:00"),
        (Span.YEAR, "2026", "2025-12-25 12:00", "2026-12-25 12:00"),
    ],
)
def test_the_cut_off_is_a_setting(span: Span, key: str, begins: str, ends: str) -> None:
    assert bounds(parse(span, key, NOON_FRIDAY_25TH)) == (begins, ends)


@given(span=st.sampled_from(Span), moment=MOMENTS, cuts=CUTS)
def test_every_moment_belongs_to_one_period_and_periods_tile(span: Span, moment: datetime, cuts: CutOffs) -> None:
    period = at(span, moment, cuts)
    assert period.holds(moment)
    assert before(period, cuts).ends == period.begins
    assert after(period, cuts).begins == period.ends
    assert parse(span, period.key, cuts) == period


@given(moment=MOMENTS, cuts=CUTS)
def test_the_months_of_a_year_are_the_year(moment: datetime, cuts: CutOffs) -> None:
    year = at(Span.YEAR, moment, cuts)
    months = [parse(Span.MONTH, f"{year.key}-{month:02d}", cuts) for month in range(1, 13)]
    assert (months[0].begins, months[-1].ends) == (year.begins, year.ends)
    assert all(month.ends == following.begins for month, following in pairwise(months))


def test_comparing_with_a_year_before() -> None:
    assert year_before(parse(Span.WEEK, "2026-W53", CutOffs()), CutOffs()).key == "2025-W52"
    assert year_before(parse(Span.MONTH, "2026-10", CutOffs()), CutOffs()).key == "2025-10"


def test_a_period_ends_at_its_cut_off_and_not_before() -> None:
    ends = parse(Span.WEEK, "2026-W47", CutOffs()).ends
    assert last_ended(Span.WEEK, ends - timedelta(seconds=1), CutOffs()).key == "2026-W46"
    assert last_ended(Span.WEEK, ends, CutOffs()).key == "2026-W47"


@pytest.mark.parametrize(
    ("span", "key", "why"),
    [
        (Span.WEEK, "2026-47", "2026-W47"),
        (Span.WEEK, "2025-W53", "只有52周"),
        (Span.MONTH, "2026-13", "1 至 12"),
        (Span.MONTH, "2026-1", "2026-10"),
        (Span.YEAR, "1999", "2000"),
    ],
)
def test_a_name_that_is_none_is_told(span: Span, key: str, why: str) -> None:
    with pytest.raises(PeriodError, match=why):
        parse(span, key, CutOffs())
