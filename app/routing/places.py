"""Finds the place an appeal speaks of: 旗县区, 乡级 places, parks and landmarks by name and alias."""

import re
from collections import Counter
from dataclasses import dataclass

from app.rulebook.shapes import Rulebook

# A Baotou district's name right behind another city's is that city's (武汉市青山区).
OUTSIDE_REACH_CHARS = 4


@dataclass(frozen=True)
class PlaceFinding:
    """What a text says of its place.

    Attributes:
        district: region code, when exactly one district is meant; None otherwise.
        names: the words that told it, in order of appearance.
        rivals: region codes when several districts are named equally often.
        out_of_town: places outside Baotou that the text names.
    """

    district: str | None
    names: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    out_of_town: tuple[str, ...] = ()


class PlaceFinder:
    """Compiled once per rulebook; thread-safe."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._district_of: dict[str, str] = {}
        self._city = (rulebook.city.name, *rulebook.city.aliases)
        for district in rulebook.districts:
            government = rulebook.unit_by_code[district.unit]
            for name in (district.name, district.short, *district.aliases, government.short):
                self._district_of[name] = district.code
            for place in district.places:
                for name in (place.name, *place.aliases):
                    self._district_of.setdefault(name, district.code)
        self._inside = _longest_first(self._district_of)
        spoken = {word: district.code for district in rulebook.districts for word in district.spoken}
        self._district_of_spoken = spoken
        self._spoken = _as_spoken(spoken)
        self._outside = _longest_first(rulebook.out_of_town)

    def find(self, text: str) -> PlaceFinding:
        """Return the place a text speaks of; the district named most often wins, a tie is told as rivals."""
        outside = list(self._outside.finditer(text))
        ends = [match.end() for match in outside]
        hits = [
            match.group()
            for match in self._inside.finditer(text)
            if not any(self._belongs_outside(text, end, match.start()) for end in ends)
        ]
        elsewhere = tuple(dict.fromkeys(match.group() for match in outside))
        codes = [self._district_of[name] for name in hits]
        if not elsewhere:
            said = [match.group() for match in self._spoken.finditer(text)]
            hits += said
            codes += [self._district_of_spoken[word] for word in said]
        counts = Counter(codes)
        if not counts:
            return PlaceFinding(None, out_of_town=elsewhere)
        top = max(counts.values())
        leaders = tuple(code for code, count in counts.items() if count == top)
        names = tuple(dict.fromkeys(hits))
        if len(leaders) > 1:
            return PlaceFinding(None, names, leaders, elsewhere)
        return PlaceFinding(leaders[0], names, (), elsewhere)

    def _belongs_outside(self, text: str, end: int, start: int) -> bool:
        """Whether a district's name stands so close behind another city's that it is that city's (武汉市青山区)."""
        return 0 <= start - end <= OUTSIDE_REACH_CHARS and not any(name in text[end:start] for name in self._city)


def _longest_first(names: "dict[str, str] | tuple[str, ...]") -> re.Pattern[str]:
    ordered = sorted(names, key=lambda name: (-len(name), name))
    return re.compile("|".join(map(re.escape, ordered)) or r"(?!)")


def _as_spoken(words: "dict[str, str]") -> re.Pattern[str]:
    """Return what finds a short name where people speak of a place: 在东河, 东河这边; not 青山绿水 or 白云路."""
    names = "|".join(map(re.escape, sorted(words))) or r"(?!)"
    behind = r"(?![区县旗镇乡村河路街桥湖山水绿色天人大中小市])"
    ahead = r"(?=这边|那边|这头|那头|这块|那块|这片|这儿|那儿|的(?=[，。！？,]|$)|一个|一家|某)"
    return re.compile(rf"(?<=[在从到去住来回是咱们往于])(?:{names}){behind}|(?:{names}){ahead}")
