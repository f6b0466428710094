"""Signing in and out, and the dependency that every endpoint names its verb with."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from app.accounts import callers, lockout, passwords, service, sessions
from app.accounts.access import BEFORE_FIRST_CHANGE, Caller, Verb
from app.accounts.audit import Access, Note, note_of, record
from app.accounts.sessions import Beginning
from app.accounts.tables import Staff
from app.accounts.tokens import digest
from app.database import Database
from app.errors import ForbiddenError, UnauthenticatedError
from app.settings import Settings
from app.web import NO_CONTROL, PROBLEM, REFUSALS, STATUS_TITLES, database_of

bearer = HTTPBearer(auto_error=False, description="登录令牌（hlt_…）或密钥（hlk_…）")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


class Allow:
    """Dependency: looks the caller up in a short session of its own and asks the access table.

    The session is closed before the endpoint's own opens; two held at once would deadlock the pool under load.
    """

    def __init__(self, verb: Verb) -> None:
        self.verb = verb

    def __call__(self, request: Request, credentials: Credentials) -> Caller:
        """Return the caller.

        Raises:
            UnauthenticatedError: no valid token.
            ForbiddenError: the role may not do this, or the person must set an own password first.
        """
        token = self.token(request, credentials)
        if not token:
            raise UnauthenticatedError("请先登录（Authorization: Bearer 令牌）")
        idle = timedelta(minutes=settings_of(request).idle_minutes)
        caller = callers.admit(database_of(request), token, idle)
        # The edge counts a known caller by its token, everybody else by address.
        request.state.known = True
        if not caller.may(self.verb):
            raise ForbiddenError(f"{caller.role.label}没有此项权限（{self.verb.value}）")
        if caller.must_change and self.verb not in BEFORE_FIRST_CHANGE:
            raise ForbiddenError(
                "密码由他人设置，请先改成自己的密码（POST /api/v1/session/password）", code="password-change-required"
            )
        return caller

    def token(self, _request: Request, credentials: Credentials) -> str:
        """Return the token or key a request brings; empty: none that counts here. A cookie never does."""
        return credentials.credentials if credentials else ""


def settings_of(request: Request) -> Settings:
    """Return the application's settings."""
    settings: Settings = request.app.state.settings
    return settings


REFUSED: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    429: {"description": STATUS_TITLES[429], "content": {PROBLEM: {}}},
}
router = APIRouter(prefix="/api/v1", tags=["登录"], responses=REFUSED)


class SignIn(BaseModel):
    """Login and password."""

    model_config = ConfigDict(extra="forbid")

    login: str = Field(min_length=1, max_length=64, pattern=NO_CONTROL)
    password: str = Field(min_length=1, max_length=passwords.MAX_CHARS, pattern=NO_CONTROL)


class Token(BaseModel):
    """A bearer token, shown once."""

    token: str
    expires_at: datetime
    must_change_password: bool


class Me(BaseModel):
    """Who the caller is."""

    name: str
    role: str
    role_label: str
    unit: str
    channel: str
    must_change_password: bool


@router.post("/session", status_code=201, summary="登录")
def sign_in(request: Request, form: SignIn) -> Token:
    """Give a token for a right login and password; wrong ones are counted and slowed down."""
    staff = prove(database_of(request), form.login, form.password)
    return answer_token(request, staff, "password")


def prove(database: Database, login: str, password: str) -> Staff:
    """Return the person whose login and password these are.

    Raises:
        UnauthenticatedError: they are not; counted and recorded.
        TooManyRequestsError: the login is held back after failures.
        UnavailableError: too many are signing in; the attempt does not count.
    """
    passwords.wait_until(lambda: _begun(database, login))
    try:
        with database.read() as session:
            staff = service.find_staff(session, login)
        right = passwords.is_password(password, staff.password_hash if staff else None)
    except Exception:
        # Whatever stopped the look, too many hashing or a database that failed: it must not count as a wrong password.
        with database.write() as session:
            lockout.settle(session, login, right=None)
        raise
    proved = staff if staff and right and staff.active else None
    with database.write() as session:
        lockout.settle(session, login, right=proved is not None)
        if proved is None:
            record(session, refused(staff, login, "password"))
    if proved is None:
        raise UnauthenticatedError("登录名或密码不正确")
    return proved


def _begun(database: Database, login: str) -> bool:
    with database.write() as session:
        return lockout.begin(session, login)


def refused(staff: Staff | None, login: str, via: str) -> Note:
    """Return what is recorded of a failed sign-in; an unknown login by its hash, for people type passwords into it."""
    subject = f"staff:{staff.id}" if staff else f"login:{digest(login)[:16]}"
    return Note("", staff.role if staff else "", Access.SIGN_IN_REFUSED, subject, via)


def answer_token(request: Request, staff: Staff, via: str) -> Token:
    """Begin the session of somebody who has proved who he is.

    Raises:
        UnauthenticatedError: since then the account was closed, or its password changed.
    """
    how = Beginning(settings_of(request).token_hours, request.headers.get("user-agent", ""), via)
    with database_of(request).write() as session:
        # Whoever ends all sessions holds this row: one begun with the old password must not slip in behind.
        now = session.get_one(Staff, staff.id, with_for_update=True)
        if not now.active or (via == "password" and now.password_hash != staff.password_hash):
            raise UnauthenticatedError("账号或密码刚刚变更，请重新登录")
        token, expires = sessions.begin(session, staff, how)
        lockout.forget(session, staff.login)
        record(session, Note(f"staff:{staff.id}", staff.role, Access.SIGN_IN, f"staff:{staff.id}", via))
    return Token(token=token, expires_at=expires, must_change_password=staff.must_change and via == "password")


@router.delete("/session", status_code=204, summary="退出登录")
def sign_out(request: Request, caller: Annotated[Caller, Depends(Allow(Verb.SESSION_END))]) -> None:
    """End the session the request was made in."""
    with database_of(request).write() as session:
        sessions.end_session(session, caller.session, caller.ident)
        record(session, note_of(caller, Access.SIGN_OUT, caller.reference))


@router.get("/me", summary="我是谁")
def me(caller: Annotated[Caller, Depends(Allow(Verb.SESSION_READ))]) -> Me:
    """Return whom the token stands for."""
    return Me(
        name=caller.name, role=caller.role.value, role_label=caller.role.label, unit=caller.unit,
        channel=caller.channel, must_change_password=caller.must_change,
    )  # fmt: skip
