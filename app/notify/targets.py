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
IPV4 = 2**32 - 1
NAT64, COMPATIBLE = ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96")
# RFC 1918, RFC 6598, RFC 4193.
PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TargetError(ValueError):
    """An address that notices may not go to; the message says why."""


@dataclass(frozen=True)
class Pinned:
    """An address with the numeric one its name stood for when it was checked.

    Attributes:
        host: host and port as they stood in the address, a Chinese name in its ASCII form.
        name: the host alone, against which TLS checks the certificate.
    """

    url: httpx.URL
    host: str
    name: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that names the host, since the URL holds a number."""
        return {"host": self.host}

    @property
    def extensions(self) -> dict[str, str]:
        """What makes TLS check the certificate against the name."""
        return {"sni_hostname": self.name}


def check_url(url: str, settings: Settings) -> Pinned:
    """Return an address to connect to.

    Raises:
        TargetError: it is not https, its host is unknown, or it lies inside a private network.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise TargetError("不是完整的网址") from error
    inside = settings.notice_private_targets or bool(settings.notice_networks)
    if parts.scheme not in (("https", "http") if inside else ("https",)):
        raise TargetError("地址须以 https:// 开头")
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        raise TargetError("地址不完整，或带有用户名、口令、# 片段")
    try:
        asked = httpx.URL(url)
        port = parts.port or PORTS[parts.scheme]
        found = socket.getaddrinfo(asked.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, httpx.InvalidURL) as error:
        raise TargetError(f"找不到主机 {parts.hostname}") from error
    numbers = [str(entry[4][0]) for entry in found]
    if not all(_may_be_reached(number, settings) for number in numbers):
        # Not where it leads: that would be told to whoever asks for the map of the inner network.
        raise TargetError(f"{parts.hostname} 在内部网络，不能作为推送地址")
    return Pinned(asked.copy_with(host=numbers[0]), asked.netloc.decode("ascii"), asked.raw_host.decode("ascii"))


def _may_be_reached(number: str, settings: Settings) -> bool:
    """Whether notices may go to a number: a public one, one of the installation's networks, a private one where allowed.

    This machine itself, its link and what belongs to nobody only where a network of the settings names them.
    """
    address = _unwrapped(ipaddress.ip_address(number.split("%", maxsplit=1)[0]))
    if any(address in network for network in settings.notice_targets):
        return True
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    private = any(address in network for network in PRIVATE)
    if private:
        return settings.notice_private_targets
    return address.is_global and not address.is_reserved and not getattr(address, "is_site_local", False)


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for (mapped, compatible, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if (address in COMPATIBLE and int(address) > 1) or address in NAT64:
        return ipaddress.IPv4Address(int(address) & IPV4)
    return address.ipv4_mapped or address.sixtofour or address


def check_mail(address: str) -> str:
    """Return an e-mail address.

    Raises:
        TargetError: it is none.
    """
    if not MAIL.fullmatch(address):
        raise TargetError("不是有效的电子邮箱")
    return address
