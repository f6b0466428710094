"""Reads routing_rules/ into one frozen Rulebook; every fault is told with its file and line.

All scalars are read as text (so `0101` stays a code and 否 never becomes False) and given their types by the shapes.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from app.rulebook.assessment import Assessment
from app.rulebook.clusters import ClusterRules
from app.rulebook.rule import Rule
from app.rulebook.shapes import (
    BY_PLACE,
    Avoidance,
    CalendarYear,
    City,
    District,
    Group,
    Handling,
    LimitRule,
    LimitStep,
    Measure,
    Notice,
    Rulebook,
    Tag,
    Unit,
)
from app.rulebook.supervision import SupervisionRules
from app.rulebook.yamls import DEPTH_MAX, too_involved

VERSION_CHARS = 12
KINDS = ("咨询", "求助", "投诉", "举报", "建议")
# Steps without which a ticket would be watched by nobody.
ALWAYS_LIMITED = (
    LimitStep.FIRST_DISPATCH,
    LimitStep.SIGN,
    LimitStep.RETURN_REQUEST,
    LimitStep.RETURN_RULING,
    LimitStep.ARBITRATION,
    LimitStep.FIRST_CONTACT,
    LimitStep.CLOSING,
    LimitStep.EXTENSION_RULING,
    LimitStep.SUSPENSION,
    LimitStep.SUSPENSION_RULING,
    LimitStep.REVIEW,
    LimitStep.CALLBACK,
    LimitStep.REASSESSMENT,
    LimitStep.REWORK,
    LimitStep.SUPPLEMENT,
)
Loaded = TypeVar("Loaded", bound=Rule)
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class RuleFault:
    """One fault of the rules: where it stands and what is wrong."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Return the fault as `file:line message`."""
        return f"{self.file}:{self.line} {self.message}"


class RulebookError(ValueError):
    """The rules cannot be used; `faults` holds every reason found."""

    def __init__(self, faults: list[RuleFault]) -> None:
        super().__init__("规则有误：" + "；".join(map(str, faults[:5])) + ("……" if len(faults) > 5 else ""))  # noqa: PLR2004
        self.faults = faults


@dataclass
class Source:
    """One rule file: its data as plain text values, and the line of every part."""

    name: str
    data: Any
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """Return the line of a part, or of the nearest enclosing part that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass
class Reading:
    """A reading in progress: sources and the faults met so far."""

    root: Path
    faults: list[RuleFault] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)

    def open(self, relative: str) -> Source:
        """Read one YAML file as text values with their lines; a missing or broken file becomes a fault."""
        path = self.root / relative
        source = Source(relative, {}, {})
        try:
            text = path.read_text(encoding="utf-8")
            if too_involved(text):
                self.fault(source, (), f"嵌套超过 {DEPTH_MAX} 层，或用了锚点、别名（&、*），请写成平常的列表和字段")
                return source
            node = yaml.compose(text, Loader=yaml.CBaseLoader)
        except (OSError, UnicodeDecodeError):
            self.fault(source, (), "文件不存在或读不出（须为 UTF-8）")
            return source
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            self.faults.append(RuleFault(relative, mark.line + 1 if mark else 1, "不是有效的 YAML"))
            return source
        source.data = self._plain(node, (), source)
        self.content[relative] = source.data
        return source

    def _plain(self, node: yaml.Node | None, path: Path_, source: Source) -> Any:
        if node is None:
            return {}
        source.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._plain_mapping(node, path, source)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index), source) for index, item in enumerate(node.value)]
        return node.value

    def _plain_mapping(self, node: yaml.MappingNode, path: Path_, source: Source) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.faults.append(RuleFault(source.name, key.start_mark.line + 1, "键须为文字"))
                continue
            if key.value in result:
                self.faults.append(RuleFault(source.name, key.start_mark.line + 1, f"“{key.value}”写了两次"))
            result[key.value] = self._plain(value, (*path, key.value), source)
        return result

    def fault(self, source: Source, path: Path_, message: str) -> None:
        """Note a fault at a part of a source."""
        self.faults.append(RuleFault(source.name, source.line(path), message))

    def remember(self, name: str, source: Source, path: Path_) -> None:
        """Keep where a rule stands, for faults that show only when all rules are read."""
        self.places[name] = (source.name, source.line(path))

    def late_fault(self, name: str, message: str) -> RuleFault:
        """Return a fault of a remembered rule."""
        return RuleFault(*self.places[name], message)

    def shape(self, source: Source, path: Path_, data: Any, shape: type[Loaded]) -> Loaded | None:
        """Give one part its shape, or note why it has not got it."""
        try:
            return shape.model_validate(data)
        except ValidationError as error:
            for item in error.errors():
                where = ".".join(map(str, item["loc"]))
                self.fault(source, (*path, *item["loc"]), f"{where}：{item['msg']}")
            return None

    def shapes(self, source: Source, key: str, shape: type[Loaded]) -> list[tuple[Path_, Loaded]]:
        """Give every item of a list its shape; each comes with its place in the file."""
        items = source.data.get(key) if isinstance(source.data, dict) else None
        if not isinstance(items, list):
            self.fault(source, (), f"缺少列表“{key}”")
            return []
        shaped = (((key, index), self.shape(source, (key, index), item, shape)) for index, item in enumerate(items))
        return [(path, item) for path, item in shaped if item is not None]

    def unique(self, source: Source, items: Iterable[tuple[Path_, Loaded]], name_of: Callable[[Loaded], str]) -> None:
        """Note every repeated name among items."""
        seen: set[str] = set()
        for path, item in items:
            name = name_of(item)
            if name in seen:
                self.fault(source, path, f"“{name}”重复")
            seen.add(name)


def load_rulebook(root: Path) -> Rulebook:
    """Read, check and freeze the rules below a folder.

    Raises:
        RulebookError: with every fault found, each with file and line.
    """
    reading = Reading(root)
    notice_source = reading.open("notice.yaml")
    notice = reading.shape(notice_source, (), notice_source.data, Notice)
    units, groups = _units(reading)
    names = {name: unit.code for unit in units for name in (*unit.aliases, unit.full, unit.short)}
    measures = _measures(reading, names, {group.name for group in groups})
    city, districts, out_of_town = _regions(reading, {unit.code for unit in units})
    limits = _limits(reading)
    tags = _tags(reading, names, {item.number for item in measures}, {item.covers for item in limits if item.covers})
    avoidance = _avoidance(reading, names, {item.number for item in measures})
    years = _years(reading)
    scoring = reading.open("assessment.yaml")
    assessment = reading.shape(scoring, (), scoring.data, Assessment)
    pressing = reading.open("supervision.yaml")
    supervision = reading.shape(pressing, (), pressing.data, SupervisionRules)
    alike = reading.open("clusters.yaml")
    clusters = reading.shape(alike, (), alike.data, ClusterRules)
    if reading.faults or None in (notice, city, avoidance, assessment, supervision, clusters):
        raise RulebookError(reading.faults)
    rulebook = Rulebook(
        version=_version(reading.content), notice=notice, measures=measures, units=units, groups=groups, city=city,
        districts=districts, out_of_town=out_of_town, tags=tags, avoidance=avoidance,
        limits=limits, assessment=assessment, supervision=supervision, clusters=clusters, years=years,
    )  # fmt: skip
    coverage = list(_coverage_faults(rulebook, reading))
    if coverage:
        raise RulebookError(coverage)
    return rulebook


def _version(content: dict[str, Any]) -> str:
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_CHARS]


def _units(reading: Reading) -> tuple[tuple[Unit, ...], tuple[Group, ...]]:
    source = reading.open("units.yaml")
    found = reading.shapes(source, "units", Unit)
    groups = reading.shapes(source, "groups", Group)
    reading.unique(source, found, lambda unit: unit.code)
    codes = {unit.code for _, unit in found}
    owner: dict[str, str] = {}
    for path, unit in found:
        for reference, label in ((unit.superior, "superior"), (unit.successor, "successor")):
            if reference and reference not in codes:
                reading.fault(source, (*path, label), f"没有代码为“{reference}”的单位")
        for name in {unit.short, unit.full, *unit.aliases}:
            if owner.setdefault(name, unit.code) != unit.code:
                reading.fault(source, path, f"名称“{name}”同时属于 {owner[name]} 和 {unit.code}")
        if unit.valid_to and not unit.successor and unit.dispatchable:
            reading.fault(source, path, f"{unit.short} 已设失效日期，但没有写承接单位 successor")
    for path, group in groups:
        for member in set(group.members) - codes:
            reading.fault(source, path, f"“{group.name}”的成员 {member} 不存在")
    return tuple(unit for _, unit in found), tuple(group for _, group in groups)


def _measures(reading: Reading, names: dict[str, str], groups: set[str]) -> tuple[Measure, ...]:
    source = reading.open("measures.yaml")
    found = reading.shapes(source, "measures", Measure)
    reading.unique(source, found, lambda measure: str(measure.number))
    result = []
    for path, measure in found:
        reading.remember(f"measure {measure.number}", source, path)
        if not measure.appealable and not measure.why_not:
            reading.fault(source, path, f"第{measure.number}项标为不可诉求，须在 why_not 写明原因")
        for group in {*measure.lead_groups, *measure.support_groups} - groups:
            reading.fault(source, path, f"没有泛指单位“{group}”")
        lead = _codes(reading, source, (*path, "lead"), measure.lead, names)
        support = _codes(reading, source, (*path, "support"), measure.support, names)
        result.append(measure.model_copy(update={"lead": lead, "support": support}))
    return tuple(sorted(result, key=lambda measure: measure.number))


def _codes(
    reading: Reading,
    source: Source,
    path: Path_,
    units: Iterable[str],
    names: dict[str, str],
    *,
    by_place: bool = False,
) -> tuple[str, ...]:
    """Turn unit names into codes; 按属地 stays as it is."""
    result = []
    for name in units:
        if name == BY_PLACE and by_place:
            result.append(name)
        elif name in names:
            result.append(names[name])
        else:
            reading.fault(source, path, f"没有名为“{name}”的单位")
    return tuple(result)


def _regions(reading: Reading, unit_codes: set[str]) -> tuple[City | None, tuple[District, ...], tuple[str, ...]]:
    source = reading.open("regions.yaml")
    data = source.data if isinstance(source.data, dict) else {}
    city = reading.shape(source, ("city",), data.get("city", {}), City)
    found = reading.shapes(source, "districts", District)
    reading.unique(source, found, lambda district: district.code)
    codes: set[str] = set()
    for path, district in found:
        if district.unit not in unit_codes:
            reading.fault(source, path, f"{district.name} 的单位 {district.unit} 不存在")
        for index, place in enumerate(district.places):
            if place.code in codes:
                reading.fault(source, (*path, "places", index), f"代码 {place.code} 重复")
            codes.add(place.code)
    outside = data.get("out_of_town", [])
    return city, tuple(district for _, district in found), tuple(outside)


def _limits(reading: Reading) -> tuple[LimitRule, ...]:
    source = reading.open("limits.yaml")
    found = reading.shapes(source, "limits", LimitRule)
    reading.unique(source, found, lambda limit: f"{limit.code}@{limit.valid_from}")
    for step, kind, urgent in product(ALWAYS_LIMITED, KINDS, (True, False)):
        if not any(_is_general(limit, step, kind, urgent=urgent) for _, limit in found):
            reading.fault(source, (), f"{kind}（{'紧急' if urgent else '一般'}）没有长期有效的“{step}”时限")
    return tuple(limit for _, limit in found)


def _is_general(limit: LimitRule, step: LimitStep, kind: str, *, urgent: bool) -> bool:
    """Whether a limit holds for any such ticket without end."""
    fits = limit.step is step and (not limit.types or kind in limit.types) and limit.urgent in {None, urgent}
    return fits and not limit.hard and not limit.covers and limit.valid_to is None


def _tags(reading: Reading, names: dict[str, str], measures: set[int], covers: set[str]) -> tuple[Tag, ...]:
    files = sorted(path.name for path in (reading.root / "tags").glob("*.yaml"))
    if not files:
        reading.faults.append(RuleFault("tags/", 1, "没有标签文件"))
    result: list[Tag] = []
    for name in files:
        result.extend(_tag_file(reading, f"tags/{name}", names, measures, covers))
    return tuple(sorted(result, key=lambda tag: tag.code))


def _tag_file(
    reading: Reading, relative: str, names: dict[str, str], measures: set[int], covers: set[str]
) -> Iterator[Tag]:
    source = reading.open(relative)
    group = source.data.get("group") if isinstance(source.data, dict) else None
    if not isinstance(group, dict) or not {"code", "name"} <= group.keys():
        reading.fault(source, (), "缺少 group（code 和 name）")
        return
    for item in source.data.get("tags") or []:
        if isinstance(item, dict):
            item.update(group_code=group["code"], group_name=group["name"])
    for path, tag in reading.shapes(source, "tags", Tag):
        _check_tag(reading, source, path, tag, measures, covers)
        lead = _codes(reading, source, (*path, "lead"), [tag.lead], names, by_place=True)
        support = _codes(reading, source, (*path, "support"), tag.support, names, by_place=True)
        if lead:
            yield tag.model_copy(update={"lead": lead[0], "support": support})


def _check_tag(reading: Reading, source: Source, path: Path_, tag: Tag, measures: set[int], covers: set[str]) -> None:
    """Note what is wrong with one tag by itself."""
    if f"tag {tag.code}" in reading.places:
        reading.fault(source, path, f"标签代码“{tag.code}”重复")
    reading.remember(f"tag {tag.code}", source, path)
    for number in set(tag.measures) - measures:
        reading.fault(source, (*path, "measures"), f"没有第{number}项措施")
    if not tag.code.startswith(tag.group_code):
        reading.fault(source, (*path, "code"), f"标签代码须以组号 {tag.group_code} 开头")
    if tag.statutory_limit and tag.statutory_limit not in covers:
        reading.fault(source, (*path, "statutory_limit"), f"limits.yaml 没有适用于“{tag.statutory_limit}”的时限")
    if (tag.handling == "told") != bool(tag.told):
        reading.fault(source, path, "handling: told 与 told 须同时填写")


def _avoidance(reading: Reading, names: dict[str, str], measures: set[int]) -> Avoidance | None:
    source = reading.open("avoidance.yaml")
    found = reading.shape(source, (), source.data, Avoidance)
    if found is None:
        return None
    for number in set(found.law_supervision_measures) - measures:
        reading.fault(source, ("law_supervision_measures",), f"没有第{number}项措施")
    unit = _codes(reading, source, ("law_supervision",), [found.law_supervision], names)
    return found.model_copy(update={"law_supervision": unit[0]}) if unit else None


def _years(reading: Reading) -> tuple[CalendarYear, ...]:
    files = sorted(path.name for path in (reading.root / "calendar").glob("*.yaml"))
    years: list[CalendarYear] = []
    for name in files:
        source = reading.open(f"calendar/{name}")
        year = reading.shape(source, (), source.data, CalendarYear)
        if year is None:
            continue
        if year.year in {known.year for known in years}:
            reading.fault(source, ("year",), f"{year.year}年有两份日历")
        seen = set()
        for index, span in enumerate(year.holidays):
            for part in ("days_off", "make_up"):
                for place, day in enumerate(getattr(span, part)):
                    if day in seen or abs(day.year - year.year) > 1:
                        reading.fault(source, ("holidays", index, part, place), f"重复日期或不属于这一年：{day}")
                    seen.add(day)
        years.append(year)
    if not years:
        reading.faults.append(RuleFault("calendar/", 1, "没有任何年度日历"))
    return tuple(years)


def _coverage_faults(rulebook: Rulebook, reading: Reading) -> Iterator[RuleFault]:
    """Yield what is wrong between tags, measures and units once each of them is sound by itself."""
    reached = {number for tag in rulebook.tags for number in tag.measures}
    for measure in rulebook.measures:
        if measure.appealable and measure.number not in reached:
            yield reading.late_fault(f"measure {measure.number}", f"第{measure.number}项可诉求，但没有标签引用它")
    for tag in rulebook.tags:
        for message in _lead_faults(rulebook, tag):
            yield reading.late_fault(f"tag {tag.code}", f"{tag.code} {tag.name}：{message}")


def _lead_faults(rulebook: Rulebook, tag: Tag) -> Iterator[str]:
    if not named_lead(rulebook, tag) and not tag.basis:
        yield "牵头单位不在所引措施的牵头单位中，须在 basis 写明法律或职责依据"
    if tag.handling is Handling.TOLD:
        return
    for code in (tag.lead, *tag.support):
        if code != BY_PLACE and not rulebook.unit_by_code[code].dispatchable:
            yield f"{rulebook.short(code)} 不能派单"


def named_lead(rulebook: Rulebook, tag: Tag) -> bool:
    """Whether a measure the tag rests on names the tag's lead (for 按属地: any district) as 牵头单位."""
    leads = {unit for number in tag.measures for unit in measure_leads(rulebook, number)}
    return bool(leads & set(rulebook.district_by_unit)) if tag.by_place else tag.lead in leads


def measure_leads(rulebook: Rulebook, number: int) -> tuple[str, ...]:
    """Return the unit codes that lead a measure, 泛指 groups resolved to their members."""
    return _named(rulebook, rulebook.measure_by_number[number].lead, rulebook.measure_by_number[number].lead_groups)


def measure_supporters(rulebook: Rulebook, number: int) -> tuple[str, ...]:
    """Return the unit codes that support a measure, 泛指 groups resolved to their members."""
    measure = rulebook.measure_by_number[number]
    return _named(rulebook, measure.support, measure.support_groups)


def _named(rulebook: Rulebook, units: tuple[str, ...], groups: tuple[str, ...]) -> tuple[str, ...]:
    members = [code for group in rulebook.groups if group.name in groups for code in group.members]
    return tuple(dict.fromkeys((*units, *members)))
