"""What was reminded of: cards, digests, and calls about urgent work orders. References only, no personal data."""

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime
from app.tickets.sealed import Sealed


class Card(Base):
    """A yellow card (about to be overdue) or a red one (overdue) on one unit's part; `day` is the working day it fell on.

    `kind` is the step that is owed (办结 or 重办); `due_at` the time it warned of, so that more time may bring a new card.
    """

    __tablename__ = "card"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    dispatch_id: Mapped[int] = mapped_column(ForeignKey("dispatch.id"))
    unit: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(8))
    level: Mapped[str] = mapped_column(String(4))
    day: Mapped[date] = mapped_column(Date)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    made_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (
        UniqueConstraint("dispatch_id", "kind", "level", "day"),
        UniqueConstraint("dispatch_id", "kind", "level", "due_at"),
        Index(None, "unit", "made_at", "id"),
        Index(None, "level", "made_at", "id"),
    )


class Digest(Base):
    """One audience's digest of one round of one working day, as it was sent."""

    __tablename__ = "digest"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    day: Mapped[date] = mapped_column(Date)
    round: Mapped[int] = mapped_column(Integer)
    audience: Mapped[str] = mapped_column(String(24))
    content: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (UniqueConstraint("day", "round", "audience"),)


class DutyCall(Base):
    """One call about an urgent work order that the duty desk has to make, and what came of it.

    `step` is whom: 1 the unit's person on duty, 2 its leader on duty, 3 the hotline's own duty desk takes it over.
    """

    __tablename__ = "duty_call"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    dispatch_id: Mapped[int] = mapped_column(ForeignKey("dispatch.id"))
    unit: Mapped[str] = mapped_column(String(16))
    step: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    status: Mapped[str] = mapped_column(String(8))
    called_at: Mapped[datetime | None] = mapped_column(UtcTime)
    called_by: Mapped[str] = mapped_column(String(32))
    outcome: Mapped[str] = mapped_column(String(8))
    remark: Mapped[str] = mapped_column(Sealed)

    __table_args__ = (UniqueConstraint("dispatch_id", "step"), Index(None, "status", "due_at", "id"))
