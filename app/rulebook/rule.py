"""What all shapes of rules share: their base, and what sort of body a unit is."""

from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict


class Rule(BaseModel):
    """Base of every rule shape."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class UnitKind(StrEnum):
    """What sort of body a unit is."""

    CITY_DEPARTMENT = "市政府部门"
    CITY_BODY = "市直机构"
    PARTY_OR_MASS = "党委群团"
    JUDICIAL = "司法机关"
    CONGRESS = "人大"
    CENTRAL = "中央和区直驻包"
    UTILITY = "公用企业"
    STATE_FIRM = "国有企业"
    DISTRICT = "旗县区"
