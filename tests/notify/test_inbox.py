"""Who finds what in the inbox, without having named any address: whoever has the next step, and nobody else."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.jobs.worker import one_round
from app.notify.audiences import AUDIENCES
from app.notify.words import TITLES
from app.reminders.duty import escalate
from app.tickets.office import Office
from tests.builders import Hotline
from tests.supervision.test_as_sent import special_in_a_units_hands
from tests.tickets.test_life import HELPER, LEAD, START, answer_form, at, do, objection, ok, signed

DESKS = ("operator", "dispatcher", "reviewer", "supervisor", "leader")
UNKNOWN_PLACE = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有发下来。"}
APPEAL = {"reason": "数据有误", "explanation": "此件已按时办结，系统记录的时间不对。"}


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


def kinds(hotline: Hotline, who: str) -> list[str]:
    return [item["kind"] for item in inbox(hotline, who)]


def inbox(hotline: Hotline, who: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(hotline.get(who, "/inbox"))["items"]
    return found


def desks_told(hotline: Hotline, kind: str) -> set[str]:
    return {who for who in DESKS if kind in kinds(hotline, who)}


def test_a_unit_finds_its_new_work_order(monday: Hotline) -> None:
    number = monday.submit()["number"]
    assert [(item["kind"], item["title"], item["link"]) for item in inbox(monday, LEAD)] == [
        ("ticket.dispatched", f"新工单待签收：{number}", f"/api/v1/tickets/{number}")
    ]
    assert kinds(monday, HELPER) == ["ticket.dispatched"]
    assert kinds(monday, "unit_handler@市住建局") == []
    assert desks_told(monday, "ticket.dispatched") == set()


def test_an_objection_goes_to_those_who_rule_on_it_and_the_ruling_to_the_unit(monday: Hotline) -> None:
    number = signed(monday)
    ok(do(monday, LEAD, number, "objection", objection()))
    assert desks_told(monday, "ticket.objected") == {"dispatcher", "supervisor"}
    assert "ticket.objected" not in kinds(monday, LEAD)
    ok(do(monday, "dispatcher", number, "objection/rule", {"uphold": False, "opinion": "属市工信局职责"}))
    assert kinds(monday, LEAD)[0] == "ticket.return_ruled"


def test_an_answer_goes_to_the_reviewers_and_what_they_say_to_the_unit(monday: Hotline) -> None:
    number = signed(monday)
    ok(do(monday, LEAD, number, "reply", answer_form()))
    assert desks_told(monday, "ticket.replied") == {"reviewer"}
    ok(do(monday, "reviewer", number, "review", {"approve": False, "opinion": "请补充付款凭证"}))
    assert kinds(monday, LEAD)[0] == "ticket.sent_back"


def test_signing_for_a_unit_is_told_to_it_and_to_the_supervisors(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, START + timedelta(days=1)):
        one_round(office, None)
        assert "ticket.unsigned" in kinds(hotline, LEAD)
        assert desks_told(hotline, "ticket.unsigned") == {"supervisor"}


def test_urgent_matters_reach_whoever_can_act(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit(urgent=True, **UNKNOWN_PLACE)
        hotline.submit(urgent=True)
        escalate(office.database, office.desk.rulebook)
        assert desks_told(hotline, "reminder.call") == {"operator", "dispatcher", "supervisor"}
    with at(hotline, START + timedelta(minutes=6)):
        one_round(office, None)
        assert desks_told(hotline, "ticket.urgent_triage_overdue") == {"dispatcher", "supervisor"}
        found = [item for item in inbox(hotline, "dispatcher") if item["kind"] == "ticket.urgent_triage_overdue"]
        assert [item["urgent"] for item in found] == [True]


def test_a_report_asks_every_unit_to_check_and_tells_the_supervisors(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        signed(hotline)
    with at(hotline, START + timedelta(days=30)):
        one_round(office, None)
        asked = [item for item in inbox(hotline, LEAD) if item["kind"] == "report.check_asked"]
        assert [item["link"] for item in asked] == ["/api/v1/reports/monthly/2026-11"]
        assert desks_told(hotline, "report.made") == {"supervisor"}


def test_of_a_special_ticket_no_desk_is_told(hotline: Hotline, office: Office) -> None:
    unit = "unit_handler@市纪委监委机关"
    with at(hotline, START):
        number = special_in_a_units_hands(hotline)
        assert number in str(inbox(hotline, unit))
        assert do(hotline, unit, number, "sign").status_code == 200
        ok(do(hotline, unit, number, "reply", answer_form()))
    with at(hotline, START + timedelta(days=1)):
        one_round(office, None)
        assert not [who for who in (*DESKS, "supervisor@special") if number in str(inbox(hotline, who))]


def test_every_kind_of_notice_has_its_audience() -> None:
    assert set(AUDIENCES) == set(TITLES)
