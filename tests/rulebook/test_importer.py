"""Reading a notice: a small one that holds every trap, one that cannot be read, and the way back into rule files."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.rulebook.export import kept_matters, measures_yaml, texts_yaml
from app.rulebook.importer import Import, ImportedMeasure, read_notice, split_units
from app.rulebook.loader import Reading, load_rulebook
from app.rulebook.shapes import Measure
from tests.rules import RULES, copied, shipped

DATA = Path(__file__).parent / "data"


def text_of(name: str) -> str:
    """Return a data file's text."""
    return (DATA / name).read_text(encoding="utf-8")


def golden(name: str) -> dict[str, Any]:
    """Return a data file's content."""
    found: dict[str, Any] = yaml.safe_load(text_of(name))
    return found


def one(duty: str) -> Import:
    """Read a notice of one measure with this duty clause."""
    return read_notice(f"一、甲\n1．办一件事。（{duty}）\n")


def written(imported: Import, folder: Path, kept: dict[int, dict[str, Any]] | None = None) -> list[Measure]:
    """Write an import as measures.yaml and return what the loader makes of it; names stay names."""
    (folder / "measures.yaml").write_text(measures_yaml(imported, kept or {}), encoding="utf-8")
    reading = Reading(folder)
    measures = [measure for _, measure in reading.shapes(reading.open("measures.yaml"), "measures", Measure)]
    assert reading.faults == []
    return measures


SMALL = read_notice(text_of("notice_small.txt"))
EXPECTED = golden("notice_small.yaml")


def test_nothing_of_the_small_notice_is_unreadable_and_its_number_is_found() -> None:
    assert SMALL.unreadable == []
    assert SMALL.number == EXPECTED["number"]
    assert [measure.number for measure in SMALL.measures] == list(range(1, 15))


@pytest.mark.parametrize("expected", EXPECTED["measures"], ids=lambda item: str(item["number"]))
def test_each_measure_of_the_small_notice_is_read_exactly(expected: dict[str, Any]) -> None:
    assert asdict(SMALL.measures[expected["number"] - 1]) == expected


def test_what_cannot_be_read_is_told_with_its_line() -> None:
    imported, expected = read_notice(text_of("notice_bad.txt")), golden("notice_bad.yaml")
    assert [measure.number for measure in imported.measures] == expected["measures"]
    found = sorted((item.line, item.message) for item in imported.unreadable)
    wanted = sorted((item["line"], item["says"]) for item in expected["unreadable"])
    assert [line for line, _ in found] == [line for line, _ in wanted]
    assert [says for (_, message), (_, says) in zip(found, wanted, strict=True) if says not in message] == []


def test_an_empty_text_has_no_measures_and_no_number() -> None:
    assert read_notice("") == Import("", [], [])


def test_a_new_part_begins_without_a_section() -> None:
    duty = "（牵头单位：市发改委；完成时限：长期坚持）"
    found = read_notice(f"一、甲\n（一）子\n1．办一件事。{duty}\n二、乙\n2．再办一件。{duty}\n").measures
    assert [(item.part, item.section) for item in found] == [("甲", "子"), ("乙", "")]


@pytest.mark.parametrize("day", ["2024年2月30日", "2023年2月29日", "2024年13月底", "2024年0月底"])
def test_a_day_that_does_not_exist_is_told_not_a_crash(day: str) -> None:
    imported = one(f"牵头单位：市发改委；完成时限：{day}")
    assert [item.line for item in imported.unreadable] == [2]
    assert imported.measures[0].deadline is None


def test_a_clause_given_twice_loses_no_unit_in_silence() -> None:
    imported = one("牵头单位：市发改委；配合单位：市工信局；配合单位：市财政局；完成时限：长期坚持")
    (measure,) = imported.measures
    assert measure.support == ["市工信局", "市财政局"] or [item.line for item in imported.unreadable] == [2]


@pytest.mark.parametrize(
    ("clause", "last_day"),
    [
        ("2023年2月底", date(2023, 2, 28)),
        ("2024年4月末", date(2024, 4, 30)),
        ("2025年12月", date(2025, 12, 31)),
        ("2024年9月30日前", date(2024, 9, 30)),
        ("长期坚持，2025年6月底", date(2025, 6, 30)),
        ("长期坚持", None),
    ],
)
def test_a_deadline_is_the_last_day_it_allows(clause: str, last_day: date | None) -> None:
    imported = one(f"牵头单位：市发改委；完成时限：{clause}")
    assert imported.unreadable == []
    assert imported.measures[0].deadline == last_day


@pytest.mark.parametrize(
    ("clause", "units", "groups"),
    [
        ("", [], []),
        ("市科技局", ["市科技局"], []),
        ("工信局、财政局", ["工信局", "财政局"], []),
        ("市发改委、工信局，教育局", ["市发改委", "市工信局", "教育局"], []),
        ("各旗县区政府，各高等院校", [], ["各旗县区政府", "各高等院校"]),
        ("市发改委、滨河新区管委会", ["市发改委", "滨河新区管委会"], []),
        ("市级各有关单位", [], ["市级各有关单位"]),
        ("包头文旅集团、市文旅广电局、体育局", ["包头文旅集团", "市文旅广电局", "市体育局"], []),
        ("市发改委、市发改委、发改委", ["市发改委"], []),
        (" 市发改委 、 工信局 等相关单位", ["市发改委", "市工信局"], []),
    ],
)
def test_the_level_at_the_head_of_a_list_reaches_the_names_after_it(
    clause: str, units: list[str], groups: list[str]
) -> None:
    assert split_units(clause) == (units, groups)


def test_measures_yaml_of_an_import_reads_back_as_the_same_measures(tmp_path: Path) -> None:
    for measure, imported in zip(written(SMALL, tmp_path), SMALL.measures, strict=True):
        expected = asdict(imported)
        matter = expected.pop("text").split("。", 1)[0][:40]
        assert measure.matter == matter
        assert measure.appealable
        lists = ("lead", "support", "lead_groups", "support_groups")
        assert {key: getattr(measure, key) for key in expected} == expected | {
            key: tuple(expected[key]) for key in lists
        }


def test_what_a_person_wrote_about_a_measure_is_kept(tmp_path: Path) -> None:
    before: dict[int, dict[str, Any]] = {
        3: {"matter": "首问负责有人督查", "appealable": False, "why_not": "机关内部事项"},
        99: {"matter": "已无此项"},
    }
    first, _, third, *_ = written(SMALL, tmp_path, before)
    assert (third.matter, third.appealable, third.why_not) == ("首问负责有人督查", False, "机关内部事项")
    assert (first.matter, first.appealable, first.why_not) == ("设立企业专窗，材料一次收齐", True, "")
    assert kept_matters(tmp_path / "measures.yaml")[3]["why_not"] == "机关内部事项"


@pytest.mark.parametrize(
    "matter",
    [
        "三率: 响应、解决、满意",
        "推广平台 #1 号",
        "[专窗] 一次收齐",
        "“一件事”套餐",
        '"专窗" 一次收齐',
        "true 或否",
        "@ 专窗",
    ],
)
def test_a_matter_with_signs_that_mean_something_in_yaml_is_kept(tmp_path: Path, matter: str) -> None:
    assert written(SMALL, tmp_path, {1: {"matter": matter}})[0].matter == matter
    assert kept_matters(tmp_path / "measures.yaml")[1]["matter"] == matter


def test_a_second_import_over_its_own_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "measures.yaml"
    written(SMALL, tmp_path, {2: {"matter": "注册登记当天办完"}})
    assert measures_yaml(SMALL, kept_matters(path)) == path.read_text(encoding="utf-8")


def test_without_an_earlier_file_nothing_is_kept(tmp_path: Path) -> None:
    assert kept_matters(tmp_path / "measures.yaml") == {}


def test_texts_yaml_holds_every_full_text_under_its_number() -> None:
    texts = yaml.safe_load(texts_yaml(SMALL))
    assert texts["number"] == "鹿府办发〔2024〕7号"
    assert texts["texts"] == {item["number"]: item["text"] for item in EXPECTED["measures"]}


def test_the_shipped_measures_written_as_an_import_load_as_the_same_rules(tmp_path: Path) -> None:
    rules, book = copied(tmp_path), shipped()
    measures = [
        ImportedMeasure(
            item.number, item.part, item.section, item.matter, [book.short(code) for code in item.lead],
            [book.short(code) for code in item.support], list(item.lead_groups), list(item.support_groups),
            item.deadline, item.standing, item.immediate,
        )
        for item in book.measures
    ]  # fmt: skip
    kept = kept_matters(RULES / "measures.yaml")
    text = measures_yaml(Import(book.notice.number, measures, []), kept)
    (rules / "measures.yaml").write_text(text, encoding="utf-8")
    assert load_rulebook(rules).measures == book.measures
