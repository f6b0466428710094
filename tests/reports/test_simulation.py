"""A past month under other rules: who would have been late, what would have gone elsewhere, and nothing changed."""

import csv
import os
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app import clock
from app.reports.periods import CutOffs, Period, Span, parse
from app.reports.simulation import Recount, recount, rerouted
from app.rulebook.shapes import LimitStep, Rulebook
from app.settings import HOME
from app.tickets.clocks import rebuild
from app.tickets.intake import Desk, make_desk
from app.tickets.office import Office
from tests.builders import Hotline, changed_rules
from tests.command import Ran, hotline_command
from tests.tickets.test_life import HELPER, LEAD, START, answer_form, at, do, ok

NOVEMBER = parse(Span.MONTH, "2026-11", CutOffs())
DECEMBER = START + timedelta(days=35)


def with_limit(rulebook: Rulebook, code: str, **but: Any) -> Desk:
    limits = tuple(rule.model_copy(update=but) if rule.code == code else rule for rule in rulebook.limits)
    return make_desk(changed_rules(rulebook, limits=limits), None)


def steps(office: Office, after: Desk, period: Period = NOVEMBER) -> list[Recount]:
    with office.database.read() as session:
        return list(recount(session, period, office.desk, after, clock.now()))


def closing(found: list[Recount], unit: str = "BT-GXJ") -> Recount:
    return next(each for each in found if each.step is LimitStep.CLOSING and each.unit == unit)


@pytest.fixture
def answered_on_the_fourth_day(hotline: Hotline) -> Hotline:
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, LEAD, number, "sign"))
    with at(hotline, START + timedelta(days=4)):
        ok(do(hotline, HELPER, number, "sign"))
        ok(do(hotline, LEAD, number, "reply", answer_form()))
    return hotline


def test_a_shorter_limit_would_have_made_it_late(answered_on_the_fourth_day: Hotline, office: Office) -> None:
    with at(answered_on_the_fourth_day, DECEMBER):
        same = closing(steps(office, office.desk))
        shorter = closing(steps(office, with_limit(office.desk.rulebook, "close-normal", amount=Decimal(3))))
    assert (same.late, same.would_be_late, same.due_at) == (False, False, same.would_be_due_at)
    assert (shorter.late, shorter.would_be_late) == (False, True)
    assert clock.spoken(shorter.would_be_due_at) == "2026-11-05 17:30"


def test_what_nobody_did_is_late_under_either(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, DECEMBER):
        found = steps(office, with_limit(office.desk.rulebook, "close-normal", amount=Decimal(10)))
    assert Counter((each.step.value, each.late, each.would_be_late) for each in found if each.unit == "BT-GXJ") == {
        ("签收", True, True): 1, ("首次联系", True, True): 1, ("办结", True, True): 1,
    }  # fmt: skip


def test_time_that_was_given_is_given_again(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, LEAD, number, "sign"))
        ok(do(hotline, LEAD, number, "extension", {"days": 2, "reason": "资金要走国库程序"}))
        ok(do(hotline, "reviewer", number, "extension/rule", {"grant": True, "opinion": "同意"}))
    with at(hotline, DECEMBER):
        found = closing(steps(office, with_limit(office.desk.rulebook, "close-normal", amount=Decimal(3))))
    assert [clock.spoken(moment) for moment in (found.due_at, found.would_be_due_at)] == [
        "2026-11-11 17:30", "2026-11-09 17:30",
    ]  # fmt: skip


def test_another_calendar_moves_due_times(answered_on_the_fourth_day: Hotline, office: Office) -> None:
    year = office.desk.rulebook.years[-1]
    festival = year.holidays[0].model_copy(
        update={"days_off": tuple(START.date() + timedelta(days=ahead) for ahead in (1, 2, 3)), "make_up": ()}
    )
    years = (*office.desk.rulebook.years[:-1], year.model_copy(update={"holidays": (*year.holidays, festival)}))
    with at(answered_on_the_fourth_day, DECEMBER):
        found = closing(steps(office, make_desk(changed_rules(office.desk.rulebook, years=years), None)))
    assert clock.spoken(found.would_be_due_at) == "2026-11-12 17:30"


def test_what_rules_cannot_count_again_is_set_apart(hotline: Hotline, office: Office) -> None:
    older = make_desk(office.desk.rulebook, None)
    with at(hotline, START):
        hotline.submit()
    with at(hotline, DECEMBER):
        before = with_limit(office.desk.rulebook, "close-normal", amount=Decimal(4))
        with office.database.read() as session:
            found = list(recount(session, NOVEMBER, before, older, clock.now()))
    assert [each.comparable for each in found if each.step is LimitStep.CLOSING] == [False, False]


def test_another_mapping_sends_them_elsewhere(hotline: Hotline, office: Office, rulebook: Rulebook) -> None:
    tags = tuple(tag.model_copy(update={"lead": "BT-FGW"}) if tag.code == "0101" else tag for tag in rulebook.tags)
    with at(hotline, START):
        number = hotline.submit()["number"]
        hotline.submit(override={"tag": "2405", "reason": "话务员判断"})
    with office.database.read() as session:
        moved = list(rerouted(session, NOVEMBER, rulebook, changed_rules(rulebook, tags=tags)))
        none = list(
            rerouted(session, parse(Span.MONTH, "2026-10", CutOffs()), rulebook, changed_rules(rulebook, tags=tags))
        )
    assert [(each.number, each.after.split("（")[0]) for each in moved] == [(number, "市发改委")]
    assert none == []


def simulate(office: Office, *arguments: str) -> Ran:
    settings = office.settings
    environment = {
        **os.environ, "HOTLINE_DATABASE_URL": settings.database_url, "HOTLINE_VAR_DIR": str(settings.var_dir),
        "HOTLINE_MODELS_DIR": str(settings.models_dir), "COLUMNS": "160",
    }  # fmt: skip
    return hotline_command(("simulate", *arguments), environment)


def test_the_command_shows_writes_and_changes_nothing(hotline: Hotline, office: Office, tmp_path: Path) -> None:
    number = hotline.submit()["number"]
    text = (HOME / "routing_rules" / "limits.yaml").read_text(encoding="utf-8")
    limits, table = tmp_path / "limits.yaml", tmp_path / "out.csv"
    limits.write_text(
        text.replace("amount: 5, unit: 工作日, start: 派单", "amount: 9, unit: 工作日, start: 派单"), encoding="utf-8"
    )
    due = hotline.ticket(number)["due_at"]
    ran = simulate(office, "--period", due[:4], "--limits", str(limits), "--output", str(table))
    assert ran.returncode == 0, ran.stderr
    assert "试算规则" in ran.stdout
    rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    assert {row["环节"] for row in rows if row["工单"] == number} >= {"签收", "办结"}
    assert list(rebuild(office.database, check=True)) == []
    assert hotline.ticket(number)["due_at"] == due


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--period", "2026-11"), "--limits 或 --rules"),
        (("--period", "2026-13", "--rules", "routing_rules"), "1 至 12"),
        (("--period", "2026-11", "--limits", "README.md"), "limits.yaml"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(office: Office, arguments: tuple[str, ...], words: str) -> None:
    ran = simulate(office, *arguments)
    assert ran.returncode != 0
    assert words in ran.stderr + ran.stdout
