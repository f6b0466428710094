"""A real `hotline serve` process on loopback: what a client cannot send through a test client, and what its log says of it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.settings import HOME

START_SECONDS = 60


@dataclass
class Wire:
    """A running service: its port and the file its log goes to."""

    port: int
    log: Path

    def send(self, raw: bytes) -> tuple[int, bytes]:
        """Send bytes as they are; return the status and all that came back until the service closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(raw)
            found = b""
            while piece := connection.recv(65_536):
                found += piece
        return int(found.split()[1]) if found else 0, found

    def get(self, path: str, *lines: str) -> tuple[int, bytes]:
        """GET with further header lines."""
        head = [f"GET {path} HTTP/1.1", "host: 127.0.0.1", "connection: close", *lines]
        return self.send("\r\n".join([*head, "", ""]).encode("latin-1"))

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the log; every line must be a JSON object."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def wire(sqlite_template: Path, small_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One service for all tests of this file."""
    folder = tmp_path_factory.mktemp("wire")
    shutil.copy(sqlite_template, folder / "hotline.sqlite3")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = Wire(probe.getsockname()[1], folder / "log")
    environment = {
        **os.environ, "HOTLINE_DATABASE_URL": f"sqlite:///{folder / 'hotline.sqlite3'}",
        "HOTLINE_MODELS_DIR": str(small_models_dir), "HOTLINE_VAR_DIR": str(folder), "PYTHONPATH": str(HOME),
    }  # fmt: skip
    command = [sys.executable, "-m", "app.cli", "serve", "--no-worker", "--port", str(found.port)]
    with found.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=HOME, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(found):
            assert process.poll() is None, found.log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "服务启动超时"
            time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(wire: Wire) -> bool:
    try:
        return wire.get("/healthz")[0] == 200
    except OSError:
        return False


def test_an_answer_does_not_name_the_server(wire: Wire) -> None:
    status, answer = wire.get("/healthz")
    assert status == 200
    assert b"\r\nserver:" not in answer.lower()
    assert b"uvicorn" not in answer.lower()


@pytest.mark.parametrize(
    ("path", "lines", "status"),
    [
        ("/api/v1/tickets?q=" + "a" * 5000, (), 414),
        ("/api/v1/me", tuple(f"x-{n}: {'a' * 300}" for n in range(60)), 431),
        ("/api/v1/me", tuple(f"x-{n}: 1" for n in range(80)), 431),
    ],
)
def test_what_is_too_long_gets_a_problem(wire: Wire, path: str, lines: tuple[str, ...], status: int) -> None:
    found, answer = wire.get(path, *lines)
    assert found == status
    assert b"application/problem+json" in answer
    assert b"content-security-policy" in answer


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 50_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 50_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"POST /api/v1/session HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /api/v1/session HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["long-header", "long-line", "nul", "no-host", "two-lengths", "odd-encoding", "tls"],
)
def test_what_is_no_request_ends_the_connection_and_nothing_else(wire: Wire, raw: bytes) -> None:
    status, answer = wire.send(raw)
    assert 400 <= status < 502
    assert status != 500
    assert b"Traceback" not in answer
    assert wire.get("/healthz")[0] == 200


def test_two_requests_hidden_in_one_are_not_answered_twice(wire: Wire) -> None:
    hidden = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
    raw = (
        b"POST /api/v1/session HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n"
        b"content-length: " + str(len(hidden)).encode() + b"\r\ntransfer-encoding: chunked\r\n\r\n" + hidden
    )
    assert wire.send(raw)[1].count(b"HTTP/1.1 ") == 1


def test_nothing_a_client_sends_forges_a_log_line(wire: Wire) -> None:
    forged = '%0a{"level":"INFO","message":"forged"}'
    for path, line in (
        (f"/nowhere{forged}", "user-agent: a"),
        ("/nowhere\u2028forged", "user-agent: forged\u2028forged".encode().decode("latin-1")),
        ("/api/v1/me", 'x-request-id: forged"} {"level":"INFO'),
        ("/api/v1/me?q=%E2%80%A8forged", "authorization: Bearer forged"),
    ):
        wire.get(path.encode().decode("latin-1"), line)
    wire.send(b"FORGED\r\n{} /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    wire.send(b"FORGED /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    lines = wire.log_lines()
    assert len(lines) > 3
    assert not any("forged" in str(line).replace("FORGED", "") for line in lines)


def test_a_forwarded_address_changes_nothing_where_no_proxy_is_named(wire: Wire) -> None:
    assert wire.get("/metrics")[0] == 200
    assert wire.get("/metrics", "x-forwarded-for: 203.0.113.9")[0] == 403
