"""hotline clocks: hold the due times against the events, and count provisional ones anew."""

from typing import Annotated

import typer
from rich.console import Console

from app.database import Database
from app.errors import ConflictError
from app.settings import load_settings
from app.tickets import clocks
from app.tickets.office import open_office

console = Console()
clocks_app = typer.Typer(help="计时：由事件重建、核对，导入新年历后重算暂定期限", no_args_is_help=True)
SHOWN = 50


@clocks_app.command("rebuild")
def rebuild(check: Annotated[bool, typer.Option("--check", help="只核对，不写回")] = False) -> None:
    """由事件重建各件状态、期限和承办单位任务，与现存的列核对；--check 有差异时以 1 退出。"""
    database = Database(load_settings().database_url)
    count = 0
    for item in clocks.rebuild(database, check=check):
        count += 1
        if count <= SHOWN:
            console.print(f"{item.where} {item.column}：现存 {item.stored}，事件所示 {item.folded}")
    console.print("一致" if not count else f"共 {count} 处不一致" + ("" if check else "，已按事件写回（链断的除外）"))
    if count and check:
        raise ConflictError("列与事件不一致")


@clocks_app.command("recalculate")
def recalculate() -> None:
    """导入新一年日历后，把在办件的暂定期限按新日历重算，逐件留痕。"""
    office = open_office(load_settings())
    console.print(f"已重算 {clocks.recalculate(office.database, office.desk)} 件")
