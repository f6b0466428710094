"""Reminders as units and supervisors meet them: digests that add up, one card for each time, calls until somebody answers."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import func, select, update

from app.jobs.catalogue import make_runner
from app.jobs.ledger import history
from app.jobs.worker import one_round
from app.notify.tables import Outbox
from app.reminders.cards import make_cards
from app.reminders.duty import escalate, on_duty
from app.reminders.tables import Card
from app.rulebook.shapes import DutyPerson, Rulebook
from app.tickets.intake import make_desk
from app.tickets.office import Office
from app.tickets.tables import Dispatch
from tests.builders import Hotline, changed_rules
from tests.tickets.test_life import HELPER, LEAD, START, at, do, ok, refused

LEADER = "unit_leader@市工信局"
FRIDAY = START + timedelta(days=4)
DUE_MONDAY = START + timedelta(days=7)
DAY = timedelta(days=1)


def reminded(office: Office, kind: str = "morning_reminder") -> dict[str, str]:
    """Run what is due; return the recorded runs of a kind, by period."""
    one_round(office, None)
    with office.database.read() as session:
        return {row.period: row.status for row in history(session, kind, 50)}


def digest_of(hotline: Hotline, who: str, which: int = 1, **asked: Any) -> dict[str, Any]:
    found = [each for each in ok_list(hotline, who, "/digests", **asked) if each["round"] == which]
    assert len(found) == 1, found
    content: dict[str, Any] = found[0]["content"]
    return content


def ok_list(hotline: Hotline, who: str, path: str, **asked: Any) -> list[dict[str, Any]]:
    answer = hotline.get(who, path, **asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def counts(content: dict[str, Any]) -> dict[str, int]:
    return {group["name"]: group["n"] for group in content["groups"] if group["n"]}


def cards(hotline: Hotline, who: str = "supervisor", **asked: Any) -> list[tuple[str, str, str]]:
    """Return the lead unit's cards (市财政局 supports it and has cards of its own), the newest first."""
    page = ok(hotline.get(who, "/cards", **({"unit": "市工信局"} if who == "supervisor" else {}), **asked))
    return [(card["number"], card["level"], card["day"]) for card in page["items"]]


def told(office: Office, kind: str) -> int:
    with office.database.read() as session:
        return session.scalars(select(func.count()).where(Outbox.kind == kind)).one()


@pytest.fixture
def busy(hotline: Hotline, office: Office) -> Hotline:
    """A unit with a ticket in every group by Monday 9 November, 8:41."""
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, LEAD, number, "sign"))
    with at(hotline, START + 2 * DAY):
        ok(do(hotline, LEAD, hotline.submit()["number"], "sign"))
    with at(hotline, FRIDAY + timedelta(hours=7)):
        hotline.submit()
    return hotline


def test_a_digest_opens_to_the_work_orders_it_counts(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY - timedelta(minutes=49)):
        assert reminded(office)["2026-11-09"] == "完成"
        content = digest_of(busy, LEADER)
        assert counts(content) == {"待签收": 1, "今日到期": 2, "环节超时": 2}
        for group in content["groups"]:
            if group["name"] == "督办件":
                continue
            link = urlsplit(group["link"])
            page = ok(busy.get(LEADER, link.path.removeprefix("/api/v1"), **dict(parse_qsl(link.query))))
            assert [item["number"] for item in page["items"]] == [item["number"] for item in group["items"]]
            assert len(page["items"]) == group["n"]


def test_the_supervisors_digest_names_the_worst_unit_first(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY - timedelta(minutes=49)):
        one_round(office, None)
        found = [each for each in ok_list(busy, "supervisor", "/digests") if each["audience"] == "desk:supervisor"]
        content = found[0]["content"]
        row = content["units"][0]
        assert (content["worst"], row["unit"], row["已超期"], row["环节超时"]) == ([], "BT-CZJ", 0, 0)
        assert content["stuck"]["unowned"] == 0
    with at(busy, DUE_MONDAY + DAY - timedelta(minutes=49)):
        one_round(office, None)
        found = [each for each in ok_list(busy, "supervisor", "/digests") if each["audience"] == "desk:supervisor"]
        content = found[0]["content"]
        rows = {row["unit"]: row for row in content["units"]}
        assert content["worst"] == ["BT-CZJ", "BT-GXJ"]
        oldest = digest_of(busy, LEADER)["groups"][3]["items"][0]["number"]
        assert (rows["BT-GXJ"]["已超期"], rows["BT-GXJ"]["oldest"]) == (1, oldest)


def test_what_falls_due_on_days_off_belongs_to_the_next_working_day(hotline: Hotline, office: Office) -> None:
    friday = FRIDAY + timedelta(hours=4, minutes=30)  # 14:00
    with at(hotline, friday):
        number = hotline.submit(urgent=True)["number"]
        ok(do(hotline, LEAD, number, "sign"))
    with at(hotline, friday + timedelta(minutes=30)):
        contact = {"at": friday.isoformat(), "reached": True, "way": "电话"}
        due_at = ok(do(hotline, LEAD, number, "contact-attempt", contact))["parts"][0]["next_due_at"]
        assert due_at.startswith("2026-11-07")
        one_round(office, None)
        assert counts(digest_of(hotline, LEADER)) == {"下一工作日到期": 1}


def test_the_second_round_is_for_what_is_due_today(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY - timedelta(minutes=49)):
        one_round(office, None)
    with at(busy, DUE_MONDAY + timedelta(hours=5, minutes=31)):
        assert reminded(office, "afternoon_reminder")["2026-11-09"] == "完成"
        # Its contact is long late, its answer is due at 17:30.
        assert counts(digest_of(busy, LEADER, 2)) == {"今日到期": 2}
        assert told(office, "reminder.digest") == 5


def test_a_round_right_after_the_first_one_says_nothing_new(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY + timedelta(hours=5, minutes=31)):
        reminded(office)
        assert [each["round"] for each in ok_list(busy, LEADER, "/digests")] == [1]


@pytest.mark.parametrize(("which", "group"), [(DUE_MONDAY, "今日到期"), (FRIDAY, "下一工作日到期")])
def test_a_limit_that_ends_at_midnight_belongs_to_the_day_it_ends(
    hotline: Hotline, office: Office, which: datetime, group: str
) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, LEAD, number, "sign"))
    midnight = datetime(2026, 11, 9, 16, tzinfo=UTC)  # Monday 24:00, as a limit of calendar days ends
    with office.database.write() as session:
        session.execute(update(Dispatch).values(due_at=midnight, next_due_at=midnight))
    with at(hotline, which):
        assert make_runner(office).run_due()
        content = digest_of(hotline, LEADER)
        assert counts(content) == {group: 1}
        link = urlsplit(next(each["link"] for each in content["groups"] if each["name"] == group))
        page = ok(hotline.get(LEADER, link.path.removeprefix("/api/v1"), **dict(parse_qsl(link.query))))
        assert [item["number"] for item in page["items"]] == [number]


def test_three_days_asleep_bring_one_digest(busy: Hotline, office: Office) -> None:
    with at(busy, FRIDAY):
        one_round(office, None)
    with at(busy, DUE_MONDAY + 3 * DAY):
        for _ in range(3):
            runs = reminded(office)
        assert {day: status for day, status in runs.items() if day > "2026-11-06"} == {
            "2026-11-09": "略过", "2026-11-10": "略过", "2026-11-11": "略过", "2026-11-12": "完成",
        }  # fmt: skip
        assert len(ok_list(busy, LEADER, "/digests")) == 1
        assert ok_list(busy, LEADER, "/digests", day="2026-11-10") == []


def test_nothing_is_sent_after_office_hours_or_on_a_day_off(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY + timedelta(hours=9)):
        assert reminded(office)["2026-11-09"] == "略过"
    with at(busy, FRIDAY + DAY):
        assert "2026-11-07" not in reminded(office)
        assert ok_list(busy, LEADER, "/digests", day="2026-11-07") == []


def test_a_unit_reads_its_own_digest_only(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY - timedelta(minutes=49)):
        one_round(office, None)
        assert {each["audience"] for each in ok_list(busy, LEADER, "/digests")} == {"unit:BT-GXJ"}
        refused(busy.get(HELPER, "/digests", unit="市工信局"), 403, "本单位")
        assert busy.get("operator", "/digests").status_code == 403


def test_a_special_ticket_is_in_no_digest_and_gets_no_card(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit(complained_of="市政府", type="举报", content="举报市政府有关负责人索要好处。")
    with at(hotline, START + 30 * DAY):
        one_round(office, None)
        found = [each["content"] for each in ok_list(hotline, "supervisor", "/digests")]
        assert [content["units"] for content in found] == [[]]
        assert cards(hotline) == []


def test_one_yellow_card_the_working_day_before_and_one_red_after(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
    for days in range(10):
        with at(hotline, START + days * DAY):
            one_round(office, None)
            one_round(office, None)
    assert cards(hotline) == [(number, "红牌", "2026-11-10"), (number, "黄牌", "2026-11-06")]
    assert cards(hotline, LEADER, level="红牌") == [(number, "红牌", "2026-11-10")]
    assert cards(hotline, HELPER) == cards(hotline)
    assert (told(office, "reminder.yellow"), told(office, "reminder.red")) == (2, 2)
    refused(hotline.get(HELPER, "/cards", unit="市工信局"), 403, "本单位")


@pytest.mark.parametrize(("rule", "amount", "days"), [("warn-long", "2", 3), ("warn-short", "0.75", 0)])
def test_how_long_ahead_a_card_comes_is_for_the_rules_to_say(
    hotline: Hotline, office: Office, rulebook: Rulebook, rule: str, amount: str, days: int
) -> None:
    limits = tuple(
        each.model_copy(update={"amount": Decimal(amount)}) if each.code == rule else each for each in rulebook.limits
    )
    desk = make_desk(changed_rules(rulebook, limits=limits), None)
    with at(hotline, START):
        number = hotline.submit(urgent=rule == "warn-short")["number"]
    with at(hotline, START + days * DAY + timedelta(hours=6, minutes=1)):
        assert make_cards(office.database, desk) == 2
        assert cards(hotline)[0][:2] == (number, "黄牌")


def test_more_time_brings_a_new_card_for_the_new_time(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, LEAD, number, "sign"))
    with at(hotline, FRIDAY):
        one_round(office, None)
        ok(do(hotline, LEAD, number, "extension", {"days": 3, "reason": "须会同财政核对账目后才能答复企业。"}))
        ok(do(hotline, "reviewer", number, "extension/rule", {"grant": True, "opinion": "同意"}))
    with at(hotline, FRIDAY + 5 * DAY):
        one_round(office, None)
    assert [(level, day) for _, level, day in cards(hotline)] == [("黄牌", "2026-11-11"), ("黄牌", "2026-11-06")]


def test_urgent_work_orders_are_warned_of_at_night_and_on_days_off(hotline: Hotline, office: Office) -> None:
    night = FRIDAY + timedelta(hours=14)  # 23:30
    with at(hotline, night):
        number = hotline.submit(urgent=True)["number"]
    with at(hotline, night + timedelta(hours=17)):
        one_round(office, None)
        assert cards(hotline) == []
    with at(hotline, night + timedelta(hours=19)):
        one_round(office, None)
        assert cards(hotline) == [(number, "黄牌", "2026-11-07")]


def test_cards_of_a_large_lot_are_all_made(hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.reminders.cards.BATCH", 2)
    with at(hotline, START):
        numbers = {hotline.submit()["number"] for _ in range(5)}
    with at(hotline, START + 9 * DAY):
        assert make_cards(office.database, office.desk) == 10
        assert {number for number, _, _ in cards(hotline)} == numbers
    with office.database.read() as session:
        assert session.scalars(select(func.count()).select_from(Card)).one() == 10


def race(act: Callable[[], object]) -> None:
    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_racing_workers_make_one_card_each(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        for _ in range(6):
            hotline.submit()
    with at(hotline, START + 9 * DAY):
        race(lambda: make_cards(office.database, office.desk))
        make_cards(office.database, office.desk)
        with office.database.read() as session:
            assert session.scalars(select(func.count()).select_from(Card)).one() == 12


def test_racing_workers_send_one_digest(busy: Hotline, office: Office) -> None:
    with at(busy, DUE_MONDAY - timedelta(minutes=49)):
        race(lambda: make_runner(office).run_due())
        assert len(ok_list(busy, LEADER, "/digests")) == 1
        assert told(office, "reminder.digest") == 3


def calls(hotline: Hotline, *, waiting: bool = True) -> list[tuple[int, str, str]]:
    found = ok_list(hotline, "operator", "/duty-calls", waiting=waiting)
    return [(call["step"], call["status"], call["outcome"]) for call in found]


def test_an_urgent_ticket_nobody_answers_climbs_to_the_duty_desk(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit(urgent=True)["number"]
        escalate(office.database, office.desk.rulebook)
        assert calls(hotline) == [(1, "待拨", "")]
    for minutes, step in ((29, 1), (31, 2), (59, 2), (62, 3), (300, 3)):
        with at(hotline, START + timedelta(minutes=minutes)):
            one_round(office, None)
            newest = ok_list(hotline, "dispatcher", "/duty-calls", waiting=False)[0]
            assert (newest["number"], newest["step"]) == (number, step)
    assert told(office, "reminder.call") == 3


def test_a_call_that_reaches_nobody_leads_to_the_leader_at_once(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit(urgent=True)
        escalate(office.database, office.desk.rulebook)
        first = ok_list(hotline, "operator", "/duty-calls")[0]
        done = ok(
            hotline.post("operator", f"/duty-calls/{first['id']}/record", {"outcome": "未接通", "remark": "占线"})
        )
        assert (done["status"], done["outcome"]) == ("已拨", "未接通")
        escalate(office.database, office.desk.rulebook)
        assert calls(hotline) == [(2, "待拨", "")]
        refused(hotline.post("operator", f"/duty-calls/{first['id']}/record", {"outcome": "接通"}), 409, "不再登记")
        refused(hotline.post("operator", "/duty-calls/999/record", {"outcome": "接通"}), 404, "没有值班电话")
        refused(hotline.post("operator", f"/duty-calls/{first['id']}/record", {"outcome": "挂断"}), 422, "接通")


def test_a_signature_makes_the_calls_needless(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit(urgent=True)["number"]
        escalate(office.database, office.desk.rulebook)
        ok(do(hotline, LEAD, number, "sign"))
        escalate(office.database, office.desk.rulebook)
        assert calls(hotline) == []
        assert calls(hotline, waiting=False) == [(1, "不必拨", "")]


def test_being_signed_for_is_no_answer(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit(urgent=True)
    with at(hotline, START + timedelta(hours=1)):
        one_round(office, None)
        one_round(office, None)
        assert calls(hotline) == [(1, "待拨", "")]


def rostered(rulebook: Rulebook, day: datetime) -> Rulebook:
    def person(name: str, phone: str, *, leader: bool) -> DutyPerson:
        return DutyPerson(name=name, phone=phone, from_day=day.date(), to_day=day.date(), leader=leader)

    people = (person("值班员", "0472-5550001", leader=False), person("带班长", "0472-5550002", leader=True))
    units = tuple(
        unit.model_copy(update={"roster": people}) if unit.code == "BT-GXJ" else unit for unit in rulebook.units
    )
    return changed_rules(rulebook, units=units)


def test_the_roster_says_whom_to_call(hotline: Hotline, office: Office, rulebook: Rulebook) -> None:
    rules = make_desk(rostered(rulebook, START), None).rulebook
    assert [on_duty(rules, "BT-GXJ", step, START).name for step in (1, 2)] == ["值班员", "带班长"]
    assert on_duty(rules, "BT-GXJ", 1, START + DAY).name == ""


def test_a_call_over_an_ordinary_ticket_is_never_asked_for(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
        assert escalate(office.database, office.desk.rulebook) == 0
