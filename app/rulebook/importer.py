"""Reads an official notice of the form 部分—章节—编号措施（牵头单位；配合单位；完成时限）into measures.

The form's traps, all met in 包府发〔2024〕40号: “市” is written once per list (市发改委、工信局); 市场监管局 begins with 市
but is 市市场监管局; 市人民中级法院 is a slip; a list ends in 等 or 等单位; 党委 organs share 市委 (市委办公室、政法委);
brackets stand inside the text too; 各旗县区政府 and the like are 泛指, not units.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

PART = re.compile(r"^[一二三四五六七八九十]+、(?P<title>.+)$")
SECTION = re.compile(r"^（[一二三四五六七八九十]+）(?P<title>.+)$")
MEASURE = re.compile(r"^(?P<number>\d{1,3})[．.、]\s*(?P<text>.+)$")
DUTY = re.compile(r"（牵头单位：(?P<duty>.*)）\s*$", re.DOTALL)
TAIL = re.compile(r"(等(有关|相关)?(单位|部门)?)$")
DEADLINE = re.compile(r"(?P<year>20\d\d)年(?P<month>\d{1,2})月(?P<day>底|末|\d{1,2}日)?")

# Names that stand for many bodies at once: they begin with 各 or speak of 各…单位/部门.
GENERIC = re.compile(r"^(各.+|市[级直]各.+)$")
# Bodies whose official names begin without 市: a list's leading 市 does not reach them.
OWN_NAME = re.compile(
    r"^(中国|国家|内蒙古|自治区|包头|东河|昆都仑|青山|石拐|白云|九原|土默特|土右|固阳|达茂|达尔罕|稀土高新区|市场)|公司$|集团$"
)
DISTRICTS = re.compile(r"(旗|县|区)(人民)?政府$|管委会$")
SLIPS = {"市人民中级法院": "市中级人民法院", "市市中级人民法院": "市中级人民法院"}
PARTY_ORGANS = ("办公室", "政法委", "组织部", "宣传部", "统战部", "网信办", "编办", "政策研究室")


@dataclass
class ImportedMeasure:
    """One measure as the notice has it; unit names normalised, nothing judged."""

    number: int
    part: str
    section: str
    text: str
    lead: list[str] = field(default_factory=list)
    support: list[str] = field(default_factory=list)
    lead_groups: list[str] = field(default_factory=list)
    support_groups: list[str] = field(default_factory=list)
    deadline: date | None = None
    standing: str = ""
    immediate: bool = False


@dataclass(frozen=True)
class Unreadable:
    """A place of the notice that could not be read: its line and why."""

    line: int
    message: str


@dataclass
class Import:
    """The outcome of reading a notice."""

    number: str
    measures: list[ImportedMeasure]
    unreadable: list[Unreadable]


def read_notice(text: str) -> Import:
    """Return the measures of a notice and every place that could not be read.

    Args:
        text: the notice's plain text, one paragraph a line.
    """
    number = re.search(r"[一-龥]{2,6}〔20\d\d〕\d+号", text)
    result = Import(number.group() if number else "", [], [])
    part = section = ""
    for line_number, paragraph in _paragraphs(text):
        if found := MEASURE.match(paragraph):
            _read_measure(result, line_number, found, part, section)
        elif found := PART.match(paragraph):
            part, section = found["title"], ""
        elif found := SECTION.match(paragraph):
            section = found["title"] if part else section
    _note_gaps(result)
    return result


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield paragraphs with their line numbers; a measure broken over lines is put together again."""
    held: tuple[int, str] | None = None
    for line_number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().replace("\u3000", "")
        if not line:
            continue
        starts = MEASURE.match(line) or PART.match(line) or SECTION.match(line)
        if held and not starts:
            held = (held[0], held[1] + line)
        else:
            if held:
                yield held
            held = (line_number, line)
        if held and DUTY.search(held[1]):
            yield held
            held = None
    if held:
        yield held


def _read_measure(result: Import, line: int, found: re.Match[str], part: str, section: str) -> None:
    measure = ImportedMeasure(int(found["number"]), part, section, found["text"])
    duty = DUTY.search(found["text"])
    if not duty:
        result.unreadable.append(Unreadable(line, f"第{measure.number}项没有“（牵头单位：…）”"))
        return
    measure.text = found["text"][: duty.start()].strip()
    clauses: dict[str, str] = {}
    for name, value in _clauses("牵头单位：" + duty["duty"]):
        if name in clauses:
            result.unreadable.append(Unreadable(line, f"第{measure.number}项的“{name}”写了两次"))
        clauses.setdefault(name, value)
    measure.lead, measure.lead_groups = split_units(clauses.pop("牵头单位", ""))
    measure.support, measure.support_groups = split_units(clauses.pop("配合单位", ""))
    _read_deadline(measure, clauses.pop("完成时限", ""), result, line)
    if not measure.lead and not measure.lead_groups:
        result.unreadable.append(Unreadable(line, f"第{measure.number}项没有读出牵头单位"))
    result.unreadable.extend(Unreadable(line, f"第{measure.number}项有不认识的内容“{name}”") for name in clauses)
    if any(known.number == measure.number for known in result.measures):
        result.unreadable.append(Unreadable(line, f"第{measure.number}项重复"))
    result.measures.append(measure)


def _clauses(duty: str) -> Iterator[tuple[str, str]]:
    for clause in re.split(r"[；;]", duty):
        name, _, value = clause.partition("：")
        if name.strip():
            yield name.strip(), value.strip()


def split_units(clause: str) -> tuple[list[str], list[str]]:
    """Return the units and the 泛指 names of one list, in order, each once, in their full short form.

    A 市 at the head of a run reaches every name of the run that has no level of its own; a run ends at “，”.
    """
    units: list[str] = []
    groups: list[str] = []
    for run in re.split(r"[，,]", clause):
        level = ""
        for piece in run.split("、"):
            name = TAIL.sub("", piece.strip()).strip()
            if not name:
                continue
            level = _level(name, level)
            _put(name if GENERIC.match(name) else _full_name(name, level), units, groups)
    return units, groups


def _level(name: str, level: str) -> str:
    """Return the level (市 or 市委) that a name sets for those after it."""
    if name.startswith("市委") and name[2:] in PARTY_ORGANS:
        return "市委"
    return "市" if name.startswith("市") else level


def _full_name(name: str, level: str) -> str:
    if level == "市委" and name in PARTY_ORGANS:
        return "市委" + name
    if name.startswith("市场"):
        return "市" + name
    if name.startswith("市") or OWN_NAME.search(name) or DISTRICTS.search(name) or not level:
        return SLIPS.get(name, name)
    return SLIPS.get("市" + name, "市" + name)


def _put(name: str, units: list[str], groups: list[str]) -> None:
    target = groups if GENERIC.match(name) else units
    if name not in target:
        target.append(name)


def _read_deadline(measure: ImportedMeasure, clause: str, result: Import, line: int) -> None:
    rest = clause
    if (found := DEADLINE.search(clause)) and (day := _day(found)):
        measure.deadline = day
        rest = rest.replace(found.group(), "")
    for word in ("长期坚持", "持续推进"):
        if word in rest:
            measure.standing = word
            rest = rest.replace(word, "")
    measure.immediate = "立行立改" in rest
    rest = rest.replace("立行立改", "").strip("，,、。 前")
    if not clause:
        result.unreadable.append(Unreadable(line, f"第{measure.number}项没有完成时限"))
    elif rest:
        result.unreadable.append(Unreadable(line, f"第{measure.number}项的完成时限有不认识的内容“{rest}”"))


def _day(found: re.Match[str]) -> date | None:
    year, month = int(found["year"]), int(found["month"])
    day = found["day"]
    try:
        last = calendar.monthrange(year, month)[1]
        return date(year, month, int(day[:-1]) if day and day.endswith("日") else last)
    except ValueError:
        return None


def _note_gaps(result: Import) -> None:
    numbers = [measure.number for measure in result.measures]
    for number in sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers)):
        result.unreadable.append(Unreadable(0, f"缺第{number}项"))
