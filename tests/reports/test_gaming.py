"""Signs that figures are played with: each is seen where it is there, and not where it is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.reports.gaming import SAME_ANSWERS, signs
from app.reports.periods import CutOffs, Span, parse
from app.tickets.office import Office
from tests.builders import Hotline
from tests.tickets.test_life import GOOD, at, call, do, objection, ok

UNIT = "市工信局"
WHO = f"unit_handler@{UNIT}"
MONDAY = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


def sent(hotline: Hotline, moment: datetime) -> str:
    with at(hotline, moment):
        number: str = hotline.submit(override={"tag": "0101", "reason": "话务员判断"})["number"]
        ok(do(hotline, WHO, number, "sign"))
    return number


def answered(hotline: Hotline, number: str, moment: datetime, content: str) -> None:
    body = {"result": "已解决", "content": content, "without_opinions": "不影响结论"}
    with at(hotline, moment):
        ok(do(hotline, WHO, number, "reply", body | {"contact": {"at": moment.isoformat(), "way": "电话"}}))
    with at(hotline, moment + timedelta(minutes=5)):
        ok(
            do(
                hotline,
                "reviewer",
                number,
                "review",
                {"approve": True, "opinion": "可以", "despite_checks": "要点已答"},
            )
        )


def found(office: Office, sign: str) -> list[dict[str, Any]]:
    with office.database.read() as session:
        every = signs(session, parse(Span.YEAR, "2026", CutOffs()))
    return [each for each in every if sign in each["sign"]]


@pytest.mark.parametrize("count", [SAME_ANSWERS - 1, SAME_ANSWERS + 1])
def test_the_same_answer_to_many_is_a_sign(hotline: Hotline, office: Office, count: int) -> None:
    numbers = [sent(hotline, MONDAY + timedelta(minutes=index)) for index in range(count)]
    for index, number in enumerate(numbers):
        answered(hotline, number, MONDAY + timedelta(hours=2, minutes=10 * index), GOOD)
    other = sent(hotline, MONDAY + timedelta(hours=5))
    answered(hotline, other, MONDAY + timedelta(hours=6), f"{GOOD}双方已签还款协议。")
    seen = found(office, "一字不差")
    if count < SAME_ANSWERS:
        assert seen == []
    else:
        assert [(each["n"], each["numbers"]) for each in seen] == [(count, numbers)]


def test_an_answer_minutes_before_it_was_due_that_came_back_is_a_sign(hotline: Hotline, office: Office) -> None:
    hurried, calm = sent(hotline, MONDAY), sent(hotline, MONDAY + timedelta(minutes=1))
    due = datetime.fromisoformat(hotline.ticket(hurried)["due_at"])
    answered(hotline, calm, MONDAY + timedelta(hours=4), GOOD)
    answered(hotline, hurried, due - timedelta(minutes=10), f"{GOOD}如上。")
    for number in (hurried, calm):
        with at(hotline, due + timedelta(hours=20)):
            ok(do(hotline, "callback", number, "callback", call(solved="未解决", grade="不满意")))
            ok(do(hotline, "reviewer", number, "reassess", {"rework": True, "opinion": "没有解决"}))
    assert [each["numbers"] for each in found(office, "截止前")] == [[hurried]]


@pytest.mark.parametrize(("day", "crowded"), [(27, True), (9, False)])
def test_returns_that_crowd_into_the_last_days_are_a_sign(
    hotline: Hotline, office: Office, day: int, crowded: bool
) -> None:
    for index in range(6):
        moment = datetime(2026, 11, day, 1, index, tzinfo=UTC)
        with at(hotline, moment):
            number = hotline.submit(override={"tag": "0101", "reason": "话务员判断"})["number"]
            ok(do(hotline, WHO, number, "objection", objection("市财政局")))
    assert [each["n"] for each in found(office, "月末")] == ([6] if crowded else [])
