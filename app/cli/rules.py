"""hotline rules: checking, reading, comparing and importing the rules."""

from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from app import clock
from app.database import Database
from app.errors import InvalidInputError
from app.rulebook.diff import differences
from app.rulebook.export import kept_matters, measures_yaml, texts_yaml
from app.rulebook.importer import read_notice
from app.rulebook.loader import RulebookError, load_rulebook
from app.rulebook.shapes import Measure, Rulebook, Tag, Unit
from app.rulebook.yearly import read_year, year_yaml
from app.settings import load_settings
from app.tickets.replay import replay as replay_tickets

app = typer.Typer(help="规则：措施、单位、标签、时限、日历", no_args_is_help=True)
console = Console()
Directory = Annotated[Path | None, typer.Option("--dir", help="规则目录，默认取 HOTLINE_RULES_DIR")]
FOUND_MAX = 40


def _load(directory: Path | None) -> Rulebook:
    return load_rulebook(directory or load_settings().rules_dir)


@app.command("check")
def check(directory: Directory = None) -> None:
    """检查规则：形式、引用、覆盖；有误时逐条给出文件和行。"""
    rulebook = _load(directory)
    appealable = sum(measure.appealable for measure in rulebook.measures)
    console.print(
        f"规则版本 {rulebook.version}：措施 {len(rulebook.measures)} 项（可诉求 {appealable} 项），单位 {len(rulebook.units)} 个，"
        f"标签 {len(rulebook.tags)} 个，时限 {len(rulebook.limits)} 条，日历 "
        + "、".join(str(year.year) for year in rulebook.years)
    )
    line = rulebook.notice.status_line(clock.today())
    if line:
        console.print(f"[yellow]注意：{line}[/yellow]")


@app.command("show")
def show(
    what: Annotated[str, typer.Argument(help="措施编号、标签代码或名称、单位名称；tag 列出全部标签")],
    directory: Directory = None,
) -> None:
    """显示一项措施、一个标签或一个单位。"""
    rulebook = _load(directory)
    if what in {"tag", "tags"}:
        _show_tags(rulebook)
    elif tag := rulebook.tag_by_code.get(what) or next((tag for tag in rulebook.tags if tag.name == what), None):
        _show_tag(tag, rulebook)
    elif what.isdigit() and int(what) in rulebook.measure_by_number:
        _show_measure(rulebook.measure_by_number[int(what)], rulebook)
    elif unit := rulebook.unit_by_code.get(what) or rulebook.unit_by_name.get(what):
        _show_unit(unit, rulebook)
    else:
        raise InvalidInputError(f"没有编号或名称为“{what}”的措施、标签或单位，可用 hotline rules find 查找")


@app.command("import-calendar")
def import_calendar(
    notice: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="国务院办公厅节假日安排通知的正文（UTF-8）")
    ],
    year: Annotated[int, typer.Option(min=2000, max=2100, help="哪一年")],
    source: Annotated[str, typer.Option(help="通知名称和日期，写进文件")],
    directory: Directory = None,
) -> None:
    """导入一年的放假通知，写成 calendar/年.yaml；已有该年文件时不覆盖。"""
    root = directory or load_settings().rules_dir
    rulebook = load_rulebook(root)
    target = root / "calendar" / f"{year}.yaml"
    if target.exists():
        raise InvalidInputError(f"{target} 已存在；要换请先移走旧文件")
    calendar = read_year(notice.read_text(encoding="utf-8"), year, source, rulebook.years[-1])
    target.write_text(year_yaml(calendar), encoding="utf-8")
    try:
        load_rulebook(root)
    except RulebookError:
        # A calendar that does not fit must not stop the next start.
        target.unlink()
        raise
    off, made_up = (
        sum(len(days) for days in group)
        for group in zip(*((s.days_off, s.make_up) for s in calendar.holidays), strict=True)
    )
    console.print(f"已写入 {target}：{len(calendar.holidays)} 个节日，放假 {off} 天，调休上班 {made_up} 天")
    console.print("重启服务后执行 hotline clocks recalculate，重算在办件的暂定期限")


def _show_tags(rulebook: Rulebook) -> None:
    table = Table("代码", "标签", "组", "主办", "措施")
    for tag in rulebook.tags:
        measures = "、".join(map(str, tag.measures))
        table.add_row(tag.code, tag.name, tag.group_name, rulebook.short(tag.lead), measures)
    console.print(table)


def _show_tag(tag: Tag, rulebook: Rulebook) -> None:
    console.print(f"[bold]{tag.code} {tag.name}[/bold]（{tag.group_name}）\n{tag.definition}")
    for label, items in (("包括", tag.includes), ("不包括", tag.excludes), ("说法", tag.synonyms)):
        console.print(f"{label}：" + "；".join(items))
    supporters = "、".join(rulebook.short(code) for code in tag.support) or "—"
    console.print(f"主办：{rulebook.short(tag.lead)}；协办：{supporters}")
    if tag.told:
        console.print(f"告知途径：{tag.told}")
    if tag.basis:
        console.print(f"依据：{tag.basis}")
    for number in tag.measures:
        measure = rulebook.measure_by_number[number]
        console.print(f"  第{number}项 {measure.matter}（牵头：{_names(measure.lead, measure.lead_groups, rulebook)}）")
    _status(rulebook)


def _show_measure(measure: Measure, rulebook: Rulebook) -> None:
    console.print(f"[bold]{rulebook.notice.number} 第{measure.number}项[/bold] {measure.part} / {measure.section}")
    console.print(measure.matter)
    console.print(f"牵头：{_names(measure.lead, measure.lead_groups, rulebook)}")
    console.print(f"配合：{_names(measure.support, measure.support_groups, rulebook)}")
    deadline = measure.deadline.isoformat() if measure.deadline else ""
    parts = [deadline, measure.standing, "立行立改" if measure.immediate else ""]
    console.print("完成时限：" + "，".join(part for part in parts if part))
    if not measure.appealable:
        console.print(f"不属企业诉求：{measure.why_not}")
    tags = [f"{tag.code} {tag.name}" for tag in rulebook.tags if measure.number in tag.measures]
    console.print("标签：" + ("、".join(tags) or "—"))
    text = _full_text(rulebook.notice.number, measure.number)
    if text:
        console.print(f"原文：{text}")
    _status(rulebook)


def _full_text(notice: str, number: int) -> str:
    """Return a measure's full text, where an import put it beside the data (it is not in the repository)."""
    path = load_settings().var_dir / "notice" / "texts.yaml"
    if not path.exists():
        return ""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return str(data["texts"].get(number, "")) if data["number"] == notice else ""


def _show_unit(unit: Unit, rulebook: Rulebook) -> None:
    console.print(f"[bold]{unit.code} {unit.short}[/bold]（{unit.full}，{unit.kind.value}）\n{unit.duties}")
    superior = rulebook.short(unit.superior) if unit.superior else "—"
    console.print(
        f"上一级：{superior}；可派单：{'是' if unit.dispatchable else '否'}；别名：{'、'.join(unit.aliases) or '—'}"
    )
    led = [str(measure.number) for measure in rulebook.measures if unit.code in measure.lead]
    console.print("牵头措施：" + ("、".join(led) or "—"))
    tags = [f"{tag.code} {tag.name}" for tag in rulebook.tags if tag.lead == unit.code]
    console.print("主办标签：" + ("、".join(tags) or "—"))


def _names(codes: tuple[str, ...], groups: tuple[str, ...], rulebook: Rulebook) -> str:
    return "、".join((*(rulebook.short(code) for code in codes), *groups)) or "—"


def _status(rulebook: Rulebook) -> None:
    line = rulebook.notice.status_line(clock.today())
    if line:
        console.print(f"[yellow]{line}[/yellow]")


@app.command("find")
def find(text: Annotated[str, typer.Argument(help="要找的词")], directory: Directory = None) -> None:
    """在措施、标签、单位中找一个词。"""
    rulebook = _load(directory)
    lines = [
        *(f"措施 第{item.number}项 {item.matter}" for item in rulebook.measures if text in item.matter),
        *(f"标签 {item.code} {item.name}：{item.definition}" for item in rulebook.tags if text in _words(item)),
        *(
            f"单位 {item.short}：{item.duties}"
            for item in rulebook.units
            if text in "".join((item.short, item.full, *item.aliases, *item.subordinates, item.duties))
        ),
    ]
    for line in lines[:FOUND_MAX]:
        console.print(line, markup=False)
    console.print(f"共 {len(lines)} 处" + (f"，只显示前 {FOUND_MAX} 处" if len(lines) > FOUND_MAX else ""))


def _words(tag: Tag) -> str:
    return "\n".join((tag.name, tag.definition, *tag.includes, *tag.synonyms))


@app.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(help="旧规则目录", exists=True, file_okay=False)],
    after: Annotated[Path, typer.Argument(help="新规则目录", exists=True, file_okay=False)],
) -> None:
    """比较两套规则。"""
    found = differences(load_rulebook(before), load_rulebook(after))
    for item in found:
        console.print(str(item), markup=False)
    console.print(f"共 {len(found)} 处不同")


@app.command("replay")
def replay(
    other: Annotated[Path, typer.Argument(help="另一套规则目录", exists=True, file_okay=False)],
    directory: Directory = None,
) -> None:
    """另一套规则会让哪些在办工单改派；只看不改。"""
    before, after = _load(directory), load_rulebook(other)
    table = Table("工单", "标签", "现行", "新规则")
    with Database(load_settings().database_url).read() as session:
        for moved in replay_tickets(session, before, after, clock.today()):
            table.add_row(moved.number, moved.tag, moved.before, moved.after)
    console.print(table)
    console.print(f"共 {table.row_count} 件在办工单会改派")


@app.command("import")
def import_notice(
    notice: Annotated[Path, typer.Argument(help="公文文本（UTF-8，一段一行）", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="输出目录：measures.yaml 与 texts.yaml（全文，不入库）")],
    keep: Annotated[Path | None, typer.Option(help="已有的 measures.yaml：沿用其中的概括与可诉求标记")] = None,
) -> None:
    """从公文文本读出措施、牵头与配合单位、完成时限；读不出的逐条说明。"""
    imported = read_notice(notice.read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "measures.yaml").write_text(measures_yaml(imported, kept_matters(keep) if keep else {}), encoding="utf-8")
    (out / "texts.yaml").write_text(texts_yaml(imported), encoding="utf-8")
    console.print(f"{imported.number or '（没有读出文号）'}：读出 {len(imported.measures)} 项措施，写入 {out}")
    for place in imported.unreadable:
        # The message quotes the notice, whose brackets are no markup.
        said = f"第 {place.line} 行：{place.message}" if place.line else place.message
        console.print(said, style="red", markup=False)
    if imported.unreadable:
        raise typer.Exit(1)
