"""Who sees what of a caller: unmasking with a reason, in the record, so many an hour; masked for everybody otherwise."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from alembic import command
from sqlalchemy import text

from app import clock, schema
from app.accounts import audit as access
from app.database import Database
from app.tickets import audit
from tests.builders import Hotline

LEAD = "unit_handler@市工信局"
VEILED = "我是鹿城木业有限公司的王大山，电话13847200001，学校欠我们货款。"
PHONE = {"fields": ["contact_phone"], "reason": "首次联系企业核实"}


def unmask(hotline: Hotline, who: str, number: str, **but: Any) -> Any:
    return hotline.post(who, f"/tickets/{number}/unmask", {**PHONE, **but})


def looks(hotline: Hotline) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hotline.get("auditor", "/audit/log", verb="ticket.unmask").json()["items"]
    return found


def test_a_look_shows_what_was_asked_for_and_nothing_more(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    shown = unmask(hotline, LEAD, number, fields=["contact_phone", "contact_phone", "enterprise"]).json()
    told = {name: value for name, value in shown.items() if value is not None}
    assert told == {"number": number, "contact_phone": "13847200001", "enterprise": "鹿城木业有限公司"}


def test_the_auditor_sees_every_look_with_its_reason(hotline: Hotline, database: Database) -> None:
    number = hotline.submit()["number"]
    unmask(hotline, LEAD, number, reason="回拨13847200001核实")
    (look,) = looks(hotline)
    assert (look["subject"], look["fields"], look["role"]) == (number, ["contact_phone"], "unit_handler")
    assert "13847200001" not in look["reason"]
    events = hotline.get("dispatcher", f"/tickets/{number}/events").json()
    assert events[-1]["payload"]["fields"] == ["contact_phone"]
    assert access.verify(database) is None


def test_a_look_needs_fields_and_a_real_reason(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    faulty: list[dict[str, Any]] = [
        {"reason": "看看"}, {"fields": []}, {"fields": ["password"]}, {"reason": "　　　　　"},
    ]  # fmt: skip
    for but in faulty:
        assert unmask(hotline, LEAD, number, **but).status_code == 422, but
    for who in ("unit_leader@市工信局", "leader", "auditor", "admin", "channel@12345电话"):
        assert unmask(hotline, who, number).status_code == 403, who
    assert unmask(hotline, "unit_handler@市教育局", number).status_code == 404
    assert looks(hotline) == []


def test_looks_are_counted_by_person_and_hour_over_all_processes(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    office = hotline.client.app.state.office  # type: ignore[attr-defined]
    most = office.settings.unmask_per_hour
    for _ in range(most):
        assert unmask(hotline, LEAD, number).status_code == 200
    refused = unmask(hotline, LEAD, number)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")
    assert unmask(hotline, "operator", number).status_code == 200
    assert len([look for look in access.entries(hotline.database) if look.role == "unit_handler"]) == most
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        assert unmask(hotline, LEAD, number).status_code == 200


def test_units_get_of_a_veiled_caller_only_name_and_phone(hotline: Hotline) -> None:
    veiled = hotline.submit(confidentiality="隐名", content=VEILED)["number"]
    assert unmask(hotline, LEAD, veiled).json()["contact_phone"] == "13847200001"
    for field in ("enterprise", "address", "content", "credit_code", "park"):
        refused = unmask(hotline, LEAD, veiled, fields=["contact_phone", field])
        assert (refused.status_code, field in str(refused.json()["errors"])) == (403, True)
    hidden = hotline.submit(confidentiality="匿名", content=VEILED)["number"]
    assert unmask(hotline, LEAD, hidden).status_code == 403
    assert unmask(hotline, "operator", hidden, fields=["content"]).status_code == 200


def test_the_callers_own_words_are_shown_only_by_a_look(hotline: Hotline) -> None:
    content = "我是王大山，电话13847200001，学校欠我们货款两年了一直没有付。"
    number = hotline.submit(content=content)["number"]
    assert "13847200001" not in hotline.ticket(number)["content"]
    assert unmask(hotline, "reviewer", number, fields=["content"]).json()["content"] == content


def stored(database: Database, statement: str) -> str:
    with database.read() as session:
        return " ".join(str(value) for row in session.execute(text(statement)) for value in row)


def test_what_was_said_and_written_lies_sealed(hotline: Hotline, database: Database) -> None:
    number = hotline.submit(complained_of="某街道办")["number"]
    unmask(hotline, LEAD, number, reason="核实拖欠货款的经过")
    raw = stored(database, "SELECT * FROM ticket_text") + stored(database, "SELECT text FROM ticket_note")
    assert not any(word in raw for word in ("货款", "课桌椅", "街道办", "核实", "话务员"))
    assert hotline.ticket(number)["complained_of"] == "某街道办"
    assert "核实拖欠货款的经过" in hotline.get("dispatcher", f"/tickets/{number}/events").text


def test_the_search_index_holds_masked_words_only(hotline: Hotline, database: Database) -> None:
    content = "我是王大山，电话138-4720-0001，住青松小区5栋1203，学校欠我们货款。"
    number = hotline.submit(content=content)["number"]
    index = stored(database, "SELECT words FROM ticket_search")
    assert "青松" in index
    assert not any(word in index for word in ("4720", "1203"))
    assert [item["number"] for item in hotline.get("operator", "/search", q="青松小区").json()["items"]] == [number]


def test_rows_from_before_are_sealed_by_the_migration_and_keep_their_chains(
    hotline: Hotline, database: Database
) -> None:
    number = hotline.submit()["number"]
    config = schema.alembic_config(database)
    command.downgrade(config, "0006")
    assert "课桌椅" in stored(database, "SELECT * FROM ticket_text")
    command.upgrade(config, "head")
    assert "课桌椅" not in stored(database, "SELECT * FROM ticket_text")
    assert "话务员判断" not in stored(database, "SELECT * FROM ticket_note")
    assert "课桌椅" in hotline.ticket(number)["content"]
    assert list(audit.verify(database)) == []


WHO_SEES = ("operator", "dispatcher", "reviewer", "supervisor", "leader", "auditor", LEAD, "unit_leader@市工信局")
SOLE = {
    "enterprise": {
        "name": "包头市昆都仑区王大山小吃店",
        "credit_code": "92150203MA0N1ABC2E",
        "park": "稀土高新区大学园",
        "size": "微型",
    },
    "contact": {"name": "王大山", "phone": "13847200001", "address": "青松小区5栋1203"},
    "external_number": "REC-20261124-778",
}
TELLING = "我是王大山小吃店的王大山，大家叫我老王、王老板，店在稀土高新区大学园，学校欠我们货款。"
SECRETS = ("王大山", "老王", "王老板", "大学园", "92150203MA0N1ABC2E", "REC-20261124-778", "9215", "1384720")


@pytest.mark.parametrize("confidentiality", ["隐名", "匿名"])
def test_a_veiled_sole_trader_is_told_to_nobody(hotline: Hotline, confidentiality: str) -> None:
    number = hotline.submit(confidentiality=confidentiality, title="王大山反映欠款", content=TELLING, **SOLE)["number"]
    for who in WHO_SEES:
        for path in (f"/tickets/{number}", f"/tickets/{number}/events", f"/tickets/{number}/file", "/tickets"):
            answer = hotline.get(who, path)
            assert answer.status_code == 200, answer.text
            assert not [word for word in SECRETS if word in answer.text], (who, path)
    assert "学校欠我们货款" in hotline.ticket(number, LEAD)["content"]
    for who in ("operator", "dispatcher", "auditor"):
        assert hotline.get(who, "/search", q="包头市昆都仑区王大山小吃店").json()["items"] == []
        assert hotline.get(who, "/search", q="王大山").json()["items"] == []


def test_a_veiled_ticket_is_not_found_by_its_enterprise_among_similar_ones(hotline: Hotline) -> None:
    plain = hotline.submit()["number"]
    other = "我们厂门口的路灯坏了一个多月没有人修，晚上工人下班很不安全。"
    hotline.submit(confidentiality="匿名", content=other, title="路灯")
    third = hotline.submit(content="申请消防验收材料交了三次都被退回，窗口说法每次不同。", title="验收")["number"]
    found = hotline.get("operator", f"/tickets/{plain}/similar").json()["items"]
    assert [item["number"] for item in found if item["same_enterprise"]] == [third]


def test_lists_show_no_title_of_what_is_veiled_or_special(hotline: Hotline) -> None:
    hotline.submit(confidentiality="隐名", content=VEILED, title="鹿城木业反映欠款")
    hotline.submit(type="举报", complained_of="包头市人民政府办公室", confidentiality="公开", title="反映王某某")
    titles = [item["title"] for item in hotline.get("supervisor@special", "/tickets").json()["items"]]
    assert sorted(titles) == ["（专办件，请打开查看）", "（隐名件，请打开查看）"]


def test_units_read_the_reviewed_text_and_the_masked_one_until_then(hotline: Hotline) -> None:
    number = hotline.submit(confidentiality="匿名", content=TELLING, **SOLE)["number"]
    before = hotline.ticket(number, LEAD)
    assert "店在" in before["content"]
    told = {"content": "一家小微餐饮企业反映：某学校拖欠货款两年未付，请核实处理。"}
    assert hotline.post("operator", f"/tickets/{number}/reviewed-text", told).status_code == 403
    seen = hotline.post("dispatcher", f"/tickets/{number}/reviewed-text", told).json()
    after = hotline.ticket(number, LEAD)
    assert (after["content"], after["title"], after["reviewed"]) == (told["content"], "", "")
    assert (seen["reviewed"], "学校欠我们货款" in seen["content"]) == (told["content"], True)


@pytest.mark.parametrize(
    "content", ["王大山反映学校欠款", "请打13847200001核实欠款", "大学园里的老王反映欠款", "店在钢铁大街36号"]
)
def test_a_text_that_still_names_the_caller_is_not_taken(hotline: Hotline, content: str) -> None:
    number = hotline.submit(confidentiality="匿名", content=TELLING, **SOLE)["number"]
    refused = hotline.post("dispatcher", f"/tickets/{number}/reviewed-text", {"content": content})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/content")
    assert not [word for word in SECRETS if word in refused.text]
    public = hotline.submit()["number"]
    assert hotline.post("dispatcher", f"/tickets/{public}/reviewed-text", {"content": "学校欠款"}).status_code == 409
