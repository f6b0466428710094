"""Sessions in a browser: the same sessions with the same limits, their token kept in a cookie instead of a header.

The cookie counts only where a browser opens something to read and on the pages' own forms; nothing else under /api ever
looks at it, so no other site can make a browser change anything there (OWASP CSRF Prevention).
"""

from fastapi import Request
from fastapi.responses import RedirectResponse

from app.accounts import sessions
from app.accounts.api import Allow, Credentials, answer_token, settings_of
from app.accounts.tables import Staff
from app.accounts.tokens import SESSION as PERSON
from app.edge.cookies import BEFORE, SESSION, cookie_of, drop_cookie, set_cookie
from app.web import database_of


def session_token(request: Request) -> str:
    """Return the session token of a browser; empty: none. A key of a system has no business in a browser."""
    token = cookie_of(SESSION, request.scope, settings_of(request))
    return token if token.startswith(PERSON) else ""


def opened_in_browser(request: Request) -> bool:
    """Whether somebody opens this address in a browser; errors and signing in are then told by pages, not to a program."""
    shown = "text/html" in request.headers.get("accept", "") and "authorization" not in request.headers
    request.state.shown = shown and request.method == "GET"
    return bool(request.state.shown)


def _remember_way(request: Request) -> None:
    """Note where somebody who must sign in first is led afterwards; a form is never sent a second time for him."""
    path, query = request.url.path, request.url.query
    request.state.onward = (f"{path}?{query}" if query else path) if request.method == "GET" else "/"


class AllowDocument(Allow):
    """Dependency: as Allow, for what a browser opens to read: a browser's session counts here too.

    JSON is for programs: asked for by name it needs a token in the header.
    """

    def token(self, request: Request, credentials: Credentials) -> str:
        """Return the token of the header, or that of a browser's session."""
        if credentials:
            return credentials.credentials
        form = request.query_params.get("format", "")
        if form == "json" or not (opened_in_browser(request) or form) or request.method != "GET":
            return ""
        _remember_way(request)
        return session_token(request)


class AllowPage(Allow):
    """Dependency: as Allow, for pages: a browser's session alone counts."""

    def token(self, request: Request, _credentials: Credentials) -> str:
        """Return the token of a browser's session."""
        _remember_way(request)
        return session_token(request)


def enter(request: Request, staff: Staff, via: str, onward: str) -> RedirectResponse:
    """Begin a session in a browser for somebody who has proved who he is, and lead on to a path of ours.

    It is always a new one, and the one the browser had ends (ASVS 5.0 V7.2.4): nobody goes on in a session that somebody
    else knows.

    Raises:
        UnauthenticatedError: since then the account was closed, or its password changed.
    """
    begun = answer_token(request, staff, via)
    replaced = session_token(request)
    if replaced:
        with database_of(request).write() as session:
            sessions.revoke_token(session, replaced)
    settings = settings_of(request)
    answer = RedirectResponse(onward, 303)
    set_cookie(answer, SESSION, begun.token, request, settings)
    drop_cookie(answer, BEFORE, request, settings)
    return answer


def leave(request: Request, onward: str) -> RedirectResponse:
    """Let the browser forget its session, which has ended, and lead on to a path of ours."""
    answer = RedirectResponse(onward, 303)
    drop_cookie(answer, SESSION, request, settings_of(request))
    return answer
