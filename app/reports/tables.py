"""Reports as they were issued: frozen figures with their hash, prose beside them, units' checks, marks and appeals."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, Numeric, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime
from app.tickets.sealed import Sealed


class Report(Base):
    """One revision of one period's report. `figures` never changes; a later finding makes a further revision (更正).

    `number` is the official number (文号) that publishing gave it; `serial` the running number within its year.
    """

    __tablename__ = "report"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(8))
    period: Mapped[str] = mapped_column(String(8))
    revision: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(8))
    begins_at: Mapped[datetime] = mapped_column(UtcTime)
    ends_at: Mapped[datetime] = mapped_column(UtcTime)
    figures: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    changes: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    made_by: Mapped[str] = mapped_column(String(32))
    check_until: Mapped[datetime | None] = mapped_column(UtcTime)
    signed_by: Mapped[str | None] = mapped_column(String(32))
    signed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    year: Mapped[int | None] = mapped_column(Integer)
    serial: Mapped[int | None] = mapped_column(Integer)
    published_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        UniqueConstraint("kind", "period", "revision"),
        UniqueConstraint("kind", "year", "serial"),
        CheckConstraint("published_at IS NULL OR serial IS NOT NULL", name="published_has_number"),
        Index(None, "kind", "ends_at"),
    )


class ReportProse(Base):
    """What the supervisor wrote for a section of a report; every version is kept."""

    __tablename__ = "report_prose"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"))
    section: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    written_by: Mapped[str] = mapped_column(String(32))
    written_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (UniqueConstraint("report_id", "section", "version"),)


class ReportCheck(Base):
    """What a unit said of its own figures in a draft: agreed, or what it objects to and how that was answered."""

    __tablename__ = "report_check"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"))
    unit: Mapped[str] = mapped_column(String(16))
    agrees: Mapped[bool]
    opinion: Mapped[str] = mapped_column(Sealed)
    said_by: Mapped[str] = mapped_column(String(32))
    said_at: Mapped[datetime] = mapped_column(UtcTime)
    answer: Mapped[str] = mapped_column(Sealed)
    answered_by: Mapped[str | None] = mapped_column(String(32))
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (UniqueConstraint("report_id", "unit"),)


class AssessmentMark(Base):
    """A finding that bears on a unit's assessment (剔除, 办理不实, 泄露信息, 加分): proposed by one person, approved by another."""

    __tablename__ = "assessment_mark"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(8))
    unit: Mapped[str] = mapped_column(String(16))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    points: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    reason: Mapped[str] = mapped_column(Sealed)
    status: Mapped[str] = mapped_column(String(4))
    proposed_by: Mapped[str] = mapped_column(String(32))
    proposed_at: Mapped[datetime] = mapped_column(UtcTime)
    decided_by: Mapped[str | None] = mapped_column(String(32))
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    opinion: Mapped[str] = mapped_column(Sealed)

    __table_args__ = (Index(None, "status", "decided_at"), Index(None, "unit", "decided_at"))


class AssessmentAppeal(Base):
    """A unit's appeal (考核申诉) against a finding on a ticket or against its figures; decided by another than the first judge."""

    __tablename__ = "assessment_appeal"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    unit: Mapped[str] = mapped_column(String(16))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"))
    indicator: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Sealed)
    status: Mapped[str] = mapped_column(String(4))
    made_by: Mapped[str] = mapped_column(String(32))
    made_at: Mapped[datetime] = mapped_column(UtcTime)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    decided_by: Mapped[str | None] = mapped_column(String(32))
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    opinion: Mapped[str] = mapped_column(Sealed)

    __table_args__ = (Index(None, "status", "due_at"),)
