"""The shapes of the yearly assessment (年考评): weights, deductions and ranking groups, as routing_rules/assessment.yaml has them."""

from decimal import Decimal

from pydantic import Field, model_validator

from app.rulebook.rule import Rule, UnitKind

WHOLE = Decimal(1)


class Weight(Rule):
    """One part of the score.

    Attributes:
        indicator: code of the indicator whose rate is scored.
        weight: its share of 100 points; the shares add up to 1.
        inverted: whether 1 − rate is scored (不当退单).
        without_types, without_tags: what is left out for this part only (types; first digits of tag codes).
    """

    code: str = Field(pattern=r"^[a-z_]+$")
    name: str
    indicator: str
    weight: Decimal = Field(gt=0, le=1)
    inverted: bool = False
    without_types: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    basis: str


class Deduction(Rule):
    """What a finding costs.

    Attributes:
        finding: the kind of approved mark (办理不实, 泄露信息), or 督办未落实.
        points: points a case.
        cap: most that is deducted in a year; None: no limit.
        veto: whether one case rules the unit out of commendation (一票否决).
    """

    finding: str
    points: Decimal = Field(gt=0)
    cap: Decimal | None = None
    veto: bool = False
    basis: str


class RankGroup(Rule):
    """Units that are compared with one another and with nobody else.

    Attributes:
        kinds: what sort of bodies belong to it; empty: any that no group before it took.
        at_least: parts sent a month, on average, from which a unit belongs to it.
    """

    name: str
    kinds: tuple[UnitKind, ...] = ()
    at_least: int = Field(0, ge=0)


class Assessment(Rule):
    """How a year is scored.

    Attributes:
        least: fewest cases an indicator needs to be scored, and a unit to be ranked.
        bonus_cap: most that 加分 can add.
    """

    weights: tuple[Weight, ...] = Field(min_length=1)
    deductions: tuple[Deduction, ...]
    groups: tuple[RankGroup, ...] = Field(min_length=1)
    least: int = Field(ge=1)
    bonus_cap: Decimal = Field(ge=0)
    basis: str

    @model_validator(mode="after")
    def _adds_up(self) -> "Assessment":
        total = sum(weight.weight for weight in self.weights)
        if total != WHOLE:
            raise ValueError(f"各项权重之和应为 1，现为 {total}")
        if len({weight.code for weight in self.weights}) < len(self.weights):
            raise ValueError("权重代码重复")
        return self

    def group_of(self, kind: UnitKind, monthly: Decimal) -> str:
        """Return the group a unit is ranked in, by what it is and by how many parts it gets a month; empty: none."""
        fitting = (
            group for group in self.groups if (not group.kinds or kind in group.kinds) and monthly >= group.at_least
        )
        return next((group.name for group in fitting), "")
