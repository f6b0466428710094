"""hotline simulate: a past period under other limits, another calendar or another mapping; changes nothing."""

import csv
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app import clock
from app.errors import InvalidInputError
from app.reports.issuing import cuts_of
from app.reports.periods import Period, Span, parse
from app.reports.simulation import STEPS, Recount, recount, rerouted
from app.rulebook.loader import load_rulebook
from app.rulebook.shapes import Rulebook
from app.settings import load_settings
from app.tickets.intake import make_desk
from app.tickets.office import Office, open_office
from app.tickets.replay import Moved

console = Console()
SHOWN = 20


def simulate(
    period: Annotated[str, typer.Option(help="期次：2026-10、2026-W47 或 2026")],
    limits: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="另一份 limits.yaml")] = None,
    rules: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="另一套规则目录")] = None,
    output: Annotated[Path | None, typer.Option(help="把逐件结果写成 CSV")] = None,
) -> None:
    """过去一期若按另一套时限、日历或责任单位会怎样；只看不改。"""
    if (limits is None) == (rules is None):
        raise InvalidInputError("请给出 --limits 或 --rules 之一")
    office = open_office(load_settings())
    wanted = _period(period, office)
    other = load_rulebook(rules) if rules else _with_limits(office.settings.rules_dir, limits)
    after = make_desk(other, None)
    with office.database.read() as session:
        steps = list(recount(session, wanted, office.desk, after, clock.now()))
        moved = list(rerouted(session, wanted, office.desk.rulebook, other))
    console.print(f"{wanted.title}：现行规则 {office.desk.rulebook.version}，试算规则 {other.version}")
    _show_steps(steps, office.desk.rulebook)
    _show_moved(moved)
    if output:
        _write(output, steps, moved, office.desk.rulebook)
        console.print(f"逐件结果已写到 {output}")


def _period(key: str, office: Office) -> Period:
    span = Span.WEEK if "W" in key else Span.MONTH if "-" in key else Span.YEAR
    return parse(span, key, cuts_of(office.settings))


def _with_limits(rules_dir: Path, limits: Path | None) -> Rulebook:
    """Return the rules in use with another limits.yaml in its place.

    Raises:
        RulebookError: the file cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "rules"
        shutil.copytree(rules_dir, root)
        shutil.copy(limits or "", root / "limits.yaml")
        return load_rulebook(root)


def _show_steps(steps: list[Recount], rulebook: Rulebook) -> None:
    table = Table("环节", "到期", "原超期", "试算超期", "新增超期", "不再超期", "不重算")
    for step in STEPS:
        mine = [each for each in steps if each.step is step and each.comparable]
        apart = sum(each.step is step and not each.comparable for each in steps)
        table.add_row(
            step.value, str(len(mine)), str(sum(each.late for each in mine)), str(sum(each.would_be_late for each in mine)),
            str(sum(each.would_be_late and not each.late for each in mine)),
            str(sum(each.late and not each.would_be_late for each in mine)), str(apart),
        )  # fmt: skip
    console.print(table)
    worse = Counter(each.unit for each in steps if each.would_be_late and not each.late)
    if worse:
        named = "、".join(f"{rulebook.short(unit)} {count}" for unit, count in worse.most_common(SHOWN))
        console.print(f"新增超期的单位：{named}")
    console.print("“不重算”：期限由人核定、由前一轮续接，或由当时的规则定下，不能按现行规则复原")


def _show_moved(moved: list[Moved]) -> None:
    if moved:
        table = Table("工单", "标签", "现行规则", "试算规则")
        for each in moved[:SHOWN]:
            table.add_row(each.number, each.tag, each.before, each.after)
        console.print(table)
    console.print(f"会改派的 {len(moved)} 件" + (f"，只列前 {SHOWN} 件" if len(moved) > SHOWN else ""))


def _write(output: Path, steps: list[Recount], moved: list[Moved], rulebook: Rulebook) -> None:
    with output.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("工单", "单位", "环节", "原截止", "试算截止", "原超期", "试算超期", "可比"))
        for each in steps:
            flags = ("是" if flag else "否" for flag in (each.late, each.would_be_late, each.comparable))
            dues = (clock.spoken(each.due_at), clock.spoken(each.would_be_due_at))
            rows.writerow((each.number, rulebook.short(each.unit), each.step.value, *dues, *flags))
        for item in moved:
            rows.writerow((item.number, item.before, "改派", "", item.after, "", "", ""))
