"""The corpus: read with clear faults, checked for each planted fault; lines classified for the command."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from app.classify.batch import LineError, classify_lines
from app.classify.corpus import (
    LEAST_PER_TAG,
    CorpusError,
    Row,
    alike_shares,
    check,
    corpus_hash,
    figures,
    near_pairs,
    read_batches,
    read_corpus,
)
from app.classify.predict import Classifier, load
from app.rulebook.shapes import Rulebook
from tests.small_model import DATA


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return read_corpus(DATA)


@pytest.fixture(scope="session")
def classifier(small_models_dir: Path, rulebook: Rulebook) -> Classifier:
    return load(small_models_dir, rulebook)


def faults_of(rows: list[Row], rulebook: Rulebook) -> list[str]:
    """Return the faults other than thin tags (the tests' corpus is thin on purpose)."""
    return [fault for fault in check(rows, rulebook, read_batches(DATA)) if "至少" not in fault]


def test_the_tests_own_corpus_has_no_fault_but_being_thin(rows: list[Row], rulebook: Rulebook) -> None:
    assert faults_of(rows, rulebook) == []
    thin = [fault for fault in check(rows, rulebook, read_batches(DATA)) if f"至少 {LEAST_PER_TAG} 条" in fault]
    assert len(thin) == len(rulebook.tags)


@pytest.mark.parametrize(
    ("but", "told"),
    [
        ({"tag": "9999"}, "没有标签 9999"),
        ({"type": "表扬"}, "不在五类之中"),
        ({"place": "火星区"}, "没有旗县区“火星区”"),
        ({"text": "  "}, "内容为空"),
        ({"text": "欠" * 5_001}, "超过 5000 字"),
        ({"id": "s000"}, "编号重复"),
    ],
)
def test_each_planted_fault_is_named(rows: list[Row], rulebook: Rulebook, but: dict[str, Any], told: str) -> None:
    planted = [*rows, replace(rows[-1], **{"id": "planted", "text": "一条别的诉求内容在这里", **but})]
    assert any(told in fault for fault in faults_of(planted, rulebook))


def test_a_copy_and_a_near_copy_are_found(rows: list[Row], rulebook: Rulebook) -> None:
    copy = replace(rows[0], id="copy")
    near = replace(rows[1], id="near", text=rows[1].text.replace("一桌人", "全桌人"))
    assert any("内容与另一条相同" in fault for fault in faults_of([*rows, copy], rulebook))
    assert near_pairs([row.text for row in (*rows, near)]) == [(1, len(rows))]
    assert any("近似的有 1 对" in fault for fault in faults_of([*rows, near], rulebook))


def test_texts_that_begin_alike_are_found(rows: list[Row], rulebook: Rulebook) -> None:
    alike = [replace(row, id=f"a{row.id}", text=f"尊敬的领导您好，{row.text[::-1]}") for row in rows[:9]]
    assert alike_shares(alike)["开头"] == 1
    assert any("开头雷同" in fault for fault in faults_of([*rows, *alike], rulebook))


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": "x"}', json.dumps({"id": 1, "batch": "b"}), '{"id": "x", "extra": 1}']
)
def test_a_line_that_is_no_appeal_is_named_by_file_and_line(tmp_path: Path, rows: list[Row], line: str) -> None:
    good = json.dumps(asdict(rows[0]), ensure_ascii=False)
    (tmp_path / "b.jsonl").write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"b\.jsonl:2"):
        read_corpus(tmp_path)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="没有语料"):
        read_corpus(tmp_path)


def test_the_hash_follows_the_content_not_the_order(rows: list[Row], rulebook: Rulebook) -> None:
    assert corpus_hash(rows) == corpus_hash(rows[::-1])
    assert corpus_hash(rows) != corpus_hash([replace(rows[0], title="新"), *rows[1:]])
    assert figures(rows, rulebook)["条数"] == len(rows)


def test_lines_are_classified_in_order_with_ranked_short_names(classifier: Classifier, rulebook: Rulebook) -> None:
    lines = [
        json.dumps({"id": 7, "title": "物业", "text": "物业收费不服务，楼道灯坏了"}, ensure_ascii=False), "",
        json.dumps({"id": "b", "text": "征地补偿款没有发下来，村里说等等"}, ensure_ascii=False),
    ]  # fmt: skip
    first, second = classify_lines(lines, classifier, rulebook)
    assert (first["id"], first["units"][0], second["id"]) == (7, "市住建局", "b")
    assert len(first["units"]) >= 3
    assert set(first) == {"id", "units", "confidence", "decision", "type", "urgent", "tag", "measures"}


def test_a_by_place_matter_is_named_and_left_to_a_person(classifier: Classifier, rulebook: Rulebook) -> None:
    line = json.dumps({"id": 1, "text": "村里征地拆迁，补偿安置款和回迁房一直没有落实，过渡费也停发了"})
    (found,) = classify_lines([line], classifier, rulebook)
    assert (found["units"][0], found["decision"]) == ("旗县区政府", "review")


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": "x"}', '{"id": 1, "text": 5}', '{"id": 1, "text": "物业", "title": 5}']
)
def test_a_bad_line_is_told_by_number(classifier: Classifier, rulebook: Rulebook, line: str) -> None:
    good = '{"id": 1, "text": "物业"}'
    with pytest.raises(LineError, match="第 2 行"):
        list(classify_lines([good, line], classifier, rulebook))
