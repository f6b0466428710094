"""A process that is asked to stop: nobody it has let in goes without an answer, and it does not wait for the silent."""

import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.edge.parting import LAST_WORD_SECONDS
from app.settings import Settings
from tests.process.fleet import Fleet, fleet

CLIENTS = 12
ASK = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


class Parting:
    """One API process and connections to it."""

    def __init__(self, ships: Fleet) -> None:
        base = ships.api("--no-worker")
        self.process = ships.apis[base]
        self.port = int(base.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stop(self) -> None:
        """Ask it to stop, and wait until it no longer listens."""
        self.process.terminate()
        while True:
            try:
                self.connect().close()
                time.sleep(0.01)
            except ConnectionError:
                return

    def ended(self) -> bool:
        """Wait until it is gone; whether it finished all it does at the end, the signal it was sent handed on last."""
        self.process.join(10)
        return self.process.exitcode == -signal.SIGTERM


@pytest.fixture
def parting(fresh_sqlite: str, tmp_path: Path, small_models_dir: Path) -> Iterator[Parting]:
    settings = Settings(database_url=fresh_sqlite, var_dir=tmp_path / "var", models_dir=small_models_dir)
    with fleet(settings) as ships:
        yield Parting(ships)


def asked(connection: socket.socket) -> bytes:
    connection.sendall(ASK)
    return answered(connection)


def answered(connection: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"}") and (piece := connection.recv(65_536)):
        found += piece
    return found.lower()


def test_a_request_on_its_way_when_the_process_stops_is_answered_and_told_that_it_was_the_last(
    parting: Parting,
) -> None:
    with parting.connect() as fresh, parting.connect() as used:
        assert asked(used).startswith(b"http/1.1 200")
        parting.stop()
        for connection in (fresh, used):
            connection.sendall(ASK)
        for connection in (fresh, used):
            answer = answered(connection)
            assert answer.startswith(b"http/1.1 200")
            assert b"\r\nconnection: close\r\n" in answer
            assert connection.recv(1) == b""
    assert parting.ended()


def test_who_says_nothing_does_not_hold_the_process_up(parting: Parting) -> None:
    with parting.connect() as silent, parting.connect() as halfway:
        halfway.sendall(ASK[:20])
        parting.stop()
        begun = time.monotonic()
        assert (silent.recv(1), halfway.recv(1)) == (b"", b"")
        assert parting.ended()
    assert time.monotonic() - begun < LAST_WORD_SECONDS + 5


def test_whoever_was_let_in_while_the_door_closes_is_answered(parting: Parting) -> None:
    def call(_: int) -> Counter[str]:
        found: Counter[str] = Counter()
        while True:
            try:
                connection = parting.connect()
            except ConnectionError:
                return found
            with connection:
                try:
                    found[asked(connection)[:12].decode() or "closed"] += 1
                except OSError as error:
                    found[type(error).__name__] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        calls = [pool.submit(call, index) for index in range(CLIENTS)]
        time.sleep(0.3)
        parting.process.terminate()
        found = sum((each.result() for each in calls), Counter[str]())
    assert set(found) == {"http/1.1 200"}
