"""Submitting an appeal: what comes back, what is stored, what is refused."""

import json
import re

import pytest
from sqlalchemy import func, select

from app.database import Database
from app.notify.tables import Outbox
from app.tickets.receipt_tables import Idempotency
from app.tickets.tables import Ticket, TicketEvent, TicketParty
from tests.builders import Hotline, ticket_form


def test_the_answer_names_unit_clause_and_due_times(hotline: Hotline) -> None:
    answer = hotline.submit()
    judgement = answer["judgement"]
    assert re.fullmatch(r"BTQ\d{6}\d{5}\d", answer["number"])
    assert answer["state"] == "awaiting_sign"
    assert judgement["lead"]["unit"]["name"] == "市工信局"
    assert "保障中小企业款项支付条例" in judgement["lead"]["evidence"][0]["document"]
    assert [due["step"] for due in judgement["due"]] == ["签收", "退单提出", "首次联系", "阶段答复", "办结"]
    assert all(due["basis"] and due["rule"] for due in judgement["due"])


def test_the_bureau_finds_it_in_its_queue(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    lead = hotline.get("unit_handler@市工信局", "/queue").json()
    helper = hotline.get("unit_handler@市财政局", "/queue").json()
    assert [(item["number"], item["role"]) for item in lead["items"]] == [(number, "主办")]
    assert [(item["number"], item["role"]) for item in helper["items"]] == [(number, "协办")]
    assert hotline.get("unit_handler@市教育局", "/queue").json()["items"] == []


def test_a_lapsed_notice_is_said_beside_every_clause(hotline: Hotline) -> None:
    judgement = hotline.submit(override={"tag": "0601", "reason": "税务"})["judgement"]
    clauses = [item for item in judgement["lead"]["evidence"] if item["measure"]]
    assert clauses
    assert all("已届满" in clause["status"] for clause in clauses)


def test_every_fault_is_told_at_once_with_its_pointer(hotline: Hotline) -> None:
    form = ticket_form(
        channel="电报", content="", unknown=1, enterprise={"credit_code": "911502000000000000"},
        contact={"phone": "12"}, arrears={"debtor_kind": "机关", "contract_sum": "1", "owed_sum": "2"},
    )  # fmt: skip
    answer = hotline.post("operator", "/tickets", form)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    pointers = {item["pointer"] for item in answer.json()["errors"]}
    assert pointers == {"/channel", "/content", "/unknown", "/enterprise/credit_code", "/contact/phone", "/arrears"}


def test_nothing_is_stored_of_a_refused_form(hotline: Hotline, database: Database) -> None:
    hotline.post("operator", "/tickets", ticket_form(override={"tag": "9999", "reason": "乱填"}), Idempotency_Key="k1")
    with database.read() as session:
        for table in (Ticket, TicketEvent, Outbox, Idempotency):
            assert session.scalar(select(func.count()).select_from(table)) == 0


@pytest.mark.parametrize("bad", ["带\x00空字符", "控制\x07字符", "\ud800残缺"])
def test_characters_no_database_can_hold_are_refused(hotline: Hotline, bad: str) -> None:
    body = json.dumps(ticket_form(content=bad)).encode()
    headers = hotline.headers("operator", {"content-type": "application/json"})
    answer = hotline.client.post("/api/v1/tickets", content=body, headers=headers)
    assert answer.status_code == 422
    assert "控制字符" in answer.json()["errors"][0]["message"] or "无法识别" in answer.json()["errors"][0]["message"]


def test_over_long_text_and_a_too_large_body_are_refused(hotline: Hotline) -> None:
    long = hotline.post("operator", "/tickets", ticket_form(content="欠" * 10_001))
    huge = hotline.post("operator", "/tickets", ticket_form(content="欠" * 30_000))
    assert (long.status_code, long.json()["errors"][0]["pointer"]) == (422, "/content")
    assert (huge.status_code, huge.json()["code"]) == (413, "body-too-large")


def test_personal_data_lies_sealed_and_never_in_events(hotline: Hotline, database: Database) -> None:
    hotline.submit()
    with database.read() as session:
        party = session.scalars(select(TicketParty)).one()
        payloads = [*session.scalars(select(TicketEvent.payload)), *session.scalars(select(Outbox.payload))]
    told = " ".join(payloads)
    for plain in ("鹿城木业", "王大山", "13847200001"):
        assert plain not in told
        assert plain not in f"{party.enterprise_name}{party.contact_name}{party.contact_phone}"


def test_same_key_same_body_gets_the_first_answer(hotline: Hotline) -> None:
    first = hotline.post("operator", "/tickets", ticket_form(), Idempotency_Key="abc-1")
    again = hotline.post("operator", "/tickets", ticket_form(), Idempotency_Key="abc-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


def test_same_key_other_body_is_refused(hotline: Hotline) -> None:
    hotline.post("operator", "/tickets", ticket_form(), Idempotency_Key="abc-2")
    other = hotline.post("operator", "/tickets", ticket_form(title="另一件"), Idempotency_Key="abc-2")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_the_same_key_of_another_caller_is_another_key(hotline: Hotline) -> None:
    first = hotline.post("operator", "/tickets", ticket_form(), Idempotency_Key="abc-3").json()["number"]
    second = hotline.post("dispatcher", "/tickets", ticket_form(), Idempotency_Key="abc-3").json()["number"]
    assert first != second


def test_same_channel_and_external_number_is_the_same_ticket(hotline: Hotline) -> None:
    first = hotline.post("operator", "/tickets", ticket_form(external_number="WX-1"))
    again = hotline.post("operator", "/tickets", ticket_form(external_number="WX-1", title="又推了一遍"))
    other = hotline.post("operator", "/tickets", ticket_form(external_number="WX-1", channel="网站"))
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert again.json()["number"] == first.json()["number"] != other.json()["number"]


def test_an_external_number_tells_nothing_to_whoever_may_not_see_its_ticket(hotline: Hotline) -> None:
    taken = {"channel": "蒙企通", "external_number": "MQT-1"}
    special = {"type": "举报", "complained_of": "包头市人民政府办公室"}
    kept = hotline.post("operator", "/tickets", ticket_form(**taken, **special))
    assert kept.status_code == 201
    assert hotline.get("channel@蒙企通", f"/tickets/{kept.json()['number']}").status_code == 404
    told = hotline.post("channel@蒙企通", "/tickets", {"content": "测试一下看看有什么", **taken})
    assert (told.status_code, told.json()["code"]) == (409, "external-number-taken")
    for word in (kept.json()["number"], "enquiry_code", "judgement"):
        assert word not in told.text


def test_a_replayed_key_after_an_external_twin_gives_that_ticket(hotline: Hotline) -> None:
    first = hotline.post("operator", "/tickets", ticket_form(external_number="WX-2")).json()["number"]
    form = ticket_form(external_number="WX-2", title="带键重推")
    keyed = hotline.post("operator", "/tickets", form, Idempotency_Key="abc-4")
    again = hotline.post("operator", "/tickets", form, Idempotency_Key="abc-4")
    assert keyed.json()["number"] == again.json()["number"] == first


def test_preview_judges_and_stores_nothing(hotline: Hotline, database: Database) -> None:
    form = {key: value for key, value in ticket_form().items() if key in {"title", "content", "type", "override"}}
    answer = hotline.post("operator", "/tickets/preview", form)
    assert answer.status_code == 200
    assert answer.json()["lead"]["unit"]["name"] == "市工信局"
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Ticket)) == 0


def test_a_report_is_kept_confidential_by_default(hotline: Hotline) -> None:
    report = hotline.submit(type="举报", override={"tag": "1201", "reason": "食品"})
    plain = hotline.submit(type="投诉", override={"tag": "1201", "reason": "食品"})
    named = hotline.submit(type="举报", confidentiality="公开", override={"tag": "1201", "reason": "食品"})
    found = [item["judgement"]["confidentiality"] for item in (report, plain, named)]
    assert found == ["隐名", "公开", "公开"]


@pytest.mark.parametrize(
    ("arrears", "tag", "state"),
    [
        ({"debtor_kind": "机关"}, "0101", "awaiting_sign"),
        ({"debtor_kind": "大型国企"}, "0102", "awaiting_sign"),
        ({"debtor_kind": "机关", "about_wages": True}, "1101", "awaiting_sign"),
        ({"debtor_kind": "大型企业", "in_court": True}, "2401", "told"),
    ],
)
def test_an_arrears_form_settles_the_tag(hotline: Hotline, arrears: dict[str, object], tag: str, state: str) -> None:
    answer = hotline.submit(override=None, arrears=arrears)
    assert (answer["judgement"]["tag"]["code"], answer["judgement"]["tag_source"]) == (tag, "表单")
    assert answer["state"] == state


def test_the_callers_urgency_starts_the_short_clock(hotline: Hotline) -> None:
    due = {item["step"]: item["limit"] for item in hotline.submit(urgent=True)["judgement"]["due"]}
    assert (due["签收"], due["首次联系"], due["办结"]) == ("30分钟", "2小时", "24小时")


def test_an_operators_unit_stands_beside_the_models(hotline: Hotline) -> None:
    answer = hotline.submit(override={"tag": "0101", "unit": "教育局", "reason": "学校属教育局管"})
    judgement = answer["judgement"]
    assert judgement["lead"]["unit"]["name"] == "市教育局"
    assert judgement["override"]["unit"] == "教育局"
    assert judgement["lead"]["evidence"][0]["document"] == "人工指定"


def test_a_channel_key_may_only_speak_for_its_channel(hotline: Hotline) -> None:
    own = hotline.post("channel@蒙企通", "/tickets", ticket_form(channel="蒙企通", override=None))
    foreign = hotline.post("channel@蒙企通", "/tickets", ticket_form(channel="12345电话", override=None))
    forced = hotline.post("channel@蒙企通", "/tickets", ticket_form(channel="蒙企通"))
    assert (own.status_code, foreign.status_code, forced.status_code) == (201, 403, 403)
    seen = hotline.get("channel@蒙企通", "/tickets").json()["items"]
    assert [item["number"] for item in seen] == [own.json()["number"]]


def test_the_number_keeps_its_check_digit(hotline: Hotline) -> None:
    from app.tickets.numbers import is_number  # noqa: PLC0415

    number = hotline.submit()["number"]
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert is_number(number)
    assert not is_number(wrong)


def test_arrears_are_guided_to_the_platform_with_the_statutory_limit(hotline: Hotline) -> None:
    judgement = hotline.submit()["judgement"]
    note = next(note for note in judgement["notes"] if "法定时限" in note)
    assert "30个自然日" in note
    assert "登记（投诉）平台" in note
    assert judgement["due"][-1]["limit"] == "5个工作日"


def test_another_citys_matter_is_told(hotline: Hotline) -> None:
    outside = hotline.submit(content="我在呼和浩特买的设备，厂家不退定金。")["judgement"]["notes"]
    inside = hotline.submit(content="我在昆区开店，从呼和浩特进的货。")["judgement"]["notes"]
    assert any("呼和浩特" in note for note in outside)
    assert not any("外地" in note for note in inside)


def test_a_plain_complaint_of_the_owing_bureau_goes_to_it_and_informs_its_superior(hotline: Hotline) -> None:
    form = {
        "override": {"tag": "0201", "reason": "窗口"},
        "complained_of": "政务服务局",
        "content": "窗口排队排了一上午没有轮到。",
    }
    judgement = hotline.submit(**form, type="投诉")["judgement"]
    assert judgement["lead"]["unit"]["name"] == "市行政审批政务服务与数据管理局"
    assert [unit["name"] for unit in judgement["informed"]] == ["市政府办公室"]
