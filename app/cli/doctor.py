"""hotline doctor: says what is wrong with this installation and how to mend it."""

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import typer
from rich.console import Console
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.service import special_supervisor
from app.accounts.tables import Staff
from app.main import readiness
from app.notify.deliver import waiting
from app.papers.fonts import chinese_font
from app.rulebook.loader import RulebookError
from app.settings import Settings, SettingsError, load_settings
from app.tickets.office import Office, open_office

MIN_FREE_BYTES = 1 << 30
console = Console()
MENDS = {
    "database": "检查 HOTLINE_DATABASE_URL、数据库是否启动、网络与口令",
    "migrations": "执行 hotline migrate",
    "model": "执行 hotline train 训练模型，或从备份恢复 models/",
    "rules": "公文届满：向主管部门确认延续或替代，改 routing_rules/notice.yaml（replaced_by 或 valid_to）",
    "calendar": "国务院办公厅发布下一年安排后，用 hotline rules import-calendar 导入并重启，再 hotline clocks recalculate",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    fatal: bool
    detail: str
    mend: str = ""


def doctor() -> None:
    """检查本机安装：哪里不对、怎么修。有致命问题时以状态 1 结束。"""
    findings = list(_findings())
    for finding in findings:
        mark = "[green]正常[/green]" if finding.ok else "[red]错误[/red]" if finding.fatal else "[yellow]注意[/yellow]"
        console.print(f"{mark} {finding.name}：{finding.detail}")
        if not finding.ok and finding.mend:
            console.print(f"     → {finding.mend}")
    if any(finding.fatal and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    yield Finding("Python", ok=True, fatal=True, detail=platform.python_version())
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("设置", ok=False, fatal=True, detail=str(error), mend="更正或删除上述环境变量")
        return
    yield Finding("设置", ok=True, fatal=True, detail=f"{settings.environment.value}，{settings.rules_dir}")
    yield _disk(settings)
    try:
        office = open_office(settings)
    except RulebookError as error:
        faults = "；".join(map(str, error.faults[:3]))
        yield Finding("规则", ok=False, fatal=True, detail=faults, mend="按文件与行号更正，再执行 hotline rules check")
        return
    yield from _ready(office)


def _disk(settings: Settings) -> Finding:
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.var_dir).free
    detail = f"{settings.var_dir} 剩余 {free / 2**30:.1f} GiB"
    return Finding(
        "磁盘", ok=free >= MIN_FREE_BYTES, fatal=False, detail=detail, mend="清理磁盘或把 HOTLINE_VAR_DIR 移到大盘"
    )


def _ready(office: Office) -> Iterator[Finding]:
    checks = readiness(office)
    for name, check in checks.items():
        yield Finding(name, check["ok"], check["severity"] == "down", check["detail"], MENDS[name])
    font = chinese_font()
    yield Finding(
        "中文字体", font is not None, fatal=False, detail=font[1] if font else "没有：Word 报告里的图以表代",
        mend="安装 fonts-noto-cjk（或 fonts-wqy-zenhei）",
    )  # fmt: skip
    if checks["database"]["ok"] and checks["migrations"]["ok"]:
        with office.database.read() as session:
            yield from _people(session)


def _people(session: Session) -> Iterator[Finding]:
    count = session.scalars(select(func.count()).select_from(Staff)).one()
    yield Finding(
        "人员", count > 0, fatal=False, detail=f"{count} 个账号", mend="执行 hotline staff add 或 hotline init"
    )
    named = special_supervisor(session) is not None
    detail = "已指定" if named else "未指定：专办件将没有人看得到"
    yield Finding(
        "专办督办人员", named, fatal=False, detail=detail, mend="hotline staff add 登录名 --role supervisor --special"
    )
    waits, dead = waiting(session)
    mend = "GET /api/v1/notices/stuck 看原因；恢复接收方后用 POST …/{号}/resend 重发"
    yield Finding("待发通知", dead == 0, fatal=False, detail=f"待推送 {waits}，已放弃 {dead}", mend=mend)
