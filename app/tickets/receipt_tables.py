"""Tables that taking an appeal in needs besides the work order: repeated posts, and the serials of a day."""

from datetime import datetime

from sqlalchemy import Boolean, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, UtcTime


class Idempotency(Base):
    """A key a caller gave with a submission: which body it stood for and which work order came of it."""

    __tablename__ = "idempotency"

    caller: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    number: Mapped[str] = mapped_column(String(24))
    made_ticket: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcTime, index=True)


class TicketSerial(Base):
    """The last serial given out on a day; taken in blocks, so gaps are normal and doubles impossible."""

    __tablename__ = "ticket_serial"

    day: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)
