"""hotline demo: posts sample tickets through HTTP, shows how each was routed, and one bureau's queue."""

import json
import secrets
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app import clock
from app.accounts import service
from app.accounts.access import Role
from app.database import Database
from app.main import StartError
from app.settings import load_settings
from app.tickets.schemas import Submitted

SAMPLES = Path(__file__).with_name("demo_tickets.jsonl")
START_SECONDS = 60
console = Console()


def demo(url: Annotated[str, typer.Option(help="服务地址；该处没有服务时自行启动一个")] = "") -> None:
    """提交一批示例诉求，显示每件怎样派、依据什么、何时到期，再看一个单位的队列。"""
    settings = load_settings()
    logins: list[str] = []
    try:
        with _service(url or f"http://{settings.host}:{settings.port}") as base:
            _show(base, logins)
    finally:
        with Database(settings.database_url).write() as session:
            for login in logins:
                service.revoke_staff(session, login)


def _show(base: str, logins: list[str]) -> None:
    with httpx.Client(base_url=base, timeout=30) as client:
        operator = _sign_in(client, Role.OPERATOR, logins)
        samples = [json.loads(line) for line in SAMPLES.read_text(encoding="utf-8").splitlines()]
        run = secrets.token_hex(3)
        answers = [_post(client, operator, sample, run) for sample in track(samples, "提交示例诉求", console=console)]
        console.print(_table(answers))
        _summary(answers)
        _show_queue(client, answers, logins)


@contextmanager
def _service(url: str) -> Iterator[str]:
    """Give the address of a running service: the one that is there, or one started for this and stopped after."""
    if _answers(url):
        yield url
        return
    port = _free_port()
    own = f"http://127.0.0.1:{port}"
    console.print(f"{url} 没有服务，在 {own} 启动一个")
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--host", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _await(own, process)
        yield own
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError("服务没有启动成功，请执行 hotline doctor 查看原因")
        if _answers(url):
            return
        time.sleep(0.2)
    raise StartError(f"服务在 {START_SECONDS} 秒内没有启动成功")


def _sign_in(client: httpx.Client, role: Role, logins: list[str], unit: str = "") -> dict[str, str]:
    """Sign in as a fresh account, closed when the demo ends; made in the local database, used through HTTP."""
    login, password = f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    with Database(load_settings().database_url).write() as session:
        service.add_staff(session, login=login, name="演示", role=role, unit=unit, password=password)
    logins.append(login)
    answer = client.post("/api/v1/session", json={"login": login, "password": password})
    answer.raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def _post(client: httpx.Client, headers: dict[str, str], sample: dict[str, Any], run: str) -> Submitted:
    form = dict(sample)
    if form.get("external_number"):
        form["external_number"] = f"{form['external_number']}-{run}"
    answer = client.post("/api/v1/tickets", json=form, headers=headers)
    if answer.is_error:
        raise StartError(f"提交失败：{answer.text}")
    return Submitted.model_validate(answer.json())


def _table(answers: list[Submitted]) -> Table:
    table = Table("工单", "标签", "主办", "依据", "把握", "决定", "期限")
    for answer in answers:
        table.add_row(answer.number, *_row(answer))
    return table


def _row(answer: Submitted) -> tuple[str, ...]:
    judgement = answer.judgement
    tag = f"{judgement.tag.code} {judgement.tag.name}" if judgement.tag else "—"
    lead = (
        judgement.lead.unit.name
        if judgement.lead
        else {"told": "（告知途径）", "special": "（专办件）"}.get(judgement.handling, "待定")
    )
    clause = "—"
    if judgement.lead and judgement.lead.evidence:
        first = judgement.lead.evidence[0]
        clause = f"第{first.measure}项{first.role}" if first.measure else first.document
    sure = f"{judgement.confidence:.0%}" if judgement.confidence is not None else judgement.tag_source
    due = clock.spoken(judgement.due[-1].due_at) if judgement.due else "—"
    return tag, lead, clause, sure, answer.state_label + ("·急" if judgement.urgent else ""), due


def _summary(answers: list[Submitted]) -> None:
    states = Counter(answer.state_label for answer in answers)
    console.print(f"共 {len(answers)} 件：" + "，".join(f"{name} {count}" for name, count in states.most_common()))


def _show_queue(client: httpx.Client, answers: list[Submitted], logins: list[str]) -> None:
    """Show the queue of the unit that got most, read by its own handler."""
    leads = [
        answer.judgement.lead.unit for answer in answers if answer.judgement.lead and answer.state == "awaiting_sign"
    ]
    if not leads:
        return
    code = Counter(unit.code for unit in leads).most_common(1)[0][0]
    handler = _sign_in(client, Role.UNIT_HANDLER, logins, code)
    page = client.get("/api/v1/queue", params={"counts": True, "limit": 10}, headers=handler).raise_for_status().json()
    table = Table("工单", "角色", "标签", "标题", "下一步", "截止", title=f"{page['unit']['name']}的队列（前 10 件）")
    for item in page["items"]:
        due = clock.spoken(datetime.fromisoformat(item["next_due_at"])) if item["next_due_at"] else ""
        table.add_row(item["number"], item["role"], item["tag_name"], item["title"], item["next_step"], due)
    console.print(table)
    console.print("件数：" + json.dumps(page["counts"], ensure_ascii=False))
