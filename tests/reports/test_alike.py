"""同类多发 on labelled appeals: the shipped threshold finds what is one matter, and no other finds it better."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pytest

from app.classify.predict import load
from app.classify.similar import SignatureMaker
from app.reports.clusters import Appeal, gather
from app.rulebook.loader import RulebookError, load_rulebook
from app.rulebook.shapes import Rulebook
from app.settings import HOME
from tests.rules import copied

DATA = Path(__file__).parent / "data"
GRID = (0.14, 0.18, 0.22, 0.26, 0.3, 0.34)
Pairs = set[tuple[int, int]]


def pairs(groups: Iterable[Iterable[int]]) -> Pairs:
    return {pair for group in groups for pair in combinations(sorted(group), 2)}


@pytest.fixture(scope="module")
def labelled(rulebook: Rulebook) -> tuple[list[Appeal], Pairs]:
    """Appeals of 22 matters told by several, among single ones of the same kinds, and which pairs are of one matter."""
    maker = SignatureMaker(load(HOME / "models", rulebook))
    names = ("alike_groups.jsonl", "alike_singles.jsonl")
    lines = [line for name in names for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    rows = [json.loads(line) for line in lines]
    groups: dict[str, list[int]] = defaultdict(list)
    for ident, row in enumerate(rows):
        groups[row.get("group", f"单件{ident}")].append(ident)
    assert sum(len(group) > 2 for group in groups.values()) >= 20
    assert sum(len(group) == 1 for group in groups.values()) >= 60
    appeals = [
        Appeal(ident, f"{ident:04d}", "", "", str(ident), maker.signature("", row["text"]))
        for ident, row in enumerate(rows)
    ]
    return appeals, pairs(groups.values())


def measured(labelled: tuple[list[Appeal], Pairs], rulebook: Rulebook, like: float) -> tuple[float, float]:
    """Return precision and recall of the pairs that a threshold puts together."""
    appeals, right = labelled
    rules = rulebook.clusters.model_copy(update={"like": like})
    found = pairs([appeal.id for appeal in group] for group in gather(appeals, rules))
    return len(found & right) / max(len(found), 1), len(found & right) / len(right)


def test_no_other_threshold_serves_better_than_the_shipped_one(
    labelled: tuple[list[Appeal], Pairs], rulebook: Rulebook
) -> None:
    scores = {like: measured(labelled, rulebook, like) for like in GRID}
    best = {like: 2 * p * r / (p + r) for like, (p, r) in scores.items()}
    assert rulebook.clusters.like == max(GRID, key=lambda like: (round(best[like], 3), like))
    precision, recall = scores[rulebook.clusters.like]
    assert precision >= 0.95
    assert recall >= 0.85


def test_the_page_prints_what_was_measured(labelled: tuple[list[Appeal], Pairs], rulebook: Rulebook) -> None:
    page = (HOME / "docs" / "reports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (0\.\d\d)(?:（采用）)? \| ([\d.]+)% \| ([\d.]+)% \|", page, re.MULTILINE)
    assert [float(like) for like, *_ in rows] == list(GRID)
    for like, precision, recall in rows:
        found = measured(labelled, rulebook, float(like))
        assert (precision, recall) == tuple(f"{100 * share:.1f}" for share in found), like


@pytest.mark.parametrize(
    ("wrong", "word"), [("like: 1.5", "like"), ("shared_keys: 0", "shared_keys"), ("extra: 1", "extra")]
)
def test_a_wrong_rule_is_named_with_its_file(tmp_path: Path, wrong: str, word: str) -> None:
    root = copied(tmp_path)
    path = root / "clusters.yaml"
    key = wrong.partition(":")[0]
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(f"{key}:")]
    path.write_text("\n".join([*kept, wrong]), encoding="utf-8")
    with pytest.raises(RulebookError) as caught:
        load_rulebook(root)
    assert any("clusters.yaml" in str(fault) and word in str(fault) for fault in caught.value.faults)
