"""The only place that reads the clock.

Times are aware and stored in UTC; people see them in Asia/Shanghai (no daylight saving since 1991).
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return the present calendar day in Baotou."""
    return local(now()).date()


def local(moment: datetime) -> datetime:
    """Return an aware moment as Baotou wall-clock time.

    Raises:
        ValueError: the moment has no time zone; guessing one would bend a deadline.
    """
    if moment.tzinfo is None:
        raise ValueError("时间缺少时区")
    return moment.astimezone(SHANGHAI)


def spoken(moment: datetime) -> str:
    """Return a moment as people in Baotou write it, to the minute."""
    return local(moment).strftime("%Y-%m-%d %H:%M")
