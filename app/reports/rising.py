"""Which matters rise: a test of surprise against the weeks before, not a ratio of small numbers. Pure.

How many appeals of a kind a week brings is taken as Poisson with an unknown mean; what the weeks before brought says how
likely each number is now (negative binomial, Jeffreys' prior). Many kinds are tested at once, so the limit is
Benjamini and Hochberg's: among what is reported, about one in twenty is chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import nbinom

WEEKS = 8
FEWEST_WEEKS = 2
FALSE_SHARE = 0.05
LEAST = 3


@dataclass(frozen=True)
class Rise:
    """A kind of appeal that came more often than chance explains.

    Attributes:
        expected: how many the weeks before let one expect.
        chance: probability of so many or more, were nothing changed.
    """

    key: str
    now: int
    expected: float
    chance: float


def rises(now: Mapping[str, int], before: Mapping[str, int], weeks: int) -> list[Rise]:
    """Return what rises, least likely first; nothing while there are too few weeks to compare with.

    Args:
        now: appeals of this week, by kind.
        before: appeals of the weeks before together, by kind.
        weeks: how many weeks that was.
    """
    if weeks < FEWEST_WEEKS:
        return []
    tested = sorted(
        (_rise(key, count, before.get(key, 0), weeks) for key, count in now.items() if key and count >= LEAST),
        key=lambda rise: (rise.chance, rise.key),
    )
    passed = [rank for rank, rise in enumerate(tested, 1) if rise.chance <= FALSE_SHARE * rank / len(tested)]
    return tested[: max(passed, default=0)]


def _rise(key: str, count: int, earlier: int, weeks: int) -> Rise:
    chance = float(nbinom.sf(count - 1, earlier + 0.5, weeks / (weeks + 1)))
    return Rise(key, count, round(earlier / weeks, 2), chance)
