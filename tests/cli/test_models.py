"""hotline train, evaluate, models, feedback: the life of a model as a person leads it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.classify.artefact import promote, save_artefact
from app.classify.corpus import read_corpus
from app.rulebook.shapes import Rulebook
from tests.command import Ran, hotline_command
from tests.small_model import DATA, train_small

Run = Callable[..., Ran]


@pytest.fixture
def models(tmp_path: Path, small_models_dir: Path) -> Path:
    """A models folder with a small model in use, a corpus and a frozen set."""
    folder = Path(shutil.copytree(small_models_dir, tmp_path / "models"))
    shutil.copytree(DATA, folder / "corpus")
    shutil.copytree(DATA, folder / "frozen")
    return folder


@pytest.fixture
def run(fresh_sqlite: str, tmp_path: Path, models: Path) -> Run:
    """Run `hotline …` on that folder and a fresh SQLite database."""
    environment = {
        **os.environ, "HOTLINE_DATABASE_URL": fresh_sqlite, "HOTLINE_VAR_DIR": str(tmp_path / "var"),
        "HOTLINE_MODELS_DIR": str(models), "COLUMNS": "200",
    }  # fmt: skip

    def call(*arguments: str) -> Ran:
        return hotline_command(arguments, environment)

    return call


def in_use(models: Path) -> str:
    return (models / "CURRENT").read_text(encoding="utf-8").split()[0]


def done(result: Ran) -> str:
    """Return what a command printed; it must have ended well."""
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_trained_model_waits_beside_the_one_in_use_until_it_is_promoted(run: Run, models: Path) -> None:
    told = done(run("train", "--name", "second"))
    assert "在用的仍是 small" in told
    assert "责任单位首选对" in told
    assert in_use(models) == "small"
    assert "可以启用" in done(run("models", "compare", "second"))
    done(run("models", "promote", "second"))
    assert in_use(models) == "second"
    listed = done(run("models", "list"))
    assert "small" in listed
    assert "second" in listed
    assert "已退回 small" in done(run("models", "rollback"))
    assert in_use(models) == "small"
    again = run("models", "rollback")
    assert "没有可以退回的上一个模型" in again.stderr
    assert in_use(models) == "small"


def test_a_model_of_a_taken_name_is_not_trained(run: Run, models: Path) -> None:
    before = (models / "small" / "manifest.json").read_bytes()
    refused = run("train", "--name", "small")
    assert "已有模型“small”" in refused.stderr
    assert (models / "small" / "manifest.json").read_bytes() == before


def test_the_first_model_is_put_in_use(run: Run, models: Path) -> None:
    (models / "CURRENT").unlink()
    assert "已设为在用" in done(run("train", "--name", "first"))


def test_a_worse_model_is_not_promoted_unless_forced(run: Run, models: Path, rulebook: Rulebook) -> None:
    trained = train_small(rulebook, "worse").artefact
    trained.tag.weights[:] = trained.tag.weights[:, ::-1]
    save_artefact(trained, models, "", {})
    assert "比原模型差：首选单位判对的明显减少" in done(run("models", "compare", "worse"))
    refused = run("models", "promote", "worse")
    assert refused.returncode == 1
    assert "没有启用" in refused.stderr
    assert in_use(models) == "small"
    done(run("models", "promote", "worse", "--force"))
    assert in_use(models) == "worse"


def test_without_a_frozen_set_nothing_is_compared(run: Run, models: Path, rulebook: Rulebook) -> None:
    save_artefact(train_small(rulebook, "other").artefact, models, "", {})
    shutil.rmtree(models / "frozen")
    refused = run("models", "compare", "other")
    assert refused.returncode == 1
    assert "没有固定检验集" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("models", "promote", "nowhere"), "模型“nowhere”不存在"),
        (("models", "rollback"), "没有可以退回的上一个模型"),
        (("train", "--name", "Big Name"), "模型名只能用小写字母"),
        (("train", "--name", "frozen"), "不能叫 corpus 或 frozen"),
        (("train", "--label", "x"), "要用 --corpus 指定"),
    ],
)
def test_a_refusal_is_one_clear_line(run: Run, arguments: tuple[str, ...], told: str) -> None:
    refused = run(*arguments)
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_evaluate_takes_corpus_rows_and_lines_that_name_units(run: Run, tmp_path: Path, rulebook: Rulebook) -> None:
    rows = read_corpus(DATA)
    lines = [
        {"id": row.id, "title": row.title, "text": row.text, "type": [row.type, "咨询"], "urgent": row.urgent,
         "units": [rulebook.short(rulebook.tag_by_code[row.tag].lead), "旗县区政府"], "enterprise": row.enterprise}
        for row in rows
    ]  # fmt: skip
    by_units = tmp_path / "units.jsonl"
    by_units.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    found = json.loads(done(run("evaluate", "--input", str(by_units), "--format", "json")))["small"]
    assert found["n"] == len(rows)
    assert found["unit_top1"] > 0.9
    assert {"p50_ms", "p99_ms", "texts_a_second", "load_seconds", "memory_mb", "slices", "thresholds", "bins"} <= set(
        found
    )
    page = tmp_path / "page.html"
    done(run("evaluate", "--input", str(DATA / "small.jsonl"), "--format", "html", "--output", str(page)))
    assert "<svg" in page.read_text(encoding="utf-8")


def test_evaluate_without_input_shows_the_batches_left_out_and_the_frozen_set(run: Run) -> None:
    done(run("train", "--name", "second"))
    told = done(run("evaluate", "--model", "second"))
    assert "second 整批留出" in told
    assert "second 固定检验集" in told


def test_a_bad_gold_line_is_named(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": 1, "text": "物业", "units": ["火星局"]}\n', encoding="utf-8")
    refused = run("evaluate", "--input", str(bad))
    assert refused.returncode == 1
    assert "bad.jsonl:1" in refused.stderr


def test_any_labelled_file_can_be_trained_on_and_judged(run: Run, tmp_path: Path) -> None:
    rows = [row for row in read_corpus(DATA) if row.type in {"投诉", "咨询"}]
    lines = [json.dumps({"id": row.id, "text": row.text, "kind": row.type}, ensure_ascii=False) for row in rows]
    file = tmp_path / "public.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert "各单位 F1 的平均" in done(run("train", "--corpus", str(file), "--label", "kind", "--name", "public"))
    told = json.loads(
        done(run("evaluate", "--model", "public", "--input", str(file), "--label", "kind", "--format", "json"))
    )
    assert told["public"]["unit_top1"] > 0.9
    refused = run("evaluate", "--model", "public", "--input", str(file))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    done(run("classify", "--model", "public", "--input", str(file), "--output", str(tmp_path / "out.jsonl")))
    first = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["label"] in {"投诉", "咨询"}


def test_feedback_is_exported_and_trained_on(run: Run, tmp_path: Path) -> None:
    done(run("migrate"))
    target = tmp_path / "feedback.jsonl"
    assert "0 条" in done(run("feedback", "export", "--output", str(target), "--since", "2026-01-01"))
    shutil.copy(DATA / "small.jsonl", target)
    text = (
        target.read_text(encoding="utf-8")
        .replace('"batch": "b0"', '"batch": "feedback-202611"')
        .replace('"id": "', '"id": "f')
    )
    target.write_text(text, encoding="utf-8")
    assert "切分 112 条语料" in done(run("train", "--name", "fed", "--feedback", str(target)))


def test_tickets_without_a_signature_are_indexed_by_command(run: Run) -> None:
    done(run("migrate"))
    assert "补了 0 件" in done(run("index-similar"))


def test_a_promotion_of_the_same_model_keeps_one_to_go_back_to(models: Path, rulebook: Rulebook, run: Run) -> None:
    save_artefact(train_small(rulebook, "next").artefact, models, "", {})
    promote(models, "next")
    promote(models, "next")
    assert "已退回 small" in done(run("models", "rollback"))


def test_corpus_check_compares_with_texts_that_must_not_enter(run: Run, tmp_path: Path, models: Path) -> None:
    refused = run(
        "corpus", "check", "--corpus", str(models / "corpus"), "--least", "0", "--against", str(DATA / "small.jsonl")
    )
    assert refused.returncode == 1
    assert "与对照第 1 条相同或近似" in refused.stderr
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}", encoding="utf-8")
    assert "bad.jsonl:1" in run("corpus", "check", "--corpus", str(models / "corpus"), "--against", str(bad)).stderr
    empty = tmp_path / "other.jsonl"
    empty.write_text(
        json.dumps({"text": "完全无关的另一段话，说的是云彩和山羊。"}, ensure_ascii=False), encoding="utf-8"
    )
    done(run("corpus", "check", "--corpus", str(models / "corpus"), "--least", "0", "--against", str(empty)))
