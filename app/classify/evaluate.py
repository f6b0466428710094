"""Measures a loaded model on labelled appeals: which unit, how sure, which type, how urgent."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from app.classify.artefact import Artefact
from app.classify.corpus import Row
from app.classify.predict import Classifier, Prediction
from app.rulebook.shapes import Rulebook

BINS = 10
CONFUSIONS_SHOWN = 15


def evaluate(rows: Sequence[Row], classifier: Classifier, rulebook: Rulebook) -> dict[str, Any]:
    """Return the figures of a model on labelled appeals; shares are None where nothing is counted."""
    pairs = [(row, classifier.predict(row.title, row.text)) for row in rows]
    leads = [(rulebook.tag_by_code[row.tag].lead, found) for row, found in pairs]
    sent = [(lead, found) for lead, found in leads if found.certain]
    return {
        "n": len(rows),
        "unit_top1": _share(found.units[0][0] == lead for lead, found in leads),
        "unit_top3": _share(lead in [unit for unit, _ in found.units[:3]] for lead, found in leads),
        "tag_top1": _share(found.tag == row.tag for row, found in pairs),
        "auto_coverage": len(sent) / len(rows) if rows else None,
        "auto_precision": _share(found.units[0][0] == lead for lead, found in sent),
        "ece": calibration_error([(found.confidence, found.units[0][0] == lead) for lead, found in leads]),
        "type_accuracy": _share(found.kind == row.type for row, found in pairs),
        "urgent_recall": _share(found.urgent for row, found in pairs if row.urgent),
        "urgent_false_alarms": _share(found.urgent for row, found in pairs if not row.urgent),
        "confusions": _confusions(leads, rulebook),
        "units": _per_unit(leads, rulebook),
    }


def _share(flags: Any) -> float | None:
    found = list(flags)
    return sum(found) / len(found) if found else None


def calibration_error(rows: Sequence[tuple[float, bool]]) -> float | None:
    """Return the expected calibration error over ten equal bins of confidence."""
    if not rows:
        return None
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in rows:
        bins[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    gaps = (abs(sum(c for c, _ in inside) - sum(ok for _, ok in inside)) for inside in bins.values())
    return sum(gaps) / len(rows)


def _confusions(leads: Sequence[tuple[str, Prediction]], rulebook: Rulebook) -> list[dict[str, Any]]:
    mixed = Counter((lead, found.units[0][0]) for lead, found in leads if found.units[0][0] != lead)
    return [
        {"unit": rulebook.short(lead), "taken_for": rulebook.short(other), "count": count}
        for (lead, other), count in mixed.most_common(CONFUSIONS_SHOWN)
    ]


def _per_unit(leads: Sequence[tuple[str, Prediction]], rulebook: Rulebook) -> list[dict[str, Any]]:
    real = Counter(lead for lead, _ in leads)
    said = Counter(found.units[0][0] for _, found in leads)
    hits = Counter(lead for lead, found in leads if found.units[0][0] == lead)
    return [
        {
            "unit": rulebook.short(unit),
            "n": count,
            "recall": hits[unit] / count,
            "precision": hits[unit] / said[unit] if said[unit] else None,
        }
        for unit, count in real.most_common()
    ]


def format_text(metrics: dict[str, Any]) -> str:
    """Return the figures as lines of text; an empty share is —."""
    lines = [f"{name:20s} {_spoken(value)}" for name, value in metrics.items() if not isinstance(value, list)]
    lines.append("最常混淆：")
    lines += [f"  {item['unit']} → {item['taken_for']}  {item['count']}" for item in metrics["confusions"]]
    lines.append("各单位（件数、召回、准确）：")
    lines += [
        f"  {item['unit']}  {item['n']}  {_spoken(item['recall'])}  {_spoken(item['precision'])}"
        for item in metrics["units"]
    ]
    return "\n".join(lines)


def _spoken(value: Any) -> str:
    return "—" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def card(artefact: Artefact, held_out: dict[str, float], corpus: dict[str, Any]) -> str:
    """Return the model's card (Markdown): what it is, what it was trained on, how well it does on batches left out."""
    lines = [
        f"# 模型 {artefact.name}",
        "",
        "jieba 词、单字、双字的 TF-IDF，线性分类（标签、类型、紧急三个头），温度校准。由 `hotline train` 生成。",
        "",
        f"- 词项 {len(artefact.terms)} 个，标签 {len(artefact.tag.labels)} 个",
        f"- 自动派单门槛 {artefact.threshold:.4f}（整批留出时错派不超过 {artefact.details['error_budget']:.0%}）",
        f"- 规则版本 {artefact.details['rulebook_version']}，种子 {artefact.details['seed']}",
        "",
        "## 整批留出的成绩",
        "",
        *(f"- {name} {value:.4f}" for name, value in held_out.items()),
        "",
        "## 语料",
        "",
        *(f"- {name}：{value}" for name, value in corpus.items()),
    ]
    return "\n".join(lines) + "\n"
