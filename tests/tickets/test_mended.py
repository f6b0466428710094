"""Regression tests: each a way in which an accused body, a name or a deadline once slipped through."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from app import clock
from app.settings import Settings, SettingsError, load_settings
from app.tickets.intake import make_desk
from app.tickets.masking import mask_text, name_stem
from app.tickets.office import Office
from app.tickets.upkeep import hand_over_merged
from tests.builders import Hotline, changed_rules, ticket_form
from tests.tickets.test_work import HELPER, LEAD, answer_form, triaged


def lead_and_reasons(answer: dict[str, Any]) -> tuple[str, list[str]]:
    judgement = answer["judgement"]
    lead = judgement["lead"]["unit"]["name"] if judgement["lead"] else ""
    return lead, [reason["code"] for reason in judgement["reasons"]]


@pytest.mark.parametrize("named", ["市住建局、市工信局", "市工信局和昆区城管局"])
def test_every_body_in_the_field_is_avoided(hotline: Hotline, named: str) -> None:
    lead, _ = lead_and_reasons(hotline.submit(type="举报", complained_of=named))
    assert lead not in {"市工信局", "市住建局"}


@pytest.mark.parametrize(
    "form",
    [
        {"type": "举报", "complained_of": "税务部门", "override": {"tag": "0605", "reason": "税务"}},
        {
            "type": "投诉",
            "confidentiality": "匿名",
            "complained_of": "区里",
            "override": {"tag": "0201", "reason": "窗口"},
        },
        {"type": "举报", "content": "举报税务的人上门索要好处费。", "override": {"tag": "0601", "reason": "税务"}},
        {"type": "举报", "content": "举报区政府在昆区强拆我的厂房。", "override": {"tag": "0405", "reason": "征地"}},
        {
            "type": "投诉",
            "content": "检查组不出示证件，态度粗暴，处罚过重。",
            "override": {"tag": "0605", "reason": "税务"},
        },
    ],
)
def test_a_body_complained_of_without_its_name_is_left_to_a_person(hotline: Hotline, form: dict[str, Any]) -> None:
    answer = hotline.submit(**form)
    _, reasons = lead_and_reasons(answer)
    assert answer["state"] == "triage"
    assert {"accused-unknown", "accused-generic"} & set(reasons)


def test_a_report_of_the_city_government_becomes_a_special_case(hotline: Hotline) -> None:
    answer = hotline.submit(type="举报", complained_of="市政府")
    assert (answer["state"], answer["judgement"]["lead"]) == ("special", None)


def test_a_debtor_that_is_a_bureau_is_avoided_when_reported(hotline: Hotline) -> None:
    arrears = {"debtor_kind": "机关", "debtor_name": "市工信局"}
    lead, _ = lead_and_reasons(hotline.submit(type="举报", override=None, arrears=arrears))
    assert lead != "市工信局"


def test_a_person_cannot_name_the_accused_as_supporter_even_on_a_told_ticket(hotline: Hotline) -> None:
    number = hotline.submit(type="举报", complained_of="市工信局", override={"tag": "2406", "reason": "复议"})["number"]
    body = {"unit": "市司法局", "supporters": ["市工信局"], "reason": "一起办"}
    refused = hotline.post("dispatcher", f"/tickets/{number}/dispatch", body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/supporters/0")


def test_a_supporter_named_twice_is_refused(hotline: Hotline) -> None:
    number = triaged(hotline)
    body = {"unit": "昆区政府", "supporters": ["市工信局", "工信局"], "reason": "一起办"}
    refused = hotline.post("dispatcher", f"/tickets/{number}/dispatch", body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/supporters/1")


def test_a_merger_never_hands_a_report_to_the_accused(hotline: Hotline, office: Office) -> None:
    number = hotline.submit(type="举报", complained_of="市发改委", content="学校拖欠货款两年没有付。")["number"]
    assert hotline.ticket(number)["holder"] == "市工信局"
    gone = {"valid_to": clock.today() - timedelta(days=1), "successor": "BT-FGW"}
    rules = office.desk.rulebook
    units = tuple(unit.model_copy(update=gone) if unit.code == "BT-GXJ" else unit for unit in rules.units)
    hand_over_merged(office.database, make_desk(changed_rules(rules, units=units), None))
    seen = hotline.ticket(number)
    assert (seen["state"], seen["next_step"]) == ("triage", "首次派单")
    assert hotline.get("unit_handler@市发改委", f"/tickets/{number}").status_code == 404


def test_a_merger_of_lead_and_supporter_leaves_one_part(hotline: Hotline, office: Office) -> None:
    number = hotline.submit()["number"]
    gone = {"valid_to": clock.today() - timedelta(days=1), "successor": "BT-CZJ"}
    rules = office.desk.rulebook
    units = tuple(unit.model_copy(update=gone) if unit.code == "BT-GXJ" else unit for unit in rules.units)
    assert hand_over_merged(office.database, make_desk(changed_rules(rules, units=units), None)) == 1
    seen = hotline.ticket(number)
    owed = [(part["unit"]["name"], part["role"]) for part in seen["parts"] if part["state"] == "待签收"]
    assert (seen["holder"], owed) == ("市财政局", [("市财政局", "主办")])
    assert hotline.post(HELPER, f"/tickets/{number}/sign").json()["state"] == "in_progress"


def test_the_review_is_still_owed_whatever_supporters_answered_before(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    for who in (HELPER, LEAD):
        hotline.post(who, f"/tickets/{number}/sign")
        hotline.post(who, f"/tickets/{number}/reply", answer_form())
    seen = hotline.ticket(number)
    assert (seen["state"], seen["next_step"]) == ("awaiting_review", "办结审核")
    with time_machine.travel(clock.now() + timedelta(days=4), tick=False):
        headers = {"Authorization": f"Bearer {hotline.token('supervisor@late')}"}
        late = hotline.client.get("/api/v1/overdue", headers=headers).json()["items"]
    assert [item["number"] for item in late] == [number]


def test_a_told_ticket_corrected_without_a_place_waits_again(hotline: Hotline) -> None:
    number = hotline.submit(override={"tag": "2406", "reason": "复议"})["number"]
    hotline.post("dispatcher", f"/tickets/{number}/correct", {"tag": "0405", "reason": "其实是征地"})
    assert hotline.ticket(number)["next_step"] == "首次派单"
    assert [item["number"] for item in hotline.get("dispatcher", "/triage").json()["items"]] == [number]


def test_titles_of_hidden_tickets_are_hidden_in_every_list(hotline: Hotline) -> None:
    hotline.submit(confidentiality="隐名", title="鹿城木业王大山被欠款")
    for who, path in ((LEAD, "/tickets"), (LEAD, "/queue"), ("dispatcher", "/tickets"), ("supervisor", "/triage")):
        assert "王大山" not in hotline.get(who, path).text
    assert "隐名件" in hotline.get("dispatcher", "/tickets").text


def test_what_the_caller_wrote_of_the_accused_never_enters_the_judgement(hotline: Hotline) -> None:
    form = {"complained_of": "某街道的李小四13847200009", "type": "举报", "confidentiality": "隐名"}
    number = hotline.submit(**form)["number"]
    assert "李小四" not in hotline.get("dispatcher", f"/tickets/{number}/routing").text


def test_a_correction_to_a_report_hides_the_caller(hotline: Hotline) -> None:
    number = triaged(hotline, type="投诉")
    hotline.post("dispatcher", f"/tickets/{number}/correct", {"type": "举报", "reason": "是举报"})
    assert hotline.ticket(number)["confidentiality"] == "隐名"


def test_urgency_found_later_counts_from_acceptance(hotline: Hotline) -> None:
    number = triaged(hotline)
    accepted = hotline.ticket(number)["accepted_at"]
    with time_machine.travel(clock.now() + timedelta(minutes=10)):
        hotline.post("dispatcher", f"/tickets/{number}/correct", {"urgent": True, "reason": "有危险"})
        seen = hotline.ticket(number)
        hotline.post("dispatcher", f"/tickets/{number}/correct", {"type": "咨询", "reason": "类型"})
    waited = datetime.fromisoformat(seen["next_due_at"]) - datetime.fromisoformat(accepted)
    assert (seen["urgent"], waited) == (True, timedelta(minutes=15))
    assert hotline.ticket(number)["urgent"]


def test_a_channel_key_sees_only_what_channels_sent(hotline: Hotline) -> None:
    number = hotline.submit(channel="12315")["number"]
    assert hotline.get("channel@12315", f"/tickets/{number}").status_code == 404
    assert hotline.get("channel@12315", "/tickets").json()["items"] == []


def test_who_owes_what_is_told_to_the_unit_that_must_act(hotline: Hotline) -> None:
    arrears = {"debtor_kind": "机关", "debtor_name": "某镇政府", "owed_sum": "360000.5", "contract_name": "课桌椅供货"}
    files = [{"name": "合同.pdf", "media_type": "application/pdf", "size": 5}]
    number = hotline.submit(override=None, arrears=arrears, attachments=files)["number"]
    seen = hotline.ticket(number, LEAD)
    assert (seen["arrears"]["debtor_name"], seen["arrears"]["owed_sum"]) == ("某镇政府", "360000.50")
    assert [item["name"] for item in seen["attachments"]] == ["合同.pdf"]


def test_reasons_are_for_the_hotlines_own_staff(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    own = hotline.get("dispatcher", f"/tickets/{number}/events").json()
    foreign = hotline.get(LEAD, f"/tickets/{number}/events").json()
    assert "话务员判断" in [event["reason"] for event in own]
    assert {event["reason"] for event in foreign} == {""}


def test_the_informed_superior_reads_and_owes_nothing(hotline: Hotline) -> None:
    number = hotline.submit(complained_of="市工信局", content="货款拖了两年没有付。")["number"]
    superior = "unit_handler@市政府办公室"
    assert hotline.get(superior, f"/tickets/{number}").status_code == 200
    assert hotline.get(superior, "/queue").json()["items"] == []
    assert [item["number"] for item in hotline.get(superior, "/queue", state="informed").json()["items"]] == [number]
    assert hotline.post(superior, f"/tickets/{number}/sign").status_code == 409


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_moments_no_calendar_holds_are_refused(hotline: Hotline, moment: str) -> None:
    for who, path, name in ((LEAD, "/queue", "due_before"), ("dispatcher", "/tickets", "updated_since")):
        assert hotline.get(who, path, **{name: moment}).status_code == 422


@pytest.mark.parametrize("path", ["/tickets/%00", "/tickets/%00/events", "/tickets?channel=%00", "/overdue?unit=%00"])
def test_nul_in_an_address_is_refused(hotline: Hotline, path: str) -> None:
    answer = hotline.client.get(f"/api/v1{path}", headers=hotline.headers("supervisor"))
    assert answer.status_code in {404, 422}


def test_a_blank_answer_and_a_tiny_sum_are_refused_or_tidied(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    assert hotline.post(LEAD, f"/tickets/{number}/reply", answer_form(content=" " * 12)).status_code == 422
    form = ticket_form(override=None, arrears={"debtor_kind": "机关", "owed_sum": "0e-999999"})
    assert hotline.post("operator", "/tickets", form).status_code in {201, 422}


def test_numbers_in_any_dress_are_masked() -> None:
    for dress in ("138 4720 0001", "138-4720-0001", "8613847200001", "+86 13847200001"):
        assert "4720" not in mask_text(f"请打{dress}找我")
    assert mask_text("邮箱 wang@example.com") == "邮箱 ****@example.com"
    assert name_stem("鹿城木业有限公司") == "鹿城木业"


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEBHOOK_SECRET", "MQ=="), ("WEBHOOK_SECRET", "notbase64!"), ("DATABASE_URL", "foo"), ("LOG_LEVEL", "foo")],
)
def test_weak_or_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("HOTLINE_WEBHOOK_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("HOTLINE_WEBHOOK_SECRET", "d2ViaG9vay1zZWNyZXQtZm9yLXRlc3RzLW9ubHk=")
    assert Settings().webhook_url
    monkeypatch.setenv(f"HOTLINE_{name}", value)
    load_settings.cache_clear()
    with pytest.raises(SettingsError, match="HOTLINE_"):
        load_settings()
    load_settings.cache_clear()


@pytest.mark.parametrize(
    "content",
    [
        "举报昆区城管局和税务的人上门拿走两万元。",
        "举报市税务\u200b局的人收钱。",
        "举报市税务 局的人收钱。",
        "举报税务\n局收钱不办事。",
    ],
)
def test_no_trick_of_spelling_brings_a_report_to_the_accused(hotline: Hotline, content: str) -> None:
    form = {"type": "举报", "content": content, "override": {"tag": "0605", "reason": "税务"}}
    answer = hotline.submit(**form)
    lead, _ = lead_and_reasons(answer)
    assert answer["state"] == "triage" or lead != "市税务局"


@pytest.mark.parametrize("named", ["税务平台窗口的小刘", "万达商场税务专管员", "昆区城管局、税务专管员老刘"])
def test_a_company_word_does_not_hide_a_body_in_the_field(hotline: Hotline, named: str) -> None:
    form = {"type": "举报", "complained_of": named, "override": {"tag": "0605", "reason": "税务"}}
    assert hotline.submit(**form)["state"] == "triage"


def test_taking_money_guards_a_plain_complaint(hotline: Hotline) -> None:
    answer = hotline.submit(content="市工信局工作人员收钱不办事，货款拖着不付。")
    assert lead_and_reasons(answer)[0] != "市工信局"


def test_a_round_taken_back_leaves_nothing_open_behind(hotline: Hotline, office: Office) -> None:
    number = hotline.submit(type="举报", complained_of="市发改委", content="学校拖欠货款两年没有付。")["number"]
    gone = {"valid_to": clock.today() - timedelta(days=1), "successor": "BT-FGW"}
    rules = office.desk.rulebook
    units = tuple(unit.model_copy(update=gone) if unit.code == "BT-GXJ" else unit for unit in rules.units)
    assert hand_over_merged(office.database, make_desk(changed_rules(rules, units=units), None)) == 1
    assert hotline.get(HELPER, "/queue").json()["items"] == []
    sent = hotline.post("dispatcher", f"/tickets/{number}/dispatch", {"unit": "市司法局", "reason": "改由司法局"})
    assert sent.status_code == 200
    for who in (HELPER, "unit_handler@市司法局"):
        hotline.post(who, f"/tickets/{number}/sign")
        hotline.post(who, f"/tickets/{number}/reply", answer_form())
    assert hotline.ticket(number)["next_step"] == "办结审核"


def test_a_special_case_stays_with_who_first_took_it_up(hotline: Hotline) -> None:
    number = hotline.submit(type="举报", complained_of="市政府")["number"]
    body = {"tag": "0405", "reason": "实为征地，地点未明"}
    assert hotline.post("supervisor@special", f"/tickets/{number}/correct", body).status_code == 200
    assert hotline.get("dispatcher", f"/tickets/{number}").status_code == 404
    assert hotline.get("supervisor@special", f"/tickets/{number}").status_code == 200
