"""Signing in and out, and the dependency that every endpoint names its verb with."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from app.accounts import service
from app.accounts.access import Caller, Verb
from app.accounts.audit import Access, Note, note_of, record
from app.accounts.tables import Staff
from app.errors import ForbiddenError, UnauthenticatedError
from app.web import NO_CONTROL, database_of

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
            ForbiddenError: the role may not do this.
        """
        if credentials is None:
            raise UnauthenticatedError("请先登录（Authorization: Bearer 令牌）")
        with database_of(request).read() as session:
            caller = service.caller_of(session, credentials.credentials)
        # The edge counts a known caller by its token, everybody else by address.
        request.state.known = True
        if caller.rows(self.verb) is None:
            raise ForbiddenError(f"{caller.role.label}没有此项权限（{self.verb.value}）")
        return caller


router = APIRouter(prefix="/api/v1", tags=["登录"])


class SignIn(BaseModel):
    """Login and password."""

    model_config = ConfigDict(extra="forbid")

    login: str = Field(min_length=1, max_length=64, pattern=NO_CONTROL)
    password: str = Field(min_length=1, max_length=256, pattern=NO_CONTROL)


class Token(BaseModel):
    """A bearer token, shown once."""

    token: str
    expires_at: datetime


class Me(BaseModel):
    """Who the caller is."""

    name: str
    role: str
    role_label: str
    unit: str
    channel: str


@router.post("/session", status_code=201, summary="登录")
def sign_in(request: Request, form: SignIn) -> Token:
    """Give a token for a right login and password; wrong ones are counted and slowed down."""
    database = database_of(request)
    with database.write() as session:
        service.count_attempt(session, form.login)
    with database.read() as session:
        staff = service.find_staff(session, form.login)
    right = service.verify_password(staff, form.password)
    if staff is None or not right:
        with database.write() as session:
            record(session, _refused(staff, form.login))
        raise UnauthenticatedError("登录名或密码不正确")
    with database.write() as session:
        token, expires = service.issue_token(session, staff, request.app.state.settings.token_hours)
        record(session, Note(f"staff:{staff.id}", staff.role, Access.SIGN_IN, f"staff:{staff.id}"))
    return Token(token=token, expires_at=expires)


def _refused(staff: Staff | None, login: str) -> Note:
    """Return what is recorded of a failed sign-in; an unknown login by its hash, for people type passwords into it."""
    subject = f"staff:{staff.id}" if staff else f"login:{service.digest(login)[:16]}"
    return Note("", staff.role if staff else "", Access.SIGN_IN_REFUSED, subject)


@router.delete("/session", status_code=204, summary="退出登录")
def sign_out(
    request: Request, caller: Annotated[Caller, Depends(Allow(Verb.SESSION_END))], credentials: Credentials
) -> None:
    """End the token the request was made with."""
    if credentials:
        with database_of(request).write() as session:
            service.revoke_token(session, credentials.credentials)
            record(session, note_of(caller, Access.SIGN_OUT, caller.reference))


@router.get("/me", summary="我是谁")
def me(caller: Annotated[Caller, Depends(Allow(Verb.SESSION_READ))]) -> Me:
    """Return whom the token stands for."""
    return Me(
        name=caller.name, role=caller.role.value, role_label=caller.role.label, unit=caller.unit, channel=caller.channel
    )
