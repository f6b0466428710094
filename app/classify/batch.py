"""Classifies lines of JSON (id, title, text) for `hotline classify`: ranked units, confidence, decision, type, urgency, tag."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from app.classify.predict import Classifier, Prediction
from app.rulebook.shapes import BY_PLACE, Rulebook

UNITS_SHOWN = 5


class LineError(ValueError):
    """A line of the input cannot be used; the text names it."""


def classify_lines(lines: Iterable[str], classifier: Classifier, rulebook: Rulebook) -> Iterator[dict[str, Any]]:
    """Yield one result a line: the unit whose duty the matter is, even where the caller would be told another way.

    Raises:
        LineError: a line is no JSON object with id and text.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            item = _item(line, number)
            yield {"id": item["id"], **_result(classifier.predict(item.get("title") or "", item["text"]), rulebook)}


def _item(line: str, number: int) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise LineError(f"第 {number} 行不是 JSON") from error
    if not isinstance(item, dict) or "id" not in item or not isinstance(item.get("text"), str):
        raise LineError(f"第 {number} 行缺少 id 或 text")
    if not isinstance(item.get("title") or "", str):
        raise LineError(f"第 {number} 行的 title 应为文字")
    return item


def _result(found: Prediction, rulebook: Rulebook) -> dict[str, Any]:
    """Return a prediction as told; a by-place matter without a known place is for a person.

    A model trained on foreign labels knows no units: its labels are told as they are.
    """
    auto = found.certain and found.units[0][0] != BY_PLACE
    told = {"confidence": round(found.confidence, 4), "decision": "auto" if auto else "review"}
    tag = rulebook.tag_by_code.get(found.tag)
    if tag is None:
        return {"label": found.tag, "labels": [label for label, _ in found.units[:UNITS_SHOWN]], **told}
    return {
        "units": [rulebook.short(unit) for unit, _ in found.units[:UNITS_SHOWN]],
        **told,
        "type": found.kind,
        "urgent": found.urgent,
        "tag": found.tag,
        "measures": list(tag.measures),
    }
