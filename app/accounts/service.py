"""Staff, tokens and keys: making, checking and revoking them."""

import hashlib
import secrets
import threading
from datetime import datetime, timedelta
from functools import lru_cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Role
from app.accounts.tables import AccessToken, ApiKey, LoginAttempt, Staff
from app.errors import ConflictError, FieldFault, InvalidInputError, TooManyRequestsError, UnauthenticatedError

PASSWORD_MIN_CHARS = 12
TOKEN_BYTES = 32
FREE_FAILURES = 5
BACKOFF_SECONDS = 30
BACKOFF_MAX_SECONDS = 15 * 60
# One argon2 hash takes 64 MiB and a fifth of a second: a few at a time, or signing in becomes an attack.
HASHING_TURNS = threading.Semaphore(4)

_hasher = PasswordHash((Argon2Hasher(),))


@lru_cache(maxsize=1)
def _decoy() -> str:
    """Return a hash to check when the login is unknown, so that the time of an answer does not tell which exist."""
    return _hasher.hash(secrets.token_urlsafe(16))


def digest(token: str) -> str:
    """Return what is stored of a token or key: its SHA-256 (the token itself is random, so no salt is needed)."""
    return hashlib.sha256(token.encode()).hexdigest()


def add_staff(
    session: Session, *, login: str, name: str, role: Role, unit: str = "", password: str, takes_special: bool = False
) -> Staff:
    """Add a person.

    Raises:
        InvalidInputError: the password is short or the role lacks its unit.
        ConflictError: the login is taken.
    """
    faults = []
    if len(password) < PASSWORD_MIN_CHARS:
        faults.append(FieldFault("/password", f"密码至少 {PASSWORD_MIN_CHARS} 位"))
    if role.of_unit and not unit:
        faults.append(FieldFault("/unit", f"{role.label}须指定承办单位"))
    if role is Role.CHANNEL:
        faults.append(FieldFault("/role", "渠道系统用密钥接入，不设人员账号"))
    if faults:
        raise InvalidInputError("；".join(fault.message for fault in faults), faults=tuple(faults))
    if session.scalar(select(Staff.id).where(Staff.login == login)):
        raise ConflictError(f"登录名“{login}”已存在")
    staff = Staff(
        login=login, name=name, role=role.value, unit=unit if role.of_unit else "", takes_special=takes_special,
        password_hash=_hash(password), created_at=clock.now(), active=True,
    )  # fmt: skip
    session.add(staff)
    session.flush()
    return staff


def _hash(password: str) -> str:
    with HASHING_TURNS:
        return _hasher.hash(password)


def count_attempt(session: Session, login: str) -> None:
    """Count one sign-in before its password is looked at, so that a hundred at once are a hundred; success forgets them.

    Raises:
        TooManyRequestsError: the login is held back after failures; says how many seconds to wait.
    """
    key, now = digest(login), clock.now()
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    statement = insert(LoginAttempt).values(login_sha256=key, failures=0, last_at=now)
    session.execute(statement.on_conflict_do_nothing())
    attempt = session.scalars(select(LoginAttempt).where(LoginAttempt.login_sha256 == key).with_for_update()).one()
    if attempt.failures >= FREE_FAILURES:
        wait = min(BACKOFF_SECONDS * 2 ** (attempt.failures - FREE_FAILURES), BACKOFF_MAX_SECONDS)
        left = (attempt.last_at + timedelta(seconds=wait) - now).total_seconds()
        if left > 0:
            raise TooManyRequestsError(f"登录失败次数过多，请 {int(left) + 1} 秒后再试")
    attempt.failures += 1
    attempt.last_at = now


def forget_old_failures(session: Session) -> int:
    """Drop failed sign-ins of yesterday and before; returns how many."""
    old = delete(LoginAttempt).where(LoginAttempt.last_at < clock.now() - timedelta(days=1))
    return len(session.execute(old.returning(LoginAttempt.login_sha256)).all())


def find_staff(session: Session, login: str) -> Staff | None:
    """Return the person with a login, if there is one."""
    return session.scalar(select(Staff).where(Staff.login == login))


def verify_password(staff: Staff | None, password: str) -> bool:
    """Whether this is the person's password; takes the same time when there is no such person. Needs no session."""
    with HASHING_TURNS:
        right = _hasher.verify(password, staff.password_hash if staff else _decoy())
    return bool(staff and right and staff.active)


def issue_token(session: Session, staff: Staff, hours: int) -> tuple[str, datetime]:
    """Give a person a fresh token; returns it (shown once) and when it ends."""
    token = "hlt_" + secrets.token_urlsafe(TOKEN_BYTES)
    now = clock.now()
    expires = now + timedelta(hours=hours)
    session.add(AccessToken(staff_id=staff.id, token_sha256=digest(token), issued_at=now, expires_at=expires))
    attempt = session.get(LoginAttempt, digest(staff.login))
    if attempt:
        session.delete(attempt)
    return token, expires


def revoke_token(session: Session, token: str) -> None:
    """End one token now."""
    statement = update(AccessToken).where(AccessToken.token_sha256 == digest(token))
    session.execute(statement.values(revoked_at=clock.now()))


def revoke_staff(session: Session, login: str) -> Staff:
    """Close a person's account and end all of its tokens.

    Raises:
        InvalidInputError: there is no such login.
    """
    staff = session.scalar(select(Staff).where(Staff.login == login))
    if staff is None:
        raise InvalidInputError(f"没有登录名为“{login}”的人员", faults=(FieldFault("/login", "没有这个登录名"),))
    staff.active = False
    statement = update(AccessToken).where(AccessToken.staff_id == staff.id, AccessToken.revoked_at.is_(None))
    session.execute(statement.values(revoked_at=clock.now()))
    return staff


def add_key(
    session: Session, *, name: str, role: Role, channel: str = "", unit: str = "", days: int | None = None
) -> str:
    """Make a key for a channel or a bureau's own system; returns it (shown once).

    Raises:
        InvalidInputError: a channel key lacks its channel, or a unit key its unit, or the role cannot have keys.
        ConflictError: the name is taken.
    """
    if role is Role.CHANNEL and not channel:
        raise InvalidInputError("渠道密钥须指定渠道", faults=(FieldFault("/channel", "必填"),))
    if role is Role.UNIT_HANDLER and not unit:
        raise InvalidInputError("承办单位密钥须指定单位", faults=(FieldFault("/unit", "必填"),))
    if role not in {Role.CHANNEL, Role.UNIT_HANDLER}:
        raise InvalidInputError("只有渠道和承办单位系统可以使用密钥", faults=(FieldFault("/role", "不支持"),))
    if session.scalar(select(ApiKey.id).where(ApiKey.name == name)):
        raise ConflictError(f"密钥名称“{name}”已存在")
    token = "hlk_" + secrets.token_urlsafe(TOKEN_BYTES)
    now = clock.now()
    expires = now + timedelta(days=days) if days else None
    session.add(
        ApiKey(name=name, role=role.value, channel=channel, unit=unit, token_sha256=digest(token), created_at=now,
               expires_at=expires)
    )  # fmt: skip
    return token


def revoke_key(session: Session, name: str) -> None:
    """End a key now.

    Raises:
        InvalidInputError: there is no such key.
    """
    key = session.scalar(select(ApiKey).where(ApiKey.name == name))
    if key is None:
        raise InvalidInputError(f"没有名为“{name}”的密钥", faults=(FieldFault("/name", "没有这个密钥"),))
    key.revoked_at = clock.now()


def caller_of(session: Session, token: str) -> Caller:
    """Return whom a token or key stands for.

    Raises:
        UnauthenticatedError: unknown, expired or revoked.
    """
    caller = _key_caller(session, token) if token.startswith("hlk_") else _staff_caller(session, token)
    if caller is None:
        raise UnauthenticatedError("登录已失效，请重新登录")
    return caller


def _staff_caller(session: Session, token: str) -> Caller | None:
    # Columns, not the entity: this runs before every request.
    statement = (
        select(Staff.id, Staff.name, Staff.role, Staff.unit, Staff.takes_special)
        .join(AccessToken, AccessToken.staff_id == Staff.id)
        .where(
            AccessToken.token_sha256 == digest(token),
            AccessToken.revoked_at.is_(None),
            AccessToken.expires_at > clock.now(),
            Staff.active.is_(True),
        )
    )
    staff = session.execute(statement).one_or_none()
    if staff is None:
        return None
    return Caller("staff", staff.id, staff.name, Role(staff.role), staff.unit, takes_special=staff.takes_special)


def _key_caller(session: Session, token: str) -> Caller | None:
    key = session.scalar(select(ApiKey).where(ApiKey.token_sha256 == digest(token), ApiKey.revoked_at.is_(None)))
    if key is None or (key.expires_at and key.expires_at <= clock.now()):
        return None
    return Caller("key", key.id, key.name, Role(key.role), key.unit, key.channel)


def special_supervisor(session: Session) -> int | None:
    """Return the id of the supervisor named for 专办件; None while nobody is named."""
    statement = select(Staff.id).where(
        Staff.role == Role.SUPERVISOR.value, Staff.takes_special.is_(True), Staff.active.is_(True)
    )
    return session.scalar(statement.order_by(Staff.id))
