"""hotline jobs | report: what runs by itself, running it by hand, and reports as files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app import clock
from app.accounts.access import SYSTEM
from app.accounts.audit import record
from app.cli.audit import note
from app.cli.contributions import write_contributions
from app.errors import InvalidInputError
from app.jobs import ledger
from app.jobs.catalogue import make_runner
from app.jobs.schedule import coming, newest
from app.jobs.tables import JobRun
from app.reports import queries, render
from app.reports.periods import Span
from app.settings import load_settings
from app.tickets.office import open_office

console = Console()
jobs_app = typer.Typer(help="定时作业：列表、手动运行、记录", no_args_is_help=True)
FORMS = ("json", "html", "xlsx", "docx", "csv")


class Paper(StrEnum):
    """What can be written as a file: a report, or a unit's account of a year."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ANNUAL = "annual"
    CONTRIBUTIONS = "contributions"


@jobs_app.command("list")
def list_jobs() -> None:
    """各项作业、最近到期和下一期次。"""
    now, table = clock.now(), Table("作业", "名称", "最近到期", "下一期", "时间")
    for job in make_runner(open_office(load_settings())).jobs:
        last, following = newest(job.slots, now), coming(job.slots, now)
        at = clock.spoken(following.due_at) if following else ""
        table.add_row(job.kind, job.label, last.period if last else "", following.period if following else "", at)
    console.print(table)


@jobs_app.command("run")
def run(
    kind: Annotated[str, typer.Argument(help="作业，如 weekly_report")],
    period: Annotated[str | None, typer.Option(help="期次，如 2026-W47；不填为最近到期的一期")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只计算，不写入")] = False,
) -> None:
    """运行一期；已完成的不重做（数据有变请用“更正”）。"""
    runner = make_runner(open_office(load_settings()))
    job = runner.find(kind)
    slot = runner.slot_of(job, period)
    if dry_run:
        prepared = job.prepare(runner.office, slot.period, console.print)
        console.print(f"{job.label} {slot.period}：{prepared.outcome}（未写入）")
        return
    ran = runner.run_by_hand(job, slot)
    console.print(
        f"{job.label} {slot.period}：{'已完成' if ran else '未运行（已完成、正由他人进行或失败，见 jobs history）'}"
    )


@jobs_app.command("history")
def history(kind: Annotated[str | None, typer.Argument(help="作业；不填为全部")] = None) -> None:
    """最近的运行记录。"""
    office = open_office(load_settings())
    table = Table("作业", "期次", "状态", "次数", "完成时间或进度", "由谁，到何时", "结果或原因")
    with office.database.read() as session:
        for row in ledger.history(session, kind, 50):
            done = clock.spoken(row.finished_at) if row.finished_at else row.progress
            state, why = ledger.state_of(row), row.error or row.outcome
            table.add_row(row.kind, row.period, state, str(row.attempts), done, _holder(row), why)
    console.print(table)


def _holder(row: JobRun) -> str:
    """Return which process has a run, or had it last, and until when, or from when on it is tried again."""
    if row.lease_until is None:
        return row.owner
    until = clock.spoken(row.lease_until)
    if row.status == ledger.FAILED:
        return f"{row.owner}，{until} 起再试"
    return f"{row.owner}，租约至 {until}"


def report(
    kind: Annotated[
        Paper, typer.Argument(help="weekly 周分析、monthly 月通报、annual 年考评、contributions 年考评逐件贡献")
    ],
    period: Annotated[str, typer.Option(help="期次，如 2026-W47、2026-10、2026；latest 为最近一期")] = "latest",
    form: Annotated[
        str | None, typer.Option("--format", help="json、html、xlsx、docx、csv；逐件贡献只有 csv、xlsx、json")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="写到哪个文件；不填为当前目录下按期次命名")] = None,
    unit: Annotated[str | None, typer.Option(help="逐件贡献：哪个单位，如 市工信局")] = None,
) -> None:
    """把已生成的报告，或一个单位年考评的逐件贡献，写成文件。"""
    if kind is Paper.CONTRIBUTIONS:
        write_contributions(period, unit, form or "csv", output)
        return
    form = form or "html"
    if form not in FORMS:
        raise InvalidInputError(f"--format 只能是 {'、'.join(FORMS)}")
    office = open_office(load_settings())
    with office.database.read() as session:
        found = queries.one(session, Span(kind.value), period, SYSTEM)
        sheet = queries.sheet_of(session, found)
    target = output or Path(f"{found.kind}-{found.period}-{found.revision}.{form}")
    with office.database.write() as session:
        record(session, note(f"{found.kind}-{found.period}-{found.revision}.{form}", ""))
    match form:
        case "json":
            target.write_text(found.figures, encoding="utf-8")
        case "html":
            target.write_text(render.html(sheet, found.sha256), encoding="utf-8")
        case _:
            target.write_bytes(render.as_file(sheet, form))
    console.print(f"已写到 {target}")
