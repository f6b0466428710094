"""Text search: two characters are enough, personal data is not found, and nobody finds what they may not see."""

import pytest

from tests.builders import Hotline

HANDLER = "unit_handler@市工信局"


def found(hotline: Hotline, who: str, asked: str) -> list[str]:
    answer = hotline.get(who, "/search", q=asked)
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.json()["items"]]


def test_words_numbers_and_names_find_their_ticket(hotline: Hotline) -> None:
    first = hotline.submit(title="卷板机停摆", content="车间的ZX-9型卷板机坏在窗口期里，货款没到。")["number"]
    second = hotline.submit(
        title="食堂采购", content="供菜的货款拖了三个月。", enterprise={"name": "河西菜业有限公司"}
    )["number"]
    assert found(hotline, "operator", "卷板") == [first]
    assert found(hotline, "operator", "货款") == [second, first]
    assert found(hotline, "operator", "货款 卷板机") == [first]
    assert found(hotline, "operator", "zx-9型") == [first]
    assert found(hotline, "operator", second) == [second]
    assert found(hotline, "operator", "河西菜业有限公司") == [second]
    assert found(hotline, "operator", "没有的词") == []


def test_personal_data_cannot_be_searched_for(hotline: Hotline) -> None:
    hidden = "我是鹿城木业有限公司王大山，电话13847200001，举报供货科索要回扣。"
    number = hotline.submit(type="举报", content=hidden, override={"tag": "0101", "reason": "货款"})["number"]
    assert found(hotline, "dispatcher", "13847200001") == []
    assert found(hotline, "dispatcher", "大山") == []
    assert found(hotline, "dispatcher", "回扣") == [number]
    assert found(hotline, HANDLER, "鹿城木业有限公司") == []


def test_a_unit_finds_its_own_tickets_only(hotline: Hotline) -> None:
    number = hotline.submit(content="学校的货款一直没付给我们。")["number"]
    assert found(hotline, HANDLER, "货款") == [number]
    assert found(hotline, "unit_handler@市教育局", "货款") == []


def test_what_was_added_later_is_found(hotline: Hotline) -> None:
    waits = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有发。"}
    number = hotline.submit(**waits)["number"]
    hotline.post("operator", f"/tickets/{number}/ask-info", {"wanted": "请说明地点"})
    hotline.post("operator", f"/tickets/{number}/supplement", {"content": "在哈林格尔的葵花地。"})
    assert found(hotline, "operator", "葵花") == [number]


@pytest.mark.parametrize("asked", ["一", "，。", "' OR 1=1 --\"*", 'a" OR "b', "!@#"])
def test_odd_searches_are_answered(hotline: Hotline, asked: str) -> None:
    hotline.submit()
    answer = hotline.get("operator", "/search", q=asked)
    assert answer.status_code in {200, 422}
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["pointer"] == "?q"


def test_results_page_without_gap_or_double(hotline: Hotline) -> None:
    numbers = [hotline.submit(title=f"第{index}件货款")["number"] for index in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = hotline.get("operator", "/search", q="货款", limit=2, **cursor).json()
        seen += [item["number"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == numbers[::-1]
