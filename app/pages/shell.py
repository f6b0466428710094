"""What every page has: one layout, its policy, and errors told as pages. Plain HTML that needs no script."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app import clock
from app.accounts.access import Caller
from app.accounts.browser import session_token
from app.edge.headers import BARE, hashed
from app.edge.requests import FORM_PLACES
from app.errors import HotlineError
from app.pages.guard import form_token
from app.web import STATUS_TITLES

FOLDER = Path(__file__).parent / "templates"
LISTS = "/lists/"
PLACES = FORM_PLACES | {"/"}
# A path of ours and nothing else: `//host` and `/\\host` lead elsewhere, and browsers leave control characters out.
LOCAL = re.compile(r"/(?!/)[\x21-\x5b\x5d-\x7e]*")
LONGEST_WAY = 2000
UNAUTHENTICATED = 401
_environment = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters["spoken"] = lambda moment: clock.spoken(moment) if moment else "—"


def _headers() -> dict[str, str]:
    """Return what pages carry besides what every answer does.

    The layout's own styles by their hash, and forms that lead back here. With the other answers' `no-referrer` browsers
    would send `Origin: null` with a form (Fetch §3.2), and nobody could tell our page from another's.
    """
    styles = (FOLDER / "layout.html").read_text(encoding="utf-8").partition("<style>")[2].partition("</style>")[0]
    policy = f"{BARE}; form-action 'self'; style-src {hashed(styles)}"
    return {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}


HEADERS = _headers()


def page(
    request: Request, name: str, caller: Caller | None = None, status: int = 200, **values: Any
) -> HTMLResponse:  # fmt: skip
    """Return a page made from a template.

    Args:
        request: what is answered.
        name: the template, without its ending.
        caller: who is signed in; None: nobody, or not known.
        status: of the answer.
        values: what the template shows.
    """
    secret = session_token(request)
    token = form_token(request, secret) if caller and secret else ""
    text = _environment.get_template(f"{name}.html").render(caller=caller, token=token, **values)
    return HTMLResponse(text, status, HEADERS)


def local_path(text: str) -> str:
    """Return a path of this service to be led on to; the home page instead of anything else (open redirects, CWE-601)."""
    return text if len(text) <= LONGEST_WAY and LOCAL.fullmatch(text) else "/"


def way_to(path: str, onward: str) -> str:
    """Return the address of a page that leads on to another path when it is done."""
    return path if onward == "/" else f"{path}?{urlencode({'next': onward}, safe='/', quote_via=quote)}"


def error_page(request: Request, error: HotlineError) -> Response | None:
    """Return an error as a page for whoever has a browser before him; None: a program asks, which gets problem+json.

    Who is not signed in is led to sign in and then on to what he wanted; who must set an own password, to doing so.
    """
    path = request.url.path
    if path not in PLACES and not path.startswith(LISTS) and not getattr(request.state, "shown", False):
        return None
    onward = getattr(request.state, "onward", None)
    if onward is not None and error.status == UNAUTHENTICATED:
        request.state.led_to_sign_in = True
        return RedirectResponse(way_to("/signin", local_path(onward)), 303)
    if error.code == "password-change-required":
        return RedirectResponse(way_to("/password", local_path(onward or "/")), 303)
    title = STATUS_TITLES.get(error.status, "请求未完成")
    number = getattr(request.state, "request_id", "")
    faults = [fault.message for fault in error.faults]
    return page(request, "error", None, error.status, title=title, message=error.message, faults=faults, number=number)


def install_pages(app: FastAPI) -> None:
    """Let errors on pages, and of documents opened in a browser, be told as pages."""
    app.state.error_page = error_page
