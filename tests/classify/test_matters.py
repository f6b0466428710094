"""Splitting: two matters in one text are told apart, one matter told at length stays one (labelled texts written for this)."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.classify.matters import Matter, split_matters
from app.classify.predict import Classifier, load
from app.rulebook.shapes import Rulebook
from app.settings import HOME

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "matters.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(scope="module")
def shipped(rulebook: Rulebook) -> Classifier:
    return load(HOME / "models", rulebook)


@pytest.fixture(scope="module")
def splits(shipped: Classifier) -> list[tuple[dict[str, Any], tuple[Matter, ...]]]:
    return [(case, split_matters(shipped, "".join(case["parts"]))) for case in CASES]


def test_most_texts_with_two_matters_are_split_with_the_right_units(
    splits: list[tuple[dict[str, Any], tuple[Matter, ...]]], rulebook: Rulebook
) -> None:
    several = [(case, found) for case, found in splits if len(case["tags"]) == 2]
    right = 0
    for case, found in several:
        units = [rulebook.tag_by_code[tag].lead for tag in case["tags"]]
        right += [matter.unit for matter in found] == units
    assert len(several) >= 70
    assert right / len(several) >= 0.75


def test_few_texts_with_one_matter_are_split(splits: list[tuple[dict[str, Any], tuple[Matter, ...]]]) -> None:
    single = [found for case, found in splits if len(case["tags"]) == 1]
    assert len(single) >= 60
    assert sum(len(found) > 1 for found in single) / len(single) <= 0.2


def test_nothing_of_the_text_is_lost_by_splitting(splits: list[tuple[dict[str, Any], tuple[Matter, ...]]]) -> None:
    for case, found in splits:
        kept = "".join("".join(matter.text.split()) for matter in found)
        assert kept == "".join("".join(case["parts"]).split())


@pytest.mark.parametrize("text", ["", "。", "物业", "？？！！", "欠" * 3000, "。\n" * 500])
def test_odd_texts_are_one_matter_at_most(shipped: Classifier, text: str) -> None:
    assert len(split_matters(shipped, text)) <= 1


def test_ten_thousand_marks_are_no_matter(shipped: Classifier) -> None:
    assert len(split_matters(shipped, "，。" * 5_000)) <= 1
