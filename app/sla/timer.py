"""When the steps of a work order are due: a limit rule laid along the working calendar.

The clock starts at dispatch, not at 签收. Minutes and hours run 7×24 from the minute (the hotline's own steps and
urgent cases); 办公小时 and 工作日 run along the office hours; 自然日 keep the calendar (statutory periods).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil

from app.clock import local
from app.rulebook.shapes import LimitRule, LimitStep, LimitUnit, Rulebook
from app.sla.calendar import Reach, WorkingCalendar
from app.sla.limits import LimitCase, require, select

MINUTES_PER_HOUR = 60
SPOKEN_WITH_MEASURE_WORD = frozenset({LimitUnit.OFFICE_HOURS, LimitUnit.WORKING_DAYS, LimitUnit.CALENDAR_DAYS})


@dataclass(frozen=True, slots=True)
class Due:
    """When a step is due, and by which rule.

    Attributes:
        due_at: the last moment in time, aware, in UTC.
        provisional: whether it rests on a calendar year that was not imported (暂定).
        basis: source of the rule, as limits.yaml gives it.
        basis_kind: 法定, 有据, 参照 or 建议.
        limit_text: the limit as people say it: 5个工作日, 30分钟.
    """

    step: LimitStep
    due_at: datetime
    provisional: bool
    rule_code: str
    basis: str
    basis_kind: str
    limit_text: str


def due(rule: LimitRule, start: datetime, calendar: WorkingCalendar) -> Due:
    """Return when a limit that starts at an aware moment is due.

    Raises:
        ValueError: the unit is no duration (剩余比例, 次), 自然日 are not whole, or the start has no time zone.
    """
    end = reach(rule, start, calendar)
    return Due(rule.step, end.due, end.provisional, rule.code, rule.basis, rule.basis_kind, limit_text(rule))


def reach(rule: LimitRule, start: datetime, calendar: WorkingCalendar) -> Reach:
    """Return where a limit ends with the days it was counted over, for an explanation.

    Raises:
        ValueError: as for `due`.
    """
    return count(rule.unit, rule.amount, start, calendar)


def count(unit: LimitUnit, amount: Decimal, start: datetime, calendar: WorkingCalendar) -> Reach:
    """Return where an amount of time ends, counted as limits are.

    Raises:
        ValueError: the unit is no duration, 自然日 are not whole, or the start has no time zone.
    """
    counting = COUNTINGS.get(unit)
    if counting is None:
        raise ValueError(f"“{unit}”不是时长，不能推算到期时间")
    return counting(calendar, start, amount)


def limit_text(rule: LimitRule) -> str:
    """Return a rule's limit as people say it: 5个工作日, 0.5个工作日, 30分钟, 24小时."""
    measure_word = "个" if rule.unit in SPOKEN_WITH_MEASURE_WORD else ""
    return f"{rule.amount.normalize():f}{measure_word}{rule.unit}"


def first_dispatch_due(rulebook: Rulebook, calendar: WorkingCalendar, case: LimitCase, accepted_at: datetime) -> Due:
    """Return when an accepted ticket must be first dispatched: a step of the hotline, which works 7×24.

    Raises:
        LimitMissingError: the rules have no limit for it on the day of acceptance.
        ValueError: the moment has no time zone.
    """
    rule = require(rulebook.limits, LimitStep.FIRST_DISPATCH, case, local(accepted_at).date())
    return due(rule, accepted_at, calendar)


def dispatch_dues(
    rulebook: Rulebook, calendar: WorkingCalendar, case: LimitCase, dispatched_at: datetime
) -> tuple[Due, ...]:
    """Return what a unit owes from the moment of dispatch, in the order of a work order's life.

    签收, 退单提出, 首次联系 and 办结 always; 阶段答复 where a rule asks for one (a 咨询 is closed sooner than that).

    Raises:
        LimitMissingError: the rules have no limit for a step that always has one.
        ValueError: the moment has no time zone.
    """
    limits, day = rulebook.limits, local(dispatched_at).date()
    interim = select(limits, LimitStep.INTERIM_REPLY, case, day)
    rules = (
        require(limits, LimitStep.SIGN, case, day),
        require(limits, LimitStep.RETURN_REQUEST, case, day),
        require(limits, LimitStep.FIRST_CONTACT, case, day),
        *([interim] if interim else []),
        require(limits, LimitStep.CLOSING, case, day),
    )
    return tuple(due(rule, dispatched_at, calendar) for rule in rules)


def after_pause(due_at: datetime, began: datetime, ended: datetime, calendar: WorkingCalendar) -> datetime:
    """Return a due time after a pause: as much office time is left when it ends as was left when it began.

    A pause over a weekend or a holiday so costs exactly its working time; a due time with no office time left when the
    pause began (a statutory one that falls outside it) moves by the pause itself.

    Raises:
        ValueError: a moment has no time zone.
    """
    left = calendar.office_time_between(began, due_at)
    if not left:
        return due_at + (ended - began)
    for opens, closes in calendar.windows_from(ended):
        if left <= closes - opens:
            return (opens + left).astimezone(UTC)
        left -= closes - opens
    raise ValueError("工作日历没有尽头以前的办公时间")


def _elapsed(start: datetime, minutes: Decimal) -> Reach:
    return Reach(local(start).astimezone(UTC) + timedelta(minutes=float(minutes)), provisional=False, slices=())


def _minutes(_: WorkingCalendar, start: datetime, amount: Decimal) -> Reach:
    return _elapsed(start, amount)


def _hours(_: WorkingCalendar, start: datetime, amount: Decimal) -> Reach:
    return _elapsed(start, amount * MINUTES_PER_HOUR)


def _office_hours(calendar: WorkingCalendar, start: datetime, amount: Decimal) -> Reach:
    return calendar.add_office_minutes(start, ceil(amount * MINUTES_PER_HOUR))


def _working_days(calendar: WorkingCalendar, start: datetime, amount: Decimal) -> Reach:
    return calendar.add_working_days(start, amount)


def _calendar_days(calendar: WorkingCalendar, start: datetime, amount: Decimal) -> Reach:
    if amount % 1:
        raise ValueError(f"自然日须为整数：{amount}")
    return calendar.add_calendar_days(start, int(amount))


COUNTINGS: dict[LimitUnit, Callable[[WorkingCalendar, datetime, Decimal], Reach]] = {
    LimitUnit.MINUTES: _minutes,
    LimitUnit.HOURS: _hours,
    LimitUnit.OFFICE_HOURS: _office_hours,
    LimitUnit.WORKING_DAYS: _working_days,
    LimitUnit.CALENDAR_DAYS: _calendar_days,
}
