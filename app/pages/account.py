"""Signing in and out and the own password, as pages: the same sessions, waits and rules as over the API."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError

from app.accounts import browser, sessions
from app.accounts.access import Caller, Verb
from app.accounts.api import SignIn, prove, settings_of
from app.accounts.audit import Access, note_of, record
from app.accounts.browser import AllowPage
from app.accounts.sessions_api import PasswordForm, renew_password
from app.edge.cookies import BEFORE, set_cookie
from app.errors import HotlineError, InvalidInputError
from app.pages.guard import Fields, Sent, before_secret, check_token, form_token, sent_by
from app.pages.shell import local_path, page, way_to
from app.web import database_of

router = APIRouter(include_in_schema=False)
Next = Annotated[str, Query(alias="next")]
SECRET_BYTES = 32


@router.get("/signin")
def show_sign_in(request: Request, onward: Next = "/") -> Response:
    """The form for login and password."""
    return _sign_in_page(request, local_path(onward))


def _sign_in_page(request: Request, onward: str, login: str = "", error: HotlineError | None = None) -> Response:
    """Return the form; one browser's forms share a secret, so that several tabs do not shut each other out."""
    secret = before_secret(request) or secrets.token_urlsafe(SECRET_BYTES)
    answer = page(
        request, "signin", None, error.status if error else 200, onward=onward, login=login, form=form_token(request, secret),
        fault=error.message if error else "", provider=request.app.state.oidc is not None,
    )  # fmt: skip
    if error and error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    set_cookie(answer, BEFORE, secret, request, settings_of(request))
    return answer


@router.post("/signin")
def sign_in(request: Request, fields: Fields) -> Response:
    """Begin a session for a right login and password; wrong ones are counted and slowed down as over the API."""
    check_token(request, fields, before_secret(request))
    login, onward = fields.get("login", ""), local_path(fields.get("next", "/"))
    try:
        form = SignIn(login=login, password=fields.get("password", ""))
        staff = prove(database_of(request), form.login, form.password)
        return browser.enter(request, staff, "password", way_to("/password", onward) if staff.must_change else onward)
    except ValidationError:
        return _sign_in_page(request, onward, login, InvalidInputError("请填写登录名和密码"))
    except HotlineError as error:
        return _sign_in_page(request, onward, login, error)


@router.post("/signout")
def sign_out(request: Request, sent: Annotated[Sent, Depends(sent_by(Verb.SESSION_END))]) -> Response:
    """End the browser's session."""
    with database_of(request).write() as session:
        sessions.end_session(session, sent.caller.session, sent.caller.ident)
        record(session, note_of(sent.caller, Access.SIGN_OUT, sent.caller.reference))
    return browser.leave(request, "/signin")


@router.get("/password")
def show_password(
    request: Request, caller: Annotated[Caller, Depends(AllowPage(Verb.PASSWORD_CHANGE))], onward: Next = "/"
) -> HTMLResponse:
    """The form for an own password."""
    return page(request, "password", caller, onward=local_path(onward), faults=[])


@router.post("/password")
def change_password(request: Request, sent: Annotated[Sent, Depends(sent_by(Verb.PASSWORD_CHANGE))]) -> Response:
    """Set an own password: every session of the person ends, and this browser goes on in a new one."""
    onward = local_path(sent.fields.get("next", "/"))
    try:
        staff = renew_password(database_of(request), sent.caller, _passwords(sent.fields))
        return browser.enter(request, staff, "password", onward)
    except HotlineError as error:
        faults = [fault.message for fault in error.faults] or [error.message]
        return page(request, "password", sent.caller, error.status, onward=onward, faults=faults)


def _passwords(fields: dict[str, str]) -> PasswordForm:
    """Return the passwords of the form.

    Raises:
        InvalidInputError: one is missing or too long, or the new one was not typed twice alike.
    """
    if fields.get("new", "") != fields.get("again", ""):
        raise InvalidInputError("两次填写的新密码不一样")
    try:
        return PasswordForm(old=fields.get("old", ""), new=fields.get("new", ""))
    except ValidationError as error:
        raise InvalidInputError("请填写现在的密码和新密码（256 位以内）") from error
