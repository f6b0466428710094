"""Work order numbers: BTQ + yyMMdd + daily serial (five digits, growing) + check digit.

Serials are taken from the database in blocks, so racing processes never get the same one and gaps are normal.
"""

import threading
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session
from stdnum import luhn

from app import clock
from app.database import Database
from app.tickets.receipt_tables import TicketSerial

PREFIX = "BTQ"
SERIAL_DIGITS = 5
BLOCK = 20


def format_number(day: int, serial: int) -> str:
    """Return the number of a day's (yymmdd) serial; the check digit is Luhn's over date and serial."""
    body = f"{day:06d}{serial:0{SERIAL_DIGITS}d}"
    return f"{PREFIX}{body}{luhn.calc_check_digit(body)}"


def is_number(text: str) -> bool:
    """Whether a text can be a work order number (form and check digit)."""
    digits = text.removeprefix(PREFIX)
    return (
        text.startswith(PREFIX)
        and digits.isascii()
        and digits.isdigit()
        and 12 <= len(digits) <= 16  # noqa: PLR2004
        and bool(luhn.is_valid(digits))
    )


class NumberSource:
    """Gives out numbers inside one process; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._day = 0
        self._next = 1
        self._end = 0

    def take(self, at: datetime) -> str:
        """Return the next number of the day; takes a new block from the database when the last one is used up."""
        day = int(clock.local(at).strftime("%y%m%d"))
        with self._lock:
            if day != self._day or self._next > self._end:
                with self._database.write() as session:
                    self._end = _reserve(session, day)
                self._day, self._next = day, self._end - BLOCK + 1
            serial = self._next
            self._next += 1
        return format_number(day, serial)


def _reserve(session: Session, day: int) -> int:
    """Return the last serial of a block that nobody else can get."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    statement = insert(TicketSerial).values(day=day, last=BLOCK)
    statement = statement.on_conflict_do_update(index_elements=["day"], set_={"last": TicketSerial.last + BLOCK})
    last: int = session.execute(statement.returning(TicketSerial.last)).scalar_one()
    return last
