"""Figures of a model as text, as a page with plots, and as the model's card."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from app.classify.artefact import Artefact

Metrics = Mapping[str, Any]

NAMES = {
    "n": "件数",
    "unit_top1": "责任单位首选对",
    "unit_top3": "责任单位前三有",
    "tag_top1": "归口标签首选对",
    "auto_coverage": "敢自动派的占比",
    "auto_precision": "自动派的其中对的",
    "macro_f1": "各单位 F1 的平均",
    "ece": "期望校准误差",
    "type_accuracy": "类型对",
    "urgent_recall": "紧急的认出",
    "urgent_false_alarms": "不紧急的误报",
    "p50_ms": "单条（约120字）中位毫秒",
    "p99_ms": "单条 p99 毫秒",
    "texts_a_second": "每核每秒条数",
    "load_seconds": "加载秒数",
    "memory_mb": "进程内存 MB",
}
WIDE, HIGH, PAD = 360, 260, 36
INK, SECOND_INK = "#1f5fa8", "#c2571a"
STYLE = (
    "body{font:15px/1.6 sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.6rem 0 1.6rem}td,th{border:1px solid #ccc;padding:.2rem .7rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}svg{margin-right:1.5rem}h2{margin-top:2rem}"
)


def spoken(value: Any) -> str:
    """Return a figure for a reader: shares with four digits, counts whole, nothing as —."""
    if value is None:
        return "—"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def as_text(columns: Mapping[str, Metrics]) -> str:
    """Return one or several models' figures side by side as lines of text."""
    lines = ["\t".join(("", *columns))]
    lines += ["\t".join((NAMES[key], *map(spoken, row))) for key, row in _headlines(columns)]
    first = next(iter(columns.values()))
    lines += ["", "按类："]
    lines += ["\t".join(map(spoken, row)) for row in _slices(first)]
    lines += ["", "门槛 → 自动派的占比、其中对的："]
    lines += [
        f"{row['threshold']}\t{spoken(row['coverage'])}\t{spoken(row['precision'])}" for row in first["thresholds"]
    ]
    lines += ["", "校准（件数、平均把握、实际对的）："]
    lines += [f"{row['n']}\t{spoken(row['confidence'])}\t{spoken(row['right'])}" for row in first["bins"]]
    lines += ["", "最常混淆："]
    lines += [f"{item['unit']} → {item['taken_for']}\t{item['count']}" for item in first["confusions"]]
    for title, key in (("各单位", "units"), ("各标签", "tags")):
        lines += ["", f"{title}（件数、召回、准确）："]
        lines += [f"{x['name']}\t{x['n']}\t{spoken(x['recall'])}\t{spoken(x['precision'])}" for x in first[key]]
    return "\n".join(lines)


def _headlines(columns: Mapping[str, Metrics]) -> list[tuple[str, list[Any]]]:
    return [
        (key, [metrics.get(key) for metrics in columns.values()])
        for key in NAMES
        if any(key in metrics for metrics in columns.values())
    ]


def _slices(metrics: Metrics) -> list[tuple[Any, ...]]:
    keys = ("n", "unit_top1", "unit_top3", "auto_coverage", "auto_precision", "type_accuracy")
    head = ("", *(NAMES[key] for key in keys))
    return [head, *((name, *(part[key] for key in keys)) for name, part in metrics["slices"].items())]


def as_page(title: str, columns: Mapping[str, Metrics]) -> str:
    """Return the figures as one HTML page that needs nothing from elsewhere; plots are SVG."""
    first = next(iter(columns.values()))
    body = [
        f"<h1>{escape(title)}</h1>",
        _table(["", *columns], [[NAMES[key], *row] for key, row in _headlines(columns)]),
        "<h2>门槛与校准</h2>",
        _plot("把握（横）与实际对的（纵）", columns, lambda m: [(b["confidence"], b["right"]) for b in m["bins"]], diagonal=True),
        _plot(
            "自动派的占比（横）与其中对的（纵）", columns,
            lambda m: [(t["coverage"], t["precision"]) for t in m["thresholds"] if t["precision"] is not None],
        ),
        _table(["门槛", "占比", "对的"], [[t["threshold"], t["coverage"], t["precision"]] for t in first["thresholds"]]),
        "<h2>按类</h2>",
        _table(list(map(str, _slices(first)[0])), [list(row) for row in _slices(first)[1:]]),
        "<h2>最常混淆</h2>",
        _table(["应为", "判成", "件数"], [[c["unit"], c["taken_for"], c["count"]] for c in first["confusions"]]),
    ]  # fmt: skip
    for heading, key in (("各单位", "units"), ("各标签", "tags")):
        rows = [[x["name"], x["n"], x["recall"], x["precision"], x["f1"]] for x in first[key]]
        body += [f"<h2>{heading}</h2>", _table(["", "件数", "召回", "准确", "F1"], rows)]
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><body>{''.join(body)}</body></html>\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(spoken(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{lines}</table>"


def _plot(
    title: str, columns: Mapping[str, Metrics], points_of: Callable[[Metrics], list[tuple[float, float]]], *,
    diagonal: bool = False,
) -> str:  # fmt: skip
    """Return a plot of shares (both axes 0 to 1) with one line a model."""
    across, down = WIDE - 2 * PAD, HIGH - 2 * PAD
    parts = [f'<rect x="{PAD}" y="{PAD}" width="{across}" height="{down}" fill="none" stroke="#999"/>']
    if diagonal:
        parts.append(f'<path d="M{PAD} {PAD + down}L{PAD + across} {PAD}" stroke="#bbb" stroke-dasharray="4 4"/>')
    for number, (name, metrics) in enumerate(columns.items()):
        ink = (INK, SECOND_INK)[number % 2]
        at = [(PAD + x * across, PAD + (1 - y) * down) for x, y in points_of(metrics)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{ink}"/>' for x, y in at]
        parts.append(f'<text x="{PAD}" y="{HIGH - 8 - 12 * number}" fill="{ink}" font-size="11">{escape(name)}</text>')
    for mark in (0, 0.5, 1):
        parts.append(f'<text x="4" y="{PAD + (1 - mark) * down + 4:.0f}" font-size="11">{mark}</text>')
        parts.append(f'<text x="{PAD + mark * across - 6:.0f}" y="{HIGH - PAD + 14}" font-size="11">{mark}</text>')
    caption = f'<text x="{PAD}" y="20" font-size="13">{escape(title)}</text>'
    return (
        f'<svg width="{WIDE}" height="{HIGH}" role="img" aria-label="{escape(title)}">{caption}{"".join(parts)}</svg>'
    )


def card(artefact: Artefact, held_out: Metrics, frozen: Metrics, corpus: Mapping[str, Any]) -> str:
    """Return the model's card (Markdown): what it is, what it was trained on, how well it does on texts it never saw."""
    sets = {"整批留出": held_out, "固定检验集": frozen}
    keys = [key for key, _ in _headlines(sets)]
    lines = [
        f"# 模型 {artefact.name}",
        "",
        "词、单字、双字的 TF-IDF，线性分类（标签、类型、紧急三个头），把握经校准。由 `hotline train` 生成。",
        "",
        f"- 词项 {len(artefact.terms)} 个，标签 {len(artefact.tag.labels)} 个",
        _thresholds_told(artefact),
        f"- 规则版本 {artefact.details.get('rulebook_version', '')}，种子 {artefact.details['seed']}",
        "",
        "## 成绩",
        "",
        "| | " + " | ".join(sets) + " |",
        "|---|" + "---|" * len(sets),
        *(f"| {NAMES[key]} | " + " | ".join(spoken(part.get(key)) for part in sets.values()) + " |" for key in keys),
        "",
        "整批留出：每批语料由没学过这一批的模型来判（词项和词频取自全部批次，门槛也在这些答案上选，略偏乐观）。固定检验集：`models/frozen/`，从不参与训练。",
        "",
        "## 最常混淆（整批留出）",
        "",
        *(f"- {item['unit']} → {item['taken_for']}：{item['count']}" for item in held_out["confusions"][:12]),
        "",
        "## 语料",
        "",
        *(f"- {name}：{value}" for name, value in corpus.items()),
    ]
    return "\n".join(lines) + "\n"


def _thresholds_told(artefact: Artefact) -> str:
    budget, hardest = (artefact.details[name] for name in ("error_budget", "hardest_budget"))
    return (
        f"- 自动派单门槛 {artefact.threshold:.4f}：整批留出时错派全部不超过 {budget:.1%}、最难的一组不超过 {hardest:.0%}；"
        f"{len(artefact.tag_thresholds)} 个标签错派偏多，另有更高的门槛"
    )
