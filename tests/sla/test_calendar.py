"""Counting along the working calendar: golden days of 2025 and 2026, the missing year 2027, and the laws."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import SHANGHAI, local
from app.rulebook.loader import Reading
from app.rulebook.shapes import CalendarYear, HolidaySpan, OfficeHours, Window
from app.sla.calendar import Counted, Reach, Slice, WorkingCalendar, is_statutory_day

RULES = Path(__file__).parents[2] / "routing_rules"
HALF_DAY = timedelta(hours=3, minutes=15)

lawful = settings(derandomize=True, deadline=None, max_examples=200)
# 2024 and 2027-2028 have no file here: the laws must hold there as well.
moments = st.datetimes(datetime(2024, 11, 1), datetime(2028, 3, 1), timezones=st.just(UTC))  # noqa: DTZ001
amounts = st.integers(1, 40)


def imported(year: int) -> CalendarYear:
    """Read one shipped year."""
    reading = Reading(RULES)
    source = reading.open(f"calendar/{year}.yaml")
    shaped = reading.shape(source, (), source.data, CalendarYear)
    assert shaped is not None, reading.faults
    return shaped


BOTH = WorkingCalendar([imported(2026), imported(2025)])
EMPTY = WorkingCalendar([])


def at(text: str) -> datetime:
    """Read a Baotou wall-clock moment."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def day(text: str) -> date:
    return date.fromisoformat(text)


def year_of(number: int, *spans: HolidaySpan, closes: int = 17) -> CalendarYear:
    """Build a year with one office window."""
    office = OfficeHours(windows=(Window(opens=time(9), closes=time(closes)),), source="测试")
    return CalendarYear(year=number, source="测试", office=office, holidays=spans)


def in_office_hours(moment: datetime) -> bool:
    """Whether a moment lies in an open window or at its close."""
    return any(opens < moment <= closes for opens, closes in BOTH.windows(local(moment).date()))


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_shipped_years_have_248_working_days(year: int) -> None:
    days = (date(year, 1, 1) + timedelta(days=ahead) for ahead in range(365))

    assert sum(map(BOTH.is_working_day, days)) == 248


@pytest.mark.parametrize(
    ("text", "works", "why"),
    [
        ("2026-09-19", False, "周末"),
        ("2026-09-20", True, "国庆节调休上班"),
        ("2026-09-25", False, "中秋节放假"),
        ("2026-09-28", True, "工作日"),
        ("2027-09-14", True, "工作日（暂定）"),
        ("2027-09-15", False, "法定节假日（暂定）"),
        ("2027-09-18", False, "周末"),
    ],
)
def test_a_day_is_judged_with_its_reason(text: str, works: bool, why: str) -> None:
    assert (BOTH.is_working_day(day(text)), BOTH.why(day(text))) == (works, why)


def test_the_statutory_days_of_2027_are_those_of_the_holiday_rules() -> None:
    year = (date(2027, 1, 1) + timedelta(days=ahead) for ahead in range(365))

    assert [f"{found:%m-%d}" for found in year if is_statutory_day(found)] == [
        "01-01", "02-05", "02-06", "02-07", "02-08", "04-05", "05-01", "05-02", "06-09", "09-15",
        "10-01", "10-02", "10-03",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("year", "moving"),
    [
        (2028, ["01-25", "01-26", "01-27", "01-28", "04-04", "05-28"]),  # 中秋 falls on 10-03, a day of 国庆节
        (2029, ["02-12", "02-13", "02-14", "02-15", "04-04", "06-16", "09-22"]),
        (2030, ["02-02", "02-03", "02-04", "02-05", "04-05", "06-05", "09-12"]),
        (2040, []),  # beyond the table only the fixed dates are known
    ],
)
def test_later_years_know_their_statutory_days_as_far_as_the_table_goes(year: int, moving: list[str]) -> None:
    days = (date(year, 1, 1) + timedelta(days=ahead) for ahead in range(365))
    fixed = ["01-01", "05-01", "05-02", "10-01", "10-02", "10-03"]

    assert [f"{found:%m-%d}" for found in days if is_statutory_day(found)] == sorted(fixed + moving)


def test_in_an_imported_year_its_file_alone_decides() -> None:
    assert EMPTY.is_working_day(day("2027-06-09")) is False
    assert WorkingCalendar([year_of(2027)]).is_working_day(day("2027-06-09")) is True


def test_a_date_belongs_to_whichever_file_lists_it_and_the_later_notice_holds() -> None:
    eve, off = day("2027-12-31"), HolidaySpan(name="元旦", days_off=(day("2027-12-31"), day("2028-01-01")))
    moved = HolidaySpan(name="国庆节", days_off=(), make_up=(day("2028-01-01"), eve))
    this, following = year_of(2027, moved), year_of(2028, off)

    assert WorkingCalendar([this]).is_working_day(day("2028-01-01"))
    assert not WorkingCalendar([following, this]).is_working_day(eve)
    assert not WorkingCalendar([following]).is_working_day(eve)


def test_covered_until_is_the_end_of_the_unbroken_run() -> None:
    with_a_gap = WorkingCalendar([year_of(2025), year_of(2027)])

    assert BOTH.covered_until == day("2026-12-31")
    assert with_a_gap.covered_until == day("2025-12-31")
    assert EMPTY.covered_until == date.min
    assert with_a_gap.covers(day("2027-06-01"))
    assert not with_a_gap.covers(day("2026-06-01"))


def test_windows_are_the_office_hours_of_a_working_day() -> None:
    assert BOTH.windows(day("2026-09-30")) == (
        (at("2026-09-30T08:30"), at("2026-09-30T12:00")),
        (at("2026-09-30T14:30"), at("2026-09-30T17:30")),
    )
    assert BOTH.windows(day("2026-10-01")) == ()


def test_a_missing_year_keeps_the_latest_imported_office_hours() -> None:
    calendar = WorkingCalendar([year_of(2026, closes=16), year_of(2025, closes=18)])

    assert calendar.windows(day("2027-03-01")) == ((at("2027-03-01T09:00"), at("2027-03-01T16:00")),)
    assert calendar.windows(day("2025-03-03")) == ((at("2025-03-03T09:00"), at("2025-03-03T18:00")),)


def test_office_windows_are_walked_in_order_however_the_file_lists_them() -> None:
    tidy = imported(2026)
    office = OfficeHours(windows=tuple(reversed(tidy.office.windows)), source=tidy.office.source)
    calendar = WorkingCalendar([tidy.model_copy(update={"office": office})])

    assert calendar.windows(day("2026-09-30")) == BOTH.windows(day("2026-09-30"))


def test_windows_from_begins_in_the_window_in_progress_and_skips_the_holiday() -> None:
    assert list(islice(BOTH.windows_from(at("2026-09-30T15:00")), 2)) == [
        (at("2026-09-30T15:00"), at("2026-09-30T17:30")),
        (at("2026-10-08T08:30"), at("2026-10-08T12:00")),
    ]
    first, _ = next(BOTH.windows_from(at("2026-09-30T12:00")))
    assert first == at("2026-09-30T14:30")


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        ("2026-09-30", 5, "2026-10-13"),
        ("2026-02-13", 5, "2026-02-27"),
        ("2026-09-18", 5, "2026-09-24"),
        ("2026-04-30", 5, "2026-05-11"),
        ("2025-09-26", 5, "2025-10-10"),
        ("2025-01-24", 3, "2025-02-05"),
        ("2026-10-09", 1, "2026-10-10"),
    ],
)
@pytest.mark.parametrize("clock", ["00:00", "10:07", "23:59"])
def test_working_days_end_at_office_close_of_the_last_day(start: str, days: int, last: str, clock: str) -> None:
    reach = BOTH.add_working_days(at(f"{start}T{clock}"), days)

    assert reach.due == at(f"{last}T17:30")
    assert reach.due.tzinfo is UTC
    assert not reach.provisional
    assert reach.last_day == day(last)


@pytest.mark.parametrize(
    ("start", "last"),
    [
        ("2026-08-01T09:00", "2026-08-03T17:30"),  # a Saturday: Monday is day 1
        ("2026-09-20T09:00", "2026-09-21T17:30"),  # a make-up Sunday is left out although it works
        ("2026-10-03T09:00", "2026-10-08T17:30"),  # in the middle of a holiday
    ],
)
def test_the_day_of_dispatch_is_left_out_whatever_day_it_is(start: str, last: str) -> None:
    assert BOTH.add_working_days(at(start), 1).due == at(last)


def test_the_day_of_dispatch_is_baotous_day() -> None:
    late_in_utc = datetime(2026, 9, 28, 16, 30, tzinfo=UTC)  # 00:30 on the 29th in Baotou

    assert BOTH.add_working_days(late_in_utc, 1).due == at("2026-09-30T17:30")


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-08-03T09:00", "0.5", "2026-08-03T14:45"),
        ("2026-08-03T16:00:20", "0.5", "2026-08-04T10:15:20"),
        ("2026-08-01T09:00", "0.5", "2026-08-03T11:45"),
        ("2026-09-20T09:00", "0.5", "2026-09-20T14:45"),  # counted from the minute, so a make-up day counts itself
        ("2026-08-03T09:00", "1.5", "2026-08-05T11:45"),  # one whole day, then half a day from its close
        ("2026-08-03T09:00", "2.0", "2026-08-05T17:30"),
        ("2026-08-03T09:00", "0.01", "2026-08-03T09:04"),  # 3.9 minutes: rounding never cuts a limit short
    ],
)
def test_part_of_a_working_day_is_counted_in_office_minutes(start: str, days: str, due: str) -> None:
    assert BOTH.add_working_days(at(start), Decimal(days)).due == at(due)


@pytest.mark.parametrize(
    ("start", "last"),
    [("2026-09-04", "2026-10-08"), ("2026-01-20", "2026-02-24"), ("2026-08-27", "2026-09-28")],
)
def test_calendar_days_end_at_midnight_and_move_on_from_a_day_off(start: str, last: str) -> None:
    reach = BOTH.add_calendar_days(at(f"{start}T10:07"), 30)

    assert reach.due == at(f"{last}T00:00") + timedelta(days=1)
    assert reach.last_day == day(last)
    assert reach.slices[-1].counted == Counted.MOVED_ON


def test_calendar_days_stay_on_a_working_last_day() -> None:
    reach = BOTH.add_calendar_days(at("2026-08-03T10:07"), 30)

    assert reach.due == at("2026-09-03T00:00")
    assert [part.counted for part in reach.slices] == [Counted.CALENDAR_DAY] * 30


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-08-03T10:00", 120, "2026-08-03T12:00"),  # ends at the close, not at the next opening
        ("2026-08-03T11:00", 120, "2026-08-03T15:30"),
        ("2026-08-03T12:30", 1, "2026-08-03T14:31"),
        ("2026-09-30T17:00", 120, "2026-10-08T10:00"),
        ("2026-10-09T17:00", 60, "2026-10-10T09:00"),
    ],
)
def test_office_minutes_run_in_the_windows_only(start: str, minutes: int, due: str) -> None:
    assert BOTH.add_office_minutes(at(start), minutes).due == at(due)


def test_the_slices_tell_what_was_counted() -> None:
    reach = BOTH.add_working_days(at("2026-09-30T10:00"), Decimal("1.5"))

    assert reach.slices == (
        Slice(day("2026-10-08"), Counted.WORKING_DAY),
        Slice(day("2026-10-09"), Counted.OFFICE_TIME, HALF_DAY),
    )


@pytest.mark.parametrize(
    ("start", "days", "due", "provisional"),
    [
        ("2026-12-10T10:00", 15, "2026-12-31T17:30", False),
        ("2026-12-11T10:00", 15, "2027-01-04T17:30", True),  # 1/1 is statutory and a Friday
        ("2027-02-04T10:00", 2, "2027-02-10T17:30", True),
        ("2024-12-31T10:00", 1, "2025-01-02T17:30", False),  # the day left out needs no calendar
    ],
)
def test_crossing_into_a_missing_year_is_provisional(start: str, days: int, due: str, provisional: bool) -> None:
    reach = BOTH.add_working_days(at(start), days)

    assert (reach.due, reach.provisional) == (at(due), provisional)


def test_a_part_of_a_day_that_spills_into_a_missing_year_is_provisional() -> None:
    inside = BOTH.add_office_minutes(at("2026-12-31T16:00"), 90)
    spilled = BOTH.add_working_days(at("2026-12-30T16:00"), Decimal("1.5"))

    assert (inside.due, inside.provisional) == (at("2026-12-31T17:30"), False)
    assert (spilled.due, spilled.provisional) == (at("2027-01-04T11:45"), True)


def test_a_missing_year_between_imported_ones_is_provisional() -> None:
    calendar = WorkingCalendar([year_of(2025), year_of(2027)])

    assert calendar.add_working_days(at("2025-12-30T10:00"), 300).provisional
    assert calendar.add_working_days(at("2025-12-30T10:00"), Decimal("300.5")).provisional


def test_office_minutes_out_of_a_missing_year_are_provisional() -> None:
    reach = BOTH.add_office_minutes(at("2024-12-31T16:00"), 120)

    assert (reach.due, reach.provisional) == (at("2025-01-02T09:00"), True)


def test_calendar_days_are_provisional_by_their_end_alone() -> None:
    until_new_year = BOTH.add_calendar_days(at("2026-12-01T10:00"), 30)
    out_of_2024 = BOTH.add_calendar_days(at("2024-12-16T10:00"), 30)
    into_2027 = BOTH.add_calendar_days(at("2026-12-02T10:00"), 30)

    assert (until_new_year.last_day, until_new_year.provisional) == (day("2026-12-31"), False)
    assert (out_of_2024.last_day, out_of_2024.provisional) == (day("2025-01-15"), False)
    assert (into_2027.last_day, into_2027.provisional) == (day("2027-01-04"), True)


def test_without_any_year_the_usual_hours_serve_provisionally() -> None:
    reach = EMPTY.add_working_days(at("2026-09-30T10:00"), 1)

    # Only the fixed dates are known: 10-01 Thursday and 10-02 Friday off, Monday 10-05 taken for a working day.
    assert reach == Reach(at("2026-10-05T17:30"), True, (Slice(day("2026-10-05"), Counted.WORKING_DAY),))
    assert EMPTY.add_office_minutes(at("2026-09-30T17:00"), 60).due == at("2026-10-05T09:00")


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_that_is_not_positive_is_refused(amount: int) -> None:
    start = at("2026-08-03T10:00")

    for add in (BOTH.add_working_days, BOTH.add_office_minutes, BOTH.add_calendar_days):
        with pytest.raises(ValueError, match="正数"):
            add(start, amount)
    with pytest.raises(ValueError, match="正数"):
        BOTH.add_working_days(start, Decimal("-0.5"))


def test_a_moment_without_a_time_zone_is_refused() -> None:
    bare = at("2026-08-03T10:00").replace(tzinfo=None)

    for add in (BOTH.add_working_days, BOTH.add_office_minutes, BOTH.add_calendar_days):
        with pytest.raises(ValueError, match="时区"):
            add(bare, 1)
    with pytest.raises(ValueError, match="时区"):
        BOTH.office_minutes_between(at("2026-08-03T09:00"), bare)


def test_office_minutes_between_counts_only_open_and_completed_minutes() -> None:
    begin, end = at("2026-09-30T11:30:30"), at("2026-10-08T08:45")

    assert BOTH.office_time_between(begin, end) == timedelta(hours=3, minutes=44, seconds=30)
    assert BOTH.office_minutes_between(begin, end) == 224
    assert BOTH.office_minutes_between(end, begin) == -224
    assert BOTH.office_minutes_between(at("2026-10-01T00:00"), at("2026-10-07T23:59")) == 0


@given(start=moments, minutes=st.integers(1, 4000), days=amounts)
@lawful
def test_law_no_working_deadline_falls_into_a_closed_window(start: datetime, minutes: int, days: int) -> None:
    dues = [
        BOTH.add_office_minutes(start, minutes).due,
        BOTH.add_working_days(start, days).due,
        BOTH.add_working_days(start, days - Decimal("0.5")).due,
    ]

    assert all(map(in_office_hours, dues))


@given(start=moments, minutes=st.integers(1, 4000))
@lawful
def test_law_office_minutes_round_trip(start: datetime, minutes: int) -> None:
    reach = BOTH.add_office_minutes(start, minutes)

    assert BOTH.office_minutes_between(start, reach.due) == minutes
    assert sum((part.time for part in reach.slices), timedelta()) == timedelta(minutes=minutes)


@given(points=st.lists(moments, min_size=3, max_size=3).map(sorted))
@lawful
def test_law_office_time_adds_up_over_parts(points: list[datetime]) -> None:
    parts = [BOTH.office_time_between(begin, end) for begin, end in pairwise(points)]

    assert sum(parts, timedelta()) == BOTH.office_time_between(points[0], points[-1])


@given(pair=st.tuples(moments, moments).map(sorted), amount=amounts)
@lawful
def test_law_a_later_start_is_never_due_earlier(pair: list[datetime], amount: int) -> None:
    for add in (BOTH.add_working_days, BOTH.add_office_minutes, BOTH.add_calendar_days):
        early, late = (add(start, amount).due for start in pair)
        assert pair[0] < early <= late


@given(start=moments, halves=st.integers(1, 40))
@lawful
def test_law_more_is_due_later(start: datetime, halves: int) -> None:
    amount, more = Decimal(halves) / 2, Decimal(halves + 1) / 2

    assert BOTH.add_working_days(start, amount).due < BOTH.add_working_days(start, more).due
    assert BOTH.add_office_minutes(start, halves).due < BOTH.add_office_minutes(start, halves + 1).due
    assert BOTH.add_calendar_days(start, halves).due <= BOTH.add_calendar_days(start, halves + 1).due


@given(start=moments, days=amounts)
@lawful
def test_law_working_days_are_exactly_the_working_days_after_the_start(start: datetime, days: int) -> None:
    reach = BOTH.add_working_days(start, days)

    first = local(start).date()
    walked = [first + timedelta(days=ahead) for ahead in range(1, (reach.last_day - first).days + 1)]
    assert [part.day for part in reach.slices] == [found for found in walked if BOTH.is_working_day(found)]
    assert len(reach.slices) == days


@given(start=moments, days=amounts)
@lawful
def test_law_a_result_is_provisional_exactly_when_it_rests_on_a_missing_year(start: datetime, days: int) -> None:
    reach = BOTH.add_working_days(start, days)

    judged = {(local(start).date() + timedelta(days=1)).year, reach.last_day.year}
    assert reach.provisional == bool(judged - {2025, 2026})
