"""Folds a work order's events, in order, into where it stands. Pure."""

from collections.abc import Iterable

from app.tickets.effects import EFFECTS
from app.tickets.standing import Fact, Standing, mark_late, settle_holder


def fold(facts: Iterable[Fact]) -> Standing:
    """Return where a ticket stands after its events, in order."""
    standing = Standing()
    for fact in facts:
        apply(standing, fact)
    return standing


def apply(standing: Standing, fact: Fact) -> None:
    """Let one more event happen.

    Raises:
        KeyError: the payload lacks what its kind needs.
    """
    mark_late(standing, fact.at)
    effect = EFFECTS.get(fact.kind)
    if effect is None:
        return
    effect(standing, fact)
    settle_holder(standing, fact)
