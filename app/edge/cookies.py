"""The cookie in which a browser carries a person's session token; programs send theirs in `Authorization`.

`HttpOnly; SameSite=Lax; Path=/` (RFC 6265bis §4.1.2) and, but for trials on this very machine, `Secure` and the `__Host-`
prefix: such a cookie comes over HTTPS only and cannot be planted by a neighbouring host (ASVS 5.0 V3.3).
"""

import hashlib
from ipaddress import ip_address

from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.types import Scope

from app.edge.peers import address_of
from app.settings import Environment, Settings

PREFIX = "__Host-"
SESSION, BEFORE = "hotline", "hotline-signin"


def travels_plain(scope: Scope, settings: Settings) -> bool:
    """Whether a cookie may do without HTTPS: outside production, spoken to from this very machine."""
    if settings.environment is Environment.PRODUCTION:
        return False
    try:
        return ip_address(address_of(scope, settings.proxy_networks)).is_loopback
    except ValueError:
        return False


def name_of(cookie: str, scope: Scope, settings: Settings) -> str:
    """Return a cookie's name as it stands on the wire."""
    return cookie if travels_plain(scope, settings) else PREFIX + cookie


def cookie_of(cookie: str, scope: Scope, settings: Settings) -> str:
    """Return what a request's cookie holds; empty where there is none, or where a token comes in the proper header.

    Whoever names a token in `Authorization` means that one: two identities in one request are never mixed.
    """
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    if not lines or any(name == b"authorization" for name, _ in scope["headers"]):
        return ""
    return cookie_parser("; ".join(lines)).get(name_of(cookie, scope, settings), "")


def set_cookie(answer: Response, cookie: str, value: str, request: Request, settings: Settings) -> None:
    """Give the browser a cookie that it forgets when it is closed."""
    plain = travels_plain(request.scope, settings)
    name = name_of(cookie, request.scope, settings)
    answer.set_cookie(name, value, path="/", secure=not plain, httponly=True, samesite="lax")


def drop_cookie(answer: Response, cookie: str, request: Request, settings: Settings) -> None:
    """Let the browser forget a cookie at once."""
    plain = travels_plain(request.scope, settings)
    name = name_of(cookie, request.scope, settings)
    answer.delete_cookie(name, path="/", secure=not plain, httponly=True, samesite="lax")


def counted_as(scope: Scope, settings: Settings) -> str:
    """Return what a request's token is counted under, however its scheme is spelt; empty where it brings none."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    token = given.partition(b" ")[2].strip() or cookie_of(SESSION, scope, settings).encode("latin-1", "replace")
    return hashlib.sha256(token).hexdigest() if token else ""
