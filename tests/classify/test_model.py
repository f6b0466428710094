"""The classifier: unseen sentences routed, odd input survived, the artefact guarded, training deterministic."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.classify.artefact import (
    FORMAT,
    ModelError,
    current_model,
    load_artefact,
    model_names,
    previous_model,
    promote,
    save_artefact,
)
from app.classify.calibration import Grouping, best_temperature, threshold_for
from app.classify.corpus import read_corpus
from app.classify.evaluate import answer, measure
from app.classify.gold import gold_of
from app.classify.predict import Classifier, load, unit_of_tag
from app.classify.report import as_page, as_text, card
from app.classify.train import train
from app.rulebook.shapes import Rulebook
from app.settings import HOME
from tests.builders import changed_rules
from tests.small_model import DATA, train_small


@pytest.fixture(scope="session")
def classifier(small_models_dir: Path, rulebook: Rulebook) -> Classifier:
    return load(small_models_dir, rulebook)


@pytest.fixture
def models(small_models_dir: Path, tmp_path: Path) -> Path:
    """A copy of the small model to do harm to."""
    return Path(shutil.copytree(small_models_dir, tmp_path / "models"))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("小饭馆的后厨很脏，切菜的案板发黑，吃完拉肚子", "1201"),
        ("包工头不给工钱，工地上十几个民工等着回家", "1101"),
        ("物业收了钱不管事，楼道的灯坏了没人修", "0505"),
        ("化工厂晚上排烟，味道刺鼻，窗户不敢开", "1301"),
        ("电子税务局申报不了，报税期要过了", "0601"),
    ],
)
def test_an_unseen_sentence_finds_its_tag(classifier: Classifier, text: str, tag: str) -> None:
    found = classifier.predict("", text)
    assert found.tag == tag
    assert found.candidates[0].confidence <= 1
    assert found.terms
    assert all(term.weight > 0 and term.term in text for term in found.terms)


def test_probabilities_are_probabilities(classifier: Classifier) -> None:
    found = classifier.predict("物业费", "物业乱收费")
    assert sum(item.confidence for item in found.candidates) == pytest.approx(1)
    assert sum(share for _, share in found.units) == pytest.approx(1)
    assert found.confidence == found.units[0][1] == max(share for _, share in found.units)
    assert found.margin == pytest.approx(found.units[0][1] - found.units[1][1])


def test_a_tag_without_examples_is_found_by_its_own_words(classifier: Classifier) -> None:
    assert "2202" not in {row.tag for row in read_corpus(DATA)}
    assert classifier.predict("", "公积金提取怎么办理，单位没有缴存住房公积金").tag == "2202"


def test_danger_is_urgent_and_a_question_is_not(classifier: Classifier) -> None:
    danger = classifier.predict("", "满屋子煤气味，阀门关不上，老人头晕，快来人！")
    question = classifier.predict("", "个体户每个月要不要报税")
    assert danger.urgent_confidence > question.urgent_confidence
    assert (danger.urgent, question.urgent) == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "欠", "欠" * 100_000, "1234567890", "😀😀😀", "請問營業執照如何辦理變更登記", "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ",
        "How do I register a company?", "ＡＢＣ　１２３　全角", "<script>alert(1)</script>", "'; DROP TABLE ticket; --",
        "\u200b\u200b", "。。。，，，",
    ],
)  # fmt: skip
def test_odd_input_gets_an_answer_and_is_never_certain_without_words(classifier: Classifier, text: str) -> None:
    found = classifier.predict("", text)
    assert len(found.candidates) >= 10
    assert np.isfinite(found.confidence)
    if len(set(text) & set("欠請問營業執照如何辦理變更登記全角")) == 0:
        assert not found.certain


def test_the_same_seed_gives_the_same_model_and_another_order_too(rulebook: Rulebook) -> None:
    first = train_small(rulebook).artefact
    rows = read_corpus(DATA)[::-1]
    second = train(rows, rulebook, name="small", seed=0, progress=lambda _: None).artefact
    assert first.terms == second.terms
    assert np.array_equal(first.tag.weights, second.tag.weights)
    assert first.threshold == second.threshold
    assert first.details["corpus_sha256"] == second.details["corpus_sha256"]


def test_saving_and_loading_changes_no_answer(rulebook: Rulebook, tmp_path: Path) -> None:
    trained = train_small(rulebook)
    save_artefact(trained.artefact, tmp_path, "卡", {})
    before, after = Classifier(trained.artefact, unit_of_tag(rulebook)), load(tmp_path, rulebook, "small")
    for row in read_corpus(DATA)[::7]:
        mine, theirs = before.predict(row.title, row.text), after.predict(row.title, row.text)
        assert (mine.tag, mine.kind, mine.urgent) == (theirs.tag, theirs.kind, theirs.urgent)
        assert mine.confidence == pytest.approx(theirs.confidence, abs=0.01)


def test_promoting_switches_the_current_model_and_saving_leaves_no_litter(rulebook: Rulebook, tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_artefact(train_small(rulebook, name).artefact, tmp_path, "", {})
        promote(tmp_path, name)
    assert current_model(tmp_path).name == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CURRENT", "HISTORY", "first", "second"]
    assert previous_model(tmp_path) == "first"
    assert model_names(tmp_path) == ["first", "second"]
    with pytest.raises(ModelError, match="已有模型“second”"):
        save_artefact(train_small(rulebook, "second").artefact, tmp_path, "", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CURRENT", "HISTORY", "first", "second"]


@pytest.mark.parametrize("name", ["model.npz", "vocabulary.json", "metrics.json"])
def test_a_changed_file_is_refused(models: Path, rulebook: Rulebook, name: str) -> None:
    path = current_model(models) / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"{name} 与清单不符"):
        load(models, rulebook)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "other-9"}, "格式“other-9”不是"),
        ({"sha256": {}}, "已损坏"),
        ({"heads": {}}, "已损坏"),
        ({"threshold": "x"}, "已损坏"),
        ({"threshold": 0}, "已损坏"),
        ({"threshold": float("nan")}, "已损坏"),
    ],
)
def test_a_foreign_manifest_is_refused(models: Path, rulebook: Rulebook, change: dict[str, object], told: str) -> None:
    path = current_model(models) / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert manifest["format"] == FORMAT
    path.write_text(json.dumps(manifest | change), encoding="utf-8")
    with pytest.raises(ModelError, match=told):
        load(models, rulebook, "small")
    with pytest.raises(ModelError, match="不是启用时的那一份"):
        load(models, rulebook)


def swapped(manifest: dict[str, Any]) -> dict[str, Any]:
    labels = manifest["heads"]["tag"]["labels"]
    return manifest | {"heads": manifest["heads"] | {"tag": manifest["heads"]["tag"] | {"labels": labels[::-1]}}}


@pytest.mark.parametrize("bend", [lambda old: old | {"threshold": 0.001}, swapped], ids=["threshold", "labels"])
def test_a_model_in_use_that_was_bent_is_refused(models: Path, rulebook: Rulebook, bend: Callable[..., Any]) -> None:
    path = current_model(models) / "manifest.json"
    path.write_text(json.dumps(bend(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(ModelError, match="不是启用时的那一份"):
        load(models, rulebook)


@pytest.mark.parametrize("content", ["[" * 200_000, '{"format": "hotline-tags-2", "name": "other"}'])
def test_a_manifest_that_would_break_the_reader_is_refused(models: Path, rulebook: Rulebook, content: str) -> None:
    (models / "small" / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"已拒绝加载|已损坏"):
        load(models, rulebook, "small")


@pytest.mark.parametrize("pointer", [None, "", "nowhere", "../models", ".hidden"])
def test_without_a_current_model_there_is_one_clear_line(models: Path, rulebook: Rulebook, pointer: str | None) -> None:
    if pointer is None:
        (models / "CURRENT").unlink()
    else:
        (models / "CURRENT").write_text(pointer, encoding="utf-8")
    with pytest.raises(ModelError, match="模型"):
        load(models, rulebook)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.npz", b""),
        ("model.npz", b"PK\x03\x04 no zip"),
        ("vocabulary.json", b"[]"),
        ("vocabulary.json", b'{"terms": [""], "user_words": []}'),
        ("vocabulary.json", b'{"terms": ["?:a"], "user_words": []}'),
    ],
)
def test_a_file_that_fits_its_hash_but_is_nonsense_is_refused(
    models: Path, rulebook: Rulebook, name: str, content: bytes
) -> None:
    (current_model(models) / name).write_bytes(content)
    path = current_model(models) / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match="已损坏"):
        load(models, rulebook, "small")


@pytest.mark.parametrize(
    ("name", "told"), [("CURRENT", "无法读取"), ("small/manifest.json", "已损坏")], ids=["pointer", "manifest"]
)
def test_bytes_that_are_no_text_are_refused(models: Path, rulebook: Rulebook, name: str, told: str) -> None:
    (models / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=told):
        load(models, rulebook, "" if name == "CURRENT" else "small")


def test_a_manifest_that_is_no_object_is_refused(models: Path, rulebook: Rulebook) -> None:
    (current_model(models) / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ModelError, match="已损坏"):
        load(models, rulebook, "small")


def test_a_model_that_shares_no_tag_with_the_rules_is_refused(models: Path, rulebook: Rulebook) -> None:
    path = current_model(models) / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    labels = manifest["heads"]["tag"]["labels"]
    manifest["heads"]["tag"]["labels"] = [f"old-{number}" for number in range(len(labels))]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match="没有一个相同"):
        load(models, rulebook, "small")


def test_a_pickle_in_the_arrays_is_never_opened(models: Path, rulebook: Rulebook) -> None:
    folder = current_model(models)
    arrays = dict(np.load(folder / "model.npz"))
    arrays["idf"] = np.array([{"evil": 1}], dtype=object)
    np.savez_compressed(folder / "model.npz", **arrays)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["sha256"]["model.npz"] = hashlib.sha256((folder / "model.npz").read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match="已损坏"):
        load(models, rulebook, "small")


def test_a_tag_the_rules_have_dropped_is_never_answered(small_models_dir: Path, rulebook: Rulebook) -> None:
    fewer = changed_rules(rulebook, tags=tuple(tag for tag in rulebook.tags if tag.code != "1201"))
    found = load(small_models_dir, fewer).predict("", "饭店后厨蟑螂乱爬，吃完拉肚子")
    assert found.tag != "1201"
    assert sum(share for _, share in found.units) == pytest.approx(1)


def test_serving_needs_no_scikit_learn() -> None:
    code = "import sys, app.classify.predict; sys.exit('sklearn' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=HOME, check=False).returncode == 0


def test_the_shipped_model_loads_and_knows_every_tag(rulebook: Rulebook) -> None:
    artefact = load_artefact(HOME / "models")
    assert set(artefact.tag.labels) == set(rulebook.tag_by_code)
    assert 0 < artefact.threshold < 1
    size = sum(path.stat().st_size for path in current_model(HOME / "models").iterdir())
    assert size <= 8 * 2**20


def test_the_threshold_keeps_to_the_budget() -> None:
    sure = np.array([0.99, 0.9, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, True, True])
    assert threshold_for(sure, right, 0.0) == 0.9
    assert threshold_for(sure, right, 0.25) == 0.6
    assert threshold_for(sure, np.zeros(5, dtype=bool), 0.05) > 1


def test_the_temperature_sharpens_right_scores_and_flattens_wrong_ones() -> None:
    scores = np.array([[1.0, 0.0]] * 10)
    each = Grouping(["a", "b"])
    right = best_temperature(scores, np.zeros(10, dtype=int), each)
    half = best_temperature(scores, np.array([0, 1] * 5), each)
    assert right < 0.1
    assert half > 1


def test_figures_and_card_say_what_was_measured(classifier: Classifier, rulebook: Rulebook) -> None:
    rows = read_corpus(DATA)
    metrics = measure([answer(classifier, gold_of(row, rulebook, {}), rulebook) for row in rows], rulebook.short)
    assert metrics["unit_top1"] > 0.9
    assert metrics["unit_top3"] >= metrics["unit_top1"]
    assert sum(item["n"] for item in metrics["units"]) == len(rows)
    assert f"责任单位首选对\t{metrics['unit_top1']:.4f}" in as_text({"small": metrics})
    empty = measure([], rulebook.short)
    assert "责任单位首选对\t—" in as_text({"small": empty})
    page = as_page("评测 <b>", {"small": metrics, "none": empty})
    assert page.count("<svg") == 2
    assert "评测 &lt;b&gt;" in page
    assert "http" not in page
    artefact = train_small(rulebook).artefact
    assert f"{artefact.threshold:.4f}" in card(artefact, metrics, empty, {"条数": len(rows)})
