"""Addresses people enter for notices: checked when they are kept and again when they are used (OWASP API7:2023, SSRF).

The name is resolved once and the connection goes to that very address, so that a name that changes its mind between check
and use gains nothing. Redirects are not followed.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from app.settings import Settings

MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
PORTS = {"https": 443, "http": 80}


class TargetError(ValueError):
    """An address that notices may not go to; the message says why."""


@dataclass(frozen=True)
class Pinned:
    """An address with the numeric one its name stood for when it was checked."""

    url: httpx.URL
    host: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that names the host, since the URL holds a number."""
        return {"host": self.host}

    @property
    def extensions(self) -> dict[str, str]:
        """What makes TLS check the certificate against the name."""
        return {"sni_hostname": self.host.rsplit(":", 1)[0]}


def check_url(url: str, settings: Settings) -> Pinned:
    """Return an address to connect to.

    Raises:
        TargetError: it is not https, its host is unknown, or it lies inside a private network.
    """
    parts = urlsplit(url)
    allowed = ("https", "http") if settings.notice_private_targets else ("https",)
    if parts.scheme not in allowed:
        raise TargetError("地址须以 https:// 开头")
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        raise TargetError("地址不完整，或带有用户名、口令、# 片段")
    try:
        port = parts.port or PORTS[parts.scheme]
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError) as error:
        raise TargetError(f"找不到主机 {parts.hostname}") from error
    numbers = [str(entry[4][0]) for entry in found]
    if not settings.notice_private_targets:
        inside = [number for number in numbers if not _is_outside(number)]
        if inside:
            raise TargetError(f"{parts.hostname} 在内部网络（{inside[0]}），不能作为推送地址")
    return Pinned(httpx.URL(url).copy_with(host=numbers[0]), parts.netloc)


def _is_outside(number: str) -> bool:
    """Whether an address lies in the public network and in nothing that may carry on to a private one.

    The library calls multicast, 6to4 (RFC 3056) and NAT64 (RFC 6052) addresses global, though the latter two hold an IPv4
    address that may be anything.
    """
    found = ipaddress.ip_address(number.split("%", maxsplit=1)[0])
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    return isinstance(found, ipaddress.IPv4Address) or not (found.is_site_local or found.sixtofour)


def check_mail(address: str) -> str:
    """Return an e-mail address.

    Raises:
        TargetError: it is none.
    """
    if not MAIL.fullmatch(address):
        raise TargetError("不是有效的电子邮箱")
    return address
