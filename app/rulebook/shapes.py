"""The shapes of the rules: frozen, typed, refusing unknown keys. `loader` reads them from routing_rules/."""

from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.rulebook.assessment import Assessment
from app.rulebook.clusters import ClusterRules
from app.rulebook.rule import Rule, UnitKind
from app.rulebook.supervision import SupervisionRules


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


OptionalDay = Annotated[date | None, BeforeValidator(_blank_is_none)]
UnitCode = Annotated[str, Field(pattern=r"^BT-[A-Z0-9]{2,12}$")]
TagCode = Annotated[str, Field(pattern=r"^\d{4}$")]
RegionCode = Annotated[str, Field(pattern=r"^\d{6}$")]

BY_PLACE = "按属地"
ANY_DISTRICT = "旗县区政府"


class NoticeStatus(StrEnum):
    """What a notice is worth on a given day."""

    IN_FORCE = "in_force"
    LAPSED_CONTINUED = "lapsed_continued"
    REPLACED = "replaced"


class Notice(Rule):
    """The official notice whose measures the tags rest on.

    `valid_to` is the last day of its validity; `replaced_by` the document number of a successor, once there is one.
    """

    number: str
    title: str
    issuer: str
    issued: date
    valid_from: date
    valid_to: date
    validity_basis: str
    replaced_by: str = ""

    def status(self, day: date) -> NoticeStatus:
        """Return what the notice is worth on a day (its own closing clause: 自印发之日起施行，有效期2年)."""
        if self.replaced_by:
            return NoticeStatus.REPLACED
        return NoticeStatus.IN_FORCE if day <= self.valid_to else NoticeStatus.LAPSED_CONTINUED

    def status_line(self, day: date) -> str:
        """Return the sentence that must stand beside a citation; empty while the notice is in force."""
        match self.status(day):
            case NoticeStatus.IN_FORCE:
                return ""
            case NoticeStatus.REPLACED:
                return f"{self.number} 已由 {self.replaced_by} 替代"
            case NoticeStatus.LAPSED_CONTINUED:
                return f"{self.number} 有效期至 {self.valid_to}，已届满（lapsed），有关职责在实践中延续，请关注后续文件"


class Measure(Rule):
    """One numbered measure of the notice.

    Attributes:
        matter: what it promises, in our own words.
        lead: units of 牵头单位 in the notice's order (codes).
        support: units of 配合单位 in order (codes).
        lead_groups: 泛指 names among the leads (各旗县区政府 …).
        support_groups: 泛指 names among the supporters.
        deadline: last day of the dated deadline, if there is one.
        standing: 长期坚持 or 持续推进, or empty.
        immediate: whether the deadline says 立行立改.
    """

    number: int = Field(ge=1)
    part: str
    section: str
    matter: str = Field(min_length=4)
    appealable: bool
    why_not: str = ""
    lead: tuple[str, ...]
    support: tuple[str, ...] = ()
    lead_groups: tuple[str, ...] = ()
    support_groups: tuple[str, ...] = ()
    deadline: OptionalDay = None
    standing: Literal["", "长期坚持", "持续推进"] = ""
    immediate: bool = False


class DutyPerson(Rule):
    """One line of a unit's duty roster: who is on duty from the first to the last day; `leader`: 带班领导."""

    name: str
    phone: str
    from_day: date
    to_day: date
    leader: bool = False

    def on_duty(self, day: date) -> bool:
        """Whether the person is on duty on a day."""
        return self.from_day <= day <= self.to_day


class Window(Rule):
    """One stretch of office hours in a working day."""

    opens: time
    closes: time


class OfficeHours(Rule):
    """Office hours with the lunch break, and their source."""

    windows: tuple[Window, ...] = Field(min_length=1)
    source: str


class Unit(Rule):
    """One 承办单位.

    Attributes:
        superior: code of the unit one level up, or empty.
        subordinates: organs under it, as callers name them.
        successor: code of the unit that took over its duties (机构改革), once `valid_to` has passed.
        office: its own office hours where they differ from the city's; the days off are the city's.
    """

    code: UnitCode
    short: str = Field(min_length=2)
    full: str = Field(min_length=2)
    kind: UnitKind
    superior: str = ""
    in_notice: bool
    dispatchable: bool
    aliases: tuple[str, ...] = ()
    subordinates: tuple[str, ...] = ()
    duties: str
    duty_phone: str = ""
    roster: tuple[DutyPerson, ...] = ()
    office: OfficeHours | None = None
    valid_from: date
    valid_to: OptionalDay = None
    successor: str = ""

    def valid_on(self, day: date) -> bool:
        """Whether the unit exists on a day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class Group(Rule):
    """A 泛指 name of the notice (各旗县区政府 …): never dispatched to as such."""

    name: str
    members: tuple[UnitCode, ...] = ()
    note: str


class Place(Rule):
    """A 乡级 place, park or landmark inside one district."""

    code: str = Field(pattern=r"^\d{6}(\d{3}|-[A-Z]\d+)$")
    name: str
    kind: Literal["乡级", "园区", "地标"]
    aliases: tuple[str, ...] = ()


class District(Rule):
    """One 旗县区 or the 稀土高新区, with the places inside it.

    Attributes:
        aliases: other names that mean the district wherever they stand.
        spoken: what locals say for short; elsewhere a common word, so it counts only where a place is meant (在东河).
    """

    code: RegionCode
    name: str
    short: str
    unit: UnitCode
    aliases: tuple[str, ...] = ()
    spoken: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()


class City(Rule):
    """The city itself."""

    code: RegionCode
    name: str
    aliases: tuple[str, ...] = ()


class Handling(StrEnum):
    """What becomes of an appeal with a tag: sent to a unit, or told the proper way (告知途径)."""

    DISPATCH = "dispatch"
    TOLD = "told"


FormFact = Literal["账款-机关", "账款-事业单位", "账款-大型国企", "账款-大型企业", "账款-涉工资", "账款-已诉讼仲裁"]


class Tag(Rule):
    """One 归口标签 (leaf of the taxonomy).

    Attributes:
        lead: a unit code, or 按属地: the district government of the matter's place.
        basis: the law or duty behind the lead, required where no measure names it.
        told: the proper way, for `handling: told`.
        concerns_conduct: whether such an appeal complains of enforcement, conduct or integrity of a public body.
        statutory_limit: name of a statutory limit in limits.yaml that replaces the city's closing limit.
        form_facts: facts of the intake form that settle this tag without the classifier.
        rare: seldom meant by callers, or general: it must be spoken for more clearly than others to be answered.
    """

    code: TagCode
    name: str
    group_code: str
    group_name: str
    definition: str
    includes: tuple[str, ...]
    excludes: tuple[str, ...] = ()
    measures: tuple[int, ...] = ()
    lead: str
    support: tuple[str, ...] = ()
    basis: str = ""
    handling: Handling = Handling.DISPATCH
    told: str = ""
    concerns_conduct: bool = False
    statutory_limit: str = ""
    synonyms: tuple[str, ...] = ()
    form_facts: tuple[FormFact, ...] = ()
    rare: bool = False

    @property
    def by_place(self) -> bool:
        """Whether the responsible unit is the government of the matter's place."""
        return self.lead == BY_PLACE


class Avoidance(Rule):
    """Whom an appeal goes to instead of the body it complains of.

    Attributes:
        law_supervision: the unit that supervises enforcement, second safe target after the superior.
    """

    basis: str
    superior_reason: str
    law_supervision: str
    law_supervision_measures: tuple[int, ...]
    law_supervision_reason: str
    special_reason: str


class LimitStep(StrEnum):
    """The steps that have a limit, in the order of a work order's life."""

    FIRST_DISPATCH = "首次派单"
    SIGN = "签收"
    RETURN_REQUEST = "退单提出"
    RETURN_RULING = "退单审核"
    ARBITRATION = "裁定"
    FIRST_CONTACT = "首次联系"
    INTERIM_REPLY = "阶段答复"
    FURTHER_REPLY = "续报"
    CLOSING = "办结"
    EXTENSION = "延期"
    EXTENSION_RULING = "延期审批"
    SUSPENSION = "挂起"
    SUSPENSION_RULING = "挂起审批"
    WARNING = "预警"
    REVIEW = "办结审核"
    CALLBACK = "回访"
    REDIAL = "重拨"
    REASSESSMENT = "复核"
    REWORK = "重办"
    SUPPLEMENT = "补充材料"
    APPEAL = "考核申诉"


class LimitUnit(StrEnum):
    """What a limit is counted in."""

    MINUTES = "分钟"
    HOURS = "小时"
    OFFICE_HOURS = "办公小时"
    WORKING_DAYS = "工作日"
    CALENDAR_DAYS = "自然日"
    SHARE_LEFT = "剩余比例"
    TIMES = "次"


class LimitRule(Rule):
    """One time limit.

    Attributes:
        start: the event from which it runs (受理, 派单 …).
        applies: names of the circumstances it is for; empty: for all that no narrower rule covers.
        basis_kind: 法定, 有据 (found in a published rule), 参照 (adapted from one) or 建议 (proposed by us).
        tags: codes of the 归口标签 it is for; empty: for all.
        covers: a statutory name such as 拖欠账款 that a tag can point to.
    """

    code: str = Field(pattern=r"^[a-z0-9-]+$")
    step: LimitStep
    types: tuple[Literal["咨询", "求助", "投诉", "举报", "建议"], ...] = ()
    tags: tuple[str, ...] = ()
    urgent: bool | None = None
    hard: bool = False
    covers: str = ""
    amount: Decimal = Field(gt=0)
    unit: LimitUnit
    start: str
    basis: str
    basis_kind: Literal["法定", "有据", "参照", "建议"]
    note: str = ""
    valid_from: date
    valid_to: OptionalDay = None


class HolidaySpan(Rule):
    """Days off of one festival, and the make-up working days that belong to it."""

    name: str
    days_off: tuple[date, ...]
    make_up: tuple[date, ...] = ()


class CalendarYear(Rule):
    """One year's arrangement of days off (全国年节及纪念日放假办法 and the State Council's yearly notice)."""

    year: int = Field(ge=2000, le=2100)
    source: str
    office: OfficeHours
    holidays: tuple[HolidaySpan, ...]


class Rulebook(Rule):
    """Everything the service judges by, frozen.

    `version` is the SHA-256 of the rules' content (first 12 hexadecimal digits): the same content has the same version
    on every machine.
    """

    version: str
    notice: Notice
    measures: tuple[Measure, ...]
    units: tuple[Unit, ...]
    groups: tuple[Group, ...]
    city: City
    districts: tuple[District, ...]
    out_of_town: tuple[str, ...]
    tags: tuple[Tag, ...]
    avoidance: Avoidance
    limits: tuple[LimitRule, ...]
    assessment: Assessment
    supervision: SupervisionRules
    clusters: ClusterRules
    years: tuple[CalendarYear, ...]

    @cached_property
    def unit_by_code(self) -> dict[str, Unit]:
        """Units by code."""
        return {unit.code: unit for unit in self.units}

    @cached_property
    def unit_by_name(self) -> dict[str, Unit]:
        """Units by short name, full name and alias."""
        return {name: unit for unit in self.units for name in (*unit.aliases, unit.full, unit.short)}

    @cached_property
    def tag_by_code(self) -> dict[str, Tag]:
        """Tags by code."""
        return {tag.code: tag for tag in self.tags}

    @cached_property
    def tag_by_form_fact(self) -> dict[str, Tag]:
        """The tag that each fact of the intake form settles."""
        return {fact: tag for tag in self.tags for fact in tag.form_facts}

    @cached_property
    def measure_by_number(self) -> dict[int, Measure]:
        """Measures by number."""
        return {measure.number: measure for measure in self.measures}

    @cached_property
    def district_by_code(self) -> dict[str, District]:
        """Districts by region code."""
        return {district.code: district for district in self.districts}

    @cached_property
    def district_by_unit(self) -> dict[str, District]:
        """Districts by their government's unit code."""
        return {district.unit: district for district in self.districts}

    def short(self, unit_code: str) -> str:
        """Return a unit's short name, or 旗县区政府 for a lead that depends on the place."""
        return ANY_DISTRICT if unit_code == BY_PLACE else self.unit_by_code[unit_code].short

    def current_unit(self, unit_code: str, day: date) -> Unit:
        """Return the unit, or the successor that holds its duties on a day."""
        unit = self.unit_by_code[unit_code]
        seen = {unit.code}
        while not unit.valid_on(day) and unit.successor and unit.successor not in seen:
            unit = self.unit_by_code[unit.successor]
            seen.add(unit.code)
        return unit
