"""Sessions of signed-in persons: begun with a token, held alive by use, ended by time, by their owner or by an administrator.

Two limits (NIST SP 800-63B-4 §2.2.3, AAL2: 24 hours at most, one hour without use advised): an absolute one from sign-in on,
and an idle one since the last request. That a session was used is noted some minutes late, so that reading does not write.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, delete, select, update
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Role
from app.accounts.tables import AccessToken, Staff
from app.accounts.tokens import SESSION, digest, new_token
from app.database import UtcTime
from app.errors import NotFoundError
from app.paging import Page, cut, decode_cursor

NOTED_EVERY = timedelta(minutes=3)
KEPT_DAYS = 30
Moment = datetime | BindParameter[datetime]
AGENT_CHARS = 80
# What a browser's name is made of; anything else in it was put there by somebody.
NOT_AGENT = re.compile(r"[^A-Za-z0-9 ._/();:,+-]")


@dataclass(frozen=True)
class Beginning:
    """How a session begins.

    Attributes:
        hours: its absolute limit.
        agent: what the person's program calls itself; cleaned before it is stored.
        via: password or oidc.
    """

    hours: int
    agent: str = ""
    via: str = "password"


def issue_token(session: Session, staff: Staff, hours: int) -> tuple[str, datetime]:
    """Begin a plain session; returns its token (shown once) and when it ends."""
    return begin(session, staff, Beginning(hours))


def begin(session: Session, staff: Staff, how: Beginning) -> tuple[str, datetime]:
    """Begin a person's session; returns its token (shown once) and when it ends."""
    token, now = new_token(SESSION), clock.now()
    expires = now + timedelta(hours=how.hours)
    session.add(
        AccessToken(
            staff_id=staff.id, token_sha256=digest(token), issued_at=now, last_seen_at=now, expires_at=expires,
            agent=clean_agent(how.agent), via=how.via,
        )
    )  # fmt: skip
    return token, expires


def clean_agent(text: str) -> str:
    """Return what a program calls itself, short and without anything that could be more than a name."""
    return " ".join(NOT_AGENT.sub("", text).split())[:AGENT_CHARS]


@dataclass(frozen=True)
class Known:
    """A recognised caller.

    Attributes:
        noted_at: when the token or key was last noted as used; None: never.
        previous: whether it came with the secret before the last rotation.
    """

    caller: Caller
    noted_at: datetime | None
    previous: bool = False


def recognise_staff(session: Session, token: str, idle: timedelta | None) -> Known | None:
    """Return whom a session's token stands for, in one indexed query; None: unknown, ended or left idle."""
    now = clock.now()
    asked = {"token": digest(token), "now": now, "since": now - idle if idle is not None else now}
    row = session.execute(_recognising(idle is not None), asked).one_or_none()
    if row is None:
        return None
    caller = Caller(
        "staff", row.id, row.name, Role(row.role), row.unit, takes_special=row.takes_special,
        session=row.session_id, must_change=row.must_change and row.via == "password",
    )  # fmt: skip
    return Known(caller, row.last_seen_at)


@cache
def _recognising(ends_idle: bool) -> Select[*tuple[Any, ...]]:
    """Return the query of a token's bearer, made once: it runs before every request. Columns, not the entity, for the same."""
    now, since = (bindparam(name, type_=UtcTime) for name in ("now", "since"))
    return (
        select(
            Staff.id, Staff.name, Staff.role, Staff.unit, Staff.takes_special, Staff.must_change, AccessToken.via,
            AccessToken.id.label("session_id"), AccessToken.last_seen_at,
        )
        .join(AccessToken, AccessToken.staff_id == Staff.id)
        .where(
            AccessToken.token_sha256 == bindparam("token"), *_live(now, since if ends_idle else None),
            Staff.active.is_(True),
        )
    )  # fmt: skip


def note_use(session: Session, caller: Caller) -> None:
    """Note that a session is in use, unless another request did so just now."""
    now = clock.now()
    statement = update(AccessToken).where(
        AccessToken.id == caller.session, AccessToken.last_seen_at < now - NOTED_EVERY
    )
    session.execute(statement.values(last_seen_at=now))


def _live(now: Moment, since: Moment | None) -> list[ColumnElement[bool]]:
    """Return the conditions of a session that is good now and was used since, where that is asked."""
    conditions: list[ColumnElement[bool]] = [AccessToken.revoked_at.is_(None), AccessToken.expires_at > now]
    if since is not None:
        conditions.append(AccessToken.last_seen_at > since)
    return conditions


@dataclass(frozen=True)
class SessionLine:
    """One session that is still good, as its owner or an administrator sees it; never its token."""

    session: AccessToken
    staff: Staff


def live_sessions(
    session: Session, idle: timedelta, staff: int | None, login: str | None, cursor: str | None, limit: int
) -> Page[SessionLine]:
    """Return a page of good sessions, the newest first.

    Args:
        session: database session.
        idle: how long a session may be left unused.
        staff: only this person's; None: everybody's.
        login: only those of this login; None: not narrowed.
        cursor: of the page before.
        limit: rows on a page.
    """
    now = clock.now()
    statement = _lines().where(*_live(now, now - idle), Staff.active.is_(True))
    if staff is not None:
        statement = statement.where(AccessToken.staff_id == staff)
    if login is not None:
        statement = statement.where(Staff.login == login)
    if cursor:
        (before,) = decode_cursor(cursor, (int,))
        statement = statement.where(AccessToken.id < before)
    rows = session.execute(statement.order_by(AccessToken.id.desc()).limit(limit + 1))
    return cut([SessionLine(row[0], row[1]) for row in rows], limit, lambda line: [line.session.id])


def _lines() -> Select[AccessToken, Staff]:
    return select(AccessToken, Staff).join(Staff, AccessToken.staff_id == Staff.id)


def end_session(session: Session, ident: int, staff: int | None) -> SessionLine:
    """End one session now.

    Args:
        session: database session.
        ident: the one to end.
        staff: whose it must be; None: anybody's.

    Raises:
        NotFoundError: there is no such session, it has ended, or it is somebody else's.
    """
    statement = _lines().where(AccessToken.id == ident, AccessToken.revoked_at.is_(None))
    row = session.execute(statement.where(AccessToken.expires_at > clock.now())).one_or_none()
    line = SessionLine(row[0], row[1]) if row else None
    if line is None or staff not in {None, line.staff.id}:
        raise NotFoundError("没有这个登录，或它已经结束")
    line.session.revoked_at = clock.now()
    return line


def revoke_token(session: Session, token: str) -> None:
    """End one token now."""
    statement = update(AccessToken).where(AccessToken.token_sha256 == digest(token))
    session.execute(statement.values(revoked_at=clock.now()))


def end_all(session: Session, staff: int) -> int:
    """End all sessions of a person now; returns how many."""
    statement = update(AccessToken).where(AccessToken.staff_id == staff, AccessToken.revoked_at.is_(None))
    ended = session.execute(statement.values(revoked_at=clock.now()).returning(AccessToken.id))
    return len(ended.all())


def forget_ended(session: Session) -> int:
    """Drop sessions that ended a month ago; who signed in when stays in the record of access. Returns how many."""
    old = delete(AccessToken).where(AccessToken.expires_at < clock.now() - timedelta(days=KEPT_DAYS))
    return len(session.execute(old.returning(AccessToken.id)).all())
