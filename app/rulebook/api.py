"""Reference data for consoles and bureaus' systems: which rules are in force, the tags, the units, the districts."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app import clock
from app.rulebook.shapes import Rulebook, Tag


class NoticeView(BaseModel):
    """The notice and what it is worth today."""

    number: str
    title: str
    valid_from: date
    valid_to: date
    status: str
    status_line: str


class RulesView(BaseModel):
    """Which rules the service judges by."""

    version: str
    notice: NoticeView
    measures: int
    tags: int
    units: int
    calendar_years: list[int]


class TagLine(BaseModel):
    """A 归口标签 for a picker."""

    code: str
    name: str
    group: str
    definition: str
    lead: str
    handling: str
    measures: list[int]
    synonyms: list[str]


class UnitLine(BaseModel):
    """A unit for a picker."""

    code: str
    name: str
    full_name: str
    kind: str
    dispatchable: bool
    duties: str


class DistrictLine(BaseModel):
    """A district for a picker."""

    code: str
    name: str
    unit: str


def make_router(access: Any) -> APIRouter:
    """Return the router; `access` is the dependency that lets signed-in callers read reference data.

    The rulebook does not know accounts (they live on the same floor), so the application hands the dependency in.
    """
    router = APIRouter(prefix="/api/v1", tags=["规则"], dependencies=[Depends(access)])
    router.get("/rules", summary="现行规则")(_rules)
    router.get("/tags", summary="归口标签")(_tags)
    router.get("/units", summary="承办单位")(_units)
    router.get("/districts", summary="旗县区")(_districts)
    return router


def _rulebook(request: Request) -> Rulebook:
    rulebook: Rulebook = request.app.state.rulebook
    return rulebook


RulebookOf = Annotated[Rulebook, Depends(_rulebook)]


def _rules(rulebook: RulebookOf) -> RulesView:
    """Which rules the service judges by, and whether the notice behind them still holds."""
    notice, day = rulebook.notice, clock.today()
    view = NoticeView(
        number=notice.number, title=notice.title, valid_from=notice.valid_from, valid_to=notice.valid_to,
        status=notice.status(day).value, status_line=notice.status_line(day),
    )  # fmt: skip
    return RulesView(
        version=rulebook.version, notice=view, measures=len(rulebook.measures), tags=len(rulebook.tags),
        units=len(rulebook.units), calendar_years=[year.year for year in rulebook.years],
    )  # fmt: skip


def _tags(rulebook: RulebookOf) -> list[TagLine]:
    """Every 归口标签 with its lead."""
    return [_tag_line(tag, rulebook) for tag in rulebook.tags]


def _tag_line(tag: Tag, rulebook: Rulebook) -> TagLine:
    return TagLine(
        code=tag.code, name=tag.name, group=tag.group_name, definition=tag.definition, lead=rulebook.short(tag.lead),
        handling=tag.handling.value, measures=list(tag.measures), synonyms=list(tag.synonyms),
    )  # fmt: skip


def _units(rulebook: RulebookOf) -> list[UnitLine]:
    """Every unit that exists today."""
    today = clock.today()
    return [
        UnitLine(
            code=unit.code, name=unit.short, full_name=unit.full, kind=unit.kind.value,
            dispatchable=unit.dispatchable, duties=unit.duties,
        )
        for unit in rulebook.units
        if unit.valid_on(today)
    ]  # fmt: skip


def _districts(rulebook: RulebookOf) -> list[DistrictLine]:
    """The 旗县区 with their governments."""
    return [DistrictLine(code=item.code, name=item.name, unit=rulebook.short(item.unit)) for item in rulebook.districts]
