"""Whom an appeal complains of: by the form's field, by the text, and how surely."""

import pytest

from app.routing.accused import Accused, AccusedFinder, speaks_of_conduct
from app.rulebook.shapes import Unit
from tests.rules import code, shipped

FINDER = AccusedFinder(shipped())


@pytest.mark.parametrize("unit", shipped().units, ids=lambda unit: unit.code)
def test_every_name_of_a_unit_in_the_field_accuses_that_unit(unit: Unit) -> None:
    names = [unit.short, unit.full, *unit.aliases]
    assert [FINDER.in_field(name) for name in names] == [
        (Accused(unit.code, name, False, True, "字段"),) for name in names
    ]


def test_every_subordinate_in_the_field_accuses_an_organ_below_its_unit() -> None:
    for unit in shipped().units:
        for name in unit.subordinates:
            assert FINDER.in_field(name) == (Accused(unit.code, name, True, True, "字段"),)


@pytest.mark.parametrize(
    ("name", "unit", "below"),
    [
        ("包头市市场监督管理局", "市市场监管局", False),
        (" 税务局 ", "市税务局", False),
        ("包头市公安局交警支队二大队", "市公安局", False),
        ("某某路派出所", "市公安局", True),
        ("昆区城管局", "昆都仑区政府", True),
        ("昆都仑区城管局", "昆都仑区政府", True),
        ("昆都伦区城管局", "昆都仑区政府", True),
        ("包头市昆都仑区城市管理综合执法局", "昆都仑区政府", True),
        ("青山区住建局", "青山区政府", True),
        ("东河教育局", "东河区政府", True),
        ("土右旗政务服务局", "土默特右旗政府", True),
        ("达茂旗农牧局", "达茂旗政府", True),
        ("稀土高新区应急管理局", "稀土高新区管委会", True),
        ("青山区市场监管局", "青山区政府", True),
        ("青山区市场监督管理局", "青山区政府", True),
        ("昆区市监局", "昆都仑区政府", True),
        ("昆区政府", "昆都仑区政府", False),
        ("稀土高新区管委会", "稀土高新区管委会", False),
    ],
)
def test_the_field_names_the_unit_or_the_unit_above_the_organ(name: str, unit: str, below: bool) -> None:
    found = FINDER.in_field(name)
    assert (code(unit), below) in {(item.unit, item.below) for item in found}
    assert all(item.certain and item.source == "字段" and item.organ in name for item in found)


def test_a_field_that_names_several_bodies_accuses_each() -> None:
    found = FINDER.in_field("市住建局、市工信局和昆区城管局")
    assert {(item.unit, item.below) for item in found} == {
        (code("市住建局"), False), (code("市工信局"), False), (code("昆都仑区政府"), True)
    }  # fmt: skip


def test_another_citys_bureau_is_not_ours() -> None:
    assert FINDER.in_field("呼和浩特市市场监管局") == ()
    assert FINDER.in_text("我向呼和浩特市税务局举报过") == ()


def test_asking_the_city_government_for_help_does_not_accuse_it() -> None:
    assert FINDER.in_text("请市政府领导帮忙看看") == ()
    assert [item.unit for item in FINDER.in_text("举报市政府不作为")] == [code("市政府")]


@pytest.mark.parametrize("name", ["", "   ", "鹿城木业有限公司", "包头市鑫源商贸有限公司", "隔壁小区物业"])
def test_a_field_that_names_no_public_body_accuses_nobody(name: str) -> None:
    assert FINDER.in_field(name) == ()


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("我要举报城管局", "市城管局"),
        ("我实名投诉一下市住建局", "市住建局"),
        ("城管局态度恶劣", "市城管局"),
        ("市场监管局的工作人员三天两头来反复检查", "市市场监管局"),
        ("税务局领导索贿", "市税务局"),
        ("市住建局窗口卡着不给办", "市住建局"),
    ],
)
def test_accusing_words_beside_a_name_make_it_certain(text: str, unit: str) -> None:
    assert [(item.unit, item.certain, item.source) for item in FINDER.in_text(text)] == [(code(unit), True, "正文")]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("希望城管局来管管门口的摊子", "市城管局"),
        ("想问市住建局施工许可要带什么材料", "市住建局"),
        ("材料已经交给税务局。楼上的住户态度恶劣", "市税务局"),
        ("投诉对面的饭店，城管局说再等等", "市城管局"),
    ],
)
def test_a_name_without_accusing_words_leaves_the_doubt(text: str, unit: str) -> None:
    assert [(item.unit, item.certain) for item in FINDER.in_text(text)] == [(code(unit), False)]


@pytest.mark.parametrize("text", ["", "货款拖了两年还没有给", "隔壁饭店油烟很大"])
def test_a_text_that_names_nobody_accuses_nobody(text: str) -> None:
    assert FINDER.in_text(text) == ()


def test_one_accusing_mention_makes_a_body_certain_whatever_stands_before_and_after() -> None:
    found = FINDER.in_text("先去城管局问过。城管局的人态度恶劣。后来城管局说不知道")
    assert [(item.unit, item.certain) for item in found] == [("BT-CGJ", True)]


def test_every_body_of_a_text_is_told_with_its_own_certainty() -> None:
    found = FINDER.in_text("我去税务局交过材料，现在举报市住建局")
    assert {(item.unit, item.certain) for item in found} == {("BT-SWJ", False), ("BT-ZJJ", True)}


def test_the_longest_name_wins_so_that_a_districts_bureau_does_not_accuse_the_citys() -> None:
    (found,) = FINDER.in_text("昆区城管局乱罚款")
    assert found == Accused("BT-150203", "昆区城管局", below=True, certain=True, source="正文")


def test_the_longest_name_wins_so_that_an_organ_does_not_accuse_the_unit_it_is_named_after() -> None:
    (found,) = FINDER.in_text("城管大队乱罚款")
    assert found == Accused("BT-CGJ", "城管大队", below=True, certain=True, source="正文")


def test_a_unit_and_an_organ_below_it_are_two_accused() -> None:
    found = FINDER.in_text("举报市公安局，还要举报派出所")
    assert {(item.unit, item.below) for item in found} == {("BT-GAJ", False), ("BT-GAJ", True)}


@pytest.mark.parametrize("text", ["我的电话13812315678，请回电", "订单号2024123150001"])
def test_a_hotlines_number_inside_a_longer_number_is_not_that_hotline(text: str) -> None:
    """units.yaml: 热线号码匹配时须按整段数字."""
    assert FINDER.in_text(text) == ()


def test_a_hotlines_number_standing_alone_is_its_unit() -> None:
    assert [item.unit for item in FINDER.in_text("打了12315没人接")] == ["BT-SCJG"]


@pytest.mark.parametrize(
    "text", ["来检查就吃拿卡要", "要了两千块好处费", "执法人员骂人", "涉嫌以权谋私", "收费站乱收费"]
)
def test_words_of_misconduct_are_heard(text: str) -> None:
    assert speaks_of_conduct(text)


@pytest.mark.parametrize("text", ["", "货款拖了两年还没有给", "想问施工许可要带什么材料", "停水三天没有人修"])
def test_plain_delay_and_questions_are_not_misconduct(text: str) -> None:
    assert not speaks_of_conduct(text)
