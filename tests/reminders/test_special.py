"""A 专办件 in a unit's hands is not forgotten, and still nobody learns of it who may not."""

from datetime import timedelta

from sqlalchemy import select

from app.accounts.tables import Staff
from app.jobs.worker import one_round
from app.notify.tables import Outbox
from app.reminders.duty import escalate
from app.tickets.office import Office
from tests.builders import Hotline
from tests.notify.test_inbox import DESKS, inbox
from tests.supervision.test_as_sent import NAMED, WATCHERS, special_in_a_units_hands
from tests.tickets.test_life import START, at, ok, refused

UNIT = "unit_leader@市纪委监委机关"
OVERDUE = START + timedelta(days=22)


def test_the_unit_and_the_named_supervisor_are_reminded_and_nobody_else(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = special_in_a_units_hands(hotline)
    with at(hotline, OVERDUE):
        one_round(office, None)
        one_round(office, None)
        for who in (UNIT, NAMED):
            found = [item for item in inbox(hotline, who) if item["kind"] == "reminder.special"]
            assert len(found) == 1
            assert number in str(found[0]["lines"])
            assert "已超期" in str(found[0]["lines"])
        for who in DESKS:
            assert number not in str(inbox(hotline, who))
            assert number not in hotline.get(who, "/digests").text
    with office.database.read() as session:
        assert not session.scalars(select(Outbox).where(Outbox.kind == "reminder.special")).all()


def test_the_unit_gets_its_cards_and_nobody_else_sees_them(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = special_in_a_units_hands(hotline)
    with at(hotline, OVERDUE):
        one_round(office, None)
        assert [card["number"] for card in ok(hotline.get(UNIT, "/cards"))["items"]] == [number]
        assert [card["number"] for card in ok(hotline.get(NAMED, "/cards"))["items"]] == [number]
        for who in ("dispatcher", "supervisor", "leader", "auditor"):
            assert ok(hotline.get(who, "/cards"))["items"] == []


def test_a_message_for_one_person_is_read_by_that_person_only(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        special_in_a_units_hands(hotline)
    with at(hotline, OVERDUE):
        one_round(office, None)
        mine = next(item["id"] for item in inbox(hotline, NAMED) if item["kind"] == "reminder.special")
        assert hotline.post("supervisor", f"/inbox/{mine}/read").status_code == 404
        assert ok(hotline.post(NAMED, f"/inbox/{mine}/read"))["read_at"]


def test_whoever_follows_a_supervisor_who_left_is_reminded(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = special_in_a_units_hands(hotline)
    with office.database.write() as session:
        left = session.scalars(select(Staff).where(Staff.login == NAMED)).one()
        left.active, left.takes_special = False, False
        heir = Staff(
            login="supervisor@heir", name="继任", role="supervisor", unit="", password_hash="", created_at=START,
            active=True, takes_special=True,
        )  # fmt: skip
        session.add(heir)
    with at(hotline, OVERDUE):
        one_round(office, None)
        found = [item for item in inbox(hotline, "supervisor@heir") if item["kind"] == "reminder.special"]
        assert [number in str(item["lines"]) for item in found] == [True]


def test_calls_about_an_urgent_one_are_for_its_named_supervisor_to_make(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = special_in_a_units_hands(hotline, urgent=True)
        assert escalate(office.database, office.desk.rulebook) == 1
        told = {who: [item["title"] for item in inbox(hotline, who)] for who in (NAMED, UNIT)}
        assert told[NAMED] == [f"紧急专办件 {number}：请电话通知市纪委监委机关值班人员"]
        assert f"紧急专办件 {number} 待签收" in told[UNIT]
        call = hotline.get(NAMED, "/duty-calls").json()[0]
        assert (call["number"], call["step_name"]) == (number, "值班人员")
        refused(hotline.post("operator", f"/duty-calls/{call['id']}/record", {"outcome": "接通"}), 404, "没有值班电话")
        ok(hotline.post(NAMED, f"/duty-calls/{call['id']}/record", {"outcome": "未接通"}))
        escalate(office.database, office.desk.rulebook)
    with at(hotline, START + timedelta(minutes=31)):
        escalate(office.database, office.desk.rulebook)
        newest = hotline.get(NAMED, "/duty-calls", waiting=False).json()[0]
        assert (newest["number"], newest["step_name"]) == (number, "指定的督办人员")
    with at(hotline, START + timedelta(days=1)):
        one_round(office, None)
        for who in {*DESKS, *WATCHERS}:
            assert number not in str(inbox(hotline, who))
            assert number not in hotline.get(who, "/duty-calls", waiting=False).text
        digest = hotline.get("supervisor", "/digests").json()[0]["content"]
        assert (digest["units"], digest["stuck"]["calls"]) == ([], 0)
    with office.database.read() as session:
        assert not session.scalars(select(Outbox).where(Outbox.kind.startswith("reminder.c"))).all()
