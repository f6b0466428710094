"""hotline audit: verify the chains, take the record out as files, check such files."""

import getpass
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app import clock
from app.accounts import audit as access
from app.accounts.audit import Access, Note
from app.database import Database
from app.errors import ConflictError, InvalidInputError
from app.jobs import ledger
from app.settings import load_settings
from app.tickets import audit, audit_files, seal_watch
from app.tickets.day_seals import last_closed
from app.tickets.masking import mask_text
from app.tickets.seal_watch import Watch

console = Console()
audit_app = typer.Typer(help="审计：核对事件链和访问记录，导出与核验", no_args_is_help=True)
SHOWN = 50
TOLD_EVERY = 10_000
REASON_MIN_CHARS = 5
WHO_MAX_CHARS = 32
SUBJECT_MAX_CHARS = 64
ANCHOR = "[0-9a-f]{16,64}"


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
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(help="写在别处的日封存，日期=哈希（至少前 16 位），如 2026-11-26=0f3a…；可给多个"),
    ] = None,
) -> None:
    """逐件核对事件链、核对访问记录和日封存；有断点时指出工单编号、序号或日期和问题，以 1 退出。"""
    noted = [_anchor(text) for text in anchor or ()]
    database = Database(load_settings().database_url)
    with database.read() as session:
        # Before the seals: a day that is sealed while the record goes by would be in the ledger only.
        anchors = [*noted, *ledger.sealed(session)]
    watch, broken = seal_watch.stored(database), 0
    for item in audit.verify(database, _tell("工单"), watch.see):
        broken += 1
        if broken <= SHOWN:
            console.print(f"工单 {item.number} 第 {item.seq} 条：{item.message}")
    found = access.verify(database, _tell("访问记录"))
    if found:
        console.print(f"访问记录第 {found.seq} 条：{found.message}")
    days = _verify_seals(database, watch, anchors)
    database.dispose()
    if broken or found or days:
        raise ConflictError(f"链断：工单 {broken} 件，访问记录 {1 if found else 0} 处，日封存 {days} 处")
    console.print("完整：事件链、访问记录和日封存没有断点")


def _anchor(text: str) -> tuple[date, str]:
    """Return day and hash of a seal as a person noted it.

    Raises:
        InvalidInputError: it is none.
    """
    day, _, told = text.strip().lower().partition("=")
    try:
        if re.fullmatch(ANCHOR, told):
            return date.fromisoformat(day), told
    except ValueError:
        pass
    raise InvalidInputError(f"“{text}”不是日封存：请写成 2026-11-26=哈希，哈希至少写前 16 位")


def _verify_seals(database: Database, watch: Watch, anchors: list[tuple[date, str]]) -> int:
    """Print what is wrong with the seals and the newest one to be noted elsewhere; returns how many faults there are."""
    count = 0
    for item in seal_watch.verify(database, watch, anchors):
        count += not item.late
        if item.late or count <= SHOWN:
            console.print(f"{'注意：' if item.late else ''}日封存 {item.day}：{item.message}")
    if watch.last is None:
        console.print("还没有日封存（后台每天凌晨一时封存前一天，hotline jobs run day_seal 手动补）")
        return count
    console.print(f"日封存 {len(watch)} 封，最新 {watch.last} {watch.last_hash}")
    open_days = (last_closed(clock.now()) - watch.last).days
    if open_days > 0:
        console.print(f"注意：{watch.last} 之后有 {open_days} 天该封存而没有封存（hotline jobs history day_seal）")
    return count


@audit_app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="空目录；每表每月一个 JSON Lines 文件和 manifest.json")],
    reason: Annotated[str, typer.Option(help="为什么导出（至少 5 个字，记入访问记录）")],
) -> None:
    """导出事件、工单链头、访问记录和日封存；不含个人信息和诉求内容。"""
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
    """核验一份导出：文件哈希、每条链、链头、日封存；不需要数据库。有问题时以 1 退出。"""
    faults = list(audit_files.check(folder))
    for fault in faults[:SHOWN]:
        console.print(fault)
    if faults:
        raise ConflictError(f"共 {len(faults)} 处问题")
    console.print("完整：文件与清单一致，链没有断点")
