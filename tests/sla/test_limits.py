"""Which limit holds: the narrowest valid rule, whatever the order of the file."""

from datetime import date
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rulebook.loader import Reading
from app.rulebook.shapes import LimitRule, LimitStep
from app.sla.limits import LimitCase, LimitMissingError, require, select

RULES = Path(__file__).parents[2] / "routing_rules"
DAY = date(2026, 8, 3)
TYPES = ("咨询", "求助", "投诉", "举报", "建议")

PLAIN = LimitCase("投诉", urgent=False)


def shipped() -> tuple[LimitRule, ...]:
    """Read the limits the service ships with."""
    reading = Reading(RULES)
    rules = tuple(rule for _, rule in reading.shapes(reading.open("limits.yaml"), "limits", LimitRule))
    assert not reading.faults
    return rules


def limit(code: str, **but: Any) -> LimitRule:
    """Build a closing limit of five working days, but for what is given."""
    usual = {"step": "办结", "amount": 5, "unit": "工作日", "start": "派单", "basis": "测试", "basis_kind": "建议"}
    return LimitRule.model_validate({**usual, "code": code, "valid_from": date(2025, 1, 1), **but})


def chosen(case: LimitCase, *rules: LimitRule, day: date = DAY) -> str | None:
    """Return the code of the closing rule that every order of the rules agrees on."""
    found = {select(order, LimitStep.CLOSING, case, day) for order in permutations(rules)}
    (rule,) = found
    return rule.code if rule else None


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (LimitCase("咨询", urgent=False), "close-consult"),
        (LimitCase("求助", urgent=False), "close-normal"),
        (LimitCase("投诉", urgent=False), "close-normal"),
        (LimitCase("建议", urgent=False), "close-normal"),
        (LimitCase("举报", urgent=False), "close-report"),
        (LimitCase("举报", urgent=True), "close-urgent"),
        (LimitCase("投诉", urgent=False, hard=True), "close-hard"),
        (LimitCase("投诉", urgent=True, hard=True), "close-urgent"),
        (LimitCase("投诉", urgent=False, covers="拖欠账款"), "close-arrears"),
        (LimitCase("投诉", urgent=False, hard=True, covers="拖欠账款"), "close-arrears"),
    ],
)
def test_the_shipped_rules_give_each_case_its_closing_limit(case: LimitCase, code: str) -> None:
    rule = select(shipped(), LimitStep.CLOSING, case, DAY)

    assert rule is not None
    assert rule.code == code


def test_an_inquiry_has_its_own_return_limit_and_no_interim_reply() -> None:
    inquiry = LimitCase("咨询", urgent=False)

    returned = select(shipped(), LimitStep.RETURN_REQUEST, inquiry, DAY)
    assert returned is not None
    assert returned.code == "return-consult"
    assert select(shipped(), LimitStep.INTERIM_REPLY, inquiry, DAY) is None


def test_a_limit_for_certain_tags_is_for_them_alone_and_narrower_than_one_for_types() -> None:
    wide, tagged = limit("by-type", types=["投诉"]), limit("by-tag", tags=["0101"], amount=3)
    assert chosen(LimitCase("投诉", urgent=False, tag="0101"), wide, tagged) == "by-tag"
    assert chosen(LimitCase("投诉", urgent=False, tag="0102"), wide, tagged) == "by-type"
    assert chosen(LimitCase("投诉", urgent=False), wide, tagged) == "by-type"


def test_the_statutory_limit_begins_with_its_law() -> None:
    arrears = LimitCase("投诉", urgent=False, covers="拖欠账款")

    before = select(shipped(), LimitStep.CLOSING, arrears, date(2025, 5, 31))
    after = select(shipped(), LimitStep.CLOSING, arrears, date(2025, 6, 1))
    assert before is not None
    assert after is not None
    assert (before.code, after.code) == ("close-normal", "close-arrears")


@pytest.mark.parametrize(
    ("narrower", "wider"),
    [
        (limit("covers", covers="拖欠账款"), limit("hard", hard=True, urgent=False, types=["投诉"])),
        (limit("hard", hard=True), limit("typed", types=["投诉"], urgent=False)),
        (limit("typed", types=["投诉", "举报"]), limit("urgency", urgent=False)),
        (limit("one", types=["投诉"]), limit("two", types=["投诉", "举报"], urgent=False)),
        (limit("urgency", urgent=False), limit("any")),
        (limit("b"), limit("a")),  # nothing else to tell them apart: the code
        (limit("later", valid_from=date(2026, 1, 1)), limit("sooner")),
    ],
)
def test_the_narrower_rule_wins_in_either_order(narrower: LimitRule, wider: LimitRule) -> None:
    case = LimitCase("投诉", urgent=False, hard=True, covers="拖欠账款")

    assert chosen(case, wider, narrower) == narrower.code
    assert chosen(case, wider) == wider.code


def test_a_narrow_rule_outlives_a_wider_one_that_is_newer() -> None:
    assert chosen(PLAIN, limit("old", types=["投诉"]), limit("new", valid_from=date(2026, 7, 1))) == "old"


@pytest.mark.parametrize(
    "stranger",
    [
        limit("other-type", types=["咨询"]),
        limit("urgent", urgent=True),
        limit("hard", hard=True),
        limit("covers", covers="拖欠账款"),
        limit("other-step", step="签收"),
        limit("not-yet", valid_from=date(2026, 8, 4)),
        limit("no-more", valid_to=date(2026, 8, 2)),
    ],
)
def test_a_rule_for_other_circumstances_is_left_alone(stranger: LimitRule) -> None:
    assert chosen(PLAIN, stranger) is None
    assert chosen(PLAIN, stranger, limit("plain")) == "plain"


def test_another_statute_is_not_this_one() -> None:
    case = LimitCase("投诉", urgent=False, covers="工伤认定")

    assert chosen(case, limit("arrears", covers="拖欠账款"), limit("plain")) == "plain"


def test_a_rule_is_valid_on_its_first_and_last_day() -> None:
    rule = limit("august", valid_from=date(2026, 8, 1), valid_to=date(2026, 8, 31))

    days = [date(2026, 7, 31), date(2026, 8, 1), date(2026, 8, 31), date(2026, 9, 1)]
    assert [chosen(PLAIN, rule, day=day) for day in days] == [None, "august", "august", None]


def test_a_required_limit_that_is_missing_is_told_with_step_and_day() -> None:
    assert require([limit("plain")], LimitStep.CLOSING, PLAIN, DAY).code == "plain"
    with pytest.raises(LimitMissingError, match="2026-08-03 没有适用的签收时限") as raised:
        require([limit("plain")], LimitStep.SIGN, PLAIN, DAY)
    assert (raised.value.step, raised.value.day) == (LimitStep.SIGN, DAY)


@given(
    case=st.builds(LimitCase, st.sampled_from(TYPES), st.booleans(), st.booleans(), st.sampled_from(["", "拖欠账款"])),
    step=st.sampled_from(LimitStep),
    order=st.randoms(use_true_random=False),
)
@settings(derandomize=True, deadline=None)
def test_law_the_choice_does_not_hang_on_the_order_of_the_file(case: LimitCase, step: LimitStep, order: Any) -> None:
    rules = shipped()
    shuffled = order.sample(rules, len(rules))

    assert select(shuffled, step, case, DAY) == select(rules, step, case, DAY)


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize("kind", TYPES)
def test_the_shipped_rules_leave_no_case_without_its_needed_steps(kind: str, urgent: bool) -> None:
    needed = (LimitStep.FIRST_DISPATCH, LimitStep.SIGN, LimitStep.RETURN_REQUEST, LimitStep.FIRST_CONTACT)

    for step in (*needed, LimitStep.CLOSING, LimitStep.REVIEW, LimitStep.CALLBACK, LimitStep.REWORK):
        assert require(shipped(), step, LimitCase(kind, urgent), DAY).step == step
