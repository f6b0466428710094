"""Who is at the other end: the peer's address, or what a proxy named in HOTLINE_TRUSTED_PROXIES says of it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from app.errors import ForbiddenError
from app.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# One household or company holds a whole /64 and may change its address at will within it (RFC 6177).
V6_PREFIX = 64
# Some proxies write the port behind the address.
PORT = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}$")


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    """Return an address; None for what is none. An IPv4 address written as IPv6 is the IPv4 one."""
    try:
        found = ip_address(PORT.sub(r"\1", text.strip()).strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _forwarded(scope: Scope) -> list[str]:
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return ",".join(lines).split(",") if lines else []


def address_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the client's address as the peer or trusted proxies report it; empty where there is none that can be read.

    X-Forwarded-For is read from the right, and only as far as every hop is a trusted proxy: anything further left is
    what the client itself may have written.
    """
    peer: str = scope["client"][0] if scope.get("client") else ""
    if not trusted or not _within(_parsed(peer), trusted):
        return peer
    last = peer
    for text in reversed(_forwarded(scope)):
        address = _parsed(text)
        if address is None:
            return ""
        last = str(address)
        if not _within(address, trusted):
            break
    return last


def bucket_of(address: str) -> str:
    """Return what an address is counted under: itself, or the /64 an IPv6 address lies in."""
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, V6_PREFIX), strict=False))
    return str(found or address)


def require_metrics_reader(scope: Scope, settings: Settings) -> None:
    """Let through only addresses that may read the figures (HOTLINE_METRICS_FROM).

    Raises:
        ForbiddenError: the address is not one of them, or a proxy that is not trusted stands in between.
    """
    hidden = not settings.proxy_networks and bool(_forwarded(scope))
    if hidden or not _within(_parsed(address_of(scope, settings.proxy_networks)), settings.metrics_networks):
        raise ForbiddenError("运行指标只供指定地址读取（HOTLINE_METRICS_FROM）")
