"""Staff, their sessions, the keys of channels and bureaus' own systems (only hashes of secrets), and the record of access."""

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime


class Staff(Base):
    """One person who signs in.

    Attributes:
        must_change: the password was set by somebody else, and opens nothing until its person has set an own one.
    """

    __tablename__ = "staff"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    login: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(20))
    unit: Mapped[str] = mapped_column(String(16), default="")
    takes_special: Mapped[bool] = mapped_column(Boolean, default=False)
    password_hash: Mapped[str] = mapped_column(String(255))
    must_change: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (
        CheckConstraint("role NOT IN ('unit_handler', 'unit_leader') OR unit <> ''", name="unit_staff_has_unit"),
    )


class AccessToken(Base):
    """The session of a signed-in person; expires, ends when left idle, and can be ended.

    Attributes:
        last_seen_at: when it was last noted as used; some minutes late by design.
        agent: what the person's program calls itself, cleaned.
        via: how the person signed in: password or oidc.
    """

    __tablename__ = "access_token"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    issued_at: Mapped[datetime] = mapped_column(UtcTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    agent: Mapped[str] = mapped_column(String(80), default="", server_default="")
    via: Mapped[str] = mapped_column(String(8), default="password", server_default="password")

    __table_args__ = (Index(None, "staff_id"), Index(None, "expires_at"))


class ApiKey(Base):
    """A key of a channel (96888, 蒙企通 …) or of a bureau's own system.

    Attributes:
        scopes: verbs it is narrowed to, separated by spaces; empty: all of its role.
        previous_sha256: the secret before the last rotation, good until `previous_ends_at`.
        last_used_at: when the present secret was last noted as used; some minutes late by design.
        previous_used_at: the same of the one before.
    """

    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(20))
    channel: Mapped[str] = mapped_column(String(20), default="")
    unit: Mapped[str] = mapped_column(String(16), default="")
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(Text, default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    previous_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    previous_ends_at: Mapped[datetime | None] = mapped_column(UtcTime)
    previous_used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class LoginAttempt(Base):
    """Failed sign-ins of a login name, for the back-off that survives restarts and counts over all processes.

    Attributes:
        last_at: when the last one failed.
        pending: sign-ins begun whose password is still being looked at.
        begun_at: when the last of those began; None: none ever did.
    """

    __tablename__ = "login_attempt"

    login_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime] = mapped_column(UtcTime)
    pending: Mapped[int] = mapped_column(default=0, server_default="0")
    begun_at: Mapped[datetime | None] = mapped_column(UtcTime)


class AccessEntry(Base):
    """One access to what must not be looked at unseen (个人信息保护法第五十四条 合规审计); append only, chained by hash.

    Attributes:
        seq: its place in the one chain of all processes, without gaps.
        who: the caller's reference; no name.
        subject: a ticket's number, a person's reference, or what was read or exported.
        reason: why, in the person's words, with numbers masked; or the filters of a reading.
    """

    __tablename__ = "access_log"

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcTime)
    who: Mapped[str] = mapped_column(String(32))
    role: Mapped[str] = mapped_column(String(20))
    verb: Mapped[str] = mapped_column(String(24))
    subject: Mapped[str] = mapped_column(String(64))
    fields: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index(None, "who", "verb", "at"), Index(None, "subject", "seq"), Index(None, "verb", "seq"))


class AccessHead(Base):
    """The last link of the record of access: one row, locked by whoever writes the next link."""

    __tablename__ = "access_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigId)
    hash: Mapped[str] = mapped_column(String(64))
