"""Keys of channels and of bureaus' own systems: making, recognising and revoking them."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Role
from app.accounts.tables import ApiKey
from app.accounts.tokens import KEY, digest, new_token
from app.errors import ConflictError, FieldFault, InvalidInputError


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
    token, now = new_token(KEY), clock.now()
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


def recognise_key(session: Session, token: str) -> Caller | None:
    """Return what system a key stands for; None: unknown, expired or revoked."""
    key = session.scalar(select(ApiKey).where(ApiKey.token_sha256 == digest(token), ApiKey.revoked_at.is_(None)))
    if key is None or (key.expires_at and key.expires_at <= clock.now()):
        return None
    return Caller("key", key.id, key.name, Role(key.role), key.unit, key.channel)
