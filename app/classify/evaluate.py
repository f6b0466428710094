"""Measures answers against gold: which unit, how sure, which type, how urgent; overall, by unit, by tag, by slice."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.classify.calibration import calibration_bins, calibration_error
from app.classify.gold import Gold, by_place_or
from app.classify.predict import Classifier
from app.rulebook.shapes import Rulebook

CONFUSIONS_SHOWN = 20
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)
SHORT_CHARS, LONG_CHARS = 40, 300
TRANSCRIBED = "电话"
TOP = 3
SPEED_CHARS = 120
PRECISION_LOST, COVERAGE_LOST = 0.01, 0.05

SLICES: Mapping[str, Callable[[Gold], bool]] = {
    "涉企": lambda gold: gold.enterprise,
    "非企业": lambda gold: not gold.enterprise,
    f"短（不足{SHORT_CHARS}字）": lambda gold: len(gold.text) < SHORT_CHARS,
    f"长（超过{LONG_CHARS}字）": lambda gold: len(gold.text) > LONG_CHARS,
    "电话转写": lambda gold: gold.form == TRANSCRIBED,
    "无标题": lambda gold: not gold.title,
}


@dataclass(frozen=True)
class Answer:
    """What a model said of one labelled appeal.

    Attributes:
        units: ranked, best first, any district as 按属地.
    """

    gold: Gold
    units: tuple[str, ...]
    confidence: float
    certain: bool
    tag: str = ""
    kind: str = ""
    urgent: bool = False

    @property
    def right(self) -> bool:
        """Whether the first unit is acceptable."""
        return self.units[0] in self.gold.units

    def among(self, count: int) -> bool:
        """Whether one of the first units is acceptable."""
        return any(unit in self.gold.units for unit in self.units[:count])


def answer(classifier: Classifier, gold: Gold, rulebook: Rulebook) -> Answer:
    """Return what a loaded model says of one appeal."""
    found = classifier.predict(gold.title, gold.text)
    units = tuple(dict.fromkeys(by_place_or(unit, rulebook) for unit, _ in found.units))
    return Answer(gold, units, found.confidence, found.certain, found.tag, found.kind, found.urgent)


def measure(answers: Sequence[Answer], name_of: Callable[[str], str]) -> dict[str, Any]:
    """Return the figures of answers; a share of nothing is None.

    Args:
        answers: what a model said.
        name_of: a unit's name for a reader.
    """
    sure = np.array([item.confidence for item in answers])
    right = np.array([item.right for item in answers], dtype=bool)
    units = _by_label([(item.gold.units[0], item.units[0], item.right) for item in answers], name_of)
    tags = [(item.gold.tag, item.tag, item.gold.tag == item.tag) for item in answers if item.gold.tag]
    return {
        **headline(answers),
        "macro_f1": _mean(item["f1"] for item in units),
        "ece": calibration_error(sure, right),
        "bins": [
            {"n": count, "confidence": mean, "right": share} for count, mean, share in calibration_bins(sure, right)
        ],
        "thresholds": _thresholds(answers),
        "slices": {name: headline([item for item in answers if part(item.gold)]) for name, part in SLICES.items()},
        "confusions": _confusions(answers, name_of),
        "units": units,
        "tags": _by_label(tags, str),
    }


def headline(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return the few figures that a model is judged by."""
    sent = [item for item in answers if item.certain]
    typed = [item for item in answers if item.gold.kinds and item.kind]
    return {
        "n": len(answers),
        "unit_top1": share(item.right for item in answers),
        "unit_top3": share(item.among(TOP) for item in answers),
        "tag_top1": share(item.tag == item.gold.tag for item in answers if item.gold.tag),
        "auto_coverage": share(item.certain for item in answers),
        "auto_precision": share(item.right for item in sent),
        "type_accuracy": share(item.kind in item.gold.kinds for item in typed),
        "urgent_recall": share(item.urgent for item in answers if item.gold.urgent is True),
        "urgent_false_alarms": share(item.urgent for item in answers if item.gold.urgent is False),
    }


def share(flags: Iterable[bool]) -> float | None:
    """Return which share of flags is true; None of none."""
    found = list(flags)
    return sum(found) / len(found) if found else None


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _thresholds(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Return, for each threshold, which share would go out without a person, and which share of that is right."""
    rows = []
    for threshold in THRESHOLDS:
        sent = [item for item in answers if item.confidence >= threshold]
        rows.append(
            {
                "threshold": threshold,
                "coverage": len(sent) / len(answers) if answers else None,
                "precision": share(item.right for item in sent),
            }
        )
    return rows


def _confusions(answers: Sequence[Answer], name_of: Callable[[str], str]) -> list[dict[str, Any]]:
    mixed = Counter((item.gold.units[0], item.units[0]) for item in answers if not item.right)
    return [
        {"unit": name_of(unit), "taken_for": name_of(other), "count": count}
        for (unit, other), count in mixed.most_common(CONFUSIONS_SHOWN)
    ]


def _by_label(rows: Sequence[tuple[str, str, bool]], name_of: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return precision and recall of each true label, most frequent first; rows of truth, answer, right."""
    real = Counter(truth for truth, _, _ in rows)
    said = Counter(truth if right else told for truth, told, right in rows)
    hits = Counter(truth for truth, _, right in rows if right)
    return [
        {
            "name": name_of(label),
            "n": count,
            "recall": hits[label] / count,
            "precision": hits[label] / said[label] if said[label] else None,
            "f1": 2 * hits[label] / (count + said[label]),
        }
        for label, count in real.most_common()
    ]


def worse(champion: Sequence[Answer], challenger: Sequence[Answer]) -> list[str]:
    """Return in what a challenger is worse than the champion on the same appeals; empty: promote it.

    The first unit, the type, the urgent ones found and the false alarms are compared appeal by appeal with a one-sided sign
    test at 5 %, so that a handful of changed answers decides nothing. What goes out without a person must keep its precision
    within one point and its share within five.
    """
    faults = []
    if _lost(champion, challenger, lambda item: item.right):
        faults.append("首选单位判对的明显减少")
    if _lost(champion, challenger, lambda item: item.urgent, lambda item: item.gold.urgent is True):
        faults.append("紧急诉求认出的明显减少")
    if _lost(champion, challenger, lambda item: not item.urgent, lambda item: item.gold.urgent is False):
        faults.append("不紧急而误报紧急的明显增多")
    if _lost(champion, challenger, lambda item: item.kind in item.gold.kinds, lambda item: bool(item.gold.kinds)):
        faults.append("诉求类型判对的明显减少")
    before, after = headline(champion), headline(challenger)
    if after["auto_precision"] is None or after["auto_coverage"] < before["auto_coverage"] - COVERAGE_LOST:
        if before["auto_precision"] is not None:
            faults.append(f"自动派单的占比由 {before['auto_coverage']:.1%} 降到 {after['auto_coverage']:.1%}")
    elif before["auto_precision"] is not None and after["auto_precision"] < before["auto_precision"] - PRECISION_LOST:
        faults.append(f"自动派单的正确率由 {before['auto_precision']:.1%} 降到 {after['auto_precision']:.1%}")
    return faults


def _lost(
    champion: Sequence[Answer], challenger: Sequence[Answer], good: Callable[[Answer], bool],
    counts: Callable[[Answer], bool] = lambda _item: True,
) -> bool:  # fmt: skip
    pairs = [(good(old), good(new)) for old, new in zip(champion, challenger, strict=True) if counts(old)]
    lost = sum(old and not new for old, new in pairs)
    won = sum(new and not old for old, new in pairs)
    return lost > won and sign_test(lost, lost + won) < 0.05  # noqa: PLR2004


def sign_test(successes: int, trials: int) -> float:
    """Return the chance of at least so many heads in so many throws of a fair coin."""
    ways = sum(math.comb(trials, heads) for heads in range(successes, trials + 1))
    return float(ways / 2**trials)


def speed(classifier: Classifier, texts: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Return how long one text of about 120 characters takes (ms, wall) and how many texts a second of CPU go through."""
    near = sorted(texts, key=lambda item: abs(len(item[1]) - SPEED_CHARS))[:300]
    for item in near[:30]:
        classifier.predict(*item)
    taken = []
    for item in near:
        start = time.perf_counter()
        classifier.predict(*item)
        taken.append((time.perf_counter() - start) * 1000)
    start = time.process_time()
    for item in texts[:2000]:
        classifier.predict(*item)
    used = time.process_time() - start
    return {
        "p50_ms": float(np.percentile(taken, 50)),
        "p99_ms": float(np.percentile(taken, 99)),
        "texts_a_second": len(texts[:2000]) / used,
    }
