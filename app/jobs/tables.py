"""The ledger of jobs: one row per kind and period, claimed once whatever races."""

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime


class JobRun(Base):
    """One period of one job: whether it is done, who works on it, and what came of it.

    `lease_until` is the moment from which another worker may take over; for a failed run, from which it is tried again.
    """

    __tablename__ = "job_run"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(24))
    period: Mapped[str] = mapped_column(String(16))
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    status: Mapped[str] = mapped_column(String(8))
    owner: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(Integer)
    lease_until: Mapped[datetime | None] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcTime)
    progress: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(Text)
    error: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("kind", "period"),
        Index(None, "kind", "due_at"),
        Index(None, "status", "lease_until"),
    )
