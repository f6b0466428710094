"""When a term is about to run out (黄牌): the warning rules of limits.yaml, laid along the working calendar. Pure.

山东省级热线办法（2017）: yellow one working day before due, red once overdue. Urgent terms and those of two working days or
less warn with a quarter of their time left; hard cases three working days ahead.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import ceil

from app.clock import SHANGHAI, local
from app.rulebook.shapes import LimitRule, LimitStep, LimitUnit, Rulebook
from app.sla.calendar import WorkingCalendar
from app.sla.limits import LimitCase, require

SHORT_DAYS = 2
TERMS = (LimitStep.CLOSING, LimitStep.REWORK)
PER_DAY = {LimitUnit.MINUTES: 24 * 60, LimitUnit.HOURS: 24, LimitUnit.OFFICE_HOURS: 6}
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Term:
    """The time a unit was given for a case, from when to when; both aware."""

    case: LimitCase
    begins: datetime
    due_at: datetime


def warns_at(term: Term, rulebook: Rulebook, calendar: WorkingCalendar) -> datetime:
    """Return the moment from which a term is about to run out, aware, in UTC.

    A quarter of an urgent term is of plain time, for it runs day and night; of any other of office time.

    Raises:
        LimitMissingError: limits.yaml has no rule for the step 预警.
        ValueError: a moment has no time zone.
    """
    short = term.due_at <= calendar.add_working_days(term.begins, SHORT_DAYS).due
    case = replace(term.case, urgent=term.case.urgent or short)
    rule = require(rulebook.limits, LimitStep.WARNING, case, local(term.begins).date())
    if rule.unit is not LimitUnit.SHARE_LEFT:
        return _days_before(local(term.due_at - INSTANT).date(), int(rule.amount), calendar)
    spent = 1 - float(rule.amount)
    if term.case.urgent:
        return term.begins + (term.due_at - term.begins) * spent
    minutes = int(calendar.office_minutes_between(term.begins, term.due_at) * spent)
    return calendar.add_office_minutes(term.begins, max(minutes, 1)).due


def looks_ahead(rulebook: Rulebook, *, hard: bool) -> int:
    """Return how many working days before its due time a term may be warned of at the earliest, by the rules as they are.

    Args:
        rulebook: the rules of 预警, and those of the terms that a share is taken of.
        hard: whether the rules for hard cases count.
    """
    rules = [rule for rule in rulebook.limits if rule.step is LimitStep.WARNING and (hard or not rule.hard)]
    return max((_ahead_of(rule, rulebook) for rule in rules), default=1)


def _ahead_of(rule: LimitRule, rulebook: Rulebook) -> int:
    if rule.unit is not LimitUnit.SHARE_LEFT:
        return ceil(rule.amount)
    # Short terms count as urgent ones do; a rule for urgent ones says nothing of the long terms of others.
    terms = [limit for limit in rulebook.limits if limit.step in TERMS and (limit.urgent or not rule.urgent)]
    longest = max((_working_days(limit) for limit in terms), default=0.0)
    return ceil(float(rule.amount) * max(longest, SHORT_DAYS))


def _working_days(limit: LimitRule) -> float:
    """Return a limit in working days, rather too many than too few."""
    return float(limit.amount) / PER_DAY.get(limit.unit, 1)


def _days_before(day: date, days: int, calendar: WorkingCalendar) -> datetime:
    """Return the first moment of the working day so many working days before a date."""
    while days:
        day -= timedelta(days=1)
        days -= calendar.is_working_day(day)
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
