"""hotline retention: what is past its term loses its persons and its words."""

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

from app.accounts.audit import Access, record
from app.cli.audit import note
from app.errors import InvalidInputError
from app.settings import load_settings
from app.supervision import retention as supervision
from app.tickets import retention as service
from app.tickets.office import open_office

console = Console()
# What lies in rooms above the work orders' own.
ALSO = (supervision.forget,)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只列出会清除多少件")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="清除，不能恢复")] = False,
) -> None:
    """清除已过保存期限的办结件中的个人信息和诉求内容；事实、时限、评价和事件链保留。有打不开的，其余照常清除，以状态 1 结束。"""
    if dry_run == apply:
        raise InvalidInputError("--dry-run 与 --apply 须且只能选一个")
    settings = load_settings()
    unreadable: tuple[str, ...] = ()
    office = open_office(settings)
    if dry_run:
        found = Counter(item.kind for item in service.every_due(office.database, settings))
        with office.database.read() as session:
            orders = supervision.orders_due(session, settings)
        kinds = "".join(f"{kind} {count} 件；" for kind, count in sorted(found.items()))
        console.print(f"{kinds}共 {found.total()} 件" + (f"，督办单 {orders} 张的文字随之清除" if orders else ""))
    else:
        done = service.apply(office, ALSO, lambda count: console.print(f"… {count}"))
        if done.count:
            with office.database.write() as session:
                record(session, note("retention", f"清除已过保存期限的 {done.count} 件", Access.ERASURE))
        console.print(f"已清除 {done.count} 件")
        if not office.database.empty_log():
            console.print("有进程正在读数据库，SQLite 的 -wal 文件还没有清空；稍后再执行一次，或停服务再启动")
        unreadable = done.unreadable
    office.database.dispose()
    if unreadable:
        console.print(f"{len(unreadable)} 件的企业和联系人信息打不开，没有清除：{'、'.join(unreadable)}")
        console.print("请恢复密钥或数据（hotline keys rotate 指出是哪一处），再执行一次")
        raise typer.Exit(1)
