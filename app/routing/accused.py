"""Finds whom an appeal complains of, so that it never lands on that desk.

信访工作条例第三十条、市场监督管理投诉举报处理暂行办法第三十三条：不得将检举控告材料转给被检举控告的单位或个人。
A unit named in the complained-of field is accused for certain. One named in the text is accused for certain where the
words around it accuse it, and possibly accused otherwise: only a person may clear the doubt.
"""

import re
from dataclasses import dataclass

from app.rulebook.shapes import Rulebook, Unit, UnitKind

REACH_CHARS = 14

ACCUSING_BEFORE = re.compile(r"(举报|投诉|控告|检举|反映|告发|状告|实名举报)[^，。；！？\n]{0,6}$")
ACCUSING_AFTER = re.compile(
    r"^[^，。；！？\n]{0,6}(工作人员|执法人员|执法队|领导|局长|主任|科长|队长|所长|干部|人员|的人|办事员)?"
    r"[^。；！？\n]{0,10}(乱罚|乱收|索要|索贿|收钱|收受|吃拿卡要|刁难|不作为|乱作为|推诿|推脱|包庇|袒护|保护伞|徇私|滥用|打击报复|态度恶劣|"
    r"态度|辱骂|打人|暴力执法|违规|违法|枉法|偏袒|勾结|串通|不给办|卡着|多次检查|反复检查|罚款|处罚|查封|扣押|拆)"
)
CONDUCT = re.compile(
    r"吃拿卡要|索要|索贿|受贿|行贿|好处费|红包|收礼|回扣|乱罚款|乱收费|乱执法|暴力执法|粗暴执法|选择性执法|不亮证|打击报复|保护伞|徇私|枉法|"
    r"滥用职权|以权谋私|利益输送|勾结|串通|包庇|刁难|辱骂|骂人|打人|态度恶劣|作风|渎职|失职|腐败"
)


@dataclass(frozen=True)
class Accused:
    """One body an appeal complains of, or may complain of.

    Attributes:
        unit: code of the unit; for an organ below a unit (派出所, 昆区城管局) the unit one level up.
        organ: the name as the caller gave it.
        below: whether the accused is an organ below `unit`, so that `unit` itself is not accused.
        certain: False: named in the text without accusing words; only a person may say.
        source: 字段 or 正文.
    """

    unit: str
    organ: str
    below: bool
    certain: bool
    source: str


class AccusedFinder:
    """Compiled once per rulebook; thread-safe."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._meaning: dict[str, tuple[str, bool]] = {}
        for unit in rulebook.units:
            for name in (unit.short, unit.full, *unit.aliases):
                self._meaning[name] = (unit.code, False)
        for unit in rulebook.units:
            for name in unit.subordinates:
                self._meaning.setdefault(name, (unit.code, True))
        self._add_district_organs(rulebook)
        names = sorted(self._meaning, key=lambda name: (-len(name), name))
        self._names = re.compile(
            "|".join(rf"(?<!\d){name}(?!\d)" if name.isdigit() else re.escape(name) for name in names) or r"(?!)"
        )

    def _add_district_organs(self, rulebook: Rulebook) -> None:
        """A district's own bureau (昆区城管局) stands below the district's government."""
        organs = {name for unit in rulebook.units for name in _bureau_names(unit)}
        for district in rulebook.districts:
            for place in {district.name, district.short, district.name.rstrip("区旗县"), *district.aliases}:
                for organ in organs:
                    self._meaning.setdefault(place + organ, (district.unit, True))

    def in_field(self, name: str) -> Accused | None:
        """Return the accused that the complained-of field names; None where it names no public body we know."""
        name = name.strip()
        if not name:
            return None
        meaning = self._meaning.get(name)
        if meaning is None:
            found = self._names.search(name)
            meaning = self._meaning[found.group()] if found else None
        return Accused(meaning[0], name, meaning[1], certain=True, source="字段") if meaning else None

    def in_text(self, text: str) -> tuple[Accused, ...]:
        """Return every body that a text names, with whether the words around it accuse it."""
        found: dict[tuple[str, bool], Accused] = {}
        for match in self._names.finditer(text):
            unit, below = self._meaning[match.group()]
            certain = _accuses(text, match)
            known = found.get((unit, below))
            if known is None or (certain and not known.certain):
                found[unit, below] = Accused(unit, match.group(), below, certain, "正文")
        return tuple(found.values())


def _accuses(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - REACH_CHARS) : match.start()]
    after = text[match.end() : match.end() + 2 * REACH_CHARS]
    return bool(ACCUSING_BEFORE.search(before) or ACCUSING_AFTER.search(after))


def _bureau_names(unit: Unit) -> set[str]:
    """Return the names a district's counterpart of a city bureau goes by (without 市)."""
    if unit.kind not in {UnitKind.CITY_DEPARTMENT, UnitKind.CITY_BODY, UnitKind.CENTRAL}:
        return set()
    bare = {name.removeprefix("包头市") for name in (unit.short, *unit.aliases)}
    bare = {name if re.match("市场|市监", name) else name.removeprefix("市") for name in bare}
    return {name for name in bare if name.endswith(("局", "委", "队", "中心", "所", "大厅"))}


def speaks_of_conduct(text: str) -> bool:
    """Whether a text uses words of misconduct: then a plain complaint is in doubt and is guarded like a report."""
    return bool(CONDUCT.search(text))
