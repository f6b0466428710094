"""When a term is about to run out: one working day ahead, a quarter left of short ones, three days for hard cases."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clock import SHANGHAI, spoken
from app.rulebook.loader import load_rulebook
from app.rulebook.shapes import Rulebook
from app.settings import HOME
from app.sla.calendar import WorkingCalendar
from app.sla.limits import LimitCase
from app.sla.warning import Term, looks_ahead, warns_at
from tests.builders import changed_rules

RULES = load_rulebook(HOME / "routing_rules")
CALENDAR = WorkingCalendar(RULES.years)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("begins", "due", "case", "warned"),
    [
        # Five working days end on Thursday: from Wednesday on.
        ("2026-11-19 10:00", "2026-11-26 17:30", LimitCase("投诉", urgent=False), "2026-11-25 00:00"),
        # The working day before Monday is Friday.
        ("2026-11-16 10:00", "2026-11-23 17:30", LimitCase("投诉", urgent=False), "2026-11-20 00:00"),
        # A calendar limit that ends at 24:00 belongs to the day it ends.
        ("2026-10-27 10:00", "2026-11-27 00:00", LimitCase("投诉", urgent=False), "2026-11-25 00:00"),
        # Over the October holiday: the working day before is 30 September.
        ("2026-09-24 10:00", "2026-10-08 17:30", LimitCase("投诉", urgent=False), "2026-09-30 00:00"),
        ("2026-11-02 10:00", "2026-11-26 17:30", LimitCase("投诉", urgent=False, hard=True), "2026-11-23 00:00"),
        # 570 office minutes in all, 142 of them left.
        ("2026-11-25 14:30", "2026-11-26 17:30", LimitCase("咨询", urgent=False), "2026-11-26 15:07"),
        ("2026-11-25 22:00", "2026-11-26 22:00", LimitCase("投诉", urgent=True), "2026-11-26 16:00"),
    ],
)  # fmt: skip
def test_a_term_warns_in_time(begins: str, due: str, case: LimitCase, warned: str) -> None:
    assert spoken(warns_at(Term(case, moment(begins), moment(due)), RULES, CALENDAR)) == warned


@given(st.integers(0, 400_000), st.integers(1, 30), st.booleans(), st.booleans())
def test_a_warning_never_comes_after_its_term(minutes: int, days: int, urgent: bool, hard: bool) -> None:
    begins = moment("2026-01-05 08:30") + timedelta(minutes=minutes)
    due = CALENDAR.add_working_days(begins, days).due
    assert warns_at(Term(LimitCase("投诉", urgent, hard), begins, due), RULES, CALENDAR) <= due


def test_rules_decide(rulebook: Rulebook) -> None:
    later = tuple(
        rule.model_copy(update={"amount": 2}) if rule.code == "warn-long" else rule for rule in rulebook.limits
    )
    changed = rulebook.model_copy(update={"limits": later})
    term = Term(LimitCase("投诉", urgent=False), moment("2026-11-19 10:00"), moment("2026-11-26 17:30"))
    assert spoken(warns_at(term, changed, CALENDAR)) == "2026-11-24 00:00"


@pytest.mark.parametrize(
    ("code", "amount", "ahead"),
    [("warn-long", "1", (1, 3)), ("warn-long", "4", (4, 4)), ("warn-hard", "6", (1, 6)), ("warn-short", "0.9", (2, 3))],
)
def test_how_far_ahead_the_rules_look(code: str, amount: str, ahead: tuple[int, int]) -> None:
    limits = tuple(
        rule.model_copy(update={"amount": Decimal(amount)}) if rule.code == code else rule for rule in RULES.limits
    )
    rules = changed_rules(RULES, limits=limits)
    assert (looks_ahead(rules, hard=False), looks_ahead(rules, hard=True)) == ahead
