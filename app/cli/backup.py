"""hotline backup | restore: a copy of everything but the data key, and putting one back."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app import clock
from app.accounts.audit import Access
from app.backup import service
from app.cli.audit import note
from app.database import Database
from app.sealing import load_sealer
from app.settings import load_settings

console = Console()
KEY_ELSEWHERE = (
    "数据密钥（HOTLINE_DATA_KEY 或 var/data.key）不在备份里，请另行保管：没有它，恢复后读不出个人信息和诉求内容"
)


def backup(
    target: Annotated[Path, typer.Argument(help="备份写到哪个文件；给目录则按时刻命名")],
) -> None:
    """备份数据库：服务不必停；旁边写一份清单（结构、行数、链头、SHA-256）。"""
    settings = load_settings()
    database = Database(settings.database_url)
    path, manifest = service.back_up(database, target, note("backup", target.name, Access.BACKUP), settings.pg_bin)
    database.dispose()
    rows = sum(manifest.facts.tables.values())
    tickets = manifest.facts.tables["ticket"]
    console.print(f"已备份到 {path}：工单 {tickets} 件，共 {rows} 行，{manifest.size} 字节，SHA-256 {manifest.sha256}")
    console.print(KEY_ELSEWHERE)


def restore(
    source: Annotated[Path, typer.Argument(help="备份文件；清单须在旁边")],
    replace: Annotated[bool, typer.Option("--replace", help="数据库里已有内容也取代；原库改名保留")] = False,
) -> None:
    """恢复备份：先验哈希，恢复到新库，核验行数、事件链、访问记录和期限，都对才换上。"""
    settings = load_settings()
    database = Database(settings.database_url)
    said = note("restore", source.name, Access.RESTORE)
    manifest, kept = service.restore(database, source, said, replace=replace, folder=settings.pg_bin)
    console.print(
        f"已恢复 {clock.spoken(manifest.made_at)} 的备份，核验通过：工单 {manifest.facts.tables['ticket']} 件"
    )
    if kept:
        console.print(f"原库保留为 {kept}，确认无误后请自行删除")
    if not service.opens(database, load_sealer(settings)):
        console.print("注意：现在的数据密钥打不开备份里的个人信息，请换上备份当时的密钥")
    database.dispose()
