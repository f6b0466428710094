"""Delivery of the outbox to a real receiver on loopback: signed, at least once, put off, given up."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
import time_machine
from pydantic import SecretStr
from sqlalchemy import select
from standardwebhooks import Webhook

from app import clock
from app.database import Database
from app.notify.channels import Notice
from app.notify.deliver import MAX_ATTEMPTS, Deliverer, deliver_due, make_deliverer, waiting
from app.notify.outbox import enqueue
from app.notify.subscriptions import stuck
from app.notify.tables import Outbox
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import POLL_SECONDS

SECRET = "d2ViaG9vay1zZWNyZXQtZm9yLXRlc3Rz"


class Receiver(HTTPServer):
    """Takes notices and answers with the status it is set to."""

    status = 200

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Answering)


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver = self.server
        assert isinstance(receiver, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        receiver.taken.append((dict(self.headers.items()), body))
        self.send_response(receiver.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def send(receiver: Receiver, settings: Settings, office: Office) -> Iterator[Deliverer]:
    url = f"http://127.0.0.1:{receiver.server_port}/notices"
    configured = settings.model_copy(update={"webhook_url": url, "webhook_secret": SecretStr(SECRET)})
    with httpx.Client(timeout=5) as client:
        yield make_deliverer(configured, office.sealer, client, lambda _: None, lambda: True)


def put(database: Database, count: int = 1) -> None:
    with database.write() as session:
        enqueue(session, clock.now(), [("ticket.dispatched", {"number": f"BTQ{index}"}) for index in range(count)])


def rows(database: Database) -> list[Outbox]:
    with database.read() as session:
        return list(session.scalars(select(Outbox).order_by(Outbox.id)))


def test_a_notice_arrives_once_and_its_signature_holds(database: Database, receiver: Receiver, send: Deliverer) -> None:
    put(database)
    assert (deliver_due(database, send), deliver_due(database, send)) == (1, 0)
    headers, body = receiver.taken[0]
    signed = {name.lower(): value for name, value in headers.items()}
    assert Webhook(SECRET).verify(body.decode(), signed)["data"] == {"number": "BTQ0"}
    assert rows(database)[0].delivered_at


def test_a_receiver_that_fails_gets_it_again_later(database: Database, receiver: Receiver, send: Deliverer) -> None:
    put(database)
    receiver.status = 500
    assert deliver_due(database, send) == 0
    assert deliver_due(database, send) == 0
    assert len(receiver.taken) == 1
    receiver.status = 200
    with time_machine.travel(clock.now() + timedelta(seconds=31), tick=False):
        assert deliver_due(database, send) == 1
    assert rows(database)[0].last_error is None


def test_a_redirect_is_not_followed(database: Database, receiver: Receiver, send: Deliverer) -> None:
    put(database)
    receiver.status = 302
    assert deliver_due(database, send) == 0
    assert rows(database)[0].delivered_at is None


def test_after_many_tries_it_is_given_up_and_seen(database: Database, receiver: Receiver, send: Deliverer) -> None:
    put(database)
    receiver.status = 503
    moment = clock.now()
    for turn in range(MAX_ATTEMPTS + 2):
        with time_machine.travel(moment + timedelta(hours=2 * (turn + 1)), tick=False):
            deliver_due(database, send)
    with database.read() as session:
        assert waiting(session) == (0, 1)
    assert len(receiver.taken) == MAX_ATTEMPTS


def test_a_worker_that_dies_with_a_notice_in_hand_loses_nothing(database: Database, send: Deliverer) -> None:
    put(database)

    class Dying(Deliverer):
        def send(self, notice: Notice) -> None:
            raise KeyboardInterrupt(notice.kind)

    with pytest.raises(KeyboardInterrupt):
        deliver_due(database, Dying(send.settings, send.sealer, send.post, send.at_work))
    assert deliver_due(database, send) == 0
    with time_machine.travel(clock.now() + timedelta(seconds=91), tick=False):
        assert deliver_due(database, send) == 1


def test_what_the_receiver_said_outlives_a_worker_that_dies(
    database: Database, receiver: Receiver, send: Deliverer
) -> None:
    put(database)
    receiver.status = 500
    assert deliver_due(database, send) == 0
    refusal, begun = rows(database)[0].last_error, clock.now()

    class Dying(Deliverer):
        def send(self, notice: Notice) -> None:
            raise KeyboardInterrupt(notice.kind)

    def told(after: timedelta) -> str:
        with time_machine.travel(begun + after, tick=False), database.read() as session:
            return stuck(session)[0].error

    later = timedelta(hours=2)
    with time_machine.travel(begun + later, tick=False), pytest.raises(KeyboardInterrupt):
        deliver_due(database, Dying(send.settings, send.sealer, send.post, send.at_work))
    assert refusal
    assert told(later) == f"正在发送，还没有结果；上一次：{refusal}"
    assert told(later + timedelta(seconds=91)) == f"发送它的后台中断了；上一次：{refusal}"


def test_a_batch_is_bounded_and_the_rest_follows(database: Database, receiver: Receiver, send: Deliverer) -> None:
    put(database, 7)
    assert (deliver_due(database, send), deliver_due(database, send)) == (5, 2)
    numbers = [json.loads(body)["data"]["number"] for _, body in receiver.taken]
    assert sorted(numbers) == sorted(f"BTQ{index}" for index in range(7))


def test_without_a_receiver_notices_wait(database: Database, office: Office, send: Deliverer) -> None:
    put(database)
    nowhere = make_deliverer(office.settings, office.sealer, send.post.client, lambda _: None, lambda: True)
    assert deliver_due(database, nowhere) == 0
    assert rows(database)[0].attempts == 0
    assert deliver_due(database, send) == 1
