"""Reading routing_rules/: what is shipped holds together, and every fault is told with its file and line."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from app.rulebook.loader import RulebookError, RuleFault, load_rulebook, named_lead
from app.rulebook.shapes import BY_PLACE, Handling
from tests.rules import RULES, copied, edit, named_by, shipped

FAULTS = yaml.safe_load((Path(__file__).parent / "data" / "faults.yaml").read_text(encoding="utf-8"))


def faults_of(rules: Path) -> list[RuleFault]:
    """Return why rules cannot be loaded; they must not load."""
    with pytest.raises(RulebookError) as caught:
        load_rulebook(rules)
    return caught.value.faults


def line_of(path: Path, text: str) -> int:
    """Return the first line that holds a text."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return next(number for number, line in lines if text in line)


def test_the_shipped_rules_have_every_measure_and_a_taxonomy_of_the_agreed_size() -> None:
    book = shipped()
    assert [measure.number for measure in book.measures] == list(range(1, 139))
    assert 90 <= len(book.tags) <= 160
    assert [tag.code for tag in book.tags] == sorted({tag.code for tag in book.tags})
    assert {district.code for district in book.districts} == {
        "150202", "150203", "150204", "150205", "150206", "150207", "150221", "150222", "150223", "150271",
    }  # fmt: skip


def test_every_appealable_measure_is_reached_by_a_tag() -> None:
    reached = {number for tag in shipped().tags for number in tag.measures}
    assert {measure.number for measure in shipped().measures if measure.appealable} <= reached
    assert all(measure.why_not for measure in shipped().measures if not measure.appealable)


def test_units_of_the_rules_are_codes_that_exist_and_leads_can_take_orders() -> None:
    book = shipped()
    named = {code for item in book.measures for code in (*item.lead, *item.support)}
    assert named <= set(book.unit_by_code)
    leads = {tag.lead for tag in book.tags if tag.handling is Handling.DISPATCH} - {BY_PLACE}
    assert all(book.unit_by_code[code].dispatchable for code in leads)
    assert all(book.unit_by_code[district.unit].dispatchable for district in book.districts)


def test_a_tag_without_a_measure_that_names_its_lead_says_by_which_law_it_goes_there() -> None:
    book = shipped()
    for tag in book.tags:
        leads = {unit for number in tag.measures for unit in named_by(book.measure_by_number[number], "牵头", book)}
        named = bool(leads & set(book.district_by_unit)) if tag.by_place else tag.lead in leads
        assert named_lead(book, tag) is named, tag.code
        assert named or tag.basis, tag.code


def test_values_are_read_as_text_before_they_get_their_types() -> None:
    book = shipped()
    assert book.tag_by_code["0101"].lead == "BT-GXJ"
    assert book.unit_by_name["12315"].short == "市市场监管局"
    assert book.unit_by_name["市人民中级法院"].short == "市中级人民法院"
    assert str(next(limit.amount for limit in book.limits if limit.code == "sign-normal")) == "0.5"


def test_the_version_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    edit(rules / "notice.yaml", "", "number:", "# 一句说明\n\nnumber:")
    issuer, issued = "issuer: 包头市人民政府\n", "issued: 2024-05-28\n"
    edit(rules / "notice.yaml", "", issuer + issued, issued + issuer)
    edit(rules / "measures.yaml", "number: 60", "[包头海关]", '[ "包头海关" ]')
    assert load_rulebook(RULES).version == load_rulebook(rules).version == shipped().version


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("notice.yaml", 'replaced_by: ""', "replaced_by: 包府发〔2027〕1号"),
        ("avoidance.yaml", "law_supervision_measures: [125]", "law_supervision_measures: [125, 94]"),
        ("measures.yaml", "deadline: 2024-09-30", "deadline: 2024-09-29"),
        ("units.yaml", 'duty_phone: ""', "duty_phone: 0472-0000000"),
        ("units.yaml", "note: 同上", "note: 未点名"),
        ("regions.yaml", "  - 乌鲁木齐", "  - 喀什"),
        ("limits.yaml", "amount: 15", "amount: 16"),
        ("tags/28-基层治理与综合.yaml", "synonyms: [", "synonyms: [另一种说法, "),
        ("calendar/2025.yaml", "source: ", "source: 另一份"),
    ],
)
def test_any_change_of_content_changes_the_version(tmp_path: Path, file: str, old: str, new: str) -> None:
    rules = copied(tmp_path)
    edit(rules / file, "", old, new)
    assert load_rulebook(rules).version != shipped().version


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case["name"])
def test_a_fault_is_told_with_its_file_and_line(tmp_path: Path, case: dict[str, str]) -> None:
    rules = copied(tmp_path)
    line = edit(rules / case["file"], case["after"], case["old"], case["new"])
    file = case.get("in", case["file"])
    if "at" in case:
        line = line_of(rules / file, case["at"].strip())
    (fault,) = faults_of(rules)
    assert (fault.file, fault.line) == (file, line)
    assert case["says"] in fault.message


def test_a_unit_that_takes_no_orders_may_end_without_a_successor(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    edit(rules / "units.yaml", "code: BT-DAJ", 'valid_to: ""', 'valid_to: "2026-12-31"')
    assert load_rulebook(rules).unit_by_code["BT-DAJ"].valid_to == date(2026, 12, 31)


@pytest.mark.parametrize(
    "file", ["notice.yaml", "units.yaml", "measures.yaml", "regions.yaml", "limits.yaml", "avoidance.yaml"]
)
def test_a_missing_file_is_a_fault(tmp_path: Path, file: str) -> None:
    rules = copied(tmp_path)
    (rules / file).unlink()
    assert RuleFault(file, 1, "文件不存在或读不出（须为 UTF-8）") in faults_of(rules)


@pytest.mark.parametrize("folder", ["tags", "calendar"])
def test_an_empty_folder_is_a_fault(tmp_path: Path, folder: str) -> None:
    rules = copied(tmp_path)
    for path in (rules / folder).iterdir():
        path.unlink()
    assert (f"{folder}/", 1) in {(fault.file, fault.line) for fault in faults_of(rules)}


def test_a_file_in_another_encoding_is_a_fault(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    path = rules / "avoidance.yaml"
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
    assert "avoidance.yaml:1 文件不存在或读不出（须为 UTF-8）" in {str(fault) for fault in faults_of(rules)}


@pytest.mark.parametrize("bad", ["issuer: 甲: 乙", "issuer: [甲, 乙]]", "\tissuer: 甲", "issuer: @甲"])
def test_broken_yaml_is_told_with_its_line(tmp_path: Path, bad: str) -> None:
    rules = copied(tmp_path)
    line = edit(rules / "notice.yaml", "", "issuer: 包头市人民政府", bad)
    assert RuleFault("notice.yaml", line, "不是有效的 YAML") in faults_of(rules)


def test_a_key_that_is_no_text_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    line = edit(rules / "notice.yaml", "", 'replaced_by: ""', "{{ 文号 }}: 1")
    assert ("notice.yaml", line) in {(fault.file, fault.line) for fault in faults_of(rules)}


def test_a_missing_list_is_a_fault(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    edit(rules / "limits.yaml", "", "limits:\n", "limit:\n")
    assert "缺少列表“limits”" in {fault.message for fault in faults_of(rules) if fault.file == "limits.yaml"}


def test_a_tag_file_without_its_group_is_a_fault(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    edit(rules / "tags" / "26-信用.yaml", "", "group:", "gruppe:")
    assert "缺少 group（code 和 name）" in {fault.message for fault in faults_of(rules) if "26-信用" in fault.file}


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    here = edit(rules / "avoidance.yaml", "law_supervision:", "市司法局", "市仙人局")
    there = edit(rules / "units.yaml", "code: BT-KJJ", "superior: BT-ZFB", "superior: BT-ZZZ")
    assert {(fault.file, fault.line) for fault in faults_of(rules)} == {("avoidance.yaml", here), ("units.yaml", there)}
    with pytest.raises(RulebookError, match=rf"avoidance\.yaml:{here} .*市仙人局"):
        load_rulebook(rules)
