"""The shipped rules for tests: read once; with parts replaced; as a copy on disk that a test may edit."""

import shutil
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from app.routing.accused import Accused
from app.routing.engine import Facts
from app.rulebook.loader import load_rulebook
from app.rulebook.shapes import Measure, Rulebook, Unit

RULES = Path(__file__).parents[1] / "routing_rules"


@cache
def shipped() -> Rulebook:
    """Return the rules as shipped."""
    return load_rulebook(RULES)


def code(name: str) -> str:
    """Return the code of a shipped unit by one of its names; no name, no code."""
    return shipped().unit_by_name[name].code if name else ""


def changed(book: Rulebook, **parts: Any) -> Rulebook:
    """Return a rulebook with parts replaced and a version of its own.

    A new object, not model_copy: that would carry along the indexes the old one has already built.
    """
    return Rulebook(**{name: getattr(book, name) for name in Rulebook.model_fields} | {"version": "changed"} | parts)


def with_units(**changes: dict[str, Any]) -> Rulebook:
    """Return the shipped rules with fields of units (by code, `_` for `-`) changed."""
    by_code = {name.replace("_", "-"): change for name, change in changes.items()}
    units: tuple[Unit, ...] = tuple(unit.model_copy(update=by_code.get(unit.code)) for unit in shipped().units)
    return changed(shipped(), units=units)


def named_by(measure: Measure, role: str, book: Rulebook) -> set[str]:
    """Return the units a measure names as 牵头 or 配合, read off the rule itself, 泛指 groups opened."""
    units, groups = {"牵头": (measure.lead, measure.lead_groups), "配合": (measure.support, measure.support_groups)}[
        role
    ]
    return {*units, *(member for group in book.groups if group.name in groups for member in group.members)}


def copied(folder: Path) -> Path:
    """Return a copy of the shipped rules below a folder."""
    return Path(shutil.copytree(RULES, folder / "rules"))


def edit(path: Path, after: str, old: str, new: str) -> int:
    """Replace the first `old` behind `after` in a file, and return the line where it stood."""
    text = path.read_text(encoding="utf-8")
    spot = text.index(old, text.index(after))
    path.write_text(text[:spot] + new + text[spot + len(old) :], encoding="utf-8")
    return text.count("\n", 0, spot) + 1


def accused(name: str) -> Accused:
    """Read one accused: a unit's name, `下:` before it for an organ below the unit, `?` where it is not certain."""
    below, certain = "下:" in name, "?" not in name
    unit = name.removeprefix("?").removeprefix("下:")
    return Accused(code(unit), f"{unit}某队" if below else unit, below, certain, "正文")


def facts(tag: str, kind: str = "投诉", **but: Any) -> Facts:
    """Return the facts of a plain appeal inside the notice's validity; fields given replace."""
    plain = Facts(tag, kind, False, None, (), (), False, date(2026, 5, 1))
    return replace(plain, **but)
