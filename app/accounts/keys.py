"""Keys of channels and of bureaus' own systems: narrowed to what they are for, ending by themselves, rotated without a gap."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import ACCESS, OF_A_PERSON, Caller, Role, Verb
from app.accounts.sessions import NOTED_EVERY, Known
from app.accounts.tables import ApiKey
from app.accounts.tokens import KEY, digest, new_token
from app.errors import ConflictError, FieldFault, InvalidInputError, NotFoundError
from app.settings import Settings


def add_key(
    session: Session, *, name: str, role: Role, channel: str = "", unit: str = "", days: int | None = None,
    scopes: tuple[Verb, ...] = (),
) -> str:  # fmt: skip
    """Make a key for a channel or a bureau's own system; returns it (shown once).

    Raises:
        InvalidInputError: a channel key lacks its channel, or a unit key its unit, the role cannot have keys, or a scope
            is more than the role may do.
        ConflictError: the name is taken.
    """
    if role is Role.CHANNEL and not channel:
        raise InvalidInputError("渠道密钥须指定渠道", faults=(FieldFault("/channel", "必填"),))
    if role is Role.UNIT_HANDLER and not unit:
        raise InvalidInputError("承办单位密钥须指定单位", faults=(FieldFault("/unit", "必填"),))
    if role not in {Role.CHANNEL, Role.UNIT_HANDLER}:
        raise InvalidInputError("只有渠道和承办单位系统可以使用密钥", faults=(FieldFault("/role", "不支持"),))
    _check_scopes(role, scopes)
    if session.scalar(select(ApiKey.id).where(ApiKey.name == name)):
        raise ConflictError(f"密钥名称“{name}”已存在")
    token, now = new_token(KEY), clock.now()
    expires = now + timedelta(days=days) if days else None
    session.add(
        ApiKey(
            name=name, role=role.value, channel=channel, unit=unit, token_sha256=digest(token), created_at=now,
            expires_at=expires, scopes=" ".join(sorted(scopes)),
        )
    )  # fmt: skip
    return token


def scopes_of(role: Role) -> list[Verb]:
    """Return what a key of a role can be narrowed to."""
    return [verb for verb, roles in ACCESS.items() if role in roles and verb not in OF_A_PERSON]


def _check_scopes(role: Role, scopes: tuple[Verb, ...]) -> None:
    over = [verb.value for verb in scopes if verb not in scopes_of(role)]
    if over:
        told = f"{role.label}没有这些权限：" + "、".join(over) + "；可选 " + "、".join(scopes_of(role))
        raise InvalidInputError(told, faults=(FieldFault("/scopes", told),))


def lifetime(settings: Settings, days: int | None) -> int:
    """Return for how many days a key is good: as asked, otherwise as usual here.

    Raises:
        InvalidInputError: longer than this installation allows.
    """
    if days is not None and days > settings.key_max_days:
        told = f"密钥最长 {settings.key_max_days} 天（HOTLINE_KEY_MAX_DAYS）"
        raise InvalidInputError(told, faults=(FieldFault("/days", told),))
    return days or settings.key_days


def require_key(session: Session, name: str) -> ApiKey:
    """Return the key of a name, locked until the transaction ends.

    Raises:
        NotFoundError: there is no such key.
    """
    key = session.scalar(select(ApiKey).where(ApiKey.name == name).with_for_update())
    if key is None:
        raise NotFoundError(f"没有名为“{name}”的密钥")
    return key


@dataclass(frozen=True)
class Rotation:
    """A key's new secret, shown once.

    Attributes:
        expires_at: when the key ends.
        previous_ends_at: until when the secret before it stays good.
    """

    key: ApiKey
    token: str
    expires_at: datetime
    previous_ends_at: datetime


def rotate_key(session: Session, name: str, *, days: int, overlap: timedelta) -> Rotation:
    """Give a key a new secret, good at once; the one before stays good for a while, never beyond its own end.

    A rotation during that while ends the oldest secret: two are good at most.

    Raises:
        NotFoundError: there is no such key.
        ConflictError: it was revoked.
    """
    key, now = require_key(session, name), clock.now()
    if key.revoked_at:
        raise ConflictError(f"密钥“{name}”已收回，请另建一把")
    token = new_token(KEY)
    until = min(now + overlap, key.expires_at or now + overlap)
    key.previous_sha256, key.previous_ends_at, key.previous_used_at = key.token_sha256, until, key.last_used_at
    key.token_sha256, key.last_used_at, key.expires_at = digest(token), None, now + timedelta(days=days)
    return Rotation(key, token, key.expires_at, until)


def revoke_key(session: Session, name: str) -> ApiKey:
    """End a key now, both of its secrets.

    Raises:
        NotFoundError: there is no such key.
    """
    key = require_key(session, name)
    key.revoked_at = key.revoked_at or clock.now()
    return key


def list_keys(session: Session) -> list[ApiKey]:
    """Return all keys in the order they were made."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.id)))


def state_of(key: ApiKey) -> str:
    """Return what a key is worth now, in Chinese."""
    if key.revoked_at:
        return "已收回"
    return "已到期" if key.expires_at and key.expires_at <= clock.now() else "在用"


def recognise_key(session: Session, token: str) -> Known | None:
    """Return what system a key stands for, in one query over two unique indexes; None: unknown, ended or revoked."""
    known, now = digest(token), clock.now()
    former = and_(ApiKey.previous_sha256 == known, ApiKey.previous_ends_at > now)
    statement = select(ApiKey).where(
        or_(ApiKey.token_sha256 == known, former), ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )  # fmt: skip
    key = session.scalars(statement).one_or_none()
    if key is None:
        return None
    previous = key.token_sha256 != known
    scopes = frozenset({*map(Verb, key.scopes.split()), Verb.SESSION_READ}) if key.scopes else None
    caller = Caller("key", key.id, key.name, Role(key.role), key.unit, key.channel, scopes=scopes)
    return Known(caller, key.previous_used_at if previous else key.last_used_at, previous)


def note_use(session: Session, known: Known) -> None:
    """Note that a key's secret is in use, unless another request did so just now."""
    now = clock.now()
    column = ApiKey.previous_used_at if known.previous else ApiKey.last_used_at
    fresh = or_(column.is_(None), column < now - NOTED_EVERY)
    session.execute(update(ApiKey).where(ApiKey.id == known.caller.ident, fresh).values({column: now}))
