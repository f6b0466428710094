"""Sign-in through a city's own provider over HTTP: leaving for it, and coming back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts import service
from app.accounts.api import REFUSED, Token, answer_token, refused, settings_of
from app.accounts.audit import record
from app.accounts.browser import enter, opened_in_browser
from app.accounts.oidc import AGAIN, Provider, Way, open_way
from app.accounts.tables import Staff
from app.errors import NotFoundError, UnauthenticatedError
from app.sealing import installed_sealer
from app.settings import Environment
from app.web import NO_CONTROL, database_of

router = APIRouter(prefix="/api/v1", tags=["登录"], responses=REFUSED)
COOKIE = "hotline_oidc"
PATH = "/api/v1/session/oidc"
Given = Annotated[str, Query(max_length=2048, pattern=NO_CONTROL)]
VIA = "oidc"


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        raise NotFoundError("本系统没有接入统一认证，请用登录名和密码登录")
    return provider


@router.get(
    "/session/oidc", summary="统一认证登录", status_code=302, response_class=RedirectResponse,
    responses={302: {"description": "转到统一认证"}},
)  # fmt: skip
def leave(request: Request) -> RedirectResponse:
    """Send the browser to the provider; a cookie of this browser keeps what its return must match."""
    # So that a provider out of reach is told on a page.
    opened_in_browser(request)
    way = Way()
    answer = RedirectResponse(_provider(request).departure(way), 302, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        COOKIE, way.sealed(installed_sealer()), max_age=600, path=PATH, httponly=True, samesite="lax",
        secure=settings_of(request).environment is not Environment.DEVELOPMENT,
    )  # fmt: skip
    return answer


@router.get(
    "/session/oidc/callback", summary="统一认证返回", response_model=Token,
    responses={303: {"description": "浏览器：已登录，转到首页"}},
)  # fmt: skip
def come_back(
    request: Request, response: Response, state: Given = "", code: Given = "", iss: Given = "", error: Given = "",
) -> Token | Response:  # fmt: skip
    """Check what the provider answered; a browser then stands signed in on the home page, a program gets the token."""
    shown = opened_in_browser(request)
    response.delete_cookie(COOKIE, path=PATH)
    provider = _provider(request)
    way = open_way(request.cookies.get(COOKIE, ""), state, installed_sealer())
    if error or not code or iss not in {"", settings_of(request).oidc_issuer}:
        raise UnauthenticatedError(AGAIN)
    staff = _person(request, provider.login_of(way, code))
    if not shown:
        return answer_token(request, staff, VIA)
    answer = enter(request, staff, VIA, "/")
    answer.delete_cookie(COOKIE, path=PATH)
    return answer


def _person(request: Request, login: str) -> Staff:
    """Return the person in use whose login the provider vouches for; never makes one."""
    with database_of(request).read() as session:
        staff = service.find_staff(session, login)
    if staff is None or not staff.active:
        with database_of(request).write() as session:
            record(session, refused(staff, login, VIA))
        raise UnauthenticatedError("统一认证的账号在本系统没有对应的在用人员，请联系系统管理员")
    return staff
