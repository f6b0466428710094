"""督办单, the work orders it is about, and everything that happened to it."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime
from app.tickets.sealed import Sealed

PROPOSED, ISSUED, REPLIED, CONCLUDED, CANCELLED = "拟发", "已发", "已回复", "已办结", "已撤销"


class SupervisionOrder(Base):
    """One 督办单. `rule` is the code of the rule that proposed it, empty where a person raised it.

    `replied_at` is the first reply that was not sent back, by which its time is judged; `result` 落实 or 未落实 once it is
    concluded.
    """

    __tablename__ = "supervision_order"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    number: Mapped[str | None] = mapped_column(String(24), unique=True)
    way: Mapped[str] = mapped_column(String(4))
    level: Mapped[str] = mapped_column(String(4))
    unit: Mapped[str] = mapped_column(String(16))
    requirement: Mapped[str] = mapped_column(Sealed)
    basis: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(8))
    raised_by: Mapped[str] = mapped_column(String(32))
    raised_at: Mapped[datetime] = mapped_column(UtcTime)
    issued_at: Mapped[datetime | None] = mapped_column(UtcTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    replied_at: Mapped[datetime | None] = mapped_column(UtcTime)
    concluded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    result: Mapped[str] = mapped_column(String(8))
    tickets: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        Index(None, "status", "due_at", "id"),
        Index(None, "unit", "status", "id"),
        Index(None, "due_at"),
    )


class SupervisionTicket(Base):
    """One part that an order is about, with the rule that brought it; no rule brings the same part twice.

    `tag` and `due_at` are what stood on the paper when it went out: a copy that later events rewrote would be no proof.
    """

    __tablename__ = "supervision_ticket"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("supervision_order.id"), index=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    dispatch_id: Mapped[int] = mapped_column(ForeignKey("dispatch.id"))
    cause: Mapped[str] = mapped_column(String(40))
    tag: Mapped[str | None] = mapped_column(String(4))
    due_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (UniqueConstraint("dispatch_id", "cause"),)


class SupervisionStep(Base):
    """One thing that was done about an order; append-only. `attachments` holds name, size and hash, never content."""

    __tablename__ = "supervision_step"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("supervision_order.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    at: Mapped[datetime] = mapped_column(UtcTime)
    by: Mapped[str] = mapped_column(String(32))
    text: Mapped[str] = mapped_column(Sealed)
    person: Mapped[str] = mapped_column(Sealed)
    attachments: Mapped[str] = mapped_column(Sealed)
