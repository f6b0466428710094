"""Labelled appeals to measure with: corpus rows, or lines that name the acceptable units instead of a tag."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.classify.corpus import CorpusError, Row, read_lines
from app.rulebook.shapes import ANY_DISTRICT, BY_PLACE, Rulebook


@dataclass(frozen=True)
class Gold:
    """One appeal and what is right about it.

    Attributes:
        units: acceptable responsible units (codes; any district is 按属地), best first.
        tag: empty where only units are known.
        kinds: acceptable types; empty where none is known.
        urgent: None where not known.
        form: how it came in (电话, 留言, 表单, 信函); empty where not known.
    """

    id: str
    title: str
    text: str
    units: tuple[str, ...]
    tag: str = ""
    kinds: tuple[str, ...] = ()
    urgent: bool | None = None
    enterprise: bool = False
    form: str = ""


def by_place_or(unit: str, rulebook: Rulebook) -> str:
    """Return a unit's code, with every district's government as 按属地: which district is the place's matter."""
    return BY_PLACE if unit in rulebook.district_by_unit else unit


def gold_of(row: Row, rulebook: Rulebook, forms: Mapping[str, str]) -> Gold:
    """Return a corpus row as gold; the unit is the one its tag leads to."""
    lead = by_place_or(rulebook.tag_by_code[row.tag].lead, rulebook)
    return Gold(
        row.id, row.title, row.text, (lead,), row.tag, (row.type,), row.urgent, row.enterprise, forms.get(row.batch, "")
    )


def read_gold(path: Path, rulebook: Rulebook) -> list[Gold]:
    """Return the labelled appeals of a JSONL file: each line with id, text and either `tag` or `units` (short names).

    Raises:
        CorpusError: a line cannot be used; the text names file, line and field.
    """
    lines = read_lines(path)
    return [_gold(line, f"{path.name}:{number}", rulebook) for number, line in enumerate(lines, 1) if line.strip()]


def _gold(line: str, where: str, rulebook: Rulebook) -> Gold:
    try:
        item = json.loads(line)
        units = tuple(_units(item, rulebook))
        kinds = item.get("type") or ()
        return Gold(
            str(item["id"]), item.get("title") or "", str(item["text"]), units, item.get("tag", ""),
            (kinds,) if isinstance(kinds, str) else tuple(kinds), item.get("urgent"), bool(item.get("enterprise")),
        )  # fmt: skip
    except (ValueError, TypeError, AttributeError) as error:
        raise CorpusError(f"{where} 不是一条带标签的诉求（{error}）") from error
    except KeyError as error:
        raise CorpusError(f"{where} 缺少或不认识 {error}") from error


def _units(item: dict[str, Any], rulebook: Rulebook) -> Iterator[str]:
    if "units" in item:
        for name in item["units"]:
            yield BY_PLACE if name == ANY_DISTRICT else by_place_or(rulebook.unit_by_name[name].code, rulebook)
    else:
        yield by_place_or(rulebook.tag_by_code[item["tag"]].lead, rulebook)


def read_labelled(path: Path, label: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the texts (title, text) and labels of any JSONL file with `text` and a field for the label.

    Raises:
        CorpusError: a line cannot be used; the text names file and line.
    """
    texts, labels = [], []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            texts.append((str(item.get("title") or ""), str(item["text"])))
            labels.append(str(item[label]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorpusError(f"{path.name}:{number} 须是含 text 和 {label} 的 JSON") from error
    return texts, labels
