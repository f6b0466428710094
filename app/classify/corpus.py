"""The training corpus: reading, checking and describing it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np

from app.classify.features import TermMaker
from app.classify.vectors import fit_vocabulary
from app.rulebook.shapes import Rulebook

KINDS = ("咨询", "求助", "投诉", "举报", "建议")
LEAST_PER_TAG = 15
NEAR_COSINE = 0.8
NEAR_SHARE_MAX = 0.005
ALIKE_CHARS = 6
ALIKE_TEXTS = 3
ALIKE_SHARE_MAX = 0.02
LONGEST = 5_000
NEAR_BLOCK = 500


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
    """Return every appeal of a folder's JSONL files, in order of file and line.

    Raises:
        CorpusError: no file, a line that is no JSON object, or one with wrong fields.
    """
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise CorpusError(f"{folder} 下没有语料（*.jsonl）")
    return [row for path in files for row in _read(path)]


def _read(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
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


def check(rows: Sequence[Row], rulebook: Rulebook) -> list[str]:
    """Return what is wrong with a corpus; empty when nothing is."""
    faults = list(_row_faults(rows, rulebook))
    per_tag = Counter(row.tag for row in rows)
    faults += [
        f"标签 {tag.code} {tag.name} 只有 {per_tag[tag.code]} 条，至少 {LEAST_PER_TAG} 条"
        for tag in rulebook.tags
        if per_tag[tag.code] < LEAST_PER_TAG
    ]
    near = near_duplicates(rows)
    if len(near) > NEAR_SHARE_MAX * len(rows):
        pairs = "、".join("~".join(pair) for pair in near[:5])
        faults.append(f"近似的有 {len(near)} 对，超过 {NEAR_SHARE_MAX:.1%}（如 {pairs}）")
    for name, share in alike_shares(rows).items():
        if share >= ALIKE_SHARE_MAX:
            faults.append(f"{name}雷同的占 {share:.1%}，须低于 {ALIKE_SHARE_MAX:.0%}")
    return faults


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


def near_duplicates(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return pairs of ids whose texts are nearly the same (cosine of their terms above 0.8)."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415  training side only

    maker = TermMaker()
    terms = [maker.terms("", row.text) for row in rows]
    vectors = fit_vocabulary(terms, {"w": 1, "a": 1, "b": 1})
    found = [vectors.row(item) for item in terms]
    ends = np.cumsum([0, *(len(row.columns) for row in found)])
    matrix = csr_matrix(
        (np.concatenate([row.weights for row in found]), np.concatenate([row.columns for row in found]), ends),
        shape=(len(rows), len(vectors.terms)),
    )
    pairs = []
    for start in range(0, len(rows), NEAR_BLOCK):
        close = (matrix[start : start + NEAR_BLOCK] @ matrix.T).tocoo()
        for left, right, cosine in zip(close.row, close.col, close.data, strict=True):
            if cosine > NEAR_COSINE and start + left < right:
                pairs.append((rows[start + left].id, rows[right].id))
    return pairs


def alike_shares(rows: Sequence[Row]) -> dict[str, float]:
    """Return which share of texts begins (ends) with six characters that three or more texts begin (end) with."""
    shares = {}
    for name, piece in (("开头", slice(None, ALIKE_CHARS)), ("结尾", slice(-ALIKE_CHARS, None))):
        counts = Counter(row.text[piece] for row in rows if len(row.text) >= ALIKE_CHARS)
        shares[name] = sum(count for count in counts.values() if count >= ALIKE_TEXTS) / max(len(rows), 1)
    return shares


def figures(rows: Sequence[Row]) -> dict[str, Any]:
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
        "开头雷同、结尾雷同": "、".join(f"{share:.2%}" for share in shares.values()),
    }
