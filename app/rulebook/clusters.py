"""The shape of the rules by which appeals of one matter are gathered (同类多发), as routing_rules/clusters.yaml has them."""

from pydantic import Field

from app.rulebook.rule import Rule


class ClusterRules(Rule):
    """When appeals of one period tell of the same matter.

    Attributes:
        like: from which likeness of two texts (0 to 1) they may be of one matter.
        shared_keys: how many of their heaviest terms two texts must share at least.
        fewest: from how many appeals on a group is shown.
        fewest_enterprises: by how many enterprises they must come at least.
        common: a term that more appeals share tells the kind of matter, not the matter.
    """

    like: float = Field(gt=0, lt=1)
    shared_keys: int = Field(ge=1, le=16)
    fewest: int = Field(ge=2, le=100)
    fewest_enterprises: int = Field(ge=1, le=100)
    common: int = Field(ge=10, le=100_000)
    basis: str
