"""Times the service under load beside the floors of the same machine in the same run: an empty endpoint, one INSERT + COMMIT.

Run: python -m bench.load DATABASE_URL [--processes 2] [--clients 8] [--seconds 8] [--output results.json]
The database must be seeded (bench.seed). The load is made on the same cores.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from sqlalchemy import func, insert, make_url, select, text
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Role
from app.accounts.sessions import issue_token
from app.accounts.tables import Staff
from app.database import Database
from app.notify.tables import Outbox
from app.reminders import sending
from app.reminders.cards import make_cards
from app.reminders.digest import Round
from app.reports import issuing
from app.reports.periods import Span, at, before
from app.settings import HOME, Settings
from app.supervision.ladder import propose
from app.tickets.office import open_office
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Ticket
from bench.lives import GOOD, VAR, corpus

START_SECONDS = 60
WARM_SECONDS = 1.0
WORD = re.compile(r"[\u4e00-\u9fff]{4}")
Act = Callable[[http.client.HTTPConnection, int], int]


@dataclass
class Result:
    """What one operation came to; times in milliseconds."""

    name: str
    clients: int
    count: int
    failures: int
    per_second: float
    p50: float
    p95: float
    p99: float


def timed(name: str, act: Act, port: int, clients: int, seconds: float) -> Result:
    """Let clients repeat an operation for some seconds, each on a connection of its own."""
    spans: list[list[float]] = [[] for _ in range(clients)]
    failures = [0] * clients
    turns = itertools.count()
    begins = threading.Barrier(clients + 1)

    def client(index: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begins.wait()
        until = time.perf_counter() + seconds
        while (started := time.perf_counter()) < until:
            try:
                status = act(connection, next(turns))
            except IndexError:  # nothing is left to act on
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            spans[index].append(time.perf_counter() - started)
            failures[index] += not 200 <= status < 300
        connection.close()

    threads = [threading.Thread(target=client, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    begins.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return summed(
        name, clients, [each for mine in spans for each in mine], sum(failures), time.perf_counter() - started
    )


def summed(name: str, clients: int, spans: list[float], failures: int, whole: float) -> Result:
    """Return the figures of a run."""
    ordered = sorted(spans)

    def share(part: float) -> float:
        return round(1000 * ordered[min(int(len(ordered) * part), len(ordered) - 1)], 2) if ordered else 0.0

    return Result(
        name, clients, len(spans), failures, round(len(spans) / whole, 1), share(0.5), share(0.95), share(0.99)
    )


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, token: str, body: Any = None
) -> tuple[int, bytes]:
    """Send one request on a kept connection."""
    data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    headers = {"Authorization": f"Bearer {token}", **({"Content-Type": "application/json"} if data else {})}
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def repeat(spans: int, act: Callable[[], object]) -> list[float]:
    """Return how long an act took, several times."""
    found = []
    for _ in range(spans):
        started = time.perf_counter()
        act()
        found.append(time.perf_counter() - started)
    return found


@contextmanager
def served(url: str, processes: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Start the service on a free port; stop it when done."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, **_settings(url)}
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "serve",
        "--port",
        str(port),
        "--no-worker",
        "--processes",
        str(processes),
    ]
    running = subprocess.Popen(command, cwd=HOME, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield port, running
    finally:
        running.terminate()
        running.wait(timeout=30)


def _settings(url: str) -> dict[str, str]:
    # Counting stays on so that its cost is in the figures; a few tokens make all the load, so the limit is out of reach.
    return {
        "HOTLINE_DATABASE_URL": url, "HOTLINE_LOG_LEVEL": "WARNING", "HOTLINE_VAR_DIR": str(VAR),
        "HOTLINE_RATE_PER_MINUTE": "100000000", "HOTLINE_RATE_ADDRESS_PER_MINUTE": "100000000",
    }  # fmt: skip


def _wait(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("服务没有起来")


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the largest resident memory of the service's processes, in MB."""
    found = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if process.pid in {int(lines["PPid"]), int(lines["Pid"])} and "VmRSS" in lines:
            found.append(int(lines["VmRSS"].split()[0]))
    return max(found) / 1024


def tokens(session: Session, unit: str) -> dict[str, str]:
    """Return fresh tokens for the roles that the load acts in."""
    found = {}
    for role in (Role.OPERATOR, Role.SUPERVISOR, Role.UNIT_HANDLER):
        login = f"bench-{role.value}-{unit if role.of_unit else ''}"
        staff = session.scalars(select(Staff).where(Staff.login == login)).one_or_none()
        if staff is None:
            staff = Staff(
                login=login, name=login, role=role.value, unit=unit if role.of_unit else "", password_hash="!",  # noqa: S106  nobody signs in with it
                created_at=clock.now(), active=True, takes_special=False,
            )  # fmt: skip
            session.add(staff)
            session.flush()
        found[role.value] = issue_token(session, staff, 12)[0]
    return found


class Load:
    """The operations, with what they act on."""

    def __init__(self, database: Database) -> None:
        dice = random.Random(3)
        self.texts = corpus()
        dice.shuffle(self.texts)
        halves = (row["text"][len(row["text"]) // 2 :] for row in self.texts)
        self.words = [found[0] for half in halves if (found := WORD.search(half))]
        with database.write() as session:
            busy = select(Dispatch.unit).where(Dispatch.state == Phase.IN_PROGRESS.value).group_by(Dispatch.unit)
            self.unit = session.scalars(busy.order_by(func.count().desc(), Dispatch.unit).limit(1)).one()
            self.tokens = tokens(session, self.unit)
            newest = select(Ticket.number).order_by(Ticket.id.desc()).limit(200)
            self.numbers = list(session.scalars(newest))
            waiting = select(Ticket.number).join(Dispatch, Dispatch.ticket_id == Ticket.id)
            waiting = waiting.where(Dispatch.unit == self.unit, Dispatch.state == Phase.IN_PROGRESS.value).limit(3000)
            self.mine = list(session.scalars(waiting))
        self.signed: list[tuple[str, str]] = []
        self.find_unsigned(database)

    def empty(self, connection: http.client.HTTPConnection, _: int) -> int:
        """The floor of HTTP itself."""
        return ask(connection, "GET", "/healthz", "")[0]

    def submit(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """An operator's submission, classified and routed."""
        text_ = self.texts[turn % len(self.texts)]
        form = {
            "channel": "12345电话", "title": text_["title"][:100], "content": text_["text"],
            "enterprise": {"name": f"第{turn % 5000}木业有限公司"}, "contact": {"name": "王大山", "phone": "13847200001"},
        }  # fmt: skip
        return ask(connection, "POST", "/api/v1/tickets", self.tokens["operator"], form)[0]

    def preview(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """The same judged only."""
        text_ = self.texts[turn % len(self.texts)]
        form = {"channel": "12345电话", "title": text_["title"][:100], "content": text_["text"]}
        return ask(connection, "POST", "/api/v1/tickets/preview", self.tokens["operator"], form)[0]

    def poll(self, connection: http.client.HTTPConnection, _: int) -> int:
        """A unit's queue, 20 rows."""
        return ask(connection, "GET", "/api/v1/queue?limit=20", self.tokens["unit_handler"])[0]

    def overdue(self, connection: http.client.HTTPConnection, _: int) -> int:
        """The supervisors' overdue list, first page."""
        return ask(connection, "GET", "/api/v1/overdue?limit=20", self.tokens["supervisor"])[0]

    def interim(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """A unit's contact with the enterprise: one verb on a stored ticket."""
        number = self.mine[turn % len(self.mine)]
        body = {"at": clock.now().isoformat(), "reached": False, "way": "电话"}
        token = self.tokens["unit_handler"]
        return ask(connection, "POST", f"/api/v1/tickets/{number}/contact-attempt", token, body)[0]

    def sign(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """A unit's signature on a work order that nobody has signed."""
        number, unit = self.unsigned[turn]
        status = ask(connection, "POST", f"/api/v1/tickets/{number}/sign", self.of_unit[unit])[0]
        self.signed.append((number, unit))
        return status

    def reply(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """A unit's answer to what it signed."""
        number, unit = self.signed[turn]
        body = {
            "result": "已解决", "content": f"{number}：{GOOD}",
            "contact": {"at": clock.now().isoformat(), "way": "电话"}, "without_opinions": "不影响答复",
        }  # fmt: skip
        return ask(connection, "POST", f"/api/v1/tickets/{number}/reply", self.of_unit[unit], body)[0]

    def find_unsigned(self, database: Database) -> None:
        """Look up what waits for its lead's signature, the newest first, and let every unit sign in."""
        part = select(Ticket.number, Dispatch.unit).join(Dispatch, Dispatch.ticket_id == Ticket.id)
        part = part.where(Dispatch.state == Phase.AWAITING_SIGN.value, Dispatch.role == "lead")
        with database.write() as session:
            found = session.execute(part.order_by(Dispatch.id.desc()).limit(5000))
            self.unsigned = [(number, unit) for number, unit in found]
            units = {unit for _, unit in self.unsigned}
            self.of_unit = {unit: tokens(session, unit)[Role.UNIT_HANDLER.value] for unit in sorted(units)}

    def search(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """A search for a word of some appeal."""
        word = self.words[turn % len(self.words)]
        return ask(connection, "GET", f"/api/v1/search?limit=20&q={quote(word)}", self.tokens["operator"])[0]

    def similar(self, connection: http.client.HTTPConnection, turn: int) -> int:
        """Tickets like one of the newest."""
        number = self.numbers[turn % len(self.numbers)]
        return ask(connection, "GET", f"/api/v1/tickets/{number}/similar", self.tokens["operator"])[0]


def floors(database: Database, clients: int, seconds: float) -> list[Result]:
    """Time one INSERT + COMMIT by the raw driver and by the ORM, at the same number of clients."""
    now = clock.now()

    def orm() -> None:
        with database.write() as session:
            session.execute(insert(Outbox), [{"kind": "bench", "payload": "{}", "created_at": now, "attempts": 0}])

    found = [_threads("ORM INSERT + COMMIT", lambda: orm, clients, seconds)]
    if not database.is_sqlite:
        address = make_url(str(database.url)).set(drivername="postgresql").render_as_string(hide_password=False)

        def raw() -> Callable[[], object]:
            connection = psycopg.connect(address)

            def act() -> None:
                connection.execute(
                    "INSERT INTO outbox (kind, payload, created_at, attempts) VALUES ('bench', '{}', now(), 0)"
                )
                connection.commit()

            return act

        found.append(_threads("驱动 INSERT + COMMIT", raw, clients, seconds))
    with database.write() as session:
        session.execute(text("DELETE FROM outbox WHERE kind = 'bench'"))
    return found


def _threads(name: str, make: Callable[[], Callable[[], object]], clients: int, seconds: float) -> Result:
    spans: list[list[float]] = [[] for _ in range(clients)]

    def client(index: int) -> None:
        act, until = make(), time.perf_counter() + seconds
        while (started := time.perf_counter()) < until:
            act()
            spans[index].append(time.perf_counter() - started)

    threads = [threading.Thread(target=client, args=(index,)) for index in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return summed(name, clients, [each for mine in spans for each in mine], 0, time.perf_counter() - started)


def alone(url: str) -> list[Result]:
    """Time what the worker does by itself: the daily sweep, a weekly report, the year's."""
    office = open_office(Settings(database_url=url, var_dir=VAR))
    now = clock.now()

    def sweep() -> None:
        propose(office.database, office.desk)
        make_cards(office.database, office.desk)
        with office.database.read() as session:
            sending.prepare(session, Round.MORNING, office.desk, jobs=0)

    def report(span: Span) -> Callable[[], object]:
        cuts = issuing.cuts_of(office.settings)
        period = before(at(span, now, cuts), cuts)

        def act() -> None:
            with office.database.read() as session:
                issuing.build(issuing.maker_of(session, office.desk, office.settings), period)

        return act

    found = [
        summed("日提醒、黄红牌、督办一遍（首次）", 1, repeat(1, sweep), 0, 1),
        summed("日提醒、黄红牌、督办一遍（其后）", 1, repeat(3, sweep), 0, 1),
        summed("周分析", 1, repeat(3, report(Span.WEEK)), 0, 1),
        summed("月通报", 1, repeat(2, report(Span.MONTH)), 0, 1),
        summed("年考评", 1, repeat(1, report(Span.YEAR)), 0, 1),
    ]
    office.database.dispose()
    return found


def measure(url: str, processes: int, clients: Sequence[int], seconds: float) -> dict[str, Any]:
    """Measure everything on one database: what writes at the first number of clients, what reads at each."""
    database = Database(url)
    with database.read() as session:
        size = session.scalar(select(func.count()).select_from(Ticket))
    load = Load(database)
    writing: list[tuple[str, Act]] = [
        ("提交", load.submit), ("签收", load.sign), ("答复", load.reply), ("登记联系", load.interim),
    ]  # fmt: skip
    reading: list[tuple[str, Act]] = [
        ("空接口", load.empty), ("预判", load.preview), ("承办队列 20 行", load.poll), ("超期清单第一页", load.overdue),
        ("检索", load.search), ("相似工单", load.similar),
    ]  # fmt: skip
    results = []
    with served(url, processes) as (port, process):
        # Statements are compiled and prepared at their first use; what is timed is a service that has been up for a while.
        for act in (load.submit, *(act for _, act in reading)):
            timed("", act, port, clients[0], WARM_SECONDS)
        for name, act in writing:
            if act == load.sign:
                load.find_unsigned(database)
            results.append(timed(name, act, port, clients[0], seconds))
        results += [timed(name, act, port, each, seconds) for name, act in reading for each in clients]
        resident = memory(process)
    results += floors(database, clients[0], seconds / 2) + alone(url)
    database.dispose()
    return {
        "database": make_url(url).get_backend_name(), "tickets": size, "processes": processes, "cores": os.cpu_count(),
        "memory_mb": round(resident), "results": [asdict(each) for each in results],
    }  # fmt: skip


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database_url")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--clients", type=int, nargs="+", default=[8])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    found = measure(asked.database_url, asked.processes, asked.clients, asked.seconds)
    for row in found["results"]:
        times = f"p50 {row['p50']:>8} p95 {row['p95']:>8} p99 {row['p99']:>8} ms 失败 {row['failures']}"
        print(f"{row['name']:<24} {row['clients']:>3} 客户端 {row['per_second']:>8}/s {times}")
    print(f"{found['database']} {found['tickets']} 件，{found['processes']} 进程，最大内存 {found['memory_mb']} MB")
    if asked.output:
        asked.output.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
