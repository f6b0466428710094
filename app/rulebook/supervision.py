"""The shapes of 督办: which cause leads to which way of pressing, and how long a reply may take (supervision.yaml)."""

from decimal import Decimal
from enum import StrEnum

from pydantic import Field, model_validator

from app.rulebook.rule import Rule


class Way(StrEnum):
    """How a unit is pressed, from mild to severe (包府发〔2024〕40号第31项: 电话、书面、现场)."""

    PHONE = "电话"
    WRITING = "书面"
    SITE = "现场"
    TALK = "约谈"
    CIRCULAR = "通报"

    @property
    def rung(self) -> int:
        """Its place on the ladder, 1 the mildest."""
        return list(Way).index(self) + 1


class Level(StrEnum):
    """How serious an order is."""

    PLAIN = "普通"
    YELLOW = "黄牌"
    RED = "红牌"


class Cause(StrEnum):
    """What a rule looks for."""

    UNSIGNED = "签收超时"
    SILENT = "到期前一日未联系"
    OVERDUE = "超期"
    UNSATISFIED = "重办仍不满意"
    REPEATED = "多次反映"
    UNANSWERED = "督办未回复"


class SupervisionRule(Rule):
    """One rung: a cause and what it leads to.

    Attributes:
        working_days: how many working days overdue (超期 only).
        times: how often the enterprise has raised the matter within 30 days (多次反映 only).
    """

    code: str = Field(pattern=r"^[a-z0-9-]{2,16}$")
    cause: Cause
    way: Way
    level: Level
    requirement: str = Field(min_length=4)
    working_days: int = Field(0, ge=0, le=60)
    times: int = Field(0, ge=0, le=100)
    basis: str

    @model_validator(mode="after")
    def _numbers_belong(self) -> "SupervisionRule":
        if self.working_days and self.cause is not Cause.OVERDUE:
            raise ValueError("working_days 只用于“超期”")
        if (self.times > 1) != (self.cause is Cause.REPEATED):
            raise ValueError("“多次反映”须写明 times（至少 2），其他情形不写")
        return self


class WayTerm(Rule):
    """How long a unit has to reply to an order of a way, in working days."""

    way: Way
    reply_days: Decimal = Field(gt=0, le=60)


class SupervisionRules(Rule):
    """The whole ladder."""

    rules: tuple[SupervisionRule, ...]
    ways: tuple[WayTerm, ...]
    basis: str

    @model_validator(mode="after")
    def _is_whole(self) -> "SupervisionRules":
        if {term.way for term in self.ways} != set(Way) or len(self.ways) != len(Way):
            raise ValueError("每种督办方式须有且只有一条回复期限")
        if len({rule.code for rule in self.rules}) < len(self.rules):
            raise ValueError("督办规则代码重复")
        return self

    def reply_days(self, way: Way) -> Decimal:
        """Return the working days a unit has to reply."""
        return next(term.reply_days for term in self.ways if term.way is way)
