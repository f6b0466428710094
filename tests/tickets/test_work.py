"""A bureau's work: signing, answering, contacts; triage released by people; who sees what."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from app import clock
from app.database import Database
from app.tickets.events import Broken, broken_link
from app.tickets.tables import TicketEvent
from tests.builders import Hotline

LEAD = "unit_handler@市工信局"
HELPER = "unit_handler@市财政局"


def answer_form(**but: Any) -> dict[str, Any]:
    form = {
        "result": "已解决",
        "content": "已督促学校在本月内结清，双方签了付款计划。",
        "contact": {"at": clock.now().isoformat(), "way": "电话"},
        "without_opinions": "财政意见不影响本次结清",
    }
    return {**form, **but}


def test_sign_answer_review(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    signed = hotline.post(LEAD, f"/tickets/{number}/sign").json()
    assert (signed["state"], signed["holder"], signed["next_step"]) == ("in_progress", "市工信局", "签收")
    answered = hotline.post(LEAD, f"/tickets/{number}/reply", answer_form()).json()
    assert (answered["state"], answered["holder"]) == ("awaiting_review", "12345热线营商环境专席")
    assert answered["replies"][0]["result"] == "已解决"
    assert hotline.get(LEAD, "/queue").json()["items"] == []


def test_a_ticket_says_where_it_is_who_has_it_and_what_comes_next(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    seen = hotline.ticket(number)
    assert (seen["state_label"], seen["holder"], seen["next"]) == (
        "待签收",
        "市工信局",
        "由主办单位签收，并按时限联系企业",
    )
    assert seen["since"] == seen["dispatched_at"]
    assert seen["due_at"] == seen["parts"][0]["due"][-1]["due_at"]


def test_signing_twice_is_one_signing(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    first = hotline.post(LEAD, f"/tickets/{number}/sign")
    again = hotline.post(LEAD, f"/tickets/{number}/sign")
    events = [event["kind"] for event in hotline.get("dispatcher", f"/tickets/{number}/events").json()]
    assert (first.status_code, again.status_code, events.count("signed")) == (200, 200, 1)


def test_a_supporter_moves_only_its_own_part(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    hotline.post(HELPER, f"/tickets/{number}/sign")
    hotline.post(HELPER, f"/tickets/{number}/reply", answer_form())
    seen = hotline.ticket(number)
    assert seen["state"] == "awaiting_sign"
    assert {part["unit"]["name"]: part["state"] for part in seen["parts"]} == {
        "市工信局": "待签收",
        "市财政局": "已答复",
    }


def test_answering_needs_signing_first_and_only_once(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    early = hotline.post(LEAD, f"/tickets/{number}/reply", answer_form())
    hotline.post(LEAD, f"/tickets/{number}/sign")
    hotline.post(LEAD, f"/tickets/{number}/reply", answer_form())
    twice = hotline.post(LEAD, f"/tickets/{number}/reply", answer_form())
    assert (early.status_code, early.json()["detail"]) == (409, "请先签收，再办理或答复")
    assert twice.status_code == 409


@pytest.mark.parametrize("hours", [-48, 2])
def test_a_contact_outside_the_tickets_life_is_refused(hotline: Hotline, hours: int) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    contact = {"at": (clock.now() + timedelta(hours=hours)).isoformat(), "way": "电话"}
    refused = hotline.post(LEAD, f"/tickets/{number}/reply", answer_form(contact=contact))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/contact/at")


def test_unsolved_needs_a_plan_and_a_date(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    bare = hotline.post(LEAD, f"/tickets/{number}/reply", answer_form(result="未解决-客观"))
    planned = answer_form(result="未解决-客观", plan="财政资金到位后支付", planned_on="2027-03-31")
    assert bare.status_code == 422
    assert hotline.post(LEAD, f"/tickets/{number}/reply", planned).status_code == 200


def test_if_match_keeps_two_clerks_apart(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    seen = hotline.get(LEAD, f"/tickets/{number}")
    hotline.post(HELPER, f"/tickets/{number}/sign")
    late = hotline.post(LEAD, f"/tickets/{number}/sign", None, If_Match=seen.headers["etag"])
    fresh = hotline.get(LEAD, f"/tickets/{number}").headers["etag"]
    assert (late.status_code, late.json()["code"]) == (412, "precondition-failed")
    assert hotline.post(LEAD, f"/tickets/{number}/sign", None, If_Match=fresh).status_code == 200
    assert hotline.post(LEAD, f"/tickets/{number}/sign", None, If_Match="abc").status_code == 422


def test_another_bureau_does_not_know_the_ticket_exists(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    for path in ("", "/routing", "/events"):
        assert hotline.get("unit_handler@市教育局", f"/tickets/{number}{path}").status_code == 404
    assert hotline.post("unit_handler@市教育局", f"/tickets/{number}/sign").status_code == 404


def test_contact_is_masked_and_every_full_look_is_recorded(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    party = hotline.ticket(number, LEAD)["party"]
    asked = {"fields": ["contact_name", "contact_phone"], "reason": "首次联系企业"}
    full = hotline.post(LEAD, f"/tickets/{number}/unmask", asked).json()
    events = hotline.get("dispatcher", f"/tickets/{number}/events").json()
    assert (party["contact_name"], party["contact_phone"]) == ("王**", "138****0001")
    assert (full["contact_name"], full["contact_phone"]) == ("王大山", "13847200001")
    assert events[-1]["kind"] == "contact_viewed"


def test_a_unit_sees_nothing_of_an_anonymous_caller(hotline: Hotline) -> None:
    content = "我是鹿城木业有限公司的王大山，电话13847200001，学校欠我们货款。"
    number = hotline.submit(confidentiality="匿名", content=content)["number"]
    seen = hotline.ticket(number, LEAD)
    assert seen["party"] is None
    assert not any(word in seen["content"] for word in ("鹿城木业", "王大山", "13847200001"))
    asked = {"fields": ["contact_phone"], "reason": "联系企业转达答复"}
    assert hotline.post(LEAD, f"/tickets/{number}/unmask", asked).status_code == 403
    assert hotline.post("operator", f"/tickets/{number}/unmask", asked).status_code == 200


def test_the_history_is_one_unbroken_chain(hotline: Hotline, database: Database) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    hotline.post(LEAD, f"/tickets/{number}/reply", answer_form())
    with database.read() as session:
        events = list(session.scalars(select(TicketEvent).order_by(TicketEvent.seq)))
    head = (events[-1].seq, events[-1].hash)
    assert broken_link(number, events, head) is None
    events[2].payload = events[2].payload.replace("BT-", "XX-")
    assert broken_link(number, events, head) == Broken(number, 3, "changed")


def triaged(hotline: Hotline, **but: Any) -> str:
    """A by-place matter whose place nobody told waits for a person."""
    form = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有给我们发下来。", **but}
    answer = hotline.submit(**form)
    assert answer["state"] == "triage", answer
    number: str = answer["number"]
    return number


def test_triage_lists_what_waits_and_why(hotline: Hotline) -> None:
    number = triaged(hotline)
    waiting = hotline.get("dispatcher", "/triage").json()["items"]
    reasons = hotline.get("dispatcher", f"/tickets/{number}/routing").json()["judgements"][0]["reasons"]
    assert [item["number"] for item in waiting] == [number]
    assert [reason["code"] for reason in reasons] == ["place-unknown"]


def test_a_dispatcher_names_the_unit(hotline: Hotline) -> None:
    number = triaged(hotline)
    sent = hotline.post("dispatcher", f"/tickets/{number}/dispatch", {"unit": "昆区政府", "reason": "地在昆区"})
    assert (sent.status_code, sent.json()["holder"]) == (200, "昆都仑区政府")
    assert [item["number"] for item in hotline.get("unit_handler@昆都仑区政府", "/queue").json()["items"]] == [number]


def test_a_correction_of_the_place_sends_it_out(hotline: Hotline) -> None:
    number = triaged(hotline)
    judged = hotline.post("dispatcher", f"/tickets/{number}/correct", {"district": "九原区", "reason": "企业说在九原"})
    assert (judged.status_code, judged.json()["lead"]["unit"]["name"]) == (200, "九原区政府")
    assert hotline.ticket(number)["state"] == "awaiting_sign"


def test_a_correction_that_does_not_settle_it_leaves_it_waiting(hotline: Hotline) -> None:
    number = triaged(hotline)
    judged = hotline.post("dispatcher", f"/tickets/{number}/correct", {"type": "咨询", "reason": "只是问问"}).json()
    assert (judged["decision"], judged["type"]) == ("triage", "咨询")
    assert hotline.ticket(number)["type"] == "咨询"


def test_correcting_to_a_legal_way_tells_instead_of_sending(hotline: Hotline) -> None:
    number = triaged(hotline)
    hotline.post("dispatcher", f"/tickets/{number}/correct", {"tag": "2406", "reason": "是行政复议"})
    seen = hotline.ticket(number)
    assert (seen["state"], seen["parts"], seen["next_due_at"]) == ("told", [], None)


def test_what_is_with_a_unit_cannot_be_dispatched_again(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    refused = hotline.post("dispatcher", f"/tickets/{number}/dispatch", {"unit": "市教育局", "reason": "改派"})
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal-transition")
    assert "签收" in refused.json()["detail"]


def test_a_dispatcher_may_not_send_a_report_to_the_accused(hotline: Hotline) -> None:
    answer = hotline.submit(
        type="举报",
        complained_of="市工信局",
        override={"tag": "0101", "reason": "欠款"},
        content="举报他们拖欠货款还索要好处费。",
    )
    assert answer["judgement"]["lead"]["unit"]["name"] != "市工信局"
    number = triaged(hotline, type="举报", complained_of="昆都仑区政府")
    refused = hotline.post("dispatcher", f"/tickets/{number}/dispatch", {"unit": "昆都仑区政府", "reason": "属地"})
    assert (refused.status_code, "回避" in refused.json()["detail"]) == (422, True)


def test_overdue_shows_unsigned_and_unassigned_alike(hotline: Hotline) -> None:
    unsigned, waiting = hotline.submit()["number"], triaged(hotline)
    assert hotline.get("supervisor", "/overdue").json()["items"] == []
    with time_machine.travel(clock.now() + timedelta(days=3), tick=False):
        fresh = {"Authorization": f"Bearer {fresh_token(hotline)}"}
        items = hotline.client.get("/api/v1/overdue", headers=fresh).json()["items"]
        only = hotline.client.get("/api/v1/overdue", params={"unit": "市工信局"}, headers=fresh).json()["items"]
    found = {item["number"]: (item["step"], item["holder"]) for item in items}
    assert found == {unsigned: ("签收", "市工信局、市财政局"), waiting: ("首次派单", "12345热线营商环境专席")}
    assert [item["number"] for item in only] == [unsigned]


def fresh_token(hotline: Hotline) -> str:
    """A supervisor's token that is valid at the (moved) present."""
    return hotline.token(f"supervisor@{clock.now():%d%H%M}")


def test_a_special_case_is_seen_by_the_named_supervisor_only(hotline: Hotline) -> None:
    hotline.token("supervisor@special")
    answer = hotline.submit(
        type="举报",
        complained_of="市政府办公室",
        override={"tag": "2504", "reason": "不作为"},
        content="反映督查室压着不办。",
    )
    number = answer["number"]
    assert (answer["state"], answer["judgement"]["lead"]) == ("special", None)
    assert hotline.get("supervisor@special", f"/tickets/{number}").json()["holder"] == "指定督办人员督办人员special"
    for who in ("operator", "dispatcher", "supervisor", "auditor", "admin"):
        assert hotline.get(who, f"/tickets/{number}").status_code in {403, 404}
    for who in ("operator", "dispatcher", "supervisor", "auditor", "unit_handler@市工信局", "channel@12345电话"):
        assert number not in hotline.get(who, "/tickets").text


def test_the_queue_pages_by_cursor_without_gap_or_double(hotline: Hotline) -> None:
    numbers = {hotline.submit(title=f"第{index}件")["number"] for index in range(7)}
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 3, "counts": True} | ({"cursor": cursor} if cursor else {})
        page = hotline.get(LEAD, "/queue", **params).json()
        seen += [item["number"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(numbers)
    assert page["counts"]["awaiting_sign"] == 7


def test_the_queue_is_filtered_and_polled(hotline: Hotline) -> None:
    first = hotline.submit()["number"]
    hot = hotline.submit(urgent=True, override={"tag": "0102", "reason": "国企"})["number"]
    moment = clock.now().isoformat()
    hotline.post(LEAD, f"/tickets/{first}/sign")

    def numbers(**params: Any) -> list[str]:
        return [item["number"] for item in hotline.get(LEAD, "/queue", **params).json()["items"]]

    assert numbers()[0] == hot
    assert numbers(urgent=True) == [hot]
    assert numbers(tag="0101") == [first]
    assert numbers(state="awaiting_sign") == [hot]
    assert numbers(updated_since=moment) == [first]
    assert numbers(due_before=(clock.now() + timedelta(hours=1)).isoformat()) == [hot]
    assert numbers(role="support") == []


def test_a_foreign_queue_is_for_supervisors(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    foreign = hotline.get(HELPER, "/queue", unit="市工信局")
    supervisor = hotline.get("supervisor", "/queue", unit="市工信局").json()
    assert foreign.status_code == 403
    assert [item["number"] for item in supervisor["items"]] == [number]
    assert hotline.get("supervisor", "/queue").status_code == 422
    assert hotline.get("supervisor", "/queue", unit="没有这个局").json()["errors"][0]["pointer"] == "?unit"


@pytest.mark.parametrize("cursor", ["zzz", "bm90IGpzb24", "WyIyMDI2IiwgMV0", "W251bGwsIDFd", "中文"])
def test_a_made_up_cursor_is_refused_or_empty(hotline: Hotline, cursor: str) -> None:
    answer = hotline.get(LEAD, "/queue", cursor=cursor)
    assert answer.status_code in {200, 422}
    assert answer.json().get("items", []) == []


def test_the_list_is_polled_by_last_change(hotline: Hotline) -> None:
    first, second = hotline.submit()["number"], hotline.submit()["number"]
    moment = clock.now().isoformat()
    hotline.post(LEAD, f"/tickets/{first}/sign")
    everything = [item["number"] for item in hotline.get("dispatcher", "/tickets").json()["items"]]
    changed = [item["number"] for item in hotline.get("dispatcher", "/tickets", updated_since=moment).json()["items"]]
    assert everything == [second, first]
    assert changed == [first]


def test_the_explanation_is_chinese_and_names_the_clause(hotline: Hotline) -> None:
    number = hotline.submit(override={"tag": "0601", "reason": "办税"})["number"]
    told = hotline.get("dispatcher", f"/tickets/{number}/routing").json()
    text = "\n".join(told["explanation"])
    assert "主办：市税务局（包府发〔2024〕40号第54项牵头" in text
    assert "办结时限 5个工作日" in text
    assert "已届满" in told["notice_status"]
