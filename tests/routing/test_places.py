"""Where an appeal happens: names, aliases, places inside a district, other cities, and doubt between districts."""

import pytest

from app.routing.places import PlaceFinder, PlaceFinding
from app.rulebook.shapes import District, Place
from tests.rules import changed, shipped

FINDER = PlaceFinder(shipped())


@pytest.mark.parametrize(
    ("text", "district"),
    [
        ("青山区", "150204"),
        ("我们在昆区开店", "150203"),
        ("店在昆都伦", "150203"),
        ("公司在包头稀土高新技术产业开发区", "150271"),
        ("达尔罕茂明安联合旗的风电场", "150223"),
        ("白云矿区那边", "150206"),
        ("九原区政府答应的补贴", "150207"),
        ("沙尔沁镇的大棚", "150202"),
        ("阿尔丁大街的门面", "150203"),
        ("公司在滨河新区", "150271"),
        ("在巴润工业园建厂", "150223"),
        ("二里半机场停车场", "150202"),
        ("毛其来的果园", "150202"),
        ("我在东河开了个理发店", "150202"),
        ("东河这边的老楼", "150202"),
        ("我们青山一家饭店的油烟", "150204"),
        ("我是白云的，矿上欠运费", "150206"),
    ],
)
def test_a_district_is_found_by_name_alias_township_park_and_landmark(text: str, district: str) -> None:
    assert FINDER.find(text).district == district


@pytest.mark.parametrize("district", shipped().districts, ids=lambda district: district.short)
def test_every_name_in_the_rules_leads_to_its_own_district(district: District) -> None:
    inside = [name for place in district.places for name in (place.name, *place.aliases)]
    names = [district.name, district.short, *district.aliases, *inside]
    found = {name: FINDER.find(f"包头市{name}附近的一家店").district for name in names}
    assert found == dict.fromkeys(names, district.code)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "货款拖了两年",
        "包头市政府旁边",
        "我希望园区多办些活动",
        "高新区",
        "住在东河街",
        "绿水青山的保护",
        "回到白云山庄",
    ],
)
def test_a_text_that_names_no_district_has_none(text: str) -> None:
    assert FINDER.find(text) == PlaceFinding(None)


def test_a_spoken_short_name_counts_for_nothing_beside_another_city() -> None:
    assert FINDER.find("在武汉，我去青山那边看过") == PlaceFinding(None, out_of_town=("武汉",))


def test_two_districts_named_once_each_are_rivals_and_neither_is_chosen() -> None:
    found = FINDER.find("货从青山区送到昆区")
    assert found == PlaceFinding(None, ("青山区", "昆区"), ("150204", "150203"))


def test_the_district_named_most_often_is_meant() -> None:
    found = FINDER.find("货从青山区送到昆区阿尔丁大街")
    assert (found.district, found.rivals) == ("150203", ())
    assert found.names == ("青山区", "昆区", "阿尔丁大街")


def test_only_the_districts_that_tie_at_the_top_are_rivals() -> None:
    found = FINDER.find("昆区、青山区、昆都仑区、青山区政府和固阳县")
    assert (found.district, set(found.rivals)) == (None, {"150203", "150204"})


@pytest.mark.parametrize("text", ["武汉市青山区的供应商", "武汉青山区的供应商", "武汉的青山区"])
def test_a_district_right_behind_another_city_is_that_citys(text: str) -> None:
    assert FINDER.find(text) == PlaceFinding(None, out_of_town=("武汉",))


def test_another_city_far_enough_away_takes_nothing_from_ours() -> None:
    found = FINDER.find("供应商是武汉一家做钢结构的公司，我们在青山区收货")
    assert (found.district, found.out_of_town) == ("150204", ("武汉",))


@pytest.mark.parametrize("text", ["从北京来包头青山区投资", "呼和浩特和包头市青山区都有门店"])
def test_a_district_right_behind_our_own_citys_name_is_ours(text: str) -> None:
    assert FINDER.find(text).district == "150204"


def test_places_out_of_town_are_told_once_each_in_order() -> None:
    assert FINDER.find("从呼市到鄂尔多斯再回呼市").out_of_town == ("呼市", "鄂尔多斯")
    assert FINDER.find("土默特左旗的草场") == PlaceFinding(None, out_of_town=("土默特左旗",))


def test_the_longest_name_wins_where_one_begins_another() -> None:
    """Two made-up landmarks: 鹿鸣 in 东河区 and 鹿鸣广场 in 青山区."""
    first, second, third, *rest = shipped().districts
    short = first.model_copy(update={"places": (Place(code="150202-L99", name="鹿鸣", kind="地标"),)})
    long = third.model_copy(
        update={"places": (Place(code="150204-L99", name="鹿台", kind="地标", aliases=("鹿鸣广场",)),)}
    )
    finder = PlaceFinder(changed(shipped(), districts=(short, second, long, *rest)))
    assert finder.find("鹿鸣广场一楼") == PlaceFinding("150204", ("鹿鸣广场",))
    assert finder.find("鹿鸣一楼") == PlaceFinding("150202", ("鹿鸣",))


def test_a_districts_own_name_is_not_lost_to_a_landmark_of_another() -> None:
    first, second, *rest = shipped().districts
    claims = second.model_copy(update={"places": (Place(code="150203-L99", name="东河区", kind="地标"),)})
    finder = PlaceFinder(changed(shipped(), districts=(first, claims, *rest)))
    assert finder.find("东河区").district == "150202"


def test_rules_without_other_towns_still_find_ours() -> None:
    finder = PlaceFinder(changed(shipped(), out_of_town=()))
    assert finder.find("武汉市青山区") == PlaceFinding("150204", ("青山区",))
