"""How a notice leaves by each channel: signed webhook, 企业微信 and 钉钉 group robots, SMS gateway, e-mail, one function each.

Every function raises RefusedError (or httpx.HTTPError, OSError) when the receiver did not take the notice: a robot answers
200 also when it refuses, so its errcode is read.
"""

import base64
import hashlib
import hmac
import json
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import httpx
from standardwebhooks import Webhook

from app import clock
from app.notify.deadline import SECONDS, Deadline
from app.notify.targets import check_mail, check_url
from app.notify.words import SMS_TEXTS, lines_of, plain_text, title_of, url_of
from app.settings import Settings

ANSWER_BYTES = 16 * 1024
PhoneOf = Callable[[str], str | None]


TOO_SLOW = "接收方太慢，超过时限未收完"


class RefusedError(RuntimeError):
    """The receiver answered, and did not take the notice."""


class TooSlowError(RefusedError):
    """The receiver kept the connection longer than the time there is for one notice."""


@dataclass(frozen=True)
class Notice:
    """One claimed notice, with the opened address of its subscription where it has one."""

    id: int
    kind: str
    payload: str
    created_at: datetime
    attempts: int
    channel: str = "webhook"
    subscription: int | None = None
    target: str = ""
    secret: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """The payload, read."""
        found: dict[str, Any] = json.loads(self.payload)
        return found


@dataclass(frozen=True)
class Post:
    """What the channels send with: settings, an HTTP client, and who knows the phone of a work order's enterprise."""

    settings: Settings
    client: httpx.Client
    phone_of: PhoneOf


def signed(notice: Notice, secret: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a webhook in the Standard Webhooks form; the id is the same at every attempt."""
    body = json.dumps(
        {"type": notice.kind, "timestamp": notice.created_at.isoformat(), "data": notice.data}, ensure_ascii=False
    )
    moment, ident = clock.now(), f"msg_{notice.id}"
    return body.encode(), {
        "content-type": "application/json",
        "webhook-id": ident,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(ident, moment, body),
    }


def send_webhook(notice: Notice, post: Post) -> None:
    """Send a signed webhook to a subscriber."""
    body, headers = signed(notice, notice.secret)
    _post(post, notice.target, body, headers)


def send_wecom(notice: Notice, post: Post) -> None:
    """Send to a 企业微信 group robot."""
    body = {"msgtype": "markdown", "markdown": {"content": _markdown(notice, post)}}
    _robot(_post(post, notice.target, json.dumps(body, ensure_ascii=False).encode(), JSON))


def send_dingtalk(notice: Notice, post: Post) -> None:
    """Send to a 钉钉 group robot; with a secret the address is signed (HMAC-SHA256 over time and secret)."""
    url = notice.target
    if notice.secret:
        stamp = str(int(clock.now().timestamp() * 1000))
        mac = hmac.new(notice.secret.encode(), f"{stamp}\n{notice.secret}".encode(), hashlib.sha256).digest()
        url += f"{'&' if '?' in url else '?'}timestamp={stamp}&sign={quote(base64.b64encode(mac), safe='')}"
    body = {
        "msgtype": "markdown",
        "markdown": {"title": title_of(notice.kind, notice.data), "text": _markdown(notice, post)},
    }
    _robot(_post(post, url, json.dumps(body, ensure_ascii=False).encode(), JSON))


def send_sms(notice: Notice, post: Post) -> None:
    """Send one of the fixed texts to the enterprise's phone through the city's HTTP gateway.

    The phone is looked up now and stands in no row of the outbox; an enterprise without one gets nothing.
    """
    number = str(notice.data["number"])
    phone = post.phone_of(number)
    if not phone:
        return
    body = {"id": f"sms_{notice.id}", "phone": phone, "content": SMS_TEXTS[notice.kind].format(number=number)}
    headers = JSON | ({"authorization": f"Bearer {notice.secret}"} if notice.secret else {})
    _post(post, notice.target, json.dumps(body, ensure_ascii=False).encode(), headers)


def send_mail(notice: Notice, post: Post) -> None:
    """Send an e-mail by the installation's SMTP server.

    Raises:
        RefusedError: no server is configured.
    """
    settings = post.settings
    if not settings.smtp_host:
        raise RefusedError("没有设置 HOTLINE_SMTP_HOST")
    mail = EmailMessage()
    mail["From"], mail["To"] = settings.smtp_from, check_mail(notice.target)
    mail["Subject"] = title_of(notice.kind, notice.data)
    mail["Message-ID"] = f"<msg-{notice.id}@{settings.smtp_from.rpartition('@')[2]}>"
    mail.set_content(plain_text(notice.kind, notice.data, settings.public_url))
    with Deadline(post.client.timeout.read or SECONDS) as deadline:
        try:
            _mailed(mail, settings, deadline)
        except (OSError, smtplib.SMTPException) as error:
            if deadline.over:
                raise TooSlowError(TOO_SLOW) from error
            raise


class _Mailer(smtplib.SMTP):
    """A connection to a mail server that is watched from its first byte."""

    def __init__(self, settings: Settings, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__(settings.smtp_host, settings.smtp_port, timeout=SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._deadline.watch(found)
        return found


def _mailed(mail: EmailMessage, settings: Settings, deadline: Deadline) -> None:
    with _Mailer(settings, deadline) as server:
        if settings.smtp_starttls:
            # The certificate is checked against the name: the password is for nobody else.
            server.starttls(context=ssl.create_default_context())
            deadline.watch(server.sock)
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        server.send_message(mail)


JSON = {"content-type": "application/json; charset=utf-8"}
SENDERS: dict[str, Callable[[Notice, Post], None]] = {
    "webhook": send_webhook, "wecom": send_wecom, "dingtalk": send_dingtalk, "sms": send_sms, "email": send_mail,
}  # fmt: skip


def _markdown(notice: Notice, post: Post) -> str:
    data = notice.data
    lines = [f"**{title_of(notice.kind, data)}**", *(f"> {line}" for line in lines_of(data))]
    return "\n".join(line for line in (*lines, url_of(data, post.settings.public_url)) if line)


def _post(post: Post, url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Post to an address that somebody entered; returns the beginning of the answer.

    Raises:
        TargetError: the address may not be used (any more).
        RefusedError: the receiver took longer than the time there is for one notice.
        httpx.HTTPError: the receiver cannot be reached or answers with a fault or a redirect.
    """
    pinned = check_url(url, post.settings)
    return post_within(post.client, pinned.url, body, headers | pinned.headers, pinned.extensions)


def post_within(
    client: httpx.Client, url: httpx.URL, body: bytes, headers: dict[str, str], extensions: Mapping[str, Any]
) -> bytes:
    """Post and return the beginning of the answer, all within the time there is for one notice.

    Raises:
        TooSlowError: the time was over.
        httpx.HTTPError: the receiver cannot be reached or answers with a fault or a redirect.
    """
    with Deadline(client.timeout.read or SECONDS) as deadline:
        try:
            # A connection of its own each time: only one that was opened here can be shut here.
            sent = client.stream(
                "POST", url, content=body, headers=headers | {"connection": "close"},
                extensions={**extensions, "trace": deadline.trace}, follow_redirects=False,
            )  # fmt: skip
            with sent as answer:
                answer.raise_for_status()
                read = bytearray()
                for chunk in answer.iter_bytes():
                    read += chunk
                    if len(read) > ANSWER_BYTES:
                        break
        except httpx.TransportError as error:
            if deadline.over:
                raise TooSlowError(TOO_SLOW) from error
            raise
    if deadline.over:
        raise TooSlowError(TOO_SLOW)
    return bytes(read[:ANSWER_BYTES])


def _robot(answer: bytes) -> None:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise RefusedError("机器人的回答不是 JSON") from error
    if not isinstance(found, dict) or found.get("errcode") != 0:
        raise RefusedError(f"机器人拒收（errcode {found.get('errcode') if isinstance(found, dict) else '无'}）")
