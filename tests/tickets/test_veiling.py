"""A veiled caller is found by nobody: not by the name people say, not by address, search, likeness, checks or rulings."""

from typing import Any

import pytest

from tests.builders import Hotline

LEAD = "unit_handler@市工信局"
FIRM: dict[str, Any] = {
    "enterprise": {
        "name": "包头鹿城木业有限公司",
        "credit_code": "92150203MA0N1ABC2E",
        "park": "装备制造产业园区",
        "size": "小型",
    },
    "contact": {"name": "王大山", "phone": "13847200001", "address": "昆区钢铁大街36号院3号楼"},
}


def veiled(hotline: Hotline, content: str, **but: Any) -> dict[str, Any]:
    form = {"confidentiality": "隐名", "title": "", **FIRM, "content": content, **but}
    return hotline.submit(**form)


def found(hotline: Hotline, who: str, asked: str) -> list[str]:
    answer = hotline.get(who, "/search", q=asked)
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("包头鹿城木业有限公司", "鹿城木业"),
        ("内蒙古包头鹿城木业有限公司", "鹿城木业"),
        ("昆区鹿城木业经营部", "鹿城木业"),
        ("鹿城（包头）木业有限公司", "鹿城木业"),
        ("远山集团内蒙古有限公司包头分公司", "远山"),
        ("北京远山技术有限公司包头分公司", "远山技术"),
    ],
)
def test_the_name_people_say_is_hidden_wherever_the_city_stands(hotline: Hotline, name: str, said: str) -> None:
    firm = {"name": name, "size": "小型"}
    number = veiled(hotline, f"我们{said}给学校供货，学校欠款两年没有付。", enterprise=firm)["number"]
    for who in (LEAD, "dispatcher"):
        content = hotline.ticket(number, who)["content"]
        assert (said in content, "给学校供货" in content) == (False, True)
        assert found(hotline, who, said) == []


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("住昆区钢铁大街36号院3号楼，学校欠款", "钢铁大街"),
        ("店在钢铁大街36号，学校欠款", "钢铁大街"),
        ("在装备制造产业园，学校欠款", "装备制造"),
        ("代码92150203ma0n1abc2e，学校欠款", "92150203"),
        ("电话138 4720 0001，学校欠款", "0001"),
        ("电话１３８４７２００００１，学校欠款", "138"),
    ],
)
def test_where_the_caller_is_and_its_numbers_are_hidden_however_written(hotline: Hotline, said: str, left: str) -> None:
    content = hotline.ticket(veiled(hotline, said)["number"], LEAD)["content"]
    assert (left in content, "学校欠款" in content) == (False, True)


def test_numbers_of_others_stay_masked_beside_a_hidden_name(hotline: Hotline) -> None:
    said = "我们鹿城木业在钢铁大街36号，学校会计的电话13947200002，学校欠款。"
    content = hotline.ticket(veiled(hotline, said)["number"], LEAD)["content"]
    assert content == "我们＊＊在＊＊**号，学校会计的电话139****0002，学校欠款。"


def test_a_reviewed_text_with_the_everyday_name_or_the_street_is_not_taken(hotline: Hotline) -> None:
    number = veiled(hotline, "学校欠款两年没有付。")["number"]
    for content in ("鹿城木业反映学校欠款", "钢铁大街上一家企业反映欠款", "某企业（92150203ma0n1abc2e）反映欠款"):
        assert hotline.post("dispatcher", f"/tickets/{number}/reviewed-text", {"content": content}).status_code == 422
