"""A pause costs exactly its working time, over weekends, holidays and make-up days."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.sla.calendar import WorkingCalendar
from app.sla.timer import after_pause
from tests.rules import shipped

CALENDAR = WorkingCalendar(shipped().years)
LAW = settings(derandomize=True, deadline=None, max_examples=200)
MOMENTS = st.datetimes(datetime(2026, 1, 5), datetime(2026, 10, 20), timezones=st.just(UTC))  # noqa: DTZ001  zone follows
SPANS = st.integers(1, 30 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))


def test_a_pause_over_the_national_day_costs_no_holiday() -> None:
    began = datetime(2026, 9, 30, 8, 30, tzinfo=UTC)  # an hour before the offices close
    due = datetime(2026, 10, 8, 9, 30, tzinfo=UTC)
    ended = datetime(2026, 10, 8, 0, 30, tzinfo=UTC)  # they open on the 8th
    assert after_pause(due, began, ended, CALENDAR) == datetime(2026, 10, 9, 1, 30, tzinfo=UTC)


@LAW
@given(MOMENTS, SPANS, SPANS)
def test_law_what_was_left_is_left(began: datetime, to_due: timedelta, pause: timedelta) -> None:
    due, ended = began + to_due, began + pause
    left = CALENDAR.office_time_between(began, due)
    moved = after_pause(due, began, ended, CALENDAR)
    assert moved > ended or not left
    assert CALENDAR.office_time_between(ended, moved) == left or not left


@LAW
@given(MOMENTS, SPANS, SPANS, SPANS)
def test_law_two_pauses_cost_what_they_cost_together(
    began: datetime, to_due: timedelta, first: timedelta, second: timedelta
) -> None:
    due, middle = began + to_due, began + first
    if not CALENDAR.office_time_between(began, due):
        return
    once = after_pause(due, began, middle + second, CALENDAR)
    assert after_pause(after_pause(due, began, middle, CALENDAR), middle, middle + second, CALENDAR) == once
