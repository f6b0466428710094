"""What the shapes answer: the worth of the notice on a day, units over time, names."""

from datetime import date

import pytest
from pydantic import ValidationError

from app.rulebook.shapes import ANY_DISTRICT, BY_PLACE, Measure, NoticeStatus
from tests.rules import shipped, with_units

LAST_DAY = date(2026, 5, 28)
BEFORE, AFTER = date(2026, 6, 30), date(2026, 7, 1)


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (date(2024, 5, 28), NoticeStatus.IN_FORCE),
        (date(2026, 5, 27), NoticeStatus.IN_FORCE),
        (LAST_DAY, NoticeStatus.IN_FORCE),
        (date(2026, 5, 29), NoticeStatus.LAPSED_CONTINUED),
        (date(2027, 1, 1), NoticeStatus.LAPSED_CONTINUED),
    ],
)
def test_the_notice_is_in_force_to_the_last_day_of_its_two_years(day: date, status: NoticeStatus) -> None:
    assert shipped().notice.status(day) is status


def test_a_citation_needs_no_sentence_while_the_notice_is_in_force() -> None:
    assert shipped().notice.status_line(LAST_DAY) == ""


def test_a_citation_of_the_lapsed_notice_says_that_and_since_when() -> None:
    line = shipped().notice.status_line(date(2026, 5, 29))
    assert line.startswith("包府发〔2024〕40号 有效期至 2026-05-28，已届满")
    assert "延续" in line


@pytest.mark.parametrize("day", [LAST_DAY, date(2026, 5, 29)])
def test_a_replaced_notice_names_its_successor_from_the_day_that_is_known(day: date) -> None:
    notice = shipped().notice.model_copy(update={"replaced_by": "包府发〔2026〕9号"})
    assert notice.status(day) is NoticeStatus.REPLACED
    assert notice.status_line(day) == "包府发〔2024〕40号 已由 包府发〔2026〕9号 替代"


def test_a_unit_exists_from_its_first_to_its_last_day() -> None:
    unit = shipped().unit_by_code["BT-KJJ"].model_copy(update={"valid_to": BEFORE})
    days = [date(2024, 5, 27), date(2024, 5, 28), BEFORE, AFTER]
    assert [unit.valid_on(day) for day in days] == [False, True, True, False]


def test_the_current_unit_is_the_unit_itself_while_it_lasts_then_its_successor() -> None:
    book = with_units(BT_KJJ={"valid_to": BEFORE, "successor": "BT-GXJ"})
    assert book.current_unit("BT-KJJ", BEFORE).code == "BT-KJJ"
    assert book.current_unit("BT-KJJ", AFTER).code == "BT-GXJ"


def test_successors_are_followed_to_the_one_that_exists() -> None:
    book = with_units(
        BT_KJJ={"valid_to": BEFORE, "successor": "BT-GXJ"}, BT_GXJ={"valid_to": BEFORE, "successor": "BT-FGW"}
    )
    assert book.current_unit("BT-KJJ", AFTER).code == "BT-FGW"


def test_units_that_succeed_each_other_in_a_ring_end_the_search() -> None:
    ended = {"valid_to": BEFORE}
    book = with_units(BT_KJJ=ended | {"successor": "BT-GXJ"}, BT_GXJ=ended | {"successor": "BT-KJJ"})
    assert {book.current_unit(code, AFTER).code for code in ("BT-KJJ", "BT-GXJ")} <= {"BT-KJJ", "BT-GXJ"}


def test_a_unit_is_found_by_every_name_it_has() -> None:
    book = shipped()
    for unit in book.units:
        assert {book.unit_by_name[name].code for name in (unit.short, unit.full, *unit.aliases)} == {unit.code}


def test_a_lead_by_place_is_shown_as_any_district() -> None:
    assert shipped().short(BY_PLACE) == ANY_DISTRICT == "旗县区政府"
    assert shipped().short("BT-ZSJ") == "市行政审批政务服务与数据管理局"


def test_each_fact_of_the_arrears_form_settles_one_tag() -> None:
    facts = {fact: tag.code for fact, tag in shipped().tag_by_form_fact.items()}
    assert facts == {
        "账款-机关": "0101", "账款-事业单位": "0101", "账款-大型国企": "0102", "账款-大型企业": "0102",
        "账款-涉工资": "1101", "账款-已诉讼仲裁": "2401",
    }  # fmt: skip
    assert [fact for tag in shipped().tags for fact in tag.form_facts if tag.code != facts[fact]] == []


def test_rules_cannot_be_changed_in_place_and_take_no_unknown_keys() -> None:
    measure = shipped().measures[0]
    with pytest.raises(ValidationError, match="frozen"):
        measure.matter = "另一句话"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="stand_by"):
        Measure.model_validate(measure.model_dump() | {"stand_by": "市发改委"})
