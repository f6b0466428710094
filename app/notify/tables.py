"""The outbox (what must leave the service, written in the transaction that caused it), who wants what, and the inbox."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime


class Subscription(Base):
    """An address that wants the notices of an audience. Target and secret are sealed: a robot's address is a key."""

    __tablename__ = "notice_subscription"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    audience: Mapped[str] = mapped_column(String(24))
    channel: Mapped[str] = mapped_column(String(8))
    kinds: Mapped[str] = mapped_column(String(400))
    target: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(Boolean)
    created_by: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (Index(None, "audience", "active"),)


class Outbox(Base):
    """One notice to be delivered at least once; references only.

    `subscription_id` None: to the installation's own webhook. `urgent` goes out at all hours.
    """

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(String(8), server_default="webhook")
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("notice_subscription.id"))
    urgent: Mapped[bool] = mapped_column(Boolean, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    dead_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_error: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        Index(None, "next_attempt_at", "id"),
        Index(None, "urgent", "next_attempt_at", "id"),
        Index(None, "dead_at", "id"),
        Index(None, "created_at", "id"),
    )


class InboxMessage(Base):
    """A message in the in-app inbox of a unit or a desk; `key` names it, so that the same is told once."""

    __tablename__ = "inbox_message"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    audience: Mapped[str] = mapped_column(String(24))
    kind: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(200))
    lines: Mapped[str] = mapped_column(Text)
    link: Mapped[str] = mapped_column(String(200))
    urgent: Mapped[bool] = mapped_column(Boolean)
    key: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcTime)
    read_by: Mapped[str | None] = mapped_column(String(32))

    __table_args__ = (UniqueConstraint("audience", "key"), Index(None, "audience", "id"))
