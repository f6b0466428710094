"""The lists that people keep under a name."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime
from app.tickets.sealed import Sealed


class SavedView(Base):
    """A list with its filters and order, as one person keeps it under a name."""

    __tablename__ = "saved_view"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    name: Mapped[str] = mapped_column(String(30))
    page: Mapped[str] = mapped_column(String(12))
    params: Mapped[str] = mapped_column(Sealed)
    saved_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (UniqueConstraint("staff_id", "name"),)
