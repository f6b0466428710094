"""Receivers that mean ill or are ill: none holds the worker for long, none keeps the others from being served."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from sqlalchemy import select, update

from app import clock
from app.jobs import worker
from app.jobs.worker import deliverer_of, one_round
from app.notify.deliver import MAX_ATTEMPTS, Deliverer, deliver_due, forget_old, waiting
from app.notify.tables import InboxMessage, Outbox
from app.reminders.tables import Card
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import POLL_SECONDS, Hotline
from tests.notify.test_channels import ADMIN, SECRET, Mailbox, Robot, say, subscribe
from tests.tickets.test_life import START, at, refused

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 16000\r\n\r\n"
GREETING = b"220 mail ready"
NESTED = b"[" * 16000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"notice_networks": "127.0.0.0/8"})


@pytest.fixture
def deliverer(office: Office) -> Iterator[Deliverer]:
    with httpx.Client(timeout=1) as client:
        yield deliverer_of(office, client)


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


@pytest.fixture
def robot() -> Iterator[Robot]:
    server = Robot()
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def answering(at_once: bytes, dripped: bytes = b"") -> Iterator[tuple[int, list[float]]]:
    """A raw receiver: says something at once, and then a byte each third of a second; when it was called."""
    server, calls = socket.create_server(("127.0.0.1", 0)), list[float]()

    def serve(caller: socket.socket) -> None:
        with caller:
            try:
                caller.sendall(at_once)
                for byte in dripped:
                    caller.sendall(bytes([byte]))
                    time.sleep(0.3)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            calls.append(time.monotonic())
            threading.Thread(target=serve, args=(caller,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1], calls
    finally:
        server.close()


def newest(office: Office) -> Outbox:
    with office.database.read() as session:
        row = session.scalars(select(Outbox).where(Outbox.channel != "webhook").order_by(Outbox.id.desc())).first()
    assert row is not None
    return row


@pytest.mark.parametrize(("head", "drip"), [(HEAD, b" " * 60), (b"HTTP/1.1 200 OK\r\n", b"x-slow: " + b"y" * 60)])
def test_a_receiver_that_drips_is_left_after_the_time_for_one_notice(
    monday: Hotline, office: Office, deliverer: Deliverer, head: bytes, drip: bytes
) -> None:
    with answering(head, drip) as (port, _):
        subscribe(monday, f"http://127.0.0.1:{port}/robot")
        say(office)
        began = time.monotonic()
        assert deliver_due(office.database, deliverer) == 0
        assert time.monotonic() - began < 4
    assert newest(office).last_error == "接收方太慢，超过时限未收完"


def mailing(deliverer: Deliverer, port: int, **but: Any) -> Deliverer:
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_starttls": False, **but}
    settings = deliverer.settings.model_copy(update=given)
    return replace(deliverer, settings=settings, post=replace(deliverer.post, settings=settings))


def test_a_mail_server_that_drips_is_left_as_well(monday: Hotline, office: Office, deliverer: Deliverer) -> None:
    with answering(b"", GREETING + b"." * 60) as (port, _):
        subscribe(monday, "duty@gxj.bt.gov.cn", "email")
        say(office)
        began = time.monotonic()
        assert deliver_due(office.database, mailing(deliverer, port)) == 0
        assert time.monotonic() - began < 4
    assert newest(office).last_error == "接收方太慢，超过时限未收完"


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    now = clock.now()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(key.private_bytes(*plain) + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def test_the_mail_password_is_for_the_named_server_only(
    monday: Hotline, office: Office, deliverer: Deliverer, tmp_path: Path
) -> None:
    box, seen = Mailbox(), list[str]()

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        seen.append(str(given))
        return AuthResult(success=True)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=certificate(tmp_path),
        authenticator=check,
        require_starttls=True,
    )
    server.start()
    try:
        subscribe(monday, "duty@gxj.bt.gov.cn", "email")
        say(office)
        mailer = mailing(deliverer, port, smtp_starttls=True, smtp_user="hotline", smtp_password=SecretStr("secret"))
        assert deliver_due(office.database, mailer) == 0
    finally:
        server.stop()
    assert (box.taken, seen, newest(office).last_error) == ([], [], "SSLCertVerificationError")


def test_an_answer_that_breaks_the_reader_breaks_nothing_else(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    body = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 16000\r\n\r\n" + NESTED
    with answering(body) as (port, _):
        subscribe(monday, f"http://127.0.0.1:{port}/robot")
        subscribe(monday, robot.url)
        say(office)
        assert deliver_due(office.database, deliverer) == 1
    assert len(robot.taken) == 1


def test_a_notice_over_which_every_process_dies_is_given_up(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url)
    say(office)
    with office.database.write() as session:
        session.execute(update(Outbox).where(Outbox.channel == "wecom").values(attempts=MAX_ATTEMPTS))
    assert deliver_due(office.database, deliverer) == 0
    assert (newest(office).dead_at, robot.taken) == (clock.now(), [])
    assert monday.get(ADMIN, "/notices/stuck").json()[0]["error"] == "多次尝试都没有做完"


def test_urgent_notices_go_before_all_others(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url)
    for _ in range(8):
        say(office)
    say(office, urgent=True)
    deliver_due(office.database, deliverer)
    with office.database.read() as session:
        first = session.scalars(
            select(Outbox.id).where(Outbox.delivered_at.is_not(None), Outbox.urgent.is_(True))
        ).all()
    assert len(first) == 1


def test_a_receiver_that_is_away_is_asked_once_for_all(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    with answering(b"", b"") as (port, calls):
        subscribe(monday, f"http://127.0.0.1:{port}/robot")
        subscribe(monday, robot.url)
        for _ in range(4):
            say(office)
        assert sum(deliver_due(office.database, deliverer) for _ in range(4)) == 4
        assert len(calls) == 1
        with time_machine.travel(clock.now() + timedelta(seconds=31), tick=False):
            deliver_due(office.database, deliverer)
        assert len(calls) == 2
    assert len(robot.taken) == 4


def test_a_notice_that_is_refused_holds_up_no_other_to_the_same_receiver(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url)
    say(office)
    robot.mood = "fails"
    assert deliver_due(office.database, deliverer) == 0
    say(office)
    robot.mood = "well"
    assert deliver_due(office.database, deliverer) == 1


def test_a_key_that_no_header_can_carry_is_refused_at_once(monday: Hotline, robot: Robot) -> None:
    form = {"audience": "enterprise", "channel": "sms", "target": robot.url, "secret": "网关密钥"}
    refused(monday.post(ADMIN, "/subscriptions", form), 422, "/secret")


def test_without_an_address_years_of_notices_do_not_wait_for_one(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        say(office)
    with at(hotline, START + timedelta(days=2)):
        say(office)
        one_round(office, None)
        with office.database.read() as session:
            first, *rest = session.scalars(select(Outbox).order_by(Outbox.id))
            assert (first.next_attempt_at, first.last_error) == (None, "没有设置推送地址，不再等待")
            assert waiting(session)[0] == len(rest) > 0


def test_what_was_delivered_long_ago_is_let_go_and_what_failed_is_not(
    hotline: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    with at(hotline, START):
        subscribe(hotline, robot.url)
        say(office)
        assert deliver_due(office.database, deliverer) == 1
        say(office)
    with office.database.write() as session:
        session.execute(
            update(Outbox).where(Outbox.next_attempt_at.is_not(None)).values(next_attempt_at=None, dead_at=START)
        )
    kept = timedelta(days=office.settings.notice_days)
    with time_machine.travel(START + kept, tick=False):
        assert forget_old(office.database, office.settings) == 0
    with time_machine.travel(START + kept + timedelta(days=1), tick=False):
        assert forget_old(office.database, office.settings) == 1
    with office.database.read() as session:
        assert all(row.dead_at for row in session.scalars(select(Outbox)))
        assert session.scalars(select(InboxMessage)).all() == []


def test_new_failures_show_before_old_ones_and_can_be_put_aside(hotline: Hotline, office: Office, robot: Robot) -> None:
    with at(hotline, START):
        kept = subscribe(hotline, robot.url, "webhook", secret=SECRET)
        for _ in range(103):
            say(office)
        with office.database.write() as session:
            session.execute(update(Outbox).values(next_attempt_at=None, dead_at=START))
            idents = [row.id for row in session.scalars(select(Outbox).order_by(Outbox.id.desc()))]
        page = hotline.get(ADMIN, "/notices/stuck").json()
        assert [line["id"] for line in page] == idents[:100]
        rest = hotline.get(ADMIN, "/notices/stuck", before=page[-1]["id"]).json()
        assert [line["id"] for line in rest] == idents[100:200]
        assert hotline.post(ADMIN, f"/notices/{idents[0]}/dismiss").status_code == 204
        refused(hotline.post(ADMIN, f"/notices/{idents[0]}/dismiss"), 409, "没有放弃")
        assert hotline.get(ADMIN, "/notices/stuck").json()[0]["id"] == idents[1]
        hotline.post(ADMIN, f"/subscriptions/{kept['id']}/active", {"active": False})
        with office.database.read() as session:
            own = session.query(Outbox).where(Outbox.subscription_id.is_(None), Outbox.dead_at.is_not(None)).count()
            assert waiting(session)[1] == own == 103


def test_a_slow_receiver_does_not_hold_up_the_cards(
    hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SECONDS", 3)
    with at(hotline, START):
        hotline.submit()
    with answering(HEAD, b" " * 100) as (port, calls), at(hotline, START + timedelta(days=8)):
        for _ in range(2):
            subscribe(hotline, f"http://127.0.0.1:{port}/robot")
        say(office)
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(office, stop))
        thread.start()
        for _ in range(60):
            time.sleep(0.1)
            with office.database.read() as session:
                if calls and session.scalars(select(Card)).first():
                    break
        stop.set()
        assert calls
        assert time.monotonic() - calls[0] < 3
        thread.join(30)
