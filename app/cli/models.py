"""hotline classify | train | evaluate | corpus: the classifier and its corpus."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from app import clock
from app.classify.artefact import save_artefact
from app.classify.batch import classify_lines
from app.classify.corpus import Row, check, figures, read_corpus
from app.classify.evaluate import card, format_text
from app.classify.evaluate import evaluate as evaluate_rows
from app.classify.predict import load
from app.errors import InvalidInputError
from app.rulebook.loader import load_rulebook
from app.settings import load_settings

corpus_app = typer.Typer(help="训练语料", no_args_is_help=True)
console = Console()
Corpus = Annotated[Path | None, typer.Option("--corpus", help="语料目录，默认 models/corpus")]


def _rows(corpus: Path | None) -> list[Row]:
    return read_corpus(corpus or load_settings().models_dir / "corpus")


def classify(
    source: Annotated[Path, typer.Option("--input", help="JSONL，每行 id、title、text", exists=True, dir_okay=False)],
    target: Annotated[Path, typer.Option("--output", help="JSONL，每行一个结果")],
) -> None:
    """给一批文本判断责任单位（不入库）。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    classifier = load(settings.models_dir, rulebook)
    lines = source.read_text(encoding="utf-8").splitlines()
    results = classify_lines(lines, classifier, rulebook)
    with target.open("w", encoding="utf-8") as out:
        for result in track(results, "分类", total=len(lines), console=console):
            out.write(json.dumps(result, ensure_ascii=False) + "\n")
    console.print(f"已写入 {target}")


def train(
    corpus: Corpus = None,
    seed: Annotated[int, typer.Option(help="随机种子；同种子同语料同模型")] = 0,
    name: Annotated[str, typer.Option(help="模型名，默认 tags-日期")] = "",
) -> None:
    """用语料训练模型，存入 models/ 并设为在用。"""
    # scikit-learn takes a second to import and only training needs it.
    from app.classify.train import train as train_model  # noqa: PLC0415

    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    rows, chosen = _rows(corpus), name or f"tags-{clock.today():%Y%m%d}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", chosen) or chosen == "corpus":
        raise InvalidInputError("模型名只能用小写字母、数字和连字符（最多 63 个），不能叫 corpus")
    unknown = sorted({row.tag for row in rows} - set(rulebook.tag_by_code))
    if unknown:
        raise InvalidInputError("语料里有规则没有的标签：" + "、".join(unknown))
    trained = train_model(rows, rulebook, name=chosen, seed=seed, progress=lambda step: console.print(f"… {step}"))
    text = card(trained.artefact, trained.held_out, figures(rows))
    save_artefact(trained.artefact, settings.models_dir, text, {"held_out": trained.held_out})
    for key, value in trained.held_out.items():
        console.print(f"{key} {value:.4f}")
    console.print(f"模型 {chosen} 已设为在用")


def evaluate(corpus: Corpus = None) -> None:
    """用一份带标签的语料评测在用模型。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    classifier = load(settings.models_dir, rulebook)
    console.print(format_text(evaluate_rows(_rows(corpus), classifier, rulebook)))


@corpus_app.command("check")
def check_corpus(corpus: Corpus = None) -> None:
    """检查语料：形式、标签、每标签条数、重复与近似、开头结尾雷同。"""
    rows = _rows(corpus)
    faults = check(rows, load_rulebook(load_settings().rules_dir))
    for key, value in figures(rows).items():
        console.print(f"{key}：{value}")
    if faults:
        raise InvalidInputError("语料有误：" + "；".join(faults[:10]))
