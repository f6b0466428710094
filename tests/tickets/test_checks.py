"""The check of an answer: what it finds, what it lets pass. Own texts."""

import pytest

from app.tickets.checks import check_answer, points_of, same_text

APPEAL = (
    "我们公司从青山区搬到昆区，申请变更住所，系统提示房产信息核验不通过。请问什么时候能办好？"
    "另外窗口让我们另交两百元代办费，这笔费用有没有依据？"
)
WHOLE = (
    "经核实，房产信息已由住建部门推送，住所变更今天上午核准，企业可凭电子执照使用。"
    "代办费系窗口外中介收取，窗口没有收费依据，已责令退还两百元，企业认可。"
)
HALF = "经核实，房产信息已由住建部门推送，住所变更今天上午核准，企业可凭电子执照使用，经办人表示认可。"
EMPTY = "我局高度重视，立即安排科室认真核查，感谢您的理解。"


def codes(answer: str, *, contacted: bool = True, same: tuple[str, ...] = ()) -> list[str]:
    return [item.code for item in check_answer(APPEAL, answer, contacted=contacted, same_elsewhere=same)]


def test_an_answer_to_every_point_passes() -> None:
    assert codes(WHOLE) == []


def test_a_point_left_out_is_named() -> None:
    found = check_answer(APPEAL, HALF, contacted=True, same_elsewhere=())
    assert [(item.code, "代办费" in item.message) for item in found] == [("unanswered", True)]


def test_a_short_question_is_about_the_sentence_before_it() -> None:
    (first, about), _ = points_of(APPEAL)
    assert first == "请问什么时候能办好？"
    assert "房产信息核验" in about


def test_empty_phrases_are_a_template_and_answer_nothing() -> None:
    assert codes(EMPTY) == ["unanswered", "unanswered", "template"]


@pytest.mark.parametrize(
    ("answer", "but", "code"),
    [
        (WHOLE, {"contacted": False}, "no-contact"),
        (WHOLE, {"same": ("BTQ1",)}, "identical"),
        ("已办理完毕。", {}, "too-short"),
    ],
)
def test_what_else_an_answer_can_lack(answer: str, but: dict[str, object], code: str) -> None:
    assert code in codes(answer, **but)  # type: ignore[arg-type]


def test_the_same_answer_with_other_sums_and_stops_is_the_same() -> None:
    assert same_text("已退还 200 元，企业认可。") == same_text("已退还350元 企业认可！")
    assert same_text("已退还二百元") != same_text("已退还三百元")


@pytest.mark.parametrize("odd", ["", "。", "？？？", "12345", "ᠮᠣᠩᠭᠣᠯ", "a" * 5000, "吗" * 3000])
def test_odd_texts_are_answered(odd: str) -> None:
    assert isinstance(check_answer(odd, odd, contacted=True, same_elsewhere=()), list)
