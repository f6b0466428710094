"""The columns against the fold of events: alike after any life, found and mended where somebody bent them; new calendars."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from app import clock
from app.database import Database
from app.rulebook.shapes import HolidaySpan, OfficeHours, Rulebook, Window
from app.tickets import clocks
from app.tickets.forms import TicketForm
from app.tickets.intake import judge, make_desk
from app.tickets.office import Office
from app.tickets.tables import Dispatch, Ticket, TicketEvent
from tests.builders import Hotline, changed_rules, ticket_form
from tests.tickets.test_life import LEAD, at, clock_of, do, ok

DECEMBER = datetime(2026, 12, 28, 2, 0, tzinfo=UTC)  # Monday: five working days reach 2027


def test_a_due_time_somebody_bent_is_found_and_put_right(hotline: Hotline, database: Database) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    assert list(clocks.rebuild(database, check=True)) == []
    with database.write() as session:
        session.execute(update(Ticket).values(due_at=Ticket.due_at, overdue_at=None, returns=3))
        session.execute(update(Dispatch).where(Dispatch.role == "lead").values(due_at=None))
    found = {(item.column, item.folded) for item in clocks.rebuild(database, check=True)}
    assert {column for column, _ in found} == {"returns", "due_at"}
    assert list(clocks.rebuild(database, check=False))
    assert list(clocks.rebuild(database, check=True)) == []


def test_a_tampered_event_is_named_and_nothing_is_written_from_it(hotline: Hotline, database: Database) -> None:
    number = hotline.submit()["number"]
    with database.write() as session:
        event = session.scalars(select(TicketEvent).where(TicketEvent.kind == "dispatched")).one()
        event.payload = event.payload.replace("2026", "2036")
        session.execute(update(Ticket).values(returns=3))
    found = list(clocks.rebuild(database, check=False))
    assert [(item.where, item.column, item.stored) for item in found] == [(number, "hash", 3)]
    with database.read() as session:
        assert session.scalars(select(Ticket.returns)).one() == 3


def with_2027(rulebook: Rulebook) -> Rulebook:
    """The rules with a year 2027 whose New Year lasts until the 8th."""
    last = rulebook.years[-1]
    days = tuple((datetime(2027, 1, day, tzinfo=UTC)).date() for day in range(1, 9))
    year = last.model_copy(update={"year": 2027, "holidays": (HolidaySpan(name="元旦", days_off=days),)})
    return changed_rules(rulebook, years=(*rulebook.years, year))


def test_provisional_due_times_are_counted_anew_once_and_on_record(
    hotline: Hotline, office: Office, rulebook: Rulebook
) -> None:
    with at(hotline, DECEMBER):
        number = hotline.submit()["number"]
        before = hotline.ticket(number)
        assert before["due_provisional"] is True
        desk = make_desk(with_2027(rulebook), None)
        assert (clocks.recalculate(office.database, desk), clocks.recalculate(office.database, desk)) == (1, 0)
        after = hotline.ticket(number)
        assert (after["due_provisional"], after["due_at"]) == (False, "2027-01-12T09:30:00Z")
        assert after["due_at"] > before["due_at"]
        assert after["original_due_at"] == after["due_at"]
        events = hotline.get("supervisor", f"/tickets/{number}/events").json()
        assert (events[-1]["label"], events[-1]["actor"]) == ("期限重算", "system:0")
    assert list(clocks.rebuild(office.database, check=True)) == []


def test_a_unit_may_keep_hours_of_its_own(hotline: Hotline, office: Office, rulebook: Rulebook) -> None:
    early = OfficeHours(
        windows=(Window(opens=time(8), closes=time(12)), Window(opens=time(13), closes=time(16))), source="该局公告"
    )
    units = tuple(
        unit.model_copy(update={"office": early}) if unit.code == "BT-GXJ" else unit for unit in rulebook.units
    )
    desk = make_desk(changed_rules(rulebook, units=units), None)
    form = TicketForm.model_validate(ticket_form())
    moment = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    dues = {due.step.value: clock.spoken(due.due_at) for due in judge(form, desk, moment).dues}
    assert (dues["签收"], dues["办结"]) == ("2026-11-02 14:00", "2026-11-09 16:00")
    assert clock.spoken(desk.calendar_of("BT-CZJ").add_working_days(moment, 5).due) == "2026-11-09 17:30"


def test_time_a_person_gave_is_not_recounted(hotline: Hotline, office: Office, rulebook: Rulebook) -> None:
    with at(hotline, DECEMBER):
        number = hotline.submit()["number"]
        ok(do(hotline, LEAD, number, "sign"))
        ok(do(hotline, LEAD, number, "extension", {"days": 5, "reason": "年底资金未到"}))
        given = ok(do(hotline, "reviewer", number, "extension/rule", {"grant": True, "opinion": "可以"}))["due_at"]
        clocks.recalculate(office.database, make_desk(with_2027(rulebook), None))
        assert hotline.ticket(number)["due_at"] == given


@pytest.mark.parametrize("days", [1, 9])
def test_each_stretch_says_in_whose_hands_it_was(hotline: Hotline, days: int) -> None:
    start = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    with at(hotline, start):
        number = hotline.submit()["number"]
    with at(hotline, start + timedelta(days=days)):
        seen = clock_of(hotline, number)
        assert [(item["holder"], item["unit"]["name"], item["minutes"]) for item in seen["stretches"]] == [
            ("承办单位", "市工信局", days * 1440)
        ]
        assert seen["overdue_by"] == ("市工信局" if days == 9 else "")


def test_a_clock_set_back_bends_no_history(hotline: Hotline, database: Database) -> None:
    start = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    with at(hotline, start):
        number = hotline.submit()["number"]
        hotline.token(LEAD)
        with time_machine.travel(start - timedelta(hours=3), tick=False):
            ok(do(hotline, LEAD, number, "sign"))
    with database.read() as session:
        times = list(session.scalars(select(TicketEvent.at).order_by(TicketEvent.seq)))
    assert times == sorted(times)
    assert list(clocks.rebuild(database, check=True)) == []
