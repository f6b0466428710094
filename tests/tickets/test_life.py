"""The whole life of a work order through its HTTP face: one hard case from end to end, and each verb with its refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from httpx2 import Response

from app import clock
from app.jobs.worker import one_round
from app.tickets.clocks import rebuild
from app.tickets.lifecycle import diagram, table
from app.tickets.office import Office
from tests.builders import Hotline
from tests.rules import RULES

START = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)  # Monday, 9:30 in Baotou
LEAD, HELPER = "unit_handler@市工信局", "unit_handler@市财政局"
BUILDERS = "unit_handler@市住建局"
GOOD = "经核实，学校已与企业约定分两期付清货款，首期本周到账，企业经办人王大山知晓并同意。"
REASON = {"reason": "按规定办理"}
ATTACHED = [{"name": "合同.pdf", "media_type": "application/pdf"}]


@contextmanager
def at(hotline: Hotline, moment: datetime) -> Iterator[None]:
    """Move the clock; everybody signs in anew, for tokens last half a day."""
    with time_machine.travel(moment, tick=False):
        hotline.sign_in_anew()
        yield


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    """The hotline on a Monday morning."""
    with at(hotline, START):
        yield hotline


def ok(answer: Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: Response, status: int, *words: str) -> None:
    detail = answer.json()["detail"] if answer.status_code >= 400 else answer.text
    assert answer.status_code == status, answer.text
    assert all(word in detail + str(answer.json().get("errors", "")) for word in words), answer.text


def do(hotline: Hotline, who: str, number: str, verb: str, body: Any = None) -> Response:
    return hotline.post(who, f"/tickets/{number}/{verb}", body)


def answer_form(**but: Any) -> dict[str, Any]:
    contact = {"at": clock.now().isoformat(), "way": "电话"}
    return {"result": "已解决", "content": GOOD, "contact": contact, "without_opinions": "财政意见不影响结论", **but}


def objection(suggested: str | None = "市住建局", **but: Any) -> dict[str, Any]:
    return {
        "reason": "职责不符", "clause": "市工信局三定规定第四条", "suggested": suggested,
        "explanation": "此件是工程款，不属本单位处理的货款账款范围。", **but,
    }  # fmt: skip


def signed(hotline: Hotline, who: str = LEAD, **but: Any) -> str:
    number: str = hotline.submit(**but)["number"]
    ok(do(hotline, who, number, "sign"))
    return number


def answered(hotline: Hotline, **but: Any) -> str:
    number = signed(hotline)
    ok(do(hotline, LEAD, number, "reply", answer_form(**but)))
    return number


def reviewed(hotline: Hotline, **but: Any) -> str:
    number = answered(hotline, **but)
    body = {"approve": True, "opinion": "可以", "despite_checks": "要点已答"}
    ok(do(hotline, "reviewer", number, "review", body))
    return number


def call(**but: Any) -> dict[str, Any]:
    return {"at": clock.now().isoformat(), "outcome": "接通", "solved": "已解决", "grade": "满意", **but}


def clock_of(hotline: Hotline, number: str) -> dict[str, Any]:
    return ok(hotline.get("supervisor", f"/tickets/{number}/clock"))


def test_the_life_of_a_hard_case(hotline: Hotline, office: Office) -> None:
    """Returned twice, arbitrated, extended, split, reworked, closed: every moment accounted for, nothing forgotten."""
    with at(hotline, START):
        number = hotline.submit()["number"]
        due_at = hotline.ticket(number)["due_at"]
    with at(hotline, START + timedelta(hours=1)):
        ok(do(hotline, LEAD, number, "objection", objection()))
        body = {"uphold": True, "unit": "市住建局", "opinion": "确系工程款"}
        seen = ok(do(hotline, "dispatcher", number, "objection/rule", body))
        assert (seen["holder"], seen["state"], seen["due_at"], seen["returns"]) == (
            "市住建局",
            "awaiting_sign",
            due_at,
            1,
        )
    with at(hotline, START + timedelta(hours=2)):
        assert ok(do(hotline, BUILDERS, number, "objection", objection("市财政局")))["state_label"] == "裁定中"
        arbitration = {
            "unit": "市财政局", "participants": ["市委编办", "市司法局"], "clause": "市级权责清单第七项",
            "opinion": "由资金主管单位牵头",
        }  # fmt: skip
        seen = ok(do(hotline, "supervisor", number, "arbitrate", arbitration))
        assert (seen["holder"], seen["returns"]) == ("市财政局", 2)
    with at(hotline, START + timedelta(hours=3)):
        ok(do(hotline, HELPER, number, "sign"))
        refused(do(hotline, HELPER, number, "objection", objection()), 409, "指定", "会商")
        ok(do(hotline, HELPER, number, "extension", {"days": 3, "reason": "资金要走国库程序"}))
        seen = ok(do(hotline, "reviewer", number, "extension/rule", {"grant": True, "opinion": "理由充分"}))
        assert seen["due_at"] > due_at
        assert seen["original_due_at"] == due_at
        one_round(office, None)
        assert hotline.ticket(number)["hardness"] == "提请会商"
    with at(hotline, START + timedelta(days=1)):
        children = [
            {"content": "学校欠的货款没付。", "tag": "0101"},
            {"content": "合同写得不清，想请人看看。", "tag": "2405"},
        ]
        first, second = ok(do(hotline, "dispatcher", number, "split", {"children": children, "reason": "两个事项"}))[
            "children"
        ]
        assert hotline.ticket(first)["accepted_at"] == hotline.ticket(number)["accepted_at"]
        ok(do(hotline, "operator", second, "withdraw", {"reason": "企业已另请律师"}))
        ok(do(hotline, LEAD, first, "sign"))
    with at(hotline, START + timedelta(days=3)):
        ok(do(hotline, LEAD, first, "reply", answer_form()))
        ok(do(hotline, "reviewer", first, "review", {"approve": True, "opinion": "可以", "despite_checks": "要点已答"}))
        seen = ok(do(hotline, "callback", first, "callback", call(solved="未解决", grade="不满意")))
        assert seen["state_label"] == "待复核"
        seen = ok(do(hotline, "reviewer", first, "reassess", {"rework": True, "opinion": "企业说得对"}))
        assert (seen["state"], seen["reworks"], seen["next_step"]) == ("in_progress", 1, "重办")
    with at(hotline, START + timedelta(days=4)):
        ok(do(hotline, LEAD, first, "reply", answer_form()))
        ok(do(hotline, "reviewer", first, "review", {"approve": True, "opinion": "可以", "despite_checks": "要点已答"}))
        seen = ok(do(hotline, "callback", first, "callback", call()))
        assert (seen["state"], seen["closing"], seen["next_due_at"]) == ("closed", "已解决", None)
        assert one_round(office, None)["joined"] == 1
        assert (hotline.ticket(number)["state"], hotline.ticket(number)["closing"]) == ("closed", "子件办结")
        four_days_are_accounted_for(hotline, first)
        assert four_days_are_accounted_for(hotline, number) == {"承办单位": 24 * 60, "子件": 3 * 24 * 60}
        file = ok(hotline.get("supervisor", f"/tickets/{number}/file"))
        assert [item["kind"] for item in file["rulings"]] == ["退单审核", "裁定"]
        assert [item["status"] for item in file["requests"]] == ["准予", "准予", "准予"]
        assert ok_list(hotline.get("dispatcher", "/rulings/proposals"))[0]["objector"]["name"] in {
            "市工信局",
            "市住建局",
        }
    assert list(rebuild(office.database, check=True)) == []


def four_days_are_accounted_for(hotline: Hotline, number: str) -> dict[str, int]:
    """Whatever was held, waited or paused adds up; returns the minutes by holder."""
    clocks = clock_of(hotline, number)
    spent = clocks["holding_minutes"] + clocks["unowned_minutes"] + clocks["paused_minutes"]
    assert spent == clocks["total_minutes"] == 4 * 24 * 60
    found: dict[str, int] = {}
    for item in clocks["stretches"]:
        found[item["holder"]] = found.get(item["holder"], 0) + item["minutes"]
    return found


def ok_list(answer: Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()
    return found


# 集中受理


def test_a_direct_answer_is_called_back_by_somebody_else(monday: Hotline) -> None:
    made = monday.submit(answered={"way": "三方通话", "partner": "市税务局", "content": GOOD})
    seen = monday.ticket(made["number"])
    assert (made["state_label"], seen["parts"], seen["next_step"]) == ("待回访", [], "回访")
    assert ok(do(monday, "callback", made["number"], "callback", call()))["state"] == "closed"
    assert ok(monday.get("operator", f"/tickets/{made['number']}/file"))["answered"]["partner"]["name"] == "市税务局"
    channel = monday.post(
        "channel@12345电话",
        "/tickets",
        {"channel": "12345电话", "content": "问税", "answered": {"way": "在线解答", "content": GOOD}},
    )
    refused(channel, 403, "直办")


def waiting(hotline: Hotline) -> str:
    form = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有给我们发下来。"}
    number: str = hotline.submit(**form)["number"]
    return number


def test_the_clock_stands_still_while_the_enterprise_adds_what_is_missing(hotline: Hotline) -> None:
    with at(hotline, START):
        number = waiting(hotline)
        seen = ok(do(hotline, "operator", number, "ask-info", {"wanted": "请说明地在哪个旗县区"}))
        assert (seen["state_label"], seen["holder"]) == ("待补充", "企业（待补充材料）")
    with at(hotline, START + timedelta(hours=5)):
        body = {"content": "地在昆都仑区卜尔汉图镇。"}
        seen = ok(do(hotline, "operator", number, "supplement", body))
        assert (seen["holder"], seen["state"]) == ("昆都仑区政府", "awaiting_sign")
        assert "（企业补充）地在昆都仑区" in seen["content"]
        assert clock_of(hotline, number)["paused_minutes"] == 300


def test_withdrawing_recalls_the_units_and_can_be_undone(monday: Hotline) -> None:
    number = signed(monday)
    seen = ok(do(monday, "operator", number, "withdraw", {"reason": "企业来电撤回"}))
    assert (seen["state"], {part["state"] for part in seen["parts"]}) == ("withdrawn", {"已收回"})
    assert monday.get(LEAD, f"/tickets/{number}").status_code == 404
    assert ok(do(monday, "dispatcher", number, "restore", REASON))["state"] == "triage"


def test_a_report_does_not_end_because_its_author_withdraws(monday: Hotline) -> None:
    number = monday.submit(type="举报")["number"]
    refused(do(monday, "operator", number, "withdraw", {"reason": "不想举报了"}), 409, "举报", "不因")


def test_joined_tickets_keep_their_own_callbacks_and_can_be_parted(monday: Hotline) -> None:
    main, second, third = (monday.submit(title=f"第{index}件")["number"] for index in range(3))
    for number in (second, third):
        seen = ok(do(monday, "dispatcher", number, "merge", {"main": main, "reason": "同一笔货款"}))
        assert (seen["state_label"], seen["holder"]) == ("已并案", "随主件办理")
    refused(do(monday, "dispatcher", main, "merge", {"main": main, "reason": "误操作"}), 422, "自己")
    refused(do(monday, "dispatcher", main, "merge", {"main": second, "reason": "误操作"}), 409, "不能再并入")
    assert ok(do(monday, "dispatcher", third, "unmerge", REASON))["state"] == "triage"
    ok(do(monday, LEAD, main, "sign"))
    ok(do(monday, LEAD, main, "reply", answer_form()))
    ok(do(monday, "reviewer", main, "review", {"approve": True, "opinion": "可以", "despite_checks": "要点已答"}))
    assert monday.ticket(second)["state_label"] == "待回访"
    assert monday.ticket(third)["state"] == "triage"


def test_a_parent_waits_for_its_children(monday: Hotline, office: Office) -> None:
    parent = monday.submit()["number"]
    body = {
        "children": [{"content": "学校欠的货款三十六万没付", "tag": "0101"}, {"content": "工程款也没给", "tag": "0103"}],
        "reason": "两个事项",
    }  # fmt: skip
    answer = ok(do(monday, "dispatcher", parent, "split", body))
    assert answer["children"] == [f"{parent}-01", f"{parent}-02"]
    before = monday.ticket(parent)
    child = monday.ticket(answer["children"][0])
    assert (before["state_label"], child["accepted_at"]) == ("已拆分", before["accepted_at"])
    ok(do(monday, "operator", answer["children"][0], "withdraw", {"reason": "已付清"}))
    one_round(office, None)
    assert monday.ticket(parent)["state"] == "split"
    ok(do(monday, "operator", answer["children"][1], "withdraw", {"reason": "已付清"}))
    one_round(office, None)
    assert (monday.ticket(parent)["state"], monday.ticket(parent)["closing"]) == ("closed", "子件办结")
    again = {**body, "children": [*body["children"], {"content": "第三件", "tag": "9999"}]}
    refused(do(monday, "dispatcher", monday.submit()["number"], "split", again), 422, "/children/2/tag")


# 按责转办


def test_an_objection_says_whose_it_is_instead_and_within_its_window(hotline: Hotline) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        refused(do(hotline, LEAD, number, "objection", objection(None)), 422, "suggested")
        refused(do(hotline, LEAD, number, "objection", objection("市工信局")), 422, "本单位")
    with at(hotline, START + timedelta(days=2)):
        refused(do(hotline, LEAD, number, "objection", objection()), 409, "时限", "已过")


def test_a_refused_objection_leaves_the_unit_its_whole_clock(hotline: Hotline) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        due_at = hotline.ticket(number)["parts"][0]["due"][-1]["due_at"]
        ok(do(hotline, LEAD, number, "objection", objection()))
        refused(do(hotline, LEAD, number, "reply", answer_form()), 409, "退单")
    with at(hotline, START + timedelta(days=1)):
        assert number in hotline.get("supervisor", "/overdue").text
        seen = ok(do(hotline, "dispatcher", number, "objection/rule", {"uphold": False, "opinion": "属于其职责"}))
        assert (seen["state"], seen["holder"]) == ("in_progress", "市工信局")
        assert seen["parts"][0]["due"][-1]["due_at"] == due_at
    with at(hotline, START + timedelta(days=1, hours=1)):
        # What the hotline took beyond its half working day is the hotline's own time.
        held = clock_of(hotline, number)
        assert [item["holder"] for item in held["stretches"]] == ["承办单位", "热线", "承办单位"]
        refused(do(hotline, LEAD, number, "objection", objection()), 409, "不能再退单")


def test_a_ruling_becomes_a_precedent_for_the_next_like_it(monday: Hotline) -> None:
    number = monday.submit()["number"]
    ok(do(monday, LEAD, number, "objection", objection()))
    ok(
        do(
            monday,
            "dispatcher",
            number,
            "objection/rule",
            {"uphold": True, "unit": "市住建局", "opinion": "确系工程款"},
        )
    )
    form = {"content": "学校的货款一直没给", "override": {"tag": "0101", "reason": "货款"}}
    found = ok(monday.post("operator", "/tickets/preview", form))["precedents"]
    assert [(item["objector"]["name"], item["unit"]["name"], item["clause"]) for item in found] == [
        ("市工信局", "市住建局", "市工信局三定规定第四条")
    ]
    assert ok_list(monday.get("dispatcher", "/rulings", tag="0101"))[0]["opinion"] == "确系工程款"


def test_a_supporters_return_leaves_the_lead_alone(monday: Hotline) -> None:
    number = signed(monday)
    ok(do(monday, HELPER, number, "objection", objection()))
    assert monday.ticket(number)["state"] == "in_progress"
    answer = monday.post(
        "dispatcher", f"/tickets/{number}/objection/rule?unit=市财政局", {"uphold": True, "opinion": "不需协办"}
    )
    assert ok(answer)["state"] == "in_progress"
    assert {part["unit"]["name"]: part["state"] for part in monday.ticket(number)["parts"]}["市财政局"] == "已退回"


def test_a_correction_of_urgency_counts_from_the_first_start_and_forgets_nothing(hotline: Hotline) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
    with at(hotline, START + timedelta(days=2)):
        ok(do(hotline, LEAD, number, "sign"))
        assert hotline.ticket(number)["parts"][0]["late"] == ["签收", "首次联系"]
        seen = ok(do(hotline, "reviewer", number, "reclassify", {"urgent": True, "reason": "企业停产"}))
        assert seen["due_at"] == "2026-11-03T01:30:00Z"
        assert seen["parts"][0]["late"] == ["签收", "首次联系"]
        seen = ok(do(hotline, "reviewer", number, "reclassify", {"urgent": False, "reason": "已恢复生产"}))
        assert (seen["due_at"], seen["overdue_at"]) == ("2026-11-09T09:30:00Z", "2026-11-03T01:30:00Z")


def test_the_laws_own_limit_runs_from_its_legal_start(monday: Hotline) -> None:
    number = signed(monday)
    body = {"started_at": "2026-10-26T09:00:00+08:00", "reason": "10月26日收到省厅转交材料"}
    seen = ok(do(monday, "dispatcher", number, "statute", body))
    part = seen["parts"][0]
    assert seen["due_at"] == "2026-11-25T16:00:00Z"
    assert {due["step"]: due["basis_kind"] for due in part["due"]}["办结"] == "法定"
    assert {due["step"]: due["limit"] for due in part["due"]}["首次联系"] == "1个工作日"
    refused(
        do(monday, "dispatcher", number, "statute", {**body, "started_at": "2027-01-01T00:00:00+08:00"}), 422, "晚于"
    )


# 限时处办


def test_nobody_signs_so_the_system_does_and_it_counts_as_late(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
    with at(hotline, START + timedelta(days=1)):
        assert one_round(office, None)["signed_for"] == 1
        seen = hotline.ticket(number)
        assert (seen["state"], seen["parts"][0]["late"]) == ("in_progress", ["签收"])
        events = ok_list(hotline.get("supervisor", f"/tickets/{number}/events"))
        assert [event["actor"] for event in events if event["kind"] == "signed"] == ["system:0", "system:0"]


def test_three_calls_in_two_slots_are_diligence_not_contact(hotline: Hotline) -> None:
    with at(hotline, START):
        number = signed(hotline)
        for minutes in (1, 2, 3):
            called = (START + timedelta(minutes=minutes - 3)).isoformat()
            if minutes == 1:
                refused(do(hotline, LEAD, number, "contact-attempt", {"at": called, "reached": False}), 422, "/at")
    with at(hotline, START + timedelta(hours=6)):
        for hours in (1, 2):
            moment = (START + timedelta(hours=hours)).isoformat()
            seen = ok(do(hotline, LEAD, number, "contact-attempt", {"at": moment, "reached": False}))
        assert seen["parts"][0]["contacted_at"] is None
        moment = (START + timedelta(hours=5, minutes=50)).isoformat()
        seen = ok(do(hotline, LEAD, number, "contact-attempt", {"at": moment, "reached": False}))
        assert seen["parts"][0]["contacted_at"] is not None
        assert seen["parts"][0]["contact_kind"] == "已尽责联系"
        file = ok(hotline.get(LEAD, f"/tickets/{number}/file"))
        assert [item["reached"] for item in file["contacts"]] == [False] * 3
        assert file["contacts"][0]["phone"] == "138****0001"


def test_the_lead_waits_for_opinions_or_says_why_not(monday: Hotline) -> None:
    number = signed(monday)
    refused(do(monday, LEAD, number, "reply", answer_form(without_opinions=None)), 409, "市财政局", "without_opinions")
    seen = ok(do(monday, LEAD, number, "reply", answer_form()))
    assert {part["unit"]["name"]: part["state"] for part in seen["parts"]}["市财政局"] == "未等意见"
    refused(do(monday, HELPER, number, "sign"), 409)


def test_an_extension_is_asked_in_time_once_and_never_for_an_urgent_case(hotline: Hotline) -> None:
    with at(hotline, START):
        number, urgent = signed(hotline), signed(hotline, urgent=True)
        refused(do(hotline, LEAD, number, "extension", {"days": 6, "reason": "要时间"}), 422, "5个工作日")
        refused(do(hotline, LEAD, urgent, "extension", {"days": 1, "reason": "要时间"}), 409, "紧急件不延期")
        ok(do(hotline, LEAD, number, "extension", {"days": 5, "reason": "要时间"}))
        refused(do(hotline, LEAD, number, "extension", {"days": 5, "reason": "要时间"}), 409, "正在审批")
        assert number in hotline.get("reviewer", "/desk", step="延期审批").text
        seen = ok(do(hotline, "reviewer", number, "extension/rule", {"grant": True, "opinion": "可以"}))
        assert seen["due_at"] == "2026-11-16T09:30:00Z"
        refused(do(hotline, LEAD, number, "extension", {"days": 1, "reason": "还要"}), 409, "会商")
        late = signed(hotline)
    with at(hotline, datetime(2026, 11, 9, 8, 30, tzinfo=UTC)):
        refused(do(hotline, LEAD, late, "extension", {"days": 1, "reason": "还要"}), 409, "半个工作日")


def test_a_suspension_ends_by_itself_and_costs_exactly_its_working_time(hotline: Hotline, office: Office) -> None:
    with at(hotline, datetime(2026, 9, 29, 1, 30, tzinfo=UTC)):  # Tuesday before 国庆
        number = signed(hotline)
        form = {
            "reason": "检验检测鉴定",
            "explanation": "样品送检，等检测机构出报告。",
            "until": "2026-10-08",
            "evidence": ATTACHED,
        }
        refused(do(hotline, LEAD, number, "suspension", {**form, "until": "2026-12-08"}), 422, "/until")
        refused(do(hotline, LEAD, number, "suspension", {**form, "evidence": []}), 422, "/evidence")
        ok(do(hotline, LEAD, number, "suspension", form))
        seen = ok(do(hotline, "reviewer", number, "suspension/rule", {"grant": True, "opinion": "属实"}))
        assert (seen["state_label"], seen["parts"][0]["next_step"]) == ("挂起", "恢复办理")
        assert seen["due_at"] == "2026-10-12T09:30:00Z"
    with at(hotline, datetime(2026, 10, 8, 16, 1, tzinfo=UTC)):
        assert one_round(office, None)["resumed"] == 1
        seen = hotline.ticket(number)
        # 29 and 30 September (less the morning's first hour) and 8 October were paused: 2 whole days and 5.5 hours.
        assert (seen["state"], seen["due_at"]) == ("in_progress", "2026-10-15T08:30:00Z")


def test_a_part_is_given_to_a_colleague_with_a_deputy(monday: Hotline) -> None:
    monday.token("unit_leader@市工信局")
    number = signed(monday)
    seen = do(monday, LEAD, number, "assign", {"handler": LEAD, "deputy": "unit_leader@市工信局"})
    assert seen.status_code == 200
    refused(do(monday, LEAD, number, "assign", {"handler": HELPER}), 422, "/handler")


# 办结反馈


def test_the_check_of_an_answer_holds_a_template_back(monday: Hotline) -> None:
    number = answered(monday, content="收到您的诉求后我局高度重视，立即安排，感谢您的理解。")
    found = {item["code"] for item in ok_list(monday.get("reviewer", f"/tickets/{number}/check"))}
    assert "template" in found
    refused(
        do(monday, "reviewer", number, "review", {"approve": True, "opinion": "可以"}), 409, "套话", "despite_checks"
    )
    seen = ok(do(monday, "reviewer", number, "review", {"approve": False, "opinion": "请写明办理经过"}))
    assert (seen["state"], seen["holder"]) == ("in_progress", "市工信局")


def test_an_answer_given_to_two_is_found(monday: Hotline) -> None:
    first, second = answered(monday), answered(monday)
    found = ok_list(monday.get("reviewer", f"/tickets/{second}/check"))
    assert [first in item["message"] for item in found if item["code"] == "identical"] == [True]


def test_not_reached_is_never_satisfied(hotline: Hotline) -> None:
    with at(hotline, START):
        number = reviewed(hotline)
        seen = ok(do(hotline, "callback", number, "callback", {"at": clock.now().isoformat(), "outcome": "未接通"}))
        assert seen["state"] == "awaiting_callback"
        refused(do(hotline, "callback", number, "callback", call(outcome="未接通")), 422, "评价")
        refused(do(hotline, LEAD, number, "callback", call()), 403)
    with at(hotline, START + timedelta(hours=6)):
        for _ in range(2):
            seen = ok(do(hotline, "callback", number, "callback", {"at": clock.now().isoformat(), "outcome": "未接通"}))
        assert (seen["state"], seen["solved"]) == ("closed", "")


def test_rework_is_ordered_twice_at_most(monday: Hotline) -> None:
    number = reviewed(monday)
    for _ in range(2):
        ok(do(monday, "callback", number, "callback", call(solved="未解决", grade=None)))
        ok(do(monday, "reviewer", number, "reassess", {"rework": True, "opinion": "确未解决"}))
        refused(do(monday, LEAD, number, "objection", objection()), 409, "重办")
        ok(do(monday, LEAD, number, "reply", answer_form()))
        ok(do(monday, "reviewer", number, "review", {"approve": True, "opinion": "可以", "despite_checks": "已答"}))
    ok(do(monday, "callback", number, "callback", call(solved="未解决", grade="非常不满意")))
    refused(do(monday, "reviewer", number, "reassess", {"rework": True, "opinion": "还没解决"}), 409, "会商")
    refused(do(monday, "reviewer", number, "reassess", {"rework": False, "opinion": "还没解决"}), 422, "finding")
    seen = ok(
        do(monday, "reviewer", number, "reassess", {"rework": False, "finding": "客观条件限制", "opinion": "已尽力"})
    )
    assert (seen["state"], seen["closing"]) == ("closed", "客观条件限制")


def test_a_promise_is_tracked_to_its_day_beyond_the_closing(hotline: Hotline) -> None:
    with at(hotline, START):
        number = reviewed(hotline, promises=[{"what": "付清首期", "promised_on": "2026-11-10"}])
        ok(do(hotline, "callback", number, "callback", call()))
        refused(do(hotline, "reviewer", number, "archive"), 409, "承诺")
    with at(hotline, datetime(2026, 11, 12, 1, 0, tzinfo=UTC)):
        late = {item["number"]: item["step"] for item in ok(hotline.get("supervisor", "/overdue"))["items"]}
        assert late == {number: "承诺兑现"}
        promise = ok(hotline.get("reviewer", f"/tickets/{number}/file"))["promises"][0]["id"]
        ok(do(hotline, "reviewer", number, f"promises/{promise}", {"kept": False, "remark": "还没到账"}))
        assert (
            do(hotline, "reviewer", number, f"promises/{promise}", {"kept": True, "remark": "再登"}).status_code == 409
        )
        assert ok(do(hotline, "reviewer", number, "archive"))["state_label"] == "已归档"


def test_urging_is_throttled(monday: Hotline) -> None:
    number = signed(monday)
    assert ok(do(monday, "operator", number, "urge", REASON))["urges"] == 1
    refused(do(monday, "operator", number, "urge", REASON), 409, "小时内不重复")


def test_only_a_conference_gives_a_hard_case_another_date(monday: Hotline) -> None:
    number = signed(monday)
    before = ok(do(monday, "dispatcher", number, "hard", REASON))
    assert before["hardness"] == "提请会商"
    body = {
        "held_at": clock.now().isoformat(), "participants": ["市工信局", "市财政局"], "lead": "市工信局",
        "conclusion": "由市工信局牵头协调学校，市财政局安排资金。", "due_on": "2026-12-01",
        "steps": [{"unit": "市财政局", "what": "下达资金", "due_on": "2026-11-20"}],
    }  # fmt: skip
    seen = ok(do(monday, "supervisor", number, "conference", body))
    assert (seen["due_at"], seen["original_due_at"]) == ("2026-12-01T16:00:00Z", before["due_at"])
    assert seen["hardness"] == "疑难"
    refused(do(monday, "dispatcher", number, "conference", body), 403)


def test_the_enterprise_looks_its_case_up_by_number_and_code(monday: Hotline) -> None:
    made = monday.submit()
    body = {"number": made["number"], "code": made["enquiry_code"].lower()}
    seen = ok(monday.client.post("/api/v1/enquiry", json=body))
    assert set(seen) == {"number", "state_label", "unit", "accepted_at", "due_at", "next", "replies"}
    assert (seen["unit"], seen["replies"]) == ("市工信局", [])
    assert ok(monday.client.post("/api/v1/enquiry/urge", json=body))["state_label"] == "待签收"
    refused(monday.client.post("/api/v1/enquiry/urge", json=body), 409, "小时内不重复")
    other = monday.submit()["number"]
    refused(monday.client.post("/api/v1/enquiry", json={**body, "number": other}), 404, "查询码")


def test_calendar_explain_lists_what_counts_and_what_does_not(monday: Hotline) -> None:
    asked = {"from": "2026-09-30T10:00:00+08:00", "amount": "5"}
    seen = ok(monday.get("operator", "/calendar/explain", **asked))
    assert seen["due_at"] == "2026-10-13T09:30:00Z"
    assert {item["day"]: (item["counted"], item["why"]) for item in seen["slices"]}["2026-10-10"] == (
        "工作日",
        "国庆节调休上班",
    )
    assert [item["why"] for item in seen["slices"] if item["day"] == "2026-10-05"] == ["国庆节放假"]
    refused(monday.get("operator", "/calendar/explain", **{**asked, "amount": "90"}), 503, "尚未导入")


def test_a_main_that_ends_without_an_answer_gives_its_joined_tickets_back(monday: Hotline, office: Office) -> None:
    main, second = (monday.submit(title=f"第{index}件")["number"] for index in range(2))
    ok(do(monday, "dispatcher", second, "merge", {"main": main, "reason": "同一笔货款"}))
    ok(do(monday, "operator", main, "withdraw", {"reason": "企业来电撤回"}))
    assert one_round(office, None)["parted"] == 1
    assert (monday.ticket(second)["state"], monday.ticket(second)["next_step"]) == ("triage", "首次派单")


def test_what_nobody_can_appeal_any_more_is_archived(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = reviewed(hotline)
        ok(do(hotline, "callback", number, "callback", call()))
    with at(hotline, START + timedelta(days=6)):
        assert one_round(office, None)["archived"] == 0
    with at(hotline, START + timedelta(days=8)):
        assert one_round(office, None)["archived"] == 1
        refused(do(hotline, "reviewer", number, "reassess", {"rework": True, "opinion": "又来电"}), 409, "已归档")


def test_the_laws_extension_keeps_its_own_cap_and_asker(monday: Hotline) -> None:
    number = signed(monday)
    body = {"started_at": "2026-10-26T09:00:00+08:00", "reason": "10月26日收到省厅转交材料"}
    ok(do(monday, "dispatcher", number, "statute", body))
    refused(do(monday, LEAD, number, "extension", {"days": 60, "reason": "案情复杂"}), 403, "负责人")
    refused(
        do(monday, "unit_leader@市工信局", number, "extension", {"days": 61, "reason": "案情复杂"}), 422, "60个自然日"
    )
    ok(do(monday, "unit_leader@市工信局", number, "extension", {"days": 60, "reason": "案情复杂"}))
    seen = ok(do(monday, "reviewer", number, "extension/rule", {"grant": True, "opinion": "符合条例"}))
    assert seen["due_at"].startswith("2027-01-2")
    refused(do(monday, "unit_leader@市工信局", number, "extension", {"days": 1, "reason": "还要"}), 422, "累计")


def test_a_parent_is_not_reworked_its_children_are(monday: Hotline, office: Office) -> None:
    parent = signed(monday)
    children = [{"content": "学校欠货款", "tag": "0101"}, {"content": "工程款也没给", "tag": "0103"}]
    numbers = ok(do(monday, "dispatcher", parent, "split", {"children": children, "reason": "两个事项"}))["children"]
    for number in numbers:
        ok(do(monday, "operator", number, "withdraw", {"reason": "已付清"}))
    one_round(office, None)
    refused(do(monday, "reviewer", parent, "reassess", {"rework": True, "opinion": "还没付"}), 409, "子件", numbers[0])


def test_children_of_a_special_case_stay_with_its_supervisor(monday: Hotline) -> None:
    monday.token("supervisor@special")
    number = monday.submit(type="举报", complained_of="市政府")["number"]
    body: dict[str, Any] = {"tag": "0405", "reason": "实为征地，地点未明"}
    assert do(monday, "supervisor@special", number, "correct", body).status_code == 200
    children = [{"content": "征地补偿没给", "tag": "0405"}, {"content": "合同有争议", "tag": "2405"}]
    body = {"children": children, "reason": "两个事项"}
    numbers = ok(do(monday, "supervisor@special", number, "split", body))["children"]
    assert [monday.get("dispatcher", f"/tickets/{child}").status_code for child in numbers] == [404, 404]
    assert monday.get("supervisor@special", f"/tickets/{numbers[0]}").status_code == 200


def test_lists_are_narrowed_and_what_is_due_or_stuck_is_seen(hotline: Hotline) -> None:
    with at(hotline, START):
        number, other = signed(hotline), waiting(hotline)
        ok(do(hotline, "dispatcher", number, "hard", REASON))
        assert [
            item["number"] for item in hotline.get("dispatcher", "/tickets", hardness="proposed").json()["items"]
        ] == [number]
        assert hotline.get("dispatcher", "/tickets", type="咨询").json()["items"] == []
        soon = hotline.get("supervisor", "/due-soon", hours=3).json()["items"]
        assert [(item["number"], item["overdue_minutes"] < 0) for item in soon] == [(other, True)]
    with at(hotline, START + timedelta(days=1)):
        found = ok(hotline.get("supervisor", "/stuck"))
        assert [item["number"] for item in found["unowned"]] == [other]


def test_the_documents_show_the_table_as_it_is() -> None:
    text = (RULES.parent / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    assert diagram() in text
    assert table() in text
