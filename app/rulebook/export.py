"""Writes an imported notice as rule files: measures.yaml (for the rulebook) and texts.yaml (full text, kept apart)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from app.rulebook.importer import Import, ImportedMeasure
from app.rulebook.loader import RulebookError, RuleFault
from app.rulebook.yamls import too_involved

MATTER_CHARS = 40
HEAD = """\
# {number} 的各项措施。单位用简称（units.yaml 的 short 或 aliases）；泛指单位写在 *_groups；时限为限期最后一日。
# matter 是我们自己的概括；appealable 为 false 的须写 why_not。由 hotline rules import 生成，可人工修改。
measures:
"""


def kept_matters(path: Path) -> dict[int, dict[str, Any]]:
    """Return matter, appealable and why_not by number from an existing measures.yaml; empty if there is none.

    Raises:
        RulebookError: the file is no list of numbered measures.
    """
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    try:
        data = {} if too_involved(text) else yaml.safe_load(text)
        items = data["measures"] if isinstance(data, dict) else data
        return {int(item["number"]): item for item in items}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise RulebookError([RuleFault(path.name, 1, "不是措施文件：应有列表 measures，每项有 number")]) from error


def measures_yaml(imported: Import, kept: Mapping[int, Mapping[str, Any]]) -> str:
    """Return measures.yaml; matters come from `kept` where it has them, else from the text's first sentence."""
    return HEAD.format(number=imported.number) + "".join(
        _item(measure, kept.get(measure.number, {})) for measure in imported.measures
    )


def texts_yaml(imported: Import) -> str:
    """Return the full texts by number, to be cited by clause; the file stays outside the repository."""
    texts = {measure.number: measure.text for measure in imported.measures}
    return yaml.safe_dump({"number": imported.number, "texts": texts}, allow_unicode=True, width=10_000)


def _item(measure: ImportedMeasure, kept: Mapping[str, Any]) -> str:
    lines = [
        f"  - number: {measure.number}",
        f"    part: {_scalar(measure.part)}",
        f"    section: {_scalar(measure.section)}",
        f"    matter: {_scalar(kept.get('matter') or _first_words(measure.text))}",
        f"    appealable: {'true' if kept.get('appealable', True) else 'false'}",
    ]
    if kept.get("why_not"):
        lines.append(f"    why_not: {_scalar(kept['why_not'])}")
    lines += [
        f"    {key}: {_flow(names)}"
        for key, names in (
            ("lead", measure.lead),
            ("lead_groups", measure.lead_groups),
            ("support", measure.support),
            ("support_groups", measure.support_groups),
        )
        if names or key == "lead"
    ]
    lines += list(_deadline(measure))
    return "\n".join(lines) + "\n"


def _deadline(measure: ImportedMeasure) -> Iterable[str]:
    if measure.deadline:
        yield f"    deadline: {measure.deadline.isoformat()}"
    if measure.standing:
        yield f"    standing: {measure.standing}"
    if measure.immediate:
        yield "    immediate: true"


def _scalar(text: str) -> str:
    """Return a text as YAML writes it, quoted where it must be."""
    return yaml.safe_dump(text, allow_unicode=True, width=10_000).removesuffix("...\n").strip()


def _flow(names: list[str]) -> str:
    """Return names as a list on one line, each quoted where it must be: they come from somebody else's text."""
    return yaml.safe_dump(names, allow_unicode=True, width=10_000, default_flow_style=True).strip()


def _first_words(text: str) -> str:
    return text.split("。", 1)[0][:MATTER_CHARS]
