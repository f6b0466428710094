"""The daily seals over the record."""

from datetime import date

from sqlalchemy import Date, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId


class DaySeal(Base):
    """What a civil day's events were once the day was over: written once, never changed, each naming the one before.

    Attributes:
        day: the civil day in Baotou; the very first seal stands for everything up to its day.
        tickets: work orders whose first event lies in the day.
        events: all events of the day.
        heads: of each work order with an event that day its last link, packed (`day_seals.unpacked`): so what is gone has a name.
        digest: one hash over the events' hashes, of each month's work orders apart (`day_seals.Tally`).
        access_seq, access_hash: the last link of the record of access when the seal was made.
    """

    __tablename__ = "day_seal"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    tickets: Mapped[int] = mapped_column(Integer)
    events: Mapped[int] = mapped_column(Integer)
    heads: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(64))
    access_seq: Mapped[int] = mapped_column(BigId)
    access_hash: Mapped[str] = mapped_column(String(64))
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
