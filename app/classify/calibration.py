"""What a confidence means: temperature, reliability and thresholds, all fitted on batches the model has not seen.

The temperature turns scores into shares of the units. The reliability turns four signals of an answer into the chance that
its unit is right: shares alone are too sure on callers unlike the corpus, while a low best score or a narrow lead over the
next unit tells them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

TEMPERATURES = np.geomspace(0.01, 3, 60)
SIGNALS = ("shares", "score", "lead", "length")
BINS = 10
SHARE_FLOOR = 1e-6


def softmax(scores: Numbers) -> Numbers:
    """Return scores as probabilities along the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found: Numbers = shifted / shifted.sum(axis=-1, keepdims=True)
    return found


class Grouping:
    """Which classes belong to which group (tags to their responsible unit); sums and maxima over groups.

    Attributes:
        groups: names of the groups in order.
    """

    def __init__(self, group_of_class: Sequence[str]) -> None:
        self.groups = tuple(sorted(set(group_of_class)))
        self.of_class = np.array([self.groups.index(group) for group in group_of_class])
        self._order = np.argsort(self.of_class, kind="stable")
        self._starts = np.searchsorted(self.of_class[self._order], np.arange(len(self.groups)))

    def sums(self, values: Numbers) -> Numbers:
        """Return each group's sum along the last axis."""
        found: Numbers = np.add.reduceat(values[..., self._order], self._starts, axis=-1)
        return found

    def maxima(self, values: Numbers) -> Numbers:
        """Return each group's highest value along the last axis."""
        found: Numbers = np.maximum.reduceat(values[..., self._order], self._starts, axis=-1)
        return found


def signals(scores: Numbers, shares: Numbers, terms: NDArray[np.int64], grouping: Grouping) -> Numbers:
    """Return what the reliability looks at: one row a text.

    Args:
        scores: one row a text, one column a class.
        shares: one row a text, one column a group (at the model's temperature).
        terms: how many known terms each text has.
        grouping: which class belongs to which group.

    Returns:
        log odds of the best group's share; its best score; its lead over the best score of another group;
        log of 1 + terms.
    """
    lines = np.arange(len(scores))
    best = shares.argmax(axis=-1)
    highest = grouping.maxima(scores)
    own = highest[lines, best]
    highest[lines, best] = -np.inf
    rival = highest.max(axis=-1) if highest.shape[-1] > 1 else own
    share = np.clip(shares[lines, best], SHARE_FLOOR, 1 - SHARE_FLOOR)
    return np.stack([np.log(share / (1 - share)), own, own - rival, np.log1p(terms)], axis=-1)


@dataclass(frozen=True)
class Reliability:
    """The chance that an answer is right, as a logistic function of its signals."""

    weights: tuple[float, ...]
    bias: float

    def confidence(self, found: Numbers) -> Numbers:
        """Return the chance of being right for each row of signals."""
        chance: Numbers = 1 / (1 + np.exp(-(found @ np.array(self.weights) + self.bias)))
        return chance


def best_temperature(scores: Numbers, truth: NDArray[np.int64], grouping: Grouping) -> float:
    """Return the temperature with the least log loss over groups of classes."""
    losses = []
    for temperature in TEMPERATURES:
        shares = grouping.sums(softmax(scores / temperature))
        losses.append(-np.log(shares[np.arange(len(truth)), truth] + 1e-9).mean())
    return float(TEMPERATURES[int(np.argmin(losses))])


def threshold_for(sure: Numbers, right: NDArray[np.bool_], budget: float) -> float:
    """Return the lowest confidence above which at most `budget` are wrong; 1.01 (nothing passes) if there is none."""
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    within = np.flatnonzero(wrong <= budget)
    return float(sure[order][within[-1]]) if len(within) else 1.01


def calibration_bins(sure: Numbers, right: NDArray[np.bool_]) -> list[tuple[int, float, float]]:
    """Return, for each of ten equal bins of confidence that is not empty: count, mean confidence, share right."""
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    return [
        (int(inside.sum()), float(sure[inside].mean()), float(right[inside].mean()))
        for number in range(BINS)
        if (inside := place == number).any()
    ]


def calibration_error(sure: Numbers, right: NDArray[np.bool_]) -> float | None:
    """Return the expected calibration error over ten equal bins of confidence; None without texts."""
    bins = calibration_bins(sure, right)
    return sum(count * abs(mean - share) for count, mean, share in bins) / len(sure) if bins else None
