"""Tables of what units, the hotline and the enterprise do with a work order: answers, requests, contacts, callbacks."""

from datetime import date, datetime

from sqlalchemy import (
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime
from app.tickets.sealed import Sealed


class Reply(Base):
    """What a unit wrote: an answer (终), an interim reply (阶段) or a supporter's opinion (协办); free text, so apart."""

    __tablename__ = "reply"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    dispatch_id: Mapped[int] = mapped_column(ForeignKey("dispatch.id"))
    stage: Mapped[str] = mapped_column(String(4))
    result: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Sealed)
    # By which equal texts are found among many; short ones have none.
    content_find: Mapped[str] = mapped_column(String(64))
    contacted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    contact_way: Mapped[str] = mapped_column(String(8))
    plan: Mapped[str] = mapped_column(Sealed)
    planned_on: Mapped[date | None] = mapped_column(Date)
    written_by: Mapped[str] = mapped_column(String(32))
    written_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class UnitRequest(Base):
    """What a unit asked of the hotline about its part (退单, 延期, 挂起), and how it was decided."""

    __tablename__ = "unit_request"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    dispatch_id: Mapped[int] = mapped_column(ForeignKey("dispatch.id"))
    kind: Mapped[str] = mapped_column(String(4))
    reason: Mapped[str] = mapped_column(String(20))
    clause: Mapped[str] = mapped_column(Sealed)
    explanation: Mapped[str] = mapped_column(Sealed)
    suggested_unit: Mapped[str] = mapped_column(String(16))
    days: Mapped[int | None] = mapped_column(Integer)
    until: Mapped[date | None] = mapped_column(Date)
    evidence: Mapped[str] = mapped_column(Sealed)
    arbitration: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str] = mapped_column(String(4))
    ruling_due_at: Mapped[datetime] = mapped_column(UtcTime)
    asked_by: Mapped[str] = mapped_column(String(32))
    asked_at: Mapped[datetime] = mapped_column(UtcTime)
    decided_by: Mapped[str | None] = mapped_column(String(32))
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    opinion: Mapped[str] = mapped_column(Sealed)

    __table_args__ = (Index(None, "kind", "decided_at"),)


class Ruling(Base):
    """Whose duty a matter was found to be, after a unit's objection or by 裁定: a precedent for the next like it."""

    __tablename__ = "ruling"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    tag: Mapped[str] = mapped_column(String(4))
    objector: Mapped[str] = mapped_column(String(16))
    unit: Mapped[str] = mapped_column(String(16))
    clause: Mapped[str] = mapped_column(Sealed)
    opinion: Mapped[str] = mapped_column(Sealed)
    participants: Mapped[str] = mapped_column(Sealed)
    ruled_by: Mapped[str] = mapped_column(String(32))
    ruled_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (Index(None, "tag", "ruled_at"), Index(None, "ruled_at", "id"))


class ContactAttempt(Base):
    """A unit's attempt to reach the enterprise: when, how, at which number (sealed), and whether it was reached."""

    __tablename__ = "contact_attempt"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    dispatch_id: Mapped[int] = mapped_column(ForeignKey("dispatch.id"))
    at: Mapped[datetime] = mapped_column(UtcTime)
    way: Mapped[str] = mapped_column(String(8))
    phone: Mapped[str] = mapped_column(Text)
    reached: Mapped[bool] = mapped_column(Boolean)
    remark: Mapped[str] = mapped_column(Sealed)
    made_by: Mapped[str] = mapped_column(String(32))


class DirectAnswer(Base):
    """How the hotline settled a matter itself (在线解答, 三方通话): who, when, with what result."""

    __tablename__ = "direct_answer"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    way: Mapped[str] = mapped_column(String(8))
    partner: Mapped[str] = mapped_column(String(16))
    result: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Sealed)
    answered_by: Mapped[str] = mapped_column(String(32))
    answered_at: Mapped[datetime] = mapped_column(UtcTime)


class CallbackAttempt(Base):
    """One callback to the enterprise and what it said; 未接通 and 拒评 are never counted as satisfied."""

    __tablename__ = "callback_attempt"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    rework: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(String(4))
    solved: Mapped[str] = mapped_column(String(8))
    grade: Mapped[str] = mapped_column(String(8))
    process_grade: Mapped[str] = mapped_column(String(8))
    remark: Mapped[str] = mapped_column(Sealed)
    made_by: Mapped[str] = mapped_column(String(32))

    __table_args__ = (Index(None, "at"),)


class Promise(Base):
    """A date a unit promised in its answer (承诺件), tracked to its day."""

    __tablename__ = "promise"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    unit: Mapped[str] = mapped_column(String(16))
    what: Mapped[str] = mapped_column(Sealed)
    promised_on: Mapped[date] = mapped_column(Date)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    status: Mapped[str] = mapped_column(String(4))
    settled_by: Mapped[str | None] = mapped_column(String(32))
    settled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    remark: Mapped[str] = mapped_column(Sealed)

    __table_args__ = (Index(None, "status", "due_at", "id"),)


class Conference(Base):
    """A 会商 on a hard case: who took part, what was concluded, who leads, the steps and their dates."""

    __tablename__ = "conference"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    level: Mapped[str] = mapped_column(String(12))
    held_at: Mapped[datetime] = mapped_column(UtcTime)
    participants: Mapped[str] = mapped_column(Text)
    conclusion: Mapped[str] = mapped_column(Sealed)
    lead: Mapped[str] = mapped_column(String(16))
    steps: Mapped[str] = mapped_column(Sealed)
    due_on: Mapped[date | None] = mapped_column(Date)
    recorded_by: Mapped[str] = mapped_column(String(32))
    recorded_at: Mapped[datetime] = mapped_column(UtcTime)
