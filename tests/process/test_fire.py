"""The service as real processes: simultaneous twins, racing processes, kill -9 in the middle."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import func, select

from app import clock
from app.accounts.access import Role
from app.accounts.service import add_staff
from app.database import WRITER_WAIT_SECONDS, Database
from app.notify.tables import Outbox
from app.settings import HOME, Settings
from app.tickets.events import broken_link
from app.tickets.tables import Dispatch, Ticket, TicketEvent
from tests.builders import PASSWORD, Hotline, ticket_form
from tests.process.fleet import fleet
from tests.process.killing import kill

ROUNDS = 3


def test_simultaneous_twins_become_one_ticket(hotline: Hotline, database: Database) -> None:
    headers = hotline.headers("operator", {"Idempotency-Key": "twin"})

    def post(_: int) -> tuple[int, str]:
        answer = hotline.client.post("/api/v1/tickets", json=ticket_form(), headers=headers)
        return answer.status_code, answer.json()["number"]

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(post, range(8)))
    assert len(answers) == 1
    assert answers.pop()[0] == 201
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Ticket)) == 1


def test_racing_external_numbers_become_one_ticket(hotline: Hotline, database: Database) -> None:
    headers = hotline.headers("operator")

    def post(index: int) -> str:
        form = ticket_form(external_number="WX-9", title=f"第{index}次")
        number: str = hotline.client.post("/api/v1/tickets", json=form, headers=headers).json()["number"]
        return number

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(post, range(8)))) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(TicketEvent).where(TicketEvent.seq == 1)) == 1


def test_of_two_clerks_acting_at_once_one_wins_and_the_other_is_told(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    who = "unit_handler@市工信局"
    hotline.post(who, f"/tickets/{number}/sign")
    seen = hotline.get(who, f"/tickets/{number}").headers["etag"]
    contact = {"at": clock.now().isoformat(), "way": "电话"}
    body = {
        "result": "已解决",
        "content": "已约定分两期付清货款，企业同意。",
        "contact": contact,
        "without_opinions": "不影响",
    }
    headers = hotline.headers(who, {"If-Match": seen})

    def post(_: int) -> tuple[int, str]:
        answer = hotline.client.post(f"/api/v1/tickets/{number}/reply", json=body, headers=headers)
        return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(post, range(6)))
    assert answers == [(200, ""), *[(412, "precondition-failed")] * 5]


class Service:
    """One `hotline serve` process."""

    def __init__(self, url: str, models: Path, var: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {
            **os.environ, "HOTLINE_DATABASE_URL": url, "HOTLINE_MODELS_DIR": str(models), "HOTLINE_VAR_DIR": str(var),
        }  # fmt: skip
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=HOME, env=environment, stdout=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{self.port}"
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "服务没有启动"
            try:
                httpx.get(f"{self.base}/healthz", timeout=1)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError("服务启动超时")

    def kill(self) -> None:
        """End it by kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, as a service manager does."""
        self.process.terminate()
        return self.process.wait(timeout=30)


@contextmanager
def services(count: int, url: str, models: Path, var: Path) -> Iterator[list[Service]]:
    running: list[Service] = []
    try:
        while len(running) < count:
            running.append(Service(url, models, var))
        yield running
    finally:
        for service in running:
            if service.process.poll() is None:
                service.kill()


def enrol(url: str) -> None:
    database = Database(url)
    with database.write() as session:
        add_staff(session, login="op", name="话务员", role=Role.OPERATOR, password=PASSWORD)
    database.dispose()


def sign_in(base: str) -> dict[str, str]:
    answer = httpx.post(f"{base}/api/v1/session", json={"login": "op", "password": PASSWORD}, timeout=20)
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def submit_until_dead(base: str, headers: dict[str, str], taken: list[str]) -> None:
    with httpx.Client(base_url=base, headers=headers, timeout=10) as client:
        while True:
            try:
                answer = client.post("/api/v1/tickets", json=ticket_form())
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                taken.append(answer.json()["number"])


def test_what_was_answered_201_survives_kill_9(settings: Settings) -> None:
    enrol(settings.database_url)
    taken: list[str] = []
    for _ in range(ROUNDS):
        with fleet(settings) as ships:
            base = ships.api()
            headers = sign_in(base)
            with ThreadPoolExecutor(3) as pool:
                for _ in range(3):
                    pool.submit(submit_until_dead, base, headers, taken)
                time.sleep(0.7)
                kill(ships.apis[base])
    check_whole(settings.database_url, taken)


def check_whole(url: str, taken: list[str]) -> None:
    """Every answered ticket is there whole: chain, parts and notices; nothing is half stored."""
    database = Database(url)
    with database.read() as session:
        tickets = session.scalars(select(Ticket)).all()
        assert len(taken) > ROUNDS
        assert set(taken) <= {ticket.number for ticket in tickets}
        assert len({ticket.number for ticket in tickets}) == len(tickets)
        for ticket in tickets:
            statement = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id).order_by(TicketEvent.seq)
            head = (ticket.last_seq, ticket.last_hash)
            assert broken_link(ticket.number, list(session.scalars(statement)), head) is None
        parts = session.scalars(select(func.count()).select_from(Dispatch)).one()
        notices = session.scalars(select(func.count()).where(Outbox.kind == "ticket.dispatched")).one()
        assert parts == notices == 2 * len(tickets)
    database.dispose()


def test_racing_processes_never_share_a_number(fresh_postgres: str, small_models_dir: Path, tmp_path: Path) -> None:
    enrol(fresh_postgres)
    with services(3, fresh_postgres, small_models_dir, tmp_path) as running:
        headers = sign_in(running[0].base)

        def post(index: int) -> str:
            base = running[index % 3].base
            answer = httpx.post(f"{base}/api/v1/tickets", json=ticket_form(), headers=headers, timeout=30)
            assert answer.status_code == 201, answer.text
            number: str = answer.json()["number"]
            return number

        with ThreadPoolExecutor(6) as pool:
            numbers = list(pool.map(post, range(60)))
        assert len(set(numbers)) == 60
        # uvicorn finishes what it holds and then ends by the signal it was asked with.
        assert {service.stop() for service in running} <= {0, -signal.SIGTERM}


def test_sixty_requests_at_once_are_all_answered(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    signing, reading = hotline.headers("unit_handler@市工信局"), hotline.headers("dispatcher")
    started = time.monotonic()

    def ask(index: int) -> int:
        path = f"/api/v1/tickets/{number}"
        if index % 2:
            return hotline.client.post(f"{path}/sign", headers=signing).status_code
        return hotline.client.get(path, headers=reading).status_code

    with ThreadPoolExecutor(60) as pool:
        assert set(pool.map(ask, range(60))) == {200}
    # A writer that waits for a thread which waits for the writer ends only by timeout.
    assert time.monotonic() - started < WRITER_WAIT_SECONDS
