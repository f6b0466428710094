"""Comparing two rulebooks: nothing between equals, and every change with its field."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.rulebook.diff import Difference, differences
from app.rulebook.loader import load_rulebook
from app.rulebook.rule import Rule
from app.rulebook.shapes import LimitRule
from tests.rules import RULES, changed, copied, edit, shipped


def replaced(part: str, index: int, **fields: Any) -> tuple[Rule, ...]:
    """Return a list of the shipped rules with fields of one item changed."""
    items: tuple[Rule, ...] = getattr(shipped(), part)
    return (*items[:index], items[index].model_copy(update=fields), *items[index + 1 :])


def test_nothing_differs_between_rules_of_one_version() -> None:
    assert differences(shipped(), load_rulebook(RULES)) == []
    assert differences(shipped(), changed(shipped())) == []


CHANGES: list[tuple[str, str, str, str, dict[str, Any]]] = [
    ("公文", "包府发〔2024〕40号", "notice", "replaced_by", {"replaced_by": "包府发〔2026〕9号"}),
    ("回避", "规定", "avoidance", "special_reason", {"special_reason": "专办"}),
    ("措施", "1", "measures", "matter", {"matter": "另一种概括"}),
    ("措施", "1", "measures", "lead", {"lead": ("BT-GXJ",)}),
    ("单位", "BT-SZF", "units", "duty_phone", {"duty_phone": "0472-0000000"}),
    ("泛指单位", "各旗县区政府", "groups", "members", {"members": ("BT-150202",)}),
    ("标签", "0101", "tags", "lead", {"lead": "BT-CZJ"}),
    ("时限", "dispatch-urgent", "limits", "amount", {"amount": Decimal(10)}),
    ("区域", "150202", "districts", "places", {"places": ()}),
    ("日历", "2025", "years", "source", {"source": "另一份通知"}),
]


@pytest.mark.parametrize(("kind", "key", "part", "field", "change"), CHANGES, ids=[f"{c[2]}.{c[3]}" for c in CHANGES])
def test_a_changed_field_is_told_with_both_values(
    kind: str, key: str, part: str, field: str, change: dict[str, Any]
) -> None:
    old = getattr(shipped(), part)
    whole = not isinstance(old, tuple)
    new = old.model_copy(update=change) if whole else replaced(part, 0, **change)
    before = getattr(old if whole else old[0], field)
    (found,) = differences(shipped(), changed(shipped(), **{part: new}))
    assert found == Difference(kind, key, field, before, change[field])
    assert str(found) == f"改 {kind} {key} {field}：{before} → {change[field]}"


def test_a_change_of_the_city_is_told() -> None:
    city = shipped().city
    (found,) = differences(shipped(), changed(shipped(), city=city.model_copy(update={"aliases": ("包头",)})))
    assert (found.field, found.before, found.after) == ("aliases", city.aliases, ("包头",))


def test_a_change_of_the_out_of_town_names_is_told() -> None:
    fewer = shipped().out_of_town[1:]
    (found,) = differences(shipped(), changed(shipped(), out_of_town=fewer))
    assert (found.before, found.after) == (shipped().out_of_town, fewer)


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("measures", "措施 1"),
        ("units", "单位 BT-SZF"),
        ("groups", "泛指单位 各旗县区政府"),
        ("tags", "标签 0101"),
        ("limits", "时限 dispatch-urgent"),
        ("districts", "区域 150202"),
        ("years", "日历 2025"),
    ],
)
def test_a_rule_that_comes_or_goes_is_told_whole(part: str, line: str) -> None:
    first, *rest = getattr(shipped(), part)
    without = changed(shipped(), version="without", **{part: tuple(rest)})
    (gone,) = differences(shipped(), without)
    (come,) = differences(without, shipped())
    assert (str(gone), gone.before, gone.after) == (f"删 {line}", first, None)
    assert (str(come), come.before, come.after) == (f"增 {line}", None, first)


def test_a_limit_succeeded_by_a_new_one_of_its_code_shows_both_steps() -> None:
    """limits.yaml: 改动时另起一条并填有效期，不改旧条 — one code then stands twice, told apart by valid_from."""
    old = shipped().limits[0]
    ended = old.model_copy(update={"valid_to": date(2026, 12, 31)})
    new: LimitRule = old.model_copy(update={"valid_from": date(2027, 1, 1), "amount": Decimal(10)})
    found = differences(shipped(), changed(shipped(), limits=(ended, *shipped().limits[1:], new)))
    assert [item for item in found if item.field == "valid_to" and item.after == date(2026, 12, 31)]
    assert [item for item in found if not item.field and item.after == new]


def test_two_changed_files_give_both_differences(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    edit(rules / "tags" / "01-账款与政府诚信.yaml", 'code: "0101"', "support: [市财政局]", "support: []")
    edit(rules / "measures.yaml", "number: 60", "deadline: 2024-03-31", "deadline: 2024-04-30")
    lines = [str(item) for item in differences(shipped(), load_rulebook(rules))]
    assert lines == ["改 措施 60 deadline：2024-03-31 → 2024-04-30", "改 标签 0101 support：('BT-CZJ',) → ()"]
