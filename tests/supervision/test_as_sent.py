"""What a 督办单 says stays as it was sent, says nothing of what is hidden, and goes out only while it still holds."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from app.jobs.worker import one_round
from app.supervision.ladder import propose
from app.tickets.office import Office
from app.tickets.tables import Dispatch, Ticket
from tests.builders import Hotline
from tests.supervision.test_supervision import DAY, NOON, OTHER, REPLY, UNIT, act, orders, proposals, raised
from tests.tickets.test_life import LEAD, START, answer_form, at, call, do, objection, ok, refused, signed

NAMED, NEIGHBOUR = "supervisor@special", "supervisor"
APPROVED = {"approve": True, "opinion": "可以", "despite_checks": "要点已答"}
WATCHERS = ("dispatcher", "reviewer", NEIGHBOUR, "leader", "auditor")
SPECIAL = {"complained_of": "市政府", "type": "举报", "content": "举报市政府有关负责人索要好处。"}


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


def special_in_a_units_hands(hotline: Hotline, **but: Any) -> str:
    hotline.token(NAMED)
    number: str = hotline.submit(**SPECIAL, **but)["number"]
    body = {"unit": "市纪委监委机关", "tag": "0101", "reason": "按管辖移送", "accused_cleared": True}
    ok(do(hotline, NAMED, number, "dispatch", body))
    return number


def test_not_even_the_named_supervisor_puts_a_special_ticket_into_an_order(monday: Hotline) -> None:
    number = special_in_a_units_hands(monday)
    assert ok(monday.get(NAMED, f"/tickets/{number}"))["holder"] == "市纪委监委机关"
    body = {"way": "书面", "unit": "市纪委监委机关", "tickets": [number], "requirement": "请限期办结。"}
    refused(monday.post(NAMED, "/supervision", body), 422, "不在该单位手中")


def test_the_paper_shows_a_unit_only_what_it_still_has(monday: Hotline) -> None:
    kept, moved = signed(monday), monday.submit(enterprise={"name": "另一家公司"})["number"]
    where = raised(monday, kept, tickets=[kept, moved])["number"]
    ok(do(monday, LEAD, moved, "objection", objection()))
    ok(do(monday, "dispatcher", moved, "objection/rule", {"uphold": True, "unit": "市住建局", "opinion": "确系工程款"}))
    seen = ok(monday.get(LEAD, f"/supervision/{where}/paper"))
    assert [ticket["number"] for ticket in seen["tickets"]] == [kept]
    assert {ticket["number"] for ticket in ok(monday.get("supervisor", f"/supervision/{where}/paper"))["tickets"]} == {
        kept, moved,
    }  # fmt: skip


def test_the_paper_stays_as_it_was_sent(monday: Hotline) -> None:
    number = signed(monday)
    where = raised(monday, number)["number"]
    before = ok(monday.get(LEAD, f"/supervision/{where}/paper"))
    ok(do(monday, LEAD, number, "extension", {"days": 3, "reason": "须会同财政核对账目后才能答复企业。"}))
    ok(do(monday, "reviewer", number, "extension/rule", {"grant": True, "opinion": "同意"}))
    assert monday.ticket(number)["due_at"] != before["tickets"][0]["due_at"]
    assert ok(monday.get(LEAD, f"/supervision/{where}/paper")) == before


@pytest.mark.parametrize("hidden", ["隐名", "匿名"])
def test_a_hidden_appeal_is_never_counted_with_open_ones(monday: Hotline, office: Office, hidden: str) -> None:
    for _ in range(2):
        monday.submit()
    number = monday.submit(confidentiality=hidden)["number"]
    ok(do(monday, "dispatcher", number, "reviewed-text", {"content": "有企业反映一所学校拖欠课桌椅货款两年。"}))
    ok(
        do(
            monday,
            "dispatcher",
            number,
            "dispatch",
            {"unit": UNIT, "tag": "0101", "reason": "转办文本已审定", "accused_cleared": True},
        )
    )
    propose(office.database, office.desk)
    assert proposals(monday)["repeated", "现场"] == 0
    monday.submit()
    propose(office.database, office.desk)
    order = orders(monday, status="拟发", unit=UNIT)[0]
    numbers = ok(monday.get("supervisor", f"/supervision/{order['number']}"))["numbers"]
    assert len(numbers) == 3
    assert number not in numbers


def test_withdrawn_appeals_are_no_repetition(monday: Hotline, office: Office) -> None:
    monday.submit()
    monday.submit()
    ok(do(monday, "dispatcher", monday.submit()["number"], "withdraw", {"reason": "企业自己撤回"}))
    propose(office.database, office.desk)
    assert proposals(monday)["repeated", "现场"] == 0


def proposed(hotline: Hotline, rule: str, unit: str = UNIT) -> str:
    found = [order["number"] for order in orders(hotline, status="拟发", unit=unit) if order["rule"] == rule]
    assert len(found) == 1, found
    return str(found[0])


def closed(hotline: Hotline, number: str) -> None:
    ok(do(hotline, LEAD, number, "sign"))
    ok(do(hotline, LEAD, number, "reply", answer_form()))
    ok(do(hotline, "reviewer", number, "review", APPROVED))
    ok(do(hotline, "callback", number, "callback", call()))


def test_a_proposal_that_no_longer_holds_is_not_sent(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
    with at(hotline, NOON + DAY):
        propose(office.database, office.desk)
        closed(hotline, number)
        last = hotline.get("dispatcher", f"/tickets/{number}/events").json()[-1]
        where = proposed(hotline, "unsigned")
        refused(act(hotline, "supervisor", where, "issue", {}), 409, "没有可督办的")
        assert hotline.get("dispatcher", f"/tickets/{number}/events").json()[-1] == last
        assert ok(act(hotline, "supervisor", where, "cancel", {"reason": "已办结"}))["status"] == "已撤销"


def test_what_has_been_settled_is_left_out_of_the_order(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        numbers = [hotline.submit(enterprise={"name": f"第{index}家公司"})["number"] for index in range(2)]
    with at(hotline, NOON + DAY):
        propose(office.database, office.desk)
        closed(hotline, numbers[0])
        sent = ok(act(hotline, "supervisor", proposed(hotline, "unsigned"), "issue", {}))
        assert (sent["numbers"], sent["tickets"]) == ([numbers[1]], 1)
        assert [step["kind"] for step in sent["steps"]] == ["移出", "发出"]
        assert numbers[0] in sent["steps"][0]["text"]


def test_what_was_sent_as_a_talk_is_not_pressed_in_writing(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, NOON + DAY):
        propose(office.database, office.desk)
        ok(act(hotline, "supervisor", proposed(hotline, "unsigned"), "issue", {"way": "约谈"}))
    with at(hotline, NOON + 8 * DAY):
        propose(office.database, office.desk)
        assert proposals(hotline) == {}
        assert ("overdue", "书面") in proposals(hotline, OTHER)


def test_a_proposal_that_went_out_as_a_call_holds_back_nothing(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, NOON + 14 * DAY):
        propose(office.database, office.desk)
        ok(act(hotline, "supervisor", proposed(hotline, "overdue-5"), "issue", {"way": "电话"}))
        propose(office.database, office.desk)
        assert proposals(hotline) == {("overdue-3", "现场"): 1}


def test_a_cancelled_talk_holds_back_nothing(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        where = raised(hotline, signed(hotline), way="约谈")["number"]
        ok(act(hotline, "supervisor", where, "cancel", {"reason": "发错了单位"}))
    with at(hotline, NOON + 8 * DAY):
        propose(office.database, office.desk)
        assert proposals(hotline)["overdue", "书面"] == 1


def test_an_answer_that_did_not_do_does_not_excuse_from_a_written_order(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = signed(hotline)
        raised(hotline, number)
        ok(do(hotline, LEAD, number, "reply", answer_form()))
    with at(hotline, NOON + 4 * DAY):
        propose(office.database, office.desk)
        assert proposals(hotline)["unanswered", "约谈"] == 1


def test_a_written_order_about_an_ended_ticket_leads_to_no_talk(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        raised(hotline, number)
        closed(hotline, number)
    with at(hotline, NOON + 4 * DAY):
        propose(office.database, office.desk)
        assert proposals(hotline) == {}


def test_a_unit_cannot_tell_a_cancelled_proposal_from_none(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, NOON + DAY):
        propose(office.database, office.desk)
        where = proposed(hotline, "unsigned")
        ok(act(hotline, "supervisor", where, "cancel", {"reason": "已电话告知"}))
        refused(act(hotline, LEAD, where, "reply", REPLY), 404, "无权查看")


@pytest.mark.parametrize(("due", "late"), [("2026-11-10T00:00:00+08:00", 3), ("2026-11-09T17:30:00+08:00", 3)])
def test_the_day_that_ends_at_midnight_is_the_day_it_was_due(
    hotline: Hotline, office: Office, due: str, late: int
) -> None:
    with at(hotline, START):
        number = signed(hotline)
    with office.database.write() as session:
        set_due(session, number, due)
    with at(hotline, NOON + 10 * DAY):  # Thursday 12 November
        propose(office.database, office.desk)
        assert proposals(hotline)["overdue-3", "现场"] == 1
        sent = ok(act(hotline, "supervisor", proposed(hotline, "overdue-3"), "issue", {}))["number"]
        paper = ok(hotline.get(LEAD, f"/supervision/{sent}/paper"))
        assert [ticket["overdue_days"] for ticket in paper["tickets"]] == [late]


def set_due(session: Any, number: str, due: str) -> None:
    """Give a ticket's parts the due time a statute may give: the front door has no appeal due in a week by calendar days."""
    ticket = session.scalars(select(Ticket.id).where(Ticket.number == number)).one()
    session.execute(update(Dispatch).where(Dispatch.ticket_id == ticket).values(due_at=datetime.fromisoformat(due)))


def rate(hotline: Hotline, office: Office) -> tuple[int, int]:
    one_round(office, None)
    week = ok(hotline.get("supervisor", "/reports/weekly/2026-W45"))
    found = week["figures"]["headline"]["supervision_rate"]["now"]
    return found["hit"], found["base"]


def test_a_supplement_after_an_answer_in_time_costs_nothing(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        where = raised(hotline, signed(hotline))["number"]
        ok(act(hotline, LEAD, where, "reply", REPLY))
    with at(hotline, START + 4 * DAY):
        ok(act(hotline, LEAD, where, "reply", {"text": "补充：尾款也已到账。"}))
        ok(act(hotline, "supervisor", where, "conclude", {"done": True, "opinion": "企业确认"}))
    with at(hotline, START + 7 * DAY):
        assert rate(hotline, office) == (1, 1)


def test_an_answer_in_time_that_nobody_judged_is_no_miss(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        first, second = (signed(hotline, enterprise={"name": f"第{index}家公司"}) for index in range(2))
        ok(act(hotline, LEAD, raised(hotline, first)["number"], "reply", REPLY))
        raised(hotline, second)
    with at(hotline, START + 7 * DAY):
        assert rate(hotline, office) == (0, 1)
