"""hotline classify | train | evaluate | models | corpus: the classifier, its models and its corpus."""

import json
import re
import resource
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app import clock
from app.classify.artefact import (
    ModelError,
    current_model,
    load_artefact,
    load_metrics,
    model_names,
    previous_model,
    promote,
    roll_back,
    save_artefact,
)
from app.classify.batch import classify_lines
from app.classify.corpus import Row, check, check_against, figures, read_batches, read_corpus, read_lines
from app.classify.evaluate import Answer, answer, measure, speed, worse
from app.classify.gold import Gold, gold_of, read_gold, read_labelled
from app.classify.predict import Classifier, load
from app.classify.report import as_page, as_text, card
from app.errors import ConflictError, InvalidInputError
from app.rulebook.loader import load_rulebook
from app.rulebook.shapes import Rulebook
from app.settings import load_settings

CORPUS, FROZEN = "corpus", "frozen"
corpus_app = typer.Typer(help="训练语料", no_args_is_help=True)
models_app = typer.Typer(help="模型：列表、比较、启用、退回", no_args_is_help=True)
console = Console()
Corpus = Annotated[
    Path | None, typer.Option("--corpus", help="语料目录（默认 models/corpus）；给了 --label 时是 JSONL 文件")
]
Name = Annotated[str, typer.Argument(help="模型名")]
ModelOption = Annotated[str, typer.Option("--model", help="模型名，默认在用的")]
LabelOption = Annotated[str, typer.Option("--label", help="外来数据：标签所在的字段")]


class Form(StrEnum):
    """How figures are printed."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def _rows(corpus: Path | None) -> list[Row]:
    return read_corpus(corpus or load_settings().models_dir / CORPUS)


def classify(
    source: Annotated[Path, typer.Option("--input", help="JSONL，每行 id、title、text", exists=True, dir_okay=False)],
    target: Annotated[Path, typer.Option("--output", help="JSONL，每行一个结果")],
    model: ModelOption = "",
) -> None:
    """给一批文本判断责任单位（不入库）。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    classifier = _classifier(settings.models_dir, rulebook, model)
    lines = read_lines(source)
    results = classify_lines(lines, classifier, rulebook)
    with target.open("w", encoding="utf-8") as out:
        for result in track(results, "分类", total=len(lines), console=console):
            out.write(json.dumps(result, ensure_ascii=False) + "\n")
    console.print(f"已写入 {target}")


def _classifier(models_dir: Path, rulebook: Rulebook, name: str) -> Classifier:
    """Return a model bound to the rules, or, for one trained on foreign labels, to its own labels."""
    artefact = load_artefact(models_dir, name)
    if artefact.details.get("foreign"):
        return Classifier(artefact, None)
    return load(models_dir, rulebook, name)


def train(
    corpus: Corpus = None,
    label: LabelOption = "",
    feedback: Annotated[
        list[Path] | None, typer.Option(help="hotline feedback export 的文件，一并学习；可多次")
    ] = None,
    seed: Annotated[int, typer.Option(help="随机种子；同种子同语料同模型")] = 0,
    name: Annotated[str, typer.Option(help="模型名，默认 tags-日期")] = "",
) -> None:
    """训练一个模型，存入 models/。原来没有在用模型时设为在用，否则用 hotline models promote 启用。"""
    settings = load_settings()
    chosen = _model_name(name or f"{'foreign' if label else 'tags'}-{clock.today():%Y%m%d}", settings.models_dir)
    if label:
        _train_foreign(corpus, label, chosen, seed)
        return
    # scikit-learn takes a second to import and only training needs it.
    from app.classify.train import train as train_model  # noqa: PLC0415

    rulebook = load_rulebook(settings.rules_dir)
    rows = [*_rows(corpus), *(row for path in feedback or () for row in read_corpus(path))]
    unknown = sorted({row.tag for row in rows} - set(rulebook.tag_by_code))
    if unknown:
        raise InvalidInputError("语料里有规则没有的标签：" + "、".join(unknown))
    forms = {batch: told.form for batch, told in read_batches(corpus or settings.models_dir / CORPUS).items()}
    trained = train_model(rows, rulebook, name=chosen, seed=seed, progress=_say, forms=forms)
    _say("在固定检验集上测")
    classifier = Classifier(trained.artefact, {tag.code: tag.lead for tag in rulebook.tags})
    metrics = {
        "held_out": measure(trained.held_out, rulebook.short),
        FROZEN: measure([answer(classifier, gold, rulebook) for gold in frozen_set(settings.models_dir, rulebook)], rulebook.short),
    }  # fmt: skip
    text = card(trained.artefact, metrics["held_out"], metrics[FROZEN], figures(rows, rulebook))
    save_artefact(trained.artefact, settings.models_dir, text, metrics)
    console.print(as_text({"整批留出": metrics["held_out"], "固定检验集": metrics[FROZEN]}).split("\n\n")[0])
    _first_or_challenger(settings.models_dir, chosen)


def _say(step: str) -> None:
    console.print(f"… {step}")


def _model_name(chosen: str, models_dir: Path) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", chosen) or chosen in {CORPUS, FROZEN}:
        raise InvalidInputError("模型名只能用小写字母、数字和连字符（最多 63 个），不能叫 corpus 或 frozen")
    if (models_dir / chosen).exists():
        raise InvalidInputError(f"已有模型“{chosen}”，请用 --name 另起一个名字")
    return chosen


def _first_or_challenger(models_dir: Path, name: str) -> None:
    try:
        now = current_model(models_dir).name
    except ModelError:
        now = name
        promote(models_dir, name)
    if now == name:
        console.print(f"模型 {name} 已设为在用")
    else:
        console.print(
            f"模型 {name} 已存好；在用的仍是 {now}。比较：hotline models compare {name}；启用：hotline models promote {name}"
        )


def _train_foreign(corpus: Path | None, label: str, name: str, seed: int) -> None:
    from app.classify.train import train_foreign  # noqa: PLC0415

    if corpus is None:
        raise InvalidInputError("给了 --label，就要用 --corpus 指定 JSONL 文件")
    texts, labels = read_labelled(corpus, label)
    trained = train_foreign(texts, labels, name=name, seed=seed, progress=_say)
    metrics = measure(trained.held_out, str)
    save_artefact(trained.artefact, load_settings().models_dir, "", {"held_out": metrics})
    console.print(as_text({"十折留出": metrics}).split("\n\n")[0])
    console.print(f"模型 {name} 已存好；用法：hotline evaluate --model {name} --input 文件 --label {label}")


def frozen_set(models_dir: Path, rulebook: Rulebook) -> list[Gold]:
    """Return the appeals that no model is trained on, by which challenger and champion are compared; empty if there are none."""
    folder = models_dir / FROZEN
    if not any(folder.glob("*.jsonl")):
        return []
    forms = {batch: told.form for batch, told in read_batches(folder).items()}
    return [gold_of(row, rulebook, forms) for row in read_corpus(folder)]


def evaluate(
    source: Annotated[
        Path | None, typer.Option("--input", help="带标签的 JSONL（tag 或 units）；不给就看整批留出和固定检验集")
    ] = None,
    model: ModelOption = "",
    label: LabelOption = "",
    form: Annotated[Form, typer.Option("--format", help="text、json 或 html")] = Form.TEXT,
    target: Annotated[Path | None, typer.Option("--output", help="写入文件，不给就打印")] = None,
) -> None:
    """评测模型：各单位各标签、门槛、校准、切片、混淆、速度；评别的模型时与在用的并列。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    name = model or current_model(settings.models_dir).name
    columns = _measured(source, [name, *_rival(settings.models_dir, name, label)], settings.models_dir, rulebook, label)
    match form:
        case Form.JSON:
            printed = json.dumps(columns, ensure_ascii=False, indent=1)
        case Form.HTML:
            printed = as_page(f"模型 {name} 的评测", columns)
        case Form.TEXT:
            printed = as_text(columns)
    if target:
        target.write_text(printed, encoding="utf-8")
        console.print(f"已写入 {target}")
    else:
        typer.echo(printed)


def _rival(models_dir: Path, name: str, label: str) -> list[str]:
    """Return the model in use, to stand beside another one; none where it cannot be loaded any more."""
    try:
        now = load_artefact(models_dir).name
    except ModelError:
        return []
    return [now] if now != name and not label else []


def _measured(
    source: Path | None, names: Sequence[str], models_dir: Path, rulebook: Rulebook, label: str
) -> dict[str, dict[str, Any]]:
    if source is None:
        return _kept(names, models_dir, rulebook)
    if label:
        texts, labels = read_labelled(source, label)
        golds = [
            Gold(str(number), *text, (told,), told)
            for number, (text, told) in enumerate(zip(texts, labels, strict=True))
        ]
    else:
        golds = read_gold(source, rulebook)
    found = {}
    for name in names:
        start = time.perf_counter()
        classifier = _classifier(models_dir, rulebook, name)
        loaded = time.perf_counter() - start
        if classifier.foreign != bool(label):
            told = "判的是单位，不要给 --label" if label else "按外来标签训练，请用 --label 指出标签字段"
            raise InvalidInputError(f"模型 {name} {told}")
        answers = [answer(classifier, gold, rulebook) for gold in golds]
        found[name] = {**measure(answers, str if label else rulebook.short), **_cost(classifier, golds, loaded)}
    return found


def _kept(names: Sequence[str], models_dir: Path, rulebook: Rulebook) -> dict[str, dict[str, Any]]:
    """Return what models were saved with from batches left out, and what they say of the frozen set now."""
    found = {}
    golds = frozen_set(models_dir, rulebook)
    for name in names:
        start = time.perf_counter()
        classifier = load(models_dir, rulebook, name)
        loaded = time.perf_counter() - start
        kept = load_metrics(models_dir, name).get("held_out")
        if kept:
            found[f"{name} 整批留出"] = kept
        answers = [answer(classifier, gold, rulebook) for gold in golds]
        found[f"{name} 固定检验集"] = {**measure(answers, rulebook.short), **_cost(classifier, golds, loaded)}
    return found


def _cost(classifier: Classifier, golds: Sequence[Gold], loaded: float) -> dict[str, float]:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = speed(classifier, [(gold.title, gold.text) for gold in golds]) if golds else {}
    return {**measured, "load_seconds": loaded, "memory_mb": memory}


@models_app.command("list")
def list_models() -> None:
    """列出已存的模型和成绩。"""
    models_dir = load_settings().models_dir
    try:
        now = current_model(models_dir).name
    except ModelError:
        now = ""
    table = Table("模型", "在用", "整批留出首选", "固定检验集首选", "自动派占比", "其中对的")
    for name in model_names(models_dir):
        metrics = load_metrics(models_dir, name)
        kept, frozen = metrics.get("held_out", {}), metrics.get(FROZEN, {})
        cells = (kept.get("unit_top1"), frozen.get("unit_top1"), kept.get("auto_coverage"), kept.get("auto_precision"))
        table.add_row(name, "是" if name == now else "", *("—" if cell is None else f"{cell:.1%}" for cell in cells))
    console.print(table)


def _both(models_dir: Path, rulebook: Rulebook, challenger: str, champion: str) -> tuple[list[Answer], list[Answer]]:
    golds = frozen_set(models_dir, rulebook)
    if not golds:
        raise ConflictError(f"没有固定检验集（{models_dir / FROZEN}），无法比较")
    classifiers = (load(models_dir, rulebook, name) for name in (champion, challenger))
    old, new = ([answer(classifier, gold, rulebook) for gold in golds] for classifier in classifiers)
    return old, new


@models_app.command("compare")
def compare(challenger: Name, champion: Annotated[str, typer.Argument(help="与谁比，默认在用的")] = "") -> None:
    """在固定检验集上比较两个模型，说出新的是否不差于旧的。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    old_name = champion or current_model(settings.models_dir).name
    old, new = _both(settings.models_dir, rulebook, challenger, old_name)
    typer.echo(
        as_text({challenger: measure(new, rulebook.short), old_name: measure(old, rulebook.short)}).split("\n\n")[0]
    )
    faults = worse(old, new)
    console.print("不差于原模型，可以启用" if not faults else "比原模型差：" + "；".join(faults))


@models_app.command("promote")
def promote_model(name: Name, force: Annotated[bool, typer.Option(help="比在用的差也启用")] = False) -> None:
    """启用一个模型：在固定检验集上不差于在用的才启用；重启服务后生效。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    load(settings.models_dir, rulebook, name)
    try:
        now = current_model(settings.models_dir).name
    except ModelError:
        now = ""
    if now and now != name and not force:
        faults = worse(*_both(settings.models_dir, rulebook, name, now))
        if faults:
            raise ConflictError(f"{name} 比在用的 {now} 差，没有启用：{'；'.join(faults)}（确要启用请加 --force）")
    promote(settings.models_dir, name)
    console.print(f"已启用 {name}，重启服务后生效")


@models_app.command("rollback")
def rollback() -> None:
    """退回上一个在用的模型；重启服务后生效。"""
    settings = load_settings()
    load(settings.models_dir, load_rulebook(settings.rules_dir), previous_model(settings.models_dir))
    name = roll_back(settings.models_dir)
    console.print(f"已退回 {name}，重启服务后生效")


@corpus_app.command("check")
def check_corpus(
    corpus: Corpus = None,
    against: Annotated[
        Path | None, typer.Option(help="对照文件（JSONL 含 text）：语料不得与其中任何一条相同或近似")
    ] = None,
    least: Annotated[int, typer.Option(help="每个标签至少几条")] = 50,
) -> None:
    """检查语料：形式、标签、每标签条数、词汇增长、重复与近似、开头结尾雷同，与固定检验集和对照文件不重。"""
    settings = load_settings()
    rulebook = load_rulebook(settings.rules_dir)
    folder = corpus or settings.models_dir / CORPUS
    rows = read_corpus(folder)
    for key, value in figures(rows, rulebook).items():
        console.print(f"{key}：{value}")
    faults = check(rows, rulebook, read_batches(folder), least)
    others = [gold.text for gold in frozen_set(settings.models_dir, rulebook)] if corpus is None else []
    if against:
        others += [text for _, text in read_labelled(against, "text")[0]]
    if others:
        faults += check_against(rows, others)
        console.print(f"与 {len(others)} 条对照文本比过")
    if faults:
        raise InvalidInputError("语料有误：" + "；".join(faults[:10]))
