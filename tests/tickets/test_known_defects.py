"""Defects that systems of this kind are known for, each as a test that this one passes."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from app.jobs.worker import one_round
from app.tickets.office import Office
from app.tickets.tables import Dispatch
from app.tickets.upkeep import BATCH, sign_for_the_silent
from tests.builders import Hotline
from tests.tickets.test_life import LEAD, REASON, answer_form, at, do, objection, ok, refused, waiting

MONDAY = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)


def test_a_sweep_examines_every_ticket_not_the_newest_hundred(hotline: Hotline, office: Office) -> None:
    with at(hotline, MONDAY):
        for index in range(BATCH + 5):
            hotline.submit(title=f"第{index}件", override={"tag": "1401", "reason": "城管"})
    with at(hotline, MONDAY + timedelta(days=1)):
        while sign_for_the_silent(office.database):
            pass
        with office.database.read() as session:
            assert session.scalar(select(func.count()).where(Dispatch.state == "awaiting_sign")) == 0


def test_returned_and_unassigned_tickets_are_overdue_like_any_other(hotline: Hotline) -> None:
    with at(hotline, MONDAY):
        returned, unassigned = hotline.submit()["number"], waiting(hotline)
        ok(do(hotline, LEAD, returned, "objection", objection()))
    with at(hotline, MONDAY + timedelta(days=1)):
        found = {item["number"]: item["step"] for item in hotline.get("supervisor", "/overdue").json()["items"]}
        assert found == {returned: "签收", unassigned: "首次派单"}
        assert {item["number"] for item in ok(hotline.get("supervisor", "/stuck"))["unowned"]} == {returned, unassigned}


def test_no_remark_contact_or_urging_resets_a_clock(hotline: Hotline) -> None:
    with at(hotline, MONDAY):
        number = hotline.submit()["number"]
        before = hotline.ticket(number)["due_at"]
    with at(hotline, MONDAY + timedelta(days=1)):
        ok(do(hotline, LEAD, number, "sign"))
        reached = {"at": (MONDAY + timedelta(hours=20)).isoformat(), "reached": True}
        ok(do(hotline, LEAD, number, "contact-attempt", reached))
        ok(do(hotline, "operator", number, "urge", REASON))
        ok(do(hotline, LEAD, number, "interim", {"content": "已约学校明天当面对账，结果再报。"}))
        assert hotline.ticket(number)["due_at"] == before


def test_a_transfer_gives_the_next_unit_its_own_time_and_the_enterprise_none(hotline: Hotline) -> None:
    with at(hotline, MONDAY):
        number = hotline.submit()["number"]
        before = hotline.ticket(number)["due_at"]
    with at(hotline, MONDAY + timedelta(hours=2)):
        ok(do(hotline, LEAD, number, "objection", objection()))
    with at(hotline, MONDAY + timedelta(days=1)):
        body = {"uphold": True, "unit": "市住建局", "opinion": "确系工程款"}
        seen = ok(do(hotline, "dispatcher", number, "objection/rule", body))
        own = next(part for part in seen["parts"] if part["unit"]["name"] == "市住建局" and part["state"] == "待签收")
        assert {due["step"]: due["due_at"] for due in own["due"]}["办结"] > before
        assert seen["due_at"] == before


def test_a_parent_never_cancels_open_children_nor_a_lead_open_opinions(hotline: Hotline, office: Office) -> None:
    with at(hotline, MONDAY):
        parent = hotline.submit()["number"]
        children = [{"content": "学校欠货款", "tag": "0101"}, {"content": "工程款也没给", "tag": "0103"}]
        numbers = ok(do(hotline, "dispatcher", parent, "split", {"children": children, "reason": "两个事项"}))[
            "children"
        ]
        refused(do(hotline, "operator", parent, "withdraw", REASON), 409, "已拆分")
        one_round(office, None)
        assert {hotline.ticket(number)["state"] for number in numbers} == {"awaiting_sign"}
        whole = hotline.submit()["number"]
        ok(do(hotline, LEAD, whole, "sign"))
        refused(do(hotline, LEAD, whole, "reply", answer_form(without_opinions=None)), 409, "还没有提交意见")


def test_seven_working_days_over_a_holiday_week_are_seven_working_days(hotline: Hotline) -> None:
    asked = {"from": "2026-09-30T10:00:00+08:00", "amount": "7"}
    seen = ok(hotline.get("operator", "/calendar/explain", **asked))
    counted = [item["day"] for item in seen["slices"] if item["counted"] == "工作日"]
    assert counted == [f"2026-10-{day:02d}" for day in (8, 9, 10, 12, 13, 14, 15)]


def test_a_lunch_break_is_no_office_time(hotline: Hotline) -> None:
    asked = {"from": "2026-11-02T11:30:00+08:00", "amount": "1", "unit": "办公小时"}
    assert ok(hotline.get("operator", "/calendar/explain", **asked))["due_at"] == "2026-11-02T07:00:00Z"


def test_not_ours_must_say_whose(hotline: Hotline) -> None:
    with at(hotline, MONDAY):
        number = hotline.submit()["number"]
        refused(do(hotline, LEAD, number, "objection", objection(None)), 422, "不是本单位的，要说明是谁的")
