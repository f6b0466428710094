"""Finds whom an appeal complains of, so that it never lands on that desk.

信访工作条例第三十条、市场监督管理投诉举报处理暂行办法第三十三条：不得将检举控告材料转给被检举控告的单位或个人。
A unit named in the complained-of field is accused for certain. One named in the text is accused for certain where the
words around it accuse it, and possibly accused otherwise: only a person may clear the doubt.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from app.rulebook.rule import UnitKind
from app.rulebook.shapes import Rulebook, Unit

REACH_CHARS = 14
HEAD_CHARS = 2

ACCUSING_BEFORE = re.compile(r"(举报|投诉|控告|检举|反映|告发|状告|实名举报)[^，。；！？\n]{0,6}$")
ACCUSING_AFTER = re.compile(
    r"^[^，。；！？\n]{0,6}(工作人员|执法人员|执法队|领导|局长|主任|科长|队长|所长|干部|人员|的人|办事员)?"
    r"[^。；！？\n]{0,10}(乱罚|乱收|索要|索贿|收钱|收受|吃拿卡要|刁难|不作为|乱作为|推诿|推脱|包庇|袒护|保护伞|徇私|滥用|打击报复|态度恶劣|"
    r"态度|辱骂|打人|暴力执法|违规|违法|枉法|偏袒|勾结|串通|不给办|卡着|多次检查|反复检查|罚款|处罚|查封|扣押|拆)"
)
# A body complained of without its name: who it is, only a person can tell.
UNNAMED_BODY = re.compile(
    r"(区|旗|县|市|镇|乡|苏木|人民)政府|管委会|街道办|村委|居委|市委|区委|旗委|县委|该局|你们?局|贵局|某局|局里|区里|旗里|县里|镇里|"
    r"(税务|公安|城管|住建|市监|工商|环保|交警|交通|消防|卫健|卫生|教育|人社|劳动|自然资源|国土|规划|审批|民政|医保|农牧|水务|应急|安监|路政|运管)"
    r"(局|所|队|大队|支队)?的?(人|人员|部门|工作人员|执法人员|干部|领导|检查组|稽查)"
)
ENFORCEMENT = re.compile(
    r"执法不公|执法人员|不出示证件|不亮证|没有?出示|粗暴|蛮横|推搡|处罚过重|罚得太重|罚款太重|过罚不当|类案不同罚|程序违法|乱扣车|扣车不|"
    r"重复检查|反复检查|三天两头来?查|多头检查|选择性执法|钓鱼执法|以罚代管"
)
COMPANY = re.compile(
    r"公司|厂|店|超市|商场|酒店|宾馆|饭馆|物业|集团|银行|学校|幼儿园|医院|诊所|中介|平台|个人|老板|商户|摊|驾校|机构|工地|项目部|车间"
)
# Words that make a part of the complained-of field a public body whatever else stands in it.
ORGAN = re.compile(
    r"税务|公安|城管|住建|市监|工商|环保|交警|民警|消防|卫健|教育局|人社|国土|规划|审批|执法|稽查|专管员|"
    r"政府|法院|检察|局长|科长"
)
PIECES = re.compile(r"[、，,；;/]|以及|和|及|与")
BROKEN = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")
CONDUCT = re.compile(
    r"吃拿卡要|索要|索贿|受贿|行贿|好处费|红包|收礼|回扣|乱罚款|乱收费|乱执法|暴力执法|粗暴执法|选择性执法|不亮证|打击报复|保护伞|徇私|枉法|"
    r"滥用职权|收钱|收了钱|收受|收现金|偏袒|袒护|滥用权力|敲诈|拿走|执法不公|不出示证件|处罚过重|过罚不当|程序违法|粗暴|蛮横|推搡|乱扣车|以权谋私|利益输送|勾结|串通|包庇|刁难|辱骂|骂人|打人|态度恶劣|作风|渎职|失职|腐败"
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


@dataclass(frozen=True)
class Spot:
    """A name and where in the text it begins."""

    name: str
    at: int


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
        # Everybody asks the city government for help; only a plain accusation of it counts.
        self._tops = {unit.code for unit in rulebook.units if not unit.superior and not unit.dispatchable}
        outside = "|".join(map(re.escape, rulebook.out_of_town)) or r"(?!)"
        self._elsewhere = re.compile(rf"(?:{outside})[市区县旗]?$")
        # Ten thousand names as one pattern would be tried at every character; by their first two few are.
        self._by_head: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._meaning, key=lambda name: (-len(name), name)):
            self._by_head[name[:HEAD_CHARS]].append(name)

    def _add_district_organs(self, rulebook: Rulebook) -> None:
        """A district's own bureau (昆区城管局) stands below the district's government."""
        organs = {name for unit in rulebook.units for name in _bureau_names(unit)}
        for district in rulebook.districts:
            for place in {district.name, district.short, district.name.rstrip("区旗县"), *district.aliases}:
                for organ in organs:
                    self._meaning.setdefault(place + organ, (district.unit, True))

    def in_field(self, told: str) -> tuple[Accused, ...]:
        """Return every body that a field (被反映单位, 欠款方) names; empty where it names none we know."""
        told = fold(told)
        names = [told] if told in self._meaning else [spot.name for spot in self._spots(told)]
        meanings = {self._meaning[name]: name for name in names}
        return tuple(
            Accused(unit, name, below, certain=True, source="字段") for (unit, below), name in meanings.items()
        )

    def has_unknown_body(self, told: str) -> bool:
        """Whether a part of the complained-of field may be a public body that we do not know by name."""
        pieces = (piece for piece in PIECES.split(fold(told)) if piece.strip())
        return any(
            not self.in_field(piece) and bool(ORGAN.search(piece) or not COMPANY.search(piece)) for piece in pieces
        )

    def in_text(self, text: str) -> tuple[Accused, ...]:
        """Return every body that a text names, with whether the words around it accuse it."""
        found: dict[tuple[str, bool], Accused] = {}
        text = fold(text)
        for spot in self._spots(text):
            unit, below = self._meaning[spot.name]
            certain = _accuses(text, spot)
            if unit in self._tops and not certain:
                continue
            known = found.get((unit, below))
            if known is None or (certain and not known.certain):
                found[unit, below] = Accused(unit, spot.name, below, certain, "正文")
        return tuple(found.values())

    def _spots(self, text: str) -> Iterator[Spot]:
        """Yield the names in a text, the longest at each place; one of another city (呼和浩特市市场监管局) is not ours."""
        at = 0
        while at < len(text):
            name = self._name_at(text, at)
            if name and not self._elsewhere.search(text, max(0, at - REACH_CHARS), at):
                yield Spot(name, at)
            at += len(name) or 1

    def _name_at(self, text: str, at: int) -> str:
        names = self._by_head.get(text[at : at + HEAD_CHARS], ())
        return next((name for name in names if text.startswith(name, at) and _is_whole(name, text, at)), "")


def _is_whole(name: str, text: str, at: int) -> bool:
    """Whether a number (12345) stands by itself and not inside a longer one."""
    around = text[at - 1 : at] + text[at + len(name) : at + len(name) + 1]
    return not name.isdigit() or not any(char.isdigit() for char in around)


def _accuses(text: str, spot: Spot) -> bool:
    before = text[max(0, spot.at - REACH_CHARS) : spot.at]
    after = text[spot.at + len(spot.name) :][: 2 * REACH_CHARS]
    return bool(ACCUSING_BEFORE.search(before) or ACCUSING_AFTER.search(after))


def _bureau_names(unit: Unit) -> set[str]:
    """Return the names a district's counterpart of a city bureau goes by (without 市)."""
    if unit.kind not in {UnitKind.CITY_DEPARTMENT, UnitKind.CITY_BODY, UnitKind.CENTRAL}:
        return set()
    bare = {name.removeprefix("包头市") for name in (unit.short, *unit.aliases)}
    bare = {name if re.match("市场|市监", name) else name.removeprefix("市") for name in bare}
    return {name for name in bare if name.endswith(("局", "委", "队", "中心", "所", "大厅"))}


def fold(text: str) -> str:
    """Return text with invisible characters and breaks inside Chinese words taken out, so that no name hides behind one."""
    # Few characters occur in a text, and hardly ever one of these.
    for char in {each for each in set(text) if unicodedata.category(each) == "Cf"}:
        text = text.replace(char, "")
    return BROKEN.sub("", text).strip()


def complains_of_unnamed_body(text: str) -> bool:
    """Whether a text complains of enforcement, or speaks of a public body without its name (区政府, 税务的人)."""
    folded = fold(text)
    return bool(UNNAMED_BODY.search(folded) or ENFORCEMENT.search(folded))


def speaks_of_conduct(text: str) -> bool:
    """Whether a text uses words of misconduct: then a plain complaint is in doubt and is guarded like a report."""
    return bool(CONDUCT.search(fold(text)))
