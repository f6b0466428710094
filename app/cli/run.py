"""hotline serve | worker | migrate | init: running the service."""

import signal
import socket
import threading
from contextlib import suppress
from typing import Annotated, Any

import typer
import uvicorn
from rich.console import Console

from app import schema
from app.cli.accounts import first_accounts
from app.database import Database
from app.edge.parting import PartingProcesses, PartingProtocol, PartingServer
from app.jobs import worker
from app.main import StartError, check_schema, create_app, set_up_logging
from app.settings import load_settings
from app.tickets.office import open_office

console = Console()
GRACE_SECONDS = 20
# Far above what any client of ours sends; uvicorn's own limit is twice as high.
HEADERS_MAX_BYTES = 32 * 1024
# A process under full load answers its keeper late; it must not be killed for that.
HEALTH_SECONDS = 30


def serve(
    host: Annotated[str | None, typer.Option(help="监听地址，默认取 HOTLINE_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="监听端口，默认取 HOTLINE_PORT")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="进程数；SQLite 只能是 1")] = 1,
    worker_inside: Annotated[bool, typer.Option("--worker/--no-worker", help="是否在本进程内跑后台工作")] = True,
) -> None:
    """启动 HTTP 服务。"""
    settings = load_settings()
    if settings.is_sqlite and processes > 1:
        raise StartError("SQLite 只支持单进程；多进程请改用 PostgreSQL（HOTLINE_DATABASE_URL）")
    set_up_logging(settings.log_level)
    bind: dict[str, Any] = {
        "host": host or settings.host, "port": port or settings.port, "log_config": None, "access_log": False,
        "timeout_graceful_shutdown": GRACE_SECONDS, "server_header": False, "http": PartingProtocol, "loop": "asyncio",
        # Proxies are believed where HOTLINE_TRUSTED_PROXIES names them, in one place for limits and figures alike.
        "proxy_headers": False, "h11_max_incomplete_event_size": HEADERS_MAX_BYTES,
    }  # fmt: skip
    if processes > 1:
        console.print("多进程时后台不在服务内运行，请另起 hotline worker")
        check_schema(open_office(settings))
        _serve_many(
            uvicorn.Config(
                "app.main:serve_factory",
                factory=True,
                workers=processes,
                timeout_worker_healthcheck=HEALTH_SECONDS,
                **bind,
            )
        )
    else:
        app = create_app(open_office(settings), with_worker=worker_inside)
        with suppress(KeyboardInterrupt):
            PartingServer(uvicorn.Config(app, **bind)).run()


def _serve_many(config: uvicorn.Config) -> None:
    """Serve in several processes on one socket.

    asyncio switches Nagle's algorithm off only for sockets that name their protocol, which the shared one does not: every
    answer would wait 40 ms for the client's acknowledgement. Accepted connections inherit the option from this socket.
    """
    shared = config.bind_socket()
    shared.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    PartingProcesses(config, sockets=[shared]).run()


def work() -> None:
    """启动后台工作（推送通知、告警、移交）；可多开。"""
    settings = load_settings()
    set_up_logging(settings.log_level)
    office = open_office(settings)
    check_schema(office)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    worker.run(office, stop)


def migrate() -> None:
    """把数据库升级到本程序的结构。"""
    settings = load_settings()
    database = Database(settings.database_url)
    before = schema.present(database)
    schema.upgrade(database)
    console.print(f"数据库结构：{before or '空'} → {schema.present(database)}")


def init() -> None:
    """首次准备：建库、升级结构；没有人员账号时建一组本机试用账号（密码随机，只显示一次）。"""
    migrate()
    first_accounts(Database(load_settings().database_url))
