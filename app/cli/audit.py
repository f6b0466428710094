"""hotline audit: verify the chains, take the record out as files, check such files."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.accounts import audit as access
from app.accounts.audit import Access, Note
from app.database import Database
from app.errors import ConflictError, InvalidInputError
from app.settings import load_settings
from app.tickets import audit, audit_files
from app.tickets.masking import mask_text

console = Console()
audit_app = typer.Typer(help="审计：核对事件链和访问记录，导出与核验", no_args_is_help=True)
SHOWN = 50
TOLD_EVERY = 10_000
REASON_MIN_CHARS = 5
WHO_MAX_CHARS = 32
SUBJECT_MAX_CHARS = 64


def note(subject: str, reason: str, verb: Access = Access.EXPORT) -> Note:
    """Return what is recorded of an act at the command line: the account of the machine stands for the person.

    Numbers typed into a reason or a file's name are masked, for the record is never erased.
    """
    who, about = f"cli:{getpass.getuser()}"[:WHO_MAX_CHARS], mask_text(subject)[:SUBJECT_MAX_CHARS]
    return Note(who, "", verb, about, mask_text(reason))


def _tell(what: str) -> Callable[[int], None]:
    def tell(count: int) -> None:
        if not count % TOLD_EVERY:
            console.print(f"… 已核对{what} {count}")

    return tell


@audit_app.command("verify")
def verify() -> None:
    """逐件核对事件链、核对访问记录；有断点时指出工单编号、序号和问题，以 1 退出。"""
    database = Database(load_settings().database_url)
    broken = 0
    for item in audit.verify(database, _tell("工单")):
        broken += 1
        if broken <= SHOWN:
            console.print(f"工单 {item.number} 第 {item.seq} 条：{item.message}")
    found = access.verify(database, _tell("访问记录"))
    if found:
        console.print(f"访问记录第 {found.seq} 条：{found.message}")
    database.dispose()
    if broken or found:
        raise ConflictError(f"链断：工单 {broken} 件，访问记录 {1 if found else 0} 处")
    console.print("完整：事件链和访问记录没有断点")


@audit_app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="空目录；每表每月一个 JSON Lines 文件和 manifest.json")],
    reason: Annotated[str, typer.Option(help="为什么导出（至少 5 个字，记入访问记录）")],
) -> None:
    """导出事件、工单链头和访问记录；不含个人信息和诉求内容。"""
    if len(reason.strip()) < REASON_MIN_CHARS:
        raise InvalidInputError(f"请说明为什么导出（至少 {REASON_MIN_CHARS} 个字）")
    database = Database(load_settings().database_url)
    with database.write() as session:
        access.record(session, note("audit", reason.strip()))
    manifest = audit_files.export(database, folder)
    database.dispose()
    rows = sum(item["rows"] for item in manifest["files"].values())
    console.print(f"已写入 {folder}：{len(manifest['files'])} 个文件，{rows} 行")


@audit_app.command("import-check")
def import_check(folder: Annotated[Path, typer.Argument(help="导出的目录")]) -> None:
    """核验一份导出：文件哈希、每条链、链头；不需要数据库。有问题时以 1 退出。"""
    faults = list(audit_files.check(folder))
    for fault in faults[:SHOWN]:
        console.print(fault)
    if faults:
        raise ConflictError(f"共 {len(faults)} 处问题")
    console.print("完整：文件与清单一致，链没有断点")
