"""Forms that only our own pages can send: where a form comes from, and the token it carries (OWASP CSRF Prevention).

The token is a keyed hash of a secret that only this browser has: its session, or before there is one a random cookie. It is
compared in constant time. Besides, the browser itself says where a form comes from (Fetch Metadata, `Origin`).
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from app.accounts.access import Caller, Verb
from app.accounts.api import settings_of
from app.accounts.browser import AllowPage, session_token
from app.edge.cookies import BEFORE, cookie_of
from app.edge.requests import form_fields
from app.errors import ForbiddenError
from app.sealing import Sealer

FIELD = "token"
# `none`: somebody typed the address or opened a bookmark, so no site had a hand in it.
OWN = {"same-origin", "none"}


class ForeignFormError(ForbiddenError):
    """The form was not sent by a page of ours in this browser; nothing was changed."""

    code = "foreign-form"


def _sealer(request: Request) -> Sealer:
    found: Sealer = request.app.state.office.sealer
    return found


def form_token(request: Request, secret: str) -> str:
    """Return the token that a form of a browser with this secret carries."""
    return _sealer(request).form_tokens(secret)[0]


def before_secret(request: Request) -> str:
    """Return the random cookie of a browser that has not signed in; empty: none."""
    return cookie_of(BEFORE, request.scope, settings_of(request))


async def fields_of(request: Request) -> dict[str, str]:
    """Return the fields of a form sent from a page of this service.

    Raises:
        ForeignFormError: the browser says it comes from elsewhere.
        InvalidInputError: it is no form.
    """
    if not _comes_from_here(request):
        raise ForeignFormError("这个表单不是从本系统的页面提交的，没有执行任何操作")
    return form_fields(await request.body())


Fields = Annotated[dict[str, str], Depends(fields_of)]


def _comes_from_here(request: Request) -> bool:
    """Whether the browser names a page of ours as where the form was sent; older ones say nothing, the token remains."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site in OWN
    if origin is None:
        return True
    # A proxy may have another name for us than the browser.
    own = {request.headers.get("host", ""), urlsplit(settings_of(request).public_url).netloc}
    try:
        return urlsplit(origin).netloc in own - {""}
    except ValueError:  # no address at all, such as an opening bracket without its end
        return False


def check_token(request: Request, fields: dict[str, str], secret: str) -> None:
    """Refuse a form whose token was not made for this browser.

    Raises:
        ForeignFormError: so it is; also where cookies are not sent back, or the page is of a session that has ended.
    """
    given = fields.get(FIELD, "").encode()
    right = _sealer(request).form_tokens(secret) if secret else ()
    if not any(hmac.compare_digest(token.encode(), given) for token in right):
        raise ForeignFormError(
            "页面已失效，没有执行任何操作。请返回重试；反复出现时，请允许 Cookie 并用 https 地址打开"
        )


@dataclass(frozen=True)
class Sent:
    """A form that somebody who is signed in has sent from a page of ours."""

    caller: Caller
    fields: dict[str, str]


def sent_by(verb: Verb) -> Callable[..., Sent]:
    """Return the dependency of a form for a verb: who sends it, and that a page of his session sent it."""

    def sent(request: Request, caller: Annotated[Caller, Depends(AllowPage(verb))], fields: Fields) -> Sent:
        check_token(request, fields, session_token(request))
        return Sent(caller, fields)

    return sent
