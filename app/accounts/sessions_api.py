"""Sessions over HTTP: seen and ended by their owner or by an administrator; the own password changed."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.accounts import passwords, service, sessions
from app.accounts.access import Caller, Rows, Verb
from app.accounts.api import REFUSED, Allow, Token, answer_token, prove, settings_of
from app.accounts.audit import Access, note_of, record
from app.accounts.sessions import SessionLine
from app.accounts.tables import Staff
from app.database import Database
from app.errors import FieldFault, InvalidInputError, UnauthenticatedError
from app.paging import PAGE_DEFAULT
from app.web import NO_CONTROL, Cursor, Limit, database_of

router = APIRouter(prefix="/api/v1", tags=["登录"], responses=REFUSED)


class SessionView(BaseModel):
    """One session that is still good."""

    id: int
    login: str
    name: str
    current: bool
    via: str
    agent: str
    started_at: datetime
    last_seen_at: datetime
    ends_at: datetime


class SessionPage(BaseModel):
    """A page of sessions, the newest first."""

    items: list[SessionView]
    next_cursor: str | None


def _view(line: SessionLine, caller: Caller, idle: timedelta) -> SessionView:
    row = line.session
    return SessionView(
        id=row.id, login=line.staff.login, name=line.staff.name, current=row.id == caller.session, via=row.via,
        agent=row.agent, started_at=row.issued_at, last_seen_at=row.last_seen_at,
        ends_at=min(row.expires_at, row.last_seen_at + idle),
    )  # fmt: skip


def _whose(caller: Caller, verb: Verb) -> int | None:
    """Return whose sessions a caller reaches; None: everybody's."""
    return None if caller.rows(verb) is Rows.ALL else caller.ident


@router.get("/sessions", summary="在用的登录")
def list_sessions(
    request: Request, caller: Annotated[Caller, Depends(Allow(Verb.SESSION_LIST))],
    login: Annotated[str | None, Query(max_length=64, pattern=NO_CONTROL, description="登录名（管理员用）")] = None,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> SessionPage:  # fmt: skip
    """The sessions that are still good: one's own; an administrator sees everybody's."""
    idle = timedelta(minutes=settings_of(request).idle_minutes)
    with database_of(request).read() as session:
        page = sessions.live_sessions(session, idle, _whose(caller, Verb.SESSION_LIST), login, cursor, limit)
    return SessionPage(items=[_view(line, caller, idle) for line in page.rows], next_cursor=page.next_cursor)


@router.delete("/sessions/{ident}", summary="收回登录", status_code=204)
def end_session(
    ident: Annotated[int, Path(ge=1, le=2**62)], request: Request,
    caller: Annotated[Caller, Depends(Allow(Verb.SESSION_REVOKE))],
) -> Response:  # fmt: skip
    """End a session at once: one of one's own; an administrator anybody's."""
    with database_of(request).write() as session:
        line = sessions.end_session(session, ident, _whose(caller, Verb.SESSION_REVOKE))
        record(session, note_of(caller, Access.SESSION_REVOKE, f"staff:{line.staff.id}", f"session={ident}"))
    return Response(status_code=204)


class PasswordForm(BaseModel):
    """The password as it is and as it shall be."""

    model_config = ConfigDict(extra="forbid")

    old: str = Field(min_length=1, max_length=passwords.MAX_CHARS, pattern=NO_CONTROL, description="现在的密码")
    new: str = Field(min_length=1, max_length=passwords.MAX_CHARS, pattern=NO_CONTROL, description="新密码")


@router.post("/session/password", summary="修改密码")
def change_password(
    form: PasswordForm, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.PASSWORD_CHANGE))]
) -> Token:
    """Change the own password: every session ends, this one too, and the answer's token goes on."""
    return answer_token(request, renew_password(database_of(request), caller, form), "password")


def renew_password(database: Database, caller: Caller, form: PasswordForm) -> Staff:
    """Set a person's own password and end all sessions of his; returns the person as he stands now.

    Raises:
        InvalidInputError: the old one is wrong (counted like a sign-in), or the new one is the same or too easy to guess.
        TooManyRequestsError: the login is held back after failures.
        UnavailableError: too many are hashing.
        UnauthenticatedError: since the old one was looked at the account was closed, or its password set by somebody else.
    """
    with database.read() as session:
        staff = session.get_one(Staff, caller.ident)
    if form.new == form.old:
        raise InvalidInputError("新密码须与现在的不同", faults=(FieldFault("/new", "须与现在的不同"),))
    passwords.check_password(form.new, staff.login, staff.name, "/new")
    try:
        proved = prove(database, staff.login, form.old)
    except UnauthenticatedError as error:
        # Not a 401: the session is good, and a program would throw its token away.
        raise InvalidInputError("现在的密码不正确", faults=(FieldFault("/old", "不正确"),)) from error
    hashed = passwords.hash_password(form.new)
    with database.write() as session:
        # A reset made while this one was hashing is the later word: it must not be undone by whoever knew the old password.
        staff = service.require_staff(session, proved.login)
        if not staff.active or staff.password_hash != proved.password_hash:
            raise UnauthenticatedError("账号或密码刚刚变更，请重新登录")
        service.set_password(session, staff, hashed, must_change=False)
        record(session, note_of(caller, Access.PASSWORD_CHANGE, caller.reference))
    return staff
