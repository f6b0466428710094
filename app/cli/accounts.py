"""hotline staff | keys: people, channel keys and the data key."""

from datetime import timedelta
from itertools import islice
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from app import clock
from app.accounts import keys, passwords, service
from app.accounts.access import Role, Verb
from app.accounts.audit import Access, record
from app.accounts.tables import Staff
from app.cli.audit import note
from app.database import Database
from app.errors import ConflictError, InvalidInputError
from app.rulebook.loader import load_rulebook
from app.sealing import load_sealer, new_data_key
from app.settings import Environment, load_settings
from app.tickets import rekeying
from app.tickets.forms import Channel
from app.tickets.intake import find_unit

staff_app = typer.Typer(help="人员账号", no_args_is_help=True)
keys_app = typer.Typer(help="渠道与承办单位系统的密钥、数据密钥", no_args_is_help=True)
console = Console()
FAULTS_SHOWN = 20
OWN = Annotated[bool, typer.Option("--own", help="本人在终端输入自己的密码，首次登录不必再改")]
DAYS = Annotated[int | None, typer.Option(min=1, help="有效天数；不填取 HOTLINE_KEY_DAYS")]
FIRST_ACCOUNTS = (
    ("operator", "话务员（试用）", Role.OPERATOR, "", False),
    ("dispatcher", "派单员（试用）", Role.DISPATCHER, "", False),
    ("supervisor", "督办人员（试用）", Role.SUPERVISOR, "", True),
    ("reviewer", "审核员（试用）", Role.REVIEWER, "", False),
    ("callback", "回访员（试用）", Role.CALLBACK, "", False),
    ("leader", "热线负责人（试用）", Role.LEADER, "", False),
    ("scjgj", "市市场监管局经办人（试用）", Role.UNIT_HANDLER, "市市场监管局", False),
    ("scjgj-leader", "市市场监管局负责人（试用）", Role.UNIT_LEADER, "市市场监管局", False),
    ("admin", "系统管理员（试用）", Role.ADMIN, "", False),
)


def _database() -> Database:
    return Database(load_settings().database_url)


def _unit_code(name: str) -> str:
    return find_unit(name, load_rulebook(load_settings().rules_dir)).code if name else ""


@staff_app.command("add")
def add(
    login: Annotated[str, typer.Argument(help="登录名")],
    role: Annotated[Role, typer.Option(help="角色")],
    name: Annotated[str, typer.Option(help="姓名")] = "",
    unit: Annotated[str, typer.Option(help="承办单位（经办人、负责人必填）")] = "",
    special: Annotated[bool, typer.Option("--special", help="专办件由此人（督办人员）办理")] = False,
    own: OWN = False,
) -> None:
    """新增人员；密码随机生成，只显示一次，首次登录须改成自己的密码。"""
    chosen = _chosen(login, own=own)
    with _database().write() as session:
        staff = service.add_staff(
            session, login=login, name=name or login, role=role, unit=_unit_code(unit), password=chosen,
            takes_special=special, must_change=not own,
        )  # fmt: skip
        record(session, note(f"staff:{staff.id}", f"role={role.value}", Access.STAFF_ADD))
    console.print(f"已新增 {login}（{role.label}）" + _told(chosen, own=own), soft_wrap=True)


def _chosen(login: str, *, own: bool) -> str:
    """Return the password a person types unseen, twice, or a random one."""
    if not own:
        return passwords.random_password(login)
    typed: str = typer.prompt("新密码", hide_input=True, confirmation_prompt="再输一次")
    return typed


def _told(password: str, *, own: bool) -> str:
    return "" if own else f"，密码：{password}（只显示这一次，首次登录须修改）"


@staff_app.command("reset-password")
def reset_password(login: Annotated[str, typer.Argument(help="登录名")], own: OWN = False) -> None:
    """重置密码：随机生成、只显示一次，收回全部登录，首次登录须改成自己的密码。"""
    chosen = _chosen(login, own=own)
    with _database().write() as session:
        staff = service.require_staff(session, login)
        passwords.check_password(chosen, login, staff.name)
        service.set_password(session, staff, passwords.hash_password(chosen), must_change=not own)
        record(session, note(f"staff:{staff.id}", "", Access.PASSWORD_RESET))
    console.print(f"已重置 {login} 的密码" + _told(chosen, own=own), soft_wrap=True)


@staff_app.command("list")
def listing() -> None:
    """列出人员。"""
    table = Table("登录名", "姓名", "角色", "单位", "专办", "状态")
    with _database().read() as session:
        for staff in session.scalars(select(Staff).order_by(Staff.id)):
            row = (staff.login, staff.name, Role(staff.role).label, staff.unit, "是" if staff.takes_special else "")
            table.add_row(*row, "在用" if staff.active else "停用")
    console.print(table)


@staff_app.command("revoke")
def revoke(login: Annotated[str, typer.Argument(help="登录名")]) -> None:
    """停用账号并立即收回其全部登录。"""
    with _database().write() as session:
        staff = service.revoke_staff(session, login)
        record(session, note(f"staff:{staff.id}", "active=False", Access.STAFF_CHANGE))
    console.print(f"已停用 {login}")


def first_accounts(database: Database) -> None:
    """Make one trial account a role when there is nobody yet; random passwords, printed once.

    On a machine of one's own whoever starts the service is the person, so nothing needs changing; in production the
    accounts are for others, who set own passwords at first sign-in.
    """
    with database.read() as session:
        if service.count_staff(session):
            return
    others = load_settings().environment is Environment.PRODUCTION
    table = Table("登录名", "密码（只显示这一次）", "角色", title="本机试用账号")
    with database.write() as session:
        for login, name, role, unit, special in FIRST_ACCOUNTS:
            password = passwords.random_password(login)
            service.add_staff(
                session, login=login, name=name, role=role, unit=_unit_code(unit), password=password,
                takes_special=special, must_change=others,
            )  # fmt: skip
            table.add_row(login, password, role.label)
    console.print(table)


@keys_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="密钥名称，如“蒙企通对接”")],
    channel: Annotated[str, typer.Option(help="渠道（渠道系统提交诉求用）")] = "",
    unit: Annotated[str, typer.Option(help="承办单位（单位系统取队列、签收、答复用）")] = "",
    scope: Annotated[list[Verb] | None, typer.Option(help="只许做的事，可多次；不填为该角色的全部")] = None,
    days: DAYS = None,
) -> None:
    """新增密钥，只显示一次。"""
    if bool(unit) == bool(channel):
        raise InvalidInputError("--channel 与 --unit 须且只能填一个")
    if channel and channel not in get_args(Channel):
        raise InvalidInputError(f"没有渠道“{channel}”，可填 " + "、".join(get_args(Channel)))
    role, good_for = Role.UNIT_HANDLER if unit else Role.CHANNEL, keys.lifetime(load_settings(), days)
    with _database().write() as session:
        token = keys.add_key(
            session, name=name, role=role, channel=channel, unit=_unit_code(unit), days=good_for,
            scopes=tuple(scope or ()),
        )  # fmt: skip
        key = keys.require_key(session, name)
        record(session, note(f"key:{key.id}", " ".join([key.role, *key.scopes.split()]), Access.KEY_ADD))
    console.print(f"密钥（只显示这一次，{good_for} 天内有效）：{token}", soft_wrap=True)


@keys_app.command("list")
def list_keys() -> None:
    """列出密钥（不含密钥本身）；轮换后旧密钥另列一行。"""
    table = Table("名称", "用途", "范围", "到期", "最近使用", "状态")
    with _database().read() as session:
        for key in keys.list_keys(session):
            scopes = key.scopes or "全部"
            rows = [(key.name, key.channel or key.unit, scopes, key.expires_at, key.last_used_at, keys.state_of(key))]
            if key.previous_sha256:
                rows.append(("└ 旧密钥", "", "", key.previous_ends_at, key.previous_used_at, ""))
            for name, place, narrowed, until, used, state in rows:
                ends = clock.spoken(until) if until else "长期"
                table.add_row(name, place, narrowed, ends, clock.spoken(used) if used else "未用过", state)
    console.print(table)


@keys_app.command("rotate-api")
def rotate_key(
    name: Annotated[str, typer.Argument(help="密钥名称")],
    hours: Annotated[int | None, typer.Option(min=0, max=720, help="旧密钥继续有效的小时数；泄露时填 0")] = None,
    days: DAYS = None,
) -> None:
    """轮换密钥：新密钥立即可用、只显示一次，旧密钥用到所示时刻。"""
    settings = load_settings()
    overlap = settings.key_overlap_hours if hours is None else hours
    good_for = keys.lifetime(settings, days)
    with _database().write() as session:
        made = keys.rotate_key(session, name, days=good_for, overlap=timedelta(hours=overlap))
        record(session, note(f"key:{made.key.id}", f"overlap_hours={overlap}", Access.KEY_ROTATE))
    console.print(f"新密钥（只显示这一次，{good_for} 天内有效）：{made.token}", soft_wrap=True)
    console.print(f"旧密钥用到 {clock.spoken(made.previous_ends_at)}")


@keys_app.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(help="密钥名称")]) -> None:
    """立即收回密钥（新旧都收回）。"""
    with _database().write() as session:
        key = keys.revoke_key(session, name)
        record(session, note(f"key:{key.id}", "", Access.KEY_REVOKE))
    console.print(f"已收回 {name}")


@keys_app.command("new-data-key")
def data_key() -> None:
    """生成一把数据密钥，用于 HOTLINE_DATA_KEY。"""
    typer.echo(new_data_key())


@keys_app.command("rotate")
def rotate() -> None:
    """把全部加密数据换成现在的密钥和算法；分批进行，中断后再执行会接着做，做完逐项核验。

    先把新密钥设为 HOTLINE_DATA_KEY、旧密钥放进 HOTLINE_OLD_DATA_KEYS，重启全部进程，再执行。
    """
    settings = load_settings()
    sealer, database = load_sealer(settings), _database()
    total = rekeying.rotate(database, sealer, lambda table, count: console.print(f"… {table} {count}"))
    faults = list(islice(rekeying.verify(database, sealer), FAULTS_SHOWN))
    database.dispose()
    for fault in faults:
        console.print(f"{fault.table} {fault.key} {fault.column}：{fault.message}")
    if faults:
        raise ConflictError("核验没有通过，旧密钥请继续保留")
    console.print(f"已换 {total} 行，核验通过；密钥 {sealer.prefix}")
