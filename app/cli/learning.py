"""hotline feedback | index-similar: what stored tickets teach, and the index they are found by."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app import clock
from app.accounts.audit import record
from app.cli.audit import note
from app.errors import ConflictError
from app.settings import load_settings
from app.tickets.feedback import labelled
from app.tickets.indexing import index_missing
from app.tickets.office import open_office

EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001  gets the city's time zone below
feedback_app = typer.Typer(help="人工判定的反馈", no_args_is_help=True)
console = Console()


@feedback_app.command("export")
def export_feedback(
    target: Annotated[Path, typer.Option("--output", help="写入的 JSONL，可交给 hotline train --feedback")],
    since: Annotated[datetime | None, typer.Option(help="只要这一天起判定的", formats=["%Y-%m-%d"])] = None,
) -> None:
    """导出人工判定过的诉求（已遮蔽个人信息）作为语料；隐名、匿名和专办件不导出。"""
    office = open_office(load_settings())
    start = (since or EARLIEST).replace(tzinfo=clock.SHANGHAI)
    with office.database.write() as session:
        record(session, note("feedback", f"自 {start:%Y-%m-%d} 起的人工判定"))
    count = 0
    with office.database.read() as session, target.open("w", encoding="utf-8") as out:
        for row in labelled(session, office.sealer, office.desk.rulebook, start):
            out.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
            count += 1
    office.database.dispose()
    console.print(f"已写入 {target}：{count} 条")


def index_similar() -> None:
    """给没有进相似索引的工单补上，检索索引一并重做（例如没有模型时受理的、升级后隐名匿名的）。"""
    office = open_office(load_settings())
    if office.desk.signatures is None:
        raise ConflictError(f"没有可用的模型：{office.model_fault}")
    total = 0
    while True:
        with office.database.write() as session:
            count = index_missing(session, office.desk.signatures)
        if not count:
            break
        total += count
        console.print(f"… {total}")
    office.database.dispose()
    console.print(f"补了 {total} 件")
