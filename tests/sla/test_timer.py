"""When steps are due: each unit of counting, and what a dispatched unit owes under the shipped limits."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import SHANGHAI
from app.rulebook.loader import Reading
from app.rulebook.shapes import CalendarYear, LimitRule, LimitStep, Rulebook
from app.sla.calendar import Counted, WorkingCalendar
from app.sla.limits import LimitCase, LimitMissingError
from app.sla.timer import Due, dispatch_dues, due, first_dispatch_due, reach

RULES = Path(__file__).parents[2] / "routing_rules"


def rulebook_of(**parts: Any) -> Rulebook:
    """Build a rulebook with only some parts; the timer looks at nothing but the limits."""
    return Rulebook.model_construct(**parts)


def rules_as_shipped() -> Rulebook:
    """Read the shipped limits and the years 2025 and 2026."""
    reading = Reading(RULES)
    limits = tuple(rule for _, rule in reading.shapes(reading.open("limits.yaml"), "limits", LimitRule))
    sources = [reading.open(f"calendar/{year}.yaml") for year in (2025, 2026)]
    years = tuple(reading.shape(source, (), source.data, CalendarYear) for source in sources)
    assert not reading.faults
    return rulebook_of(limits=limits, years=years)


RULEBOOK = rules_as_shipped()
CALENDAR = WorkingCalendar(RULEBOOK.years)

lawful = settings(derandomize=True, deadline=None)
cases = st.builds(LimitCase, st.sampled_from(["咨询", "求助", "投诉", "举报", "建议"]), st.booleans(), st.booleans())
moments = st.datetimes(datetime(2024, 6, 1), datetime(2028, 3, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    """Read a Baotou wall-clock moment."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def limit(amount: str, unit: str, **but: Any) -> LimitRule:
    """Build a closing limit of some amount and unit."""
    usual = {"code": "test", "step": "办结", "start": "派单", "basis": "测试依据", "basis_kind": "参照"}
    usual |= {"amount": amount, "unit": unit, "valid_from": "2025-01-01"}
    return LimitRule.model_validate({**usual, **but})


def owed(case: LimitCase, dispatched_at: str) -> dict[str, tuple[str, str]]:
    """Return step -> (Baotou due time, limit text) of a dispatch."""
    dues = dispatch_dues(RULEBOOK, CALENDAR, case, at(dispatched_at))
    return {found.step: (f"{found.due_at.astimezone(SHANGHAI):%m-%d %H:%M}", found.limit_text) for found in dues}


@pytest.mark.parametrize(
    ("amount", "unit", "due_at", "text"),
    [
        ("30", "分钟", "2026-10-01T18:10", "30分钟"),
        ("24", "小时", "2026-10-02T17:40", "24小时"),
        ("1.5", "小时", "2026-10-01T19:10", "1.5小时"),
        ("2", "办公小时", "2026-10-08T10:30", "2个办公小时"),
        ("0.01", "办公小时", "2026-10-08T08:31", "0.01个办公小时"),
        ("0.5", "工作日", "2026-10-08T11:45", "0.5个工作日"),
        ("5.0", "工作日", "2026-10-13T17:30", "5个工作日"),
        ("30", "自然日", "2026-11-03T00:00", "30个自然日"),
        ("100", "分钟", "2026-10-01T19:20", "100分钟"),
    ],
)
def test_each_unit_is_counted_its_own_way_from_a_holiday(amount: str, unit: str, due_at: str, text: str) -> None:
    found = due(limit(amount, unit), at("2026-10-01T17:40"), CALENDAR)

    assert (found.due_at, found.limit_text) == (at(due_at), text)
    assert found.due_at.tzinfo is UTC


def test_a_due_time_names_its_rule_and_basis() -> None:
    assert due(limit("1", "小时", code="close-x", basis_kind="法定"), at("2026-08-03T09:00"), CALENDAR) == Due(
        step=LimitStep.CLOSING,
        due_at=at("2026-08-03T10:00").astimezone(UTC),
        provisional=False,
        rule_code="close-x",
        basis="测试依据",
        basis_kind="法定",
        limit_text="1小时",
    )


@pytest.mark.parametrize(
    ("amount", "unit", "reason"),
    [("0.25", "剩余比例", "不是时长"), ("3", "次", "不是时长"), ("1.5", "自然日", "自然日须为整数")],
)
def test_a_limit_that_is_no_duration_is_refused(amount: str, unit: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        due(limit(amount, unit), at("2026-08-03T09:00"), CALENDAR)


@pytest.mark.parametrize("unit", ["分钟", "小时", "办公小时", "工作日", "自然日"])
def test_a_start_without_a_time_zone_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="时区"):
        due(limit("1", unit), at("2026-08-03T09:00").replace(tzinfo=None), CALENDAR)


@pytest.mark.parametrize(
    ("unit", "provisional"), [("工作日", True), ("办公小时", True), ("自然日", True), ("小时", False)]
)
def test_only_plain_hours_do_without_the_missing_year(unit: str, provisional: bool) -> None:
    assert due(limit("5", unit), at("2026-12-31T16:00"), CALENDAR).provisional == provisional


def test_reach_explains_the_days_of_a_limit() -> None:
    found = reach(limit("2", "工作日"), at("2026-09-30T10:00"), CALENDAR)

    assert [(part.day, part.counted) for part in found.slices] == [
        (date(2026, 10, 8), Counted.WORKING_DAY),
        (date(2026, 10, 9), Counted.WORKING_DAY),
    ]
    assert reach(limit("2", "小时"), at("2026-09-30T10:00"), CALENDAR).slices == ()


def test_a_plain_complaint_dispatched_before_the_holiday() -> None:
    assert owed(LimitCase("投诉", urgent=False), "2026-09-30T16:00") == {
        "签收": ("10-08 10:15", "0.5个工作日"),
        "退单提出": ("10-08 17:30", "1个工作日"),
        "首次联系": ("10-08 17:30", "1个工作日"),
        "阶段答复": ("10-10 17:30", "3个工作日"),
        "办结": ("10-13 17:30", "5个工作日"),
    }


def test_an_urgent_case_runs_round_the_clock() -> None:
    assert owed(LimitCase("求助", urgent=True), "2026-10-01T23:50") == {
        "签收": ("10-02 00:20", "30分钟"),
        "退单提出": ("10-02 00:50", "1小时"),
        "首次联系": ("10-02 01:50", "2小时"),
        "阶段答复": ("10-02 23:50", "24小时"),
        "办结": ("10-02 23:50", "24小时"),
    }


def test_an_inquiry_owes_no_interim_reply() -> None:
    assert owed(LimitCase("咨询", urgent=False), "2026-08-03T09:00") == {
        "签收": ("08-03 14:45", "0.5个工作日"),
        "退单提出": ("08-03 11:00", "2个办公小时"),
        "首次联系": ("08-04 17:30", "1个工作日"),
        "办结": ("08-04 17:30", "1个工作日"),
    }


@pytest.mark.parametrize(
    ("case", "closing"),
    [
        (LimitCase("举报", urgent=False), ("08-24 17:30", "15个工作日")),
        (LimitCase("投诉", urgent=False, hard=True), ("09-14 17:30", "30个工作日")),
        (LimitCase("投诉", urgent=False, covers="拖欠账款"), ("09-03 00:00", "30个自然日")),
    ],
)
def test_the_closing_limit_follows_the_case(case: LimitCase, closing: tuple[str, str]) -> None:
    assert owed(case, "2026-08-03T09:00")["办结"] == closing


@pytest.mark.parametrize(("urgent", "due_at"), [(False, "2026-10-02T00:30"), (True, "2026-10-01T22:45")])
def test_the_hotline_dispatches_round_the_clock(urgent: bool, due_at: str) -> None:
    found = first_dispatch_due(RULEBOOK, CALENDAR, LimitCase("投诉", urgent), at("2026-10-01T22:30"))

    assert (found.step, found.due_at, found.provisional) == (LimitStep.FIRST_DISPATCH, at(due_at), False)


def test_the_rules_of_the_baotou_day_of_dispatch_hold() -> None:
    old, new = limit("5", "工作日", valid_to="2026-08-02"), limit("4", "工作日", valid_from="2026-08-03")
    others = [limit("1", "小时", step=step) for step in ("签收", "退单提出", "首次联系")]
    rulebook = rulebook_of(limits=(*others, old, new))
    midnight_in_baotou = datetime(2026, 8, 2, 16, 0, tzinfo=UTC)

    def closing(moment: datetime) -> str:
        return dispatch_dues(rulebook, CALENDAR, LimitCase("投诉", urgent=False), moment)[-1].limit_text

    assert closing(midnight_in_baotou - timedelta(seconds=1)) == "5个工作日"
    assert closing(midnight_in_baotou) == "4个工作日"


def test_the_rules_of_the_baotou_day_of_acceptance_hold() -> None:
    rulebook = rulebook_of(limits=[limit("2", "小时", step="首次派单", valid_from="2026-08-03")])
    midnight_in_baotou = datetime(2026, 8, 2, 16, 0, tzinfo=UTC)
    case = LimitCase("投诉", urgent=False)

    assert first_dispatch_due(rulebook, CALENDAR, case, midnight_in_baotou).due_at == at("2026-08-03T02:00")
    with pytest.raises(LimitMissingError, match="2026-08-02"):
        first_dispatch_due(rulebook, CALENDAR, case, midnight_in_baotou - timedelta(seconds=1))


def test_a_gap_in_the_rules_is_told_and_not_passed_over() -> None:
    before_the_notice, case = at("2024-05-27T09:00"), LimitCase("投诉", urgent=False)

    with pytest.raises(LimitMissingError, match="签收"):
        dispatch_dues(RULEBOOK, CALENDAR, case, before_the_notice)
    with pytest.raises(LimitMissingError, match="首次派单"):
        first_dispatch_due(RULEBOOK, CALENDAR, case, before_the_notice)


@given(case=cases, moment=moments)
@lawful
def test_law_every_dispatch_has_its_dues_with_or_without_a_calendar(case: LimitCase, moment: datetime) -> None:
    for calendar in (CALENDAR, WorkingCalendar([])):
        steps = {found.step: found for found in dispatch_dues(RULEBOOK, calendar, case, moment)}
        assert set(steps) >= {LimitStep.SIGN, LimitStep.RETURN_REQUEST, LimitStep.FIRST_CONTACT, LimitStep.CLOSING}
        assert all(moment < found.due_at <= steps[LimitStep.CLOSING].due_at for found in steps.values())


@given(case=cases, moment=moments)
@lawful
def test_law_without_any_calendar_all_but_urgent_dues_are_provisional(case: LimitCase, moment: datetime) -> None:
    dues = dispatch_dues(RULEBOOK, WorkingCalendar([]), case, moment)

    assert {found.provisional for found in dues} == {not case.urgent}
