"""Notices by every channel to real receivers on loopback: who gets what, what is never in it, what happens when they fail."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import time_machine
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select
from standardwebhooks import Webhook

from app import clock
from app.jobs.worker import deliverer_of
from app.notify.deliver import MAX_ATTEMPTS, Deliverer, deliver_due
from app.notify.messages import Message, tell
from app.notify.tables import Outbox, Subscription
from app.settings import Settings
from app.tickets.office import Office
from tests.builders import POLL_SECONDS, Hotline
from tests.tickets.test_life import LEAD, START, at, do, ok, refused

SECRET = "d2ViaG9vay1zZWNyZXQtZm9yLXRlc3Rz"
LEADER, ADMIN = "unit_leader@市工信局", "admin"
UNIT = "unit:BT-GXJ"


class Robot(ThreadingHTTPServer):
    """Takes posts; answers as it is told: well, with a fault, with a lie, slowly, without end, elsewhere."""

    daemon_threads = True
    mood = "well"

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, str], Any]] = []
        super().__init__(("127.0.0.1", 0), Answers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/robot?key=abcdefgh"


class Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        robot = self.server
        assert isinstance(robot, Robot)
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        robot.taken.append((self.path, headers, json.loads(body)))
        status, answer = {
            "well": (200, b'{"errcode":0}'), "fails": (500, b""), "lies": (200, b'{"errcode":45009}'),
            "babbles": (200, b"<html>"), "redirects": (302, b""), "endless": (200, b" " * 3_000_000),
            "hangs": (200, b'{"errcode":0}'),
        }[robot.mood]  # fmt: skip
        if robot.mood == "hangs":
            time.sleep(2)
        self.send_response(status)
        if status == 302:
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        try:
            self.wfile.write(answer)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def robot() -> Iterator[Robot]:
    server = Robot()
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation that lets notices go to its own machine, where the tests' receivers are."""
    return settings.model_copy(update={"notice_networks": "127.0.0.0/8"})


@pytest.fixture
def deliverer(office: Office) -> Iterator[Deliverer]:
    with httpx.Client(timeout=1) as client:
        yield deliverer_of(office, client)


def subscribe(hotline: Hotline, target: str, channel: str = "wecom", who: str = ADMIN, **but: Any) -> dict[str, Any]:
    answer = hotline.post(who, "/subscriptions", {"audience": UNIT, "channel": channel, "target": target, **but})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def deliver(office: Office, deliverer: Deliverer) -> int:
    return sum(deliver_due(office.database, deliverer) for _ in range(4))


def say(office: Office, *, urgent: bool = False, key: str = "") -> None:
    message = Message(
        "reminder.digest", "日提醒 2026-11-02", ("已超期 2 件",), "/api/v1/digests", urgent=urgent, key=key
    )
    with office.database.write() as session:
        tell(session, clock.now(), UNIT, message)


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


def test_a_wecom_robot_gets_a_units_messages(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url)
    say(office)
    number = monday.submit()["number"]
    assert deliver(office, deliverer) == 2
    texts = [body["markdown"]["content"] for _, _, body in robot.taken]
    assert texts[0].splitlines() == ["**日提醒 2026-11-02**", "> 已超期 2 件", "/api/v1/digests"]
    assert texts[1].startswith(f"**新工单待签收：{number}**")
    assert "木业" not in "".join(texts)


def test_links_can_be_opened_where_the_installation_has_told_its_address(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    settings = deliverer.settings.model_copy(update={"public_url": "https://hotline.example/"})
    subscribe(monday, robot.url)
    say(office)
    assert deliver(office, replace(deliverer, post=replace(deliverer.post, settings=settings))) == 1
    assert "https://hotline.example/api/v1/digests" in robot.taken[0][2]["markdown"]["content"].splitlines()


def test_a_dingtalk_robot_is_signed_for(monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer) -> None:
    subscribe(monday, robot.url, "dingtalk", secret="SECabc")
    say(office)
    assert deliver(office, deliverer) == 1
    asked = parse_qs(urlsplit(robot.taken[0][0]).query)
    stamp = asked["timestamp"][0]
    mac = hmac.new(b"SECabc", f"{stamp}\nSECabc".encode(), hashlib.sha256).digest()
    assert asked["sign"] == [base64.b64encode(mac).decode()]
    assert robot.taken[0][2]["markdown"]["title"] == "日提醒 2026-11-02"


def test_a_units_own_webhook_is_signed_with_its_own_secret(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url, "webhook", LEADER, secret=SECRET, kinds=["ticket.*"])
    say(office)
    number = monday.submit()["number"]
    assert deliver(office, deliverer) == 1
    _, headers, body = robot.taken[0]
    text = json.dumps(body, ensure_ascii=False)
    assert Webhook(SECRET).verify(text, headers)["data"]["number"] == number


class Mailbox:
    """An SMTP server's handler that keeps what it gets, or refuses it."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.refuses = False

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuses:
            return "451 稍后再试"
        self.taken.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, port
    server.stop()


def test_a_mail_arrives_and_is_tried_again_when_refused(
    monday: Hotline, office: Office, mailbox: tuple[Mailbox, int], deliverer: Deliverer
) -> None:
    box, port = mailbox
    mailing = deliverer.settings.model_copy(
        update={"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_starttls": False, "smtp_from": "hotline@bt.gov.cn"}
    )
    post = type(deliverer.post)(mailing, deliverer.post.client, deliverer.post.phone_of)
    mailer = Deliverer(mailing, deliverer.sealer, post, deliverer.at_work)
    subscribe(monday, "duty@gxj.bt.gov.cn", "email")
    box.refuses = True
    say(office)
    assert deliver(office, mailer) == 0
    box.refuses = False
    with time_machine.travel(clock.now() + timedelta(minutes=1), tick=False):
        assert deliver(office, mailer) == 1
    content = box.taken[0].content
    assert isinstance(content, bytes)
    assert b"<msg-" in content
    assert box.taken[0].rcpt_tos == ["duty@gxj.bt.gov.cn"]


def test_an_enterprise_is_told_by_sms_and_nothing_of_its_matter(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url, "sms", audience="enterprise", secret="gateway-key")
    number = monday.submit()["number"]
    monday.submit(contact={"name": "王大山", "phone": "0472-5551234"})
    monday.submit(contact=None, confidentiality="匿名")
    ok(do(monday, LEAD, number, "sign"))
    ok(do(monday, LEAD, number, "extension", {"days": 2, "reason": "资金要走国库程序"}))
    ok(do(monday, "reviewer", number, "extension/rule", {"grant": True, "opinion": "同意"}))
    deliver(office, deliverer)
    assert [(body["phone"], number in body["content"]) for _, _, body in robot.taken] == [("13847200001", True)] * 2
    assert "已受理" in robot.taken[0][2]["content"]
    assert "延长" in robot.taken[1][2]["content"]
    assert robot.taken[0][1]["authorization"] == "Bearer gateway-key"
    with office.database.read() as session:
        stored = "".join(row.payload for row in session.scalars(select(Outbox)))
    assert "13847200001" not in stored
    assert "货款" not in stored + "".join(body["content"] for _, _, body in robot.taken)


@pytest.mark.parametrize("mood", ["fails", "lies", "babbles", "redirects", "endless", "hangs"])
def test_a_receiver_that_does_not_take_it_gets_it_again(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer, mood: str
) -> None:
    subscribe(monday, robot.url)
    say(office)
    robot.mood = mood
    assert deliver(office, deliverer) == 0
    assert len(robot.taken) == 1
    robot.mood = "well"
    with time_machine.travel(clock.now() + timedelta(minutes=1), tick=False):
        assert deliver(office, deliverer) == 1


def test_waits_differ_by_chance_within_their_bounds(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    subscribe(monday, robot.url)
    robot.mood = "fails"
    waits = []
    for chance in (0.0, 1.0):
        say(office)
        now = clock.now()
        unlucky = Deliverer(deliverer.settings, deliverer.sealer, deliverer.post, deliverer.at_work, lambda: chance)  # noqa: B023
        deliver(office, unlucky)
        with office.database.read() as session:
            row = session.scalars(select(Outbox).where(Outbox.channel == "wecom").order_by(Outbox.id.desc())).first()
            assert row is not None
            assert row.next_attempt_at is not None
            waits.append((row.next_attempt_at - now).total_seconds())
    assert waits == [15, 30]


def test_people_are_left_in_peace_at_night_but_for_urgent_matters(
    hotline: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    saturday = START - timedelta(days=2)
    with at(hotline, saturday):
        subscribe(hotline, robot.url)
        subscribe(hotline, robot.url, "webhook", secret=SECRET)
        say(office)
        say(office, urgent=True)
        assert deliver(office, deliverer) == 3
    with at(hotline, START - timedelta(hours=4)):
        assert deliver(office, deliverer) == 0
    with at(hotline, START):
        assert deliver(office, deliverer) == 1


def test_what_was_given_up_is_seen_and_sent_once_more(
    hotline: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    with at(hotline, START):
        subscribe(hotline, robot.url, "webhook", secret=SECRET)
        robot.mood = "fails"
        say(office)
    for turn in range(MAX_ATTEMPTS + 1):
        with time_machine.travel(START + timedelta(hours=2 * turn), tick=False):
            deliver_due(office.database, deliverer)
    with at(hotline, START + timedelta(days=2)):
        stuck = hotline.get(ADMIN, "/notices/stuck").json()
        assert [(line["attempts"], line["error"]) for line in stuck] == [(MAX_ATTEMPTS, "HTTPStatusError")]
        robot.mood = "well"
        again = f"/notices/{stuck[0]['id']}/resend"
        assert hotline.post(ADMIN, again).status_code == 202
        refused(hotline.post(ADMIN, again), 409, "没有放弃")
        assert deliver(office, deliverer) == 1
        assert hotline.get(ADMIN, "/notices/stuck").json() == []


def test_a_receiver_that_lost_its_data_gets_everything_again_under_the_same_ids(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    kept = subscribe(monday, robot.url, "webhook", secret=SECRET)
    say(office)
    say(office)
    assert deliver(office, deliverer) == 2
    since = {"since": (clock.now() - timedelta(hours=1)).isoformat(), "subscription": kept["id"]}
    assert ok(monday.post(ADMIN, "/notices/replay", since)) == {"count": 2}
    assert deliver(office, deliverer) == 2
    ids = [headers["webhook-id"] for _, headers, _ in robot.taken]
    assert ids[:2] == ids[2:]
    refused(monday.post(ADMIN, "/notices/replay", {"since": "2026-11-02T00:00:00"}), 422, "时区")


def test_what_waits_for_a_subscription_that_is_off_is_dropped(
    monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer
) -> None:
    kept = subscribe(monday, robot.url)
    say(office)
    assert ok(monday.post(ADMIN, f"/subscriptions/{kept['id']}/active", {"active": False}))["active"] is False
    say(office)
    assert deliver(office, deliverer) == 0
    assert robot.taken == []
    assert monday.get(ADMIN, "/notices/stuck").json() == []


def test_a_subscription_can_be_tried(monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer) -> None:
    kept = subscribe(monday, robot.url)
    assert monday.post(ADMIN, f"/subscriptions/{kept['id']}/try").status_code == 202
    assert deliver(office, deliverer) == 1
    assert "试发" in robot.taken[0][2]["markdown"]["content"]


def test_two_workers_deliver_once(monday: Hotline, office: Office, robot: Robot, deliverer: Deliverer) -> None:
    subscribe(monday, robot.url)
    for _ in range(6):
        say(office)
    threads = [threading.Thread(target=deliver, args=(office, deliverer)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(robot.taken) == 6


def test_addresses_are_sealed_and_shown_only_in_part(monday: Hotline, office: Office, robot: Robot) -> None:
    subscribe(monday, robot.url)
    shown = monday.get(ADMIN, "/subscriptions").json()
    assert "abcdefgh" not in str(shown)
    with office.database.read() as session:
        row = session.scalars(select(Subscription)).one()
    assert "127.0.0.1" not in row.target


def test_a_unit_keeps_its_own_subscriptions_only(monday: Hotline, robot: Robot) -> None:
    mine = subscribe(monday, robot.url, who=LEADER)
    other = {"audience": "unit:BT-CZJ", "channel": "wecom", "target": robot.url}
    refused(monday.post(LEADER, "/subscriptions", other), 403, "本单位")
    theirs = subscribe(monday, robot.url, audience="unit:BT-CZJ")
    assert [row["id"] for row in monday.get(LEADER, "/subscriptions").json()] == [mine["id"]]
    refused(monday.post(LEADER, f"/subscriptions/{theirs['id']}/active", {"active": False}), 404, "没有订阅")
    assert monday.get(LEAD, "/subscriptions").status_code == 403


@pytest.mark.parametrize(
    ("but", "words"),
    [
        ({"audience": "unit:BT-NONE"}, "没有代码为"),
        ({"channel": "sms"}, "短信只发给企业"),
        ({"audience": "all"}, "只能用 webhook"),
        ({"channel": "webhook", "secret": "short"}, "签名密钥"),
        ({"channel": "email"}, "不是有效的电子邮箱"),
        ({"target": "ftp://robot"}, "https"),
        ({"target": "https://user:pw@robot.example"}, "用户名"),
        ({"target": "https://["}, "网址"),
        ({"target": "https://８.8.8.8/x"}, "主机"),
        ({"target": "https://no.such.host.invalid/x"}, "找不到主机"),
        ({"kinds": ["DROP TABLE"]}, "/kinds"),
    ],
)
def test_a_subscription_that_cannot_be_kept_says_why(monday: Hotline, but: dict[str, Any], words: str) -> None:
    form = {"audience": UNIT, "channel": "wecom", "target": "https://127.0.0.1/robot", **but}
    refused(monday.post(ADMIN, "/subscriptions", form), 422, words)


def test_the_inbox_of_a_unit(monday: Hotline, office: Office) -> None:
    say(office, key="digest:2026-11-02:1")
    say(office, key="digest:2026-11-02:1")
    say(office)
    page = ok(monday.get(LEAD, "/inbox"))
    assert (len(page["items"]), page["unread"]) == (2, 2)
    ok(monday.post(LEADER, f"/inbox/{page['items'][0]['id']}/read"))
    assert ok(monday.get(LEAD, "/inbox", unread=True))["unread"] == 1
    assert ok(monday.get("unit_handler@市财政局", "/inbox"))["items"] == []
    refused(monday.post("supervisor", f"/inbox/{page['items'][0]['id']}/read"), 404, "没有消息")
    first = ok(monday.get(LEAD, "/inbox", limit=1))
    rest = ok(monday.get(LEAD, "/inbox", limit=1, cursor=first["next_cursor"]))
    assert [first["items"][0]["id"], rest["items"][0]["id"]] == [item["id"] for item in page["items"]]
