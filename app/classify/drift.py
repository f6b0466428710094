"""Whether the appeals of today still look to the model like the ones it was measured on. Pure."""

import math
from collections.abc import Sequence

from app.classify.calibration import BINS

LEAST_ANSWERS = 50
FLOOR = 1e-3


def drift(expected: Sequence[float], confidences: Sequence[float]) -> float | None:
    """Return the population stability index of confidences against the held-out answers' tenths.

    Below 0.1 nothing has changed, above 0.25 the model should be looked at (a rule of thumb of credit scoring).
    None: too few answers to tell, or the model was saved without tenths.
    """
    if len(confidences) < LEAST_ANSWERS or len(expected) != BINS:
        return None
    counts = [0] * BINS
    for confidence in confidences:
        counts[min(int(confidence * BINS), BINS - 1)] += 1
    index = 0.0
    for share, count in zip(expected, counts, strict=True):
        then, now = max(share, FLOOR), max(count / len(confidences), FLOOR)
        index += (now - then) * math.log(now / then)
    return index
