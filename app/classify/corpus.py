"""The training corpus: reading, checking and describing it."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
import yaml

from app.classify.features import TermMaker
from app.classify.vectors import SparseRow, fit_vocabulary
from app.rulebook.shapes import Rulebook

KINDS = ("咨询", "求助", "投诉", "举报", "建议")
FORMS = ("留言", "表单", "电话", "信函", "混合")
LEAST_PER_TAG = 50
NEAR_COSINE = 0.8
NEAR_SHARE_MAX = 0.005
# Two texts as close as this share several of their heaviest terms, so only those that do are compared.
NEAR_TERMS, NEAR_SHARED = 12, 3
ALIKE_CHARS = 6
ALIKE_TEXTS = 3
ALIKE_SHARE_MAX = 0.02
LONGEST = 5_000
BATCHES = "batches.yaml"
GROWTH_STEPS = 4


class CorpusError(ValueError):
    """A corpus file cannot be read; the text names file and line."""


@dataclass(frozen=True)
class Row:
    """One labelled appeal."""

    id: str
    batch: str
    title: str
    text: str
    tag: str
    type: str
    urgent: bool
    place: str
    enterprise: bool


def read_corpus(folder: Path) -> list[Row]:
    """Return every appeal of a folder's JSONL files (or of one file), in order of file and line.

    Raises:
        CorpusError: no file, a line that is no JSON object, or one with wrong fields.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob("*.jsonl"))
    if not files:
        raise CorpusError(f"{folder} 下没有语料（*.jsonl）")
    return [row for path in files for row in _read(path)]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a JSON Lines file; only a line feed ends one, for texts may hold other separators (U+2028)."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def _read(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            yield _row(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise CorpusError(f"{path.name}:{number} 不是一条语料（{error}）") from error


def _row(data: dict[str, Any]) -> Row:
    row = Row(**data)
    for name, kind in Row.__annotations__.items():
        if not isinstance(getattr(row, name), kind):
            raise TypeError(f"{name} 应为 {kind.__name__}")
    return row


def corpus_hash(rows: Sequence[Row]) -> str:
    """Return the SHA-256 of a corpus's content; the same rows in any order have the same hash."""
    lines = sorted(json.dumps(asdict(row), ensure_ascii=False, sort_keys=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Batch:
    """Who wrote a batch as whom.

    Attributes:
        form: how its appeals come in: 留言, 表单, 电话, 信函 or 混合.
        callers: who speaks in it and about what.
    """

    form: str
    callers: str


def read_batches(folder: Path) -> dict[str, Batch]:
    """Return what a corpus folder says of its batches; empty where it says nothing.

    Raises:
        CorpusError: the file is not of its form.
    """
    path = folder / BATCHES
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(name): Batch(**told) for name, told in data.items()}
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise CorpusError(f"{path.name} 形式不对（{error}）") from error


def check(
    rows: Sequence[Row], rulebook: Rulebook, batches: Mapping[str, Batch], least: int = LEAST_PER_TAG
) -> list[str]:
    """Return what is wrong with a corpus; empty when nothing is.

    Args:
        rows: the corpus.
        rulebook: whose tags and places must be used.
        batches: what is said of each batch.
        least: how many texts every tag must have.
    """
    faults = list(_row_faults(rows, rulebook))
    faults += [f"批次 {name} 没有写明由来（{BATCHES}）" for name in sorted({row.batch for row in rows} - set(batches))]
    faults += [
        f"批次 {name} 的 form 只能是 {'、'.join(FORMS)}" for name, told in batches.items() if told.form not in FORMS
    ]
    per_tag = Counter(row.tag for row in rows)
    faults += [
        f"标签 {tag.code} {tag.name} 只有 {per_tag[tag.code]} 条，至少 {least} 条"
        for tag in rulebook.tags
        if per_tag[tag.code] < least
    ]
    near = near_pairs([row.text for row in rows])
    if len(near) > NEAR_SHARE_MAX * len(rows):
        pairs = "、".join(f"{rows[left].id}~{rows[right].id}" for left, right in near[:5])
        faults.append(f"近似的有 {len(near)} 对，超过 {NEAR_SHARE_MAX:.1%}（如 {pairs}）")
    for name, share in alike_shares(rows).items():
        if share >= ALIKE_SHARE_MAX:
            faults.append(f"{name}雷同的占 {share:.1%}，须低于 {ALIKE_SHARE_MAX:.0%}")
    return faults


def check_against(rows: Sequence[Row], others: Sequence[str]) -> list[str]:
    """Return which rows are equal or close to texts that must not enter the corpus."""
    texts = [*(row.text for row in rows), *others]
    return [
        f"{rows[left].id} 与对照第 {right - len(rows) + 1} 条相同或近似"
        for left, right in near_pairs(texts)
        if left < len(rows) <= right
    ]


def _row_faults(rows: Sequence[Row], rulebook: Rulebook) -> Iterator[str]:
    districts = {"", *(district.name for district in rulebook.districts), "稀土高新区"}
    ids = Counter(row.id for row in rows)
    texts = Counter(row.text for row in rows)
    for row in rows:
        if ids[row.id] > 1:
            yield f"{row.id}：编号重复"
        if texts[row.text] > 1:
            yield f"{row.id}：内容与另一条相同"
        if not row.text.strip() or len(row.text) > LONGEST:
            yield f"{row.id}：内容为空或超过 {LONGEST} 字"
        if row.tag not in rulebook.tag_by_code:
            yield f"{row.id}：没有标签 {row.tag}"
        if row.type not in KINDS:
            yield f"{row.id}：类型“{row.type}”不在五类之中"
        if row.place not in districts:
            yield f"{row.id}：没有旗县区“{row.place}”"


def near_pairs(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of texts that are nearly the same (cosine of their terms above 0.8)."""
    maker = TermMaker()
    terms = [maker.terms("", text) for text in texts]
    vectors = fit_vocabulary(terms, {"w": 1, "a": 1, "b": 1})
    rows = [vectors.row(item) for item in terms]
    holders: dict[int, list[int]] = defaultdict(list)
    pairs = set()
    for place, row in enumerate(rows):
        heaviest = row.columns[np.argsort(-row.weights, kind="stable")[:NEAR_TERMS]].tolist()
        mine = dict(zip(row.columns.tolist(), row.weights.tolist(), strict=True))
        shared = Counter(holder for column in heaviest for holder in holders[column])
        for other, count in shared.items():
            if count >= min(NEAR_SHARED, len(heaviest)) and _cosine(mine, rows[other]) > NEAR_COSINE:
                pairs.add((other, place))
        for column in heaviest:
            holders[column].append(place)
    return sorted(pairs)


def _cosine(mine: Mapping[int, float], other: SparseRow) -> float:
    theirs = zip(other.columns.tolist(), other.weights.tolist(), strict=True)
    return float(sum(mine.get(column, 0.0) * weight for column, weight in theirs))


def alike_shares(rows: Sequence[Row]) -> dict[str, float]:
    """Return which share of texts begins (ends) with six characters that three or more texts begin (end) with."""
    shares = {}
    for name, piece in (("开头", slice(None, ALIKE_CHARS)), ("结尾", slice(-ALIKE_CHARS, None))):
        counts = Counter(row.text[piece] for row in rows if len(row.text) >= ALIKE_CHARS)
        shares[name] = sum(count for count in counts.values() if count >= ALIKE_TEXTS) / max(len(rows), 1)
    return shares


def figures(rows: Sequence[Row], rulebook: Rulebook) -> dict[str, Any]:
    """Return what a corpus looks like, for its card."""
    per_tag = Counter(row.tag for row in rows)
    deciles = quantiles((len(row.text) for row in rows), n=10) if len(rows) > 1 else []
    shares = alike_shares(rows)
    return {
        "条数": len(rows),
        "批数": len({row.batch for row in rows}),
        "标签数": len(per_tag),
        "每标签最少与最多": f"{min(per_tag.values(), default=0)}–{max(per_tag.values(), default=0)}",
        "字数十分位": "、".join(f"{value:.0f}" for value in deciles),
        "类型": "、".join(f"{kind} {count}" for kind, count in Counter(row.type for row in rows).most_common()),
        "涉企": sum(row.enterprise for row in rows),
        "紧急": sum(row.urgent for row in rows),
        "写明旗县区": sum(bool(row.place) for row in rows),
        "每单位最少": "、".join(f"{name} {count}" for name, count in _units(rows, rulebook)[-3:]),
        "词汇增长": "、".join(map(str, _growth(rows))),
        "开头雷同、结尾雷同": "、".join(f"{share:.2%}" for share in shares.values()),
    }


def _units(rows: Sequence[Row], rulebook: Rulebook) -> list[tuple[str, int]]:
    """Return how many texts each responsible unit has, most first."""
    leads = (rulebook.tag_by_code[row.tag].lead for row in rows if row.tag in rulebook.tag_by_code)
    return [(rulebook.short(unit), count) for unit, count in Counter(leads).most_common()]


def _growth(rows: Sequence[Row]) -> Iterator[int]:
    """Yield how many different words the first quarter, half, three quarters and all of the corpus have."""
    maker, seen = TermMaker(), set[str]()
    size = -(-len(rows) // GROWTH_STEPS)
    for start in range(0, len(rows), max(size, 1)):
        for row in rows[start : start + size]:
            seen.update(maker.terms("", row.text)["w"])
        yield len(seen)
