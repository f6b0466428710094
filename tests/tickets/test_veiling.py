"""A veiled caller is found by nobody: not by the name people say, not by address, search, likeness, checks or rulings."""

from typing import Any

import pytest
from alembic import command
from sqlalchemy import select, update

from app import clock, schema
from app.database import Database
from app.notify.tables import Outbox
from app.tickets.indexing import index_missing
from app.tickets.office import Office
from app.tickets.search import index_text
from app.tickets.tables import Ticket
from tests.builders import Hotline

LEAD = "unit_handler@市工信局"
FIRM: dict[str, Any] = {
    "enterprise": {
        "name": "包头鹿城木业有限公司",
        "credit_code": "92150203MA0N1ABC2E",
        "park": "装备制造产业园区",
        "size": "小型",
    },
    "contact": {"name": "王大山", "phone": "13847200001", "address": "昆区钢铁大街36号院3号楼"},
}


def veiled(hotline: Hotline, content: str, **but: Any) -> dict[str, Any]:
    form = {"confidentiality": "隐名", "title": "", **FIRM, "content": content, **but}
    return hotline.submit(**form)


def found(hotline: Hotline, who: str, asked: str) -> list[str]:
    answer = hotline.get(who, "/search", q=asked)
    assert answer.status_code == 200, answer.text
    return [item["number"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("包头鹿城木业有限公司", "鹿城木业"),
        ("内蒙古包头鹿城木业有限公司", "鹿城木业"),
        ("昆区鹿城木业经营部", "鹿城木业"),
        ("鹿城（包头）木业有限公司", "鹿城木业"),
        ("远山集团内蒙古有限公司包头分公司", "远山"),
        ("北京远山技术有限公司包头分公司", "远山技术"),
    ],
)
def test_the_name_people_say_is_hidden_wherever_the_city_stands(hotline: Hotline, name: str, said: str) -> None:
    firm = {"name": name, "size": "小型"}
    number = veiled(hotline, f"我们{said}给学校供货，学校欠款两年没有付。", enterprise=firm)["number"]
    for who in (LEAD, "dispatcher"):
        content = hotline.ticket(number, who)["content"]
        assert (said in content, "给学校供货" in content) == (False, True)
        assert found(hotline, who, said) == []


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("住昆区钢铁大街36号院3号楼，学校欠款", "钢铁大街"),
        ("店在钢铁大街36号，学校欠款", "钢铁大街"),
        ("在装备制造产业园，学校欠款", "装备制造"),
        ("代码92150203ma0n1abc2e，学校欠款", "92150203"),
        ("电话138 4720 0001，学校欠款", "0001"),
        ("电话１３８４７２００００１，学校欠款", "138"),
    ],
)
def test_where_the_caller_is_and_its_numbers_are_hidden_however_written(hotline: Hotline, said: str, left: str) -> None:
    content = hotline.ticket(veiled(hotline, said)["number"], LEAD)["content"]
    assert (left in content, "学校欠款" in content) == (False, True)


def test_numbers_of_others_stay_masked_beside_a_hidden_name(hotline: Hotline) -> None:
    said = "我们鹿城木业在钢铁大街36号，学校会计的电话13947200002，学校欠款。"
    content = hotline.ticket(veiled(hotline, said)["number"], LEAD)["content"]
    assert content == "我们＊＊在＊＊**号，学校会计的电话139****0002，学校欠款。"


def test_a_reviewed_text_with_the_everyday_name_or_the_street_is_not_taken(hotline: Hotline) -> None:
    number = veiled(hotline, "学校欠款两年没有付。")["number"]
    for content in ("鹿城木业反映学校欠款", "钢铁大街上一家企业反映欠款", "某企业（92150203ma0n1abc2e）反映欠款"):
        assert hotline.post("dispatcher", f"/tickets/{number}/reviewed-text", {"content": content}).status_code == 422


UNCLEAR = "我们是王记烧烤有限公司，隔壁单位一直在乱来，说不清楚的事情。"
SIMPLE = {"name": "王记烧烤有限公司"}


def do(hotline: Hotline, who: str, number: str, verb: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = hotline.post(who, f"/tickets/{number}/{verb}", body)
    assert answer.status_code in {200, 201}, answer.text
    done: dict[str, Any] = answer.json()
    return done


def test_a_public_ticket_corrected_to_a_report_is_no_longer_found_by_its_caller(hotline: Hotline) -> None:
    form = {"override": {"tag": "0405", "reason": "征地"}, "content": UNCLEAR, "enterprise": SIMPLE}
    number = hotline.submit(**form)["number"]
    assert found(hotline, "operator", "王记烧烤") == [number]
    do(hotline, "dispatcher", number, "correct", {"type": "举报", "reason": "实为举报"})
    assert hotline.ticket(number)["confidentiality"] == "隐名"
    assert found(hotline, "operator", "王记烧烤") == []
    assert found(hotline, "operator", "隔壁单位") == [number]
    likely = hotline.post("operator", "/tickets/preview", {"content": "王记烧烤"}).json()["similar"]
    assert likely == []


def test_children_of_a_veiled_ticket_are_not_found_by_its_caller(hotline: Hotline) -> None:
    contact = {"name": "周文", "phone": "13947200009"}
    parent = veiled(
        hotline, "我们华光印刷厂有两件事。", confidentiality="匿名", enterprise={"name": "华光印刷厂"}, contact=contact
    )
    children = [
        {"content": "华光印刷厂周文反映学校欠货款没有付", "tag": "0101"},
        {"content": "华光印刷厂门口路灯坏了", "tag": "0101"},
    ]
    do(hotline, "dispatcher", parent["number"], "split", {"reason": "两个事项", "children": children})
    assert [found(hotline, "operator", asked) for asked in ("华光印刷厂", "周文")] == [[], []]
    assert len(found(hotline, "operator", "路灯")) == 1
    assert hotline.post("operator", "/tickets/preview", {"content": "华光印刷厂"}).json()["similar"] == []


def test_units_find_a_veiled_ticket_by_its_number_only(hotline: Hotline) -> None:
    number = veiled(hotline, "富强路上的学校欠款两年没有付。")["number"]
    do(hotline, "dispatcher", number, "reviewed-text", {"content": "某企业反映学校欠款。"})
    assert [found(hotline, LEAD, asked) for asked in ("富强路", "欠款", number)] == [[], [], [number]]
    assert found(hotline, "dispatcher", "富强路") == [number]


def test_a_veiled_ticket_is_not_like_a_text_because_of_its_callers_name(hotline: Hotline) -> None:
    content = "我们王大山木业给学校供货，学校拖欠货款两年了一直不给，请帮忙催要。"
    number = veiled(hotline, content, confidentiality="匿名", enterprise={"name": "王大山木业"})["number"]

    def like(asked: str) -> list[str]:
        answer = hotline.post("operator", "/tickets/preview", {"content": asked}).json()
        return [item["number"] for item in answer["similar"]]

    assert like("王大山木业") == []
    assert like("某某木业给学校供货，学校拖欠货款两年了一直不给，请帮忙催要。") == [number]


def test_a_supplement_voids_the_reviewed_text(hotline: Hotline) -> None:
    waits = {"override": {"tag": "0405", "reason": "征地"}, "confidentiality": "隐名", "content": UNCLEAR}
    number = hotline.submit(**waits, enterprise=SIMPLE)["number"]
    do(hotline, "dispatcher", number, "reviewed-text", {"content": "某企业反映问题，请核实。"})
    do(hotline, "operator", number, "ask-info", {"wanted": "请说明经过"})
    do(hotline, "operator", number, "supplement", {"content": "学校拖欠我们王记烧烤的餐费三十万。"})
    do(hotline, "dispatcher", number, "dispatch", {"tag": "0101", "reason": "账款"})
    seen = hotline.ticket(number, LEAD)["content"]
    assert ("拖欠我们＊＊的餐费" in seen, "王记" in seen) == (True, False)


def test_indexes_of_before_lose_what_is_veiled_and_are_made_anew(
    hotline: Hotline, database: Database, office: Office
) -> None:
    number = veiled(hotline, "我们鹿城木业给学校供货，学校欠款两年没有付。")["number"]
    with database.write() as session:
        ticket = session.scalars(select(Ticket)).one()
        index_text(session, ticket.id, number, ("", "我们鹿城木业给学校供货"), ())
    assert found(hotline, "operator", "鹿城木业") == [number]
    config = schema.alembic_config(database)
    command.downgrade(config, "0011")
    command.upgrade(config, "head")
    assert (found(hotline, "operator", "鹿城木业"), found(hotline, "operator", "供货")) == ([], [])
    assert office.desk.signatures is not None
    with database.write() as session:
        assert index_missing(session, office.desk.signatures) == 1
    assert (found(hotline, "operator", "鹿城木业"), found(hotline, "operator", "供货")) == ([], [number])


ASKING = "我叫王大山，电话13847200001。请问鹿城木业什么时候能拿到装备制造产业园区的电梯检验报告？"
REPLY = {
    "result": "已解决",
    "content": "经核实，高度重视，已安排有关人员处理完毕，请您放心。",
    "without_opinions": "协办意见不影响结果",
}
SECRETS = ("王大山", "鹿城木业", "装备制造", "13847200001", "钢铁大街", "富强路")


def replied(hotline: Hotline, content: str) -> str:
    number: str = veiled(hotline, content)["number"]
    do(hotline, LEAD, number, "sign", {})
    contact = {"at": clock.now().isoformat(), "way": "电话"}
    do(hotline, LEAD, number, "reply", {**REPLY, "contact": contact})
    return number


def test_the_check_of_an_answer_quotes_no_caller(hotline: Hotline) -> None:
    number = replied(hotline, ASKING)
    told = hotline.get("reviewer", f"/tickets/{number}/check").text
    refused = hotline.post("reviewer", f"/tickets/{number}/review", {"approve": True, "opinion": "可以"})
    assert (refused.status_code, refused.json()["code"]) == (409, "answer-lacks")
    for text in (told, refused.text):
        assert ("电梯检验报告" in text, [word for word in SECRETS if word in text]) == (True, [])


def test_the_check_of_an_answer_does_not_tell_of_special_tickets(hotline: Hotline, database: Database) -> None:
    first, second = replied(hotline, ASKING), replied(hotline, ASKING)
    assert first in hotline.get("reviewer", f"/tickets/{second}/check").text
    with database.write() as session:
        session.scalars(select(Ticket).where(Ticket.number == first)).one().state = "special"
    assert first not in hotline.get("reviewer", f"/tickets/{second}/check").text


def test_no_path_of_a_veiled_ticket_tells_its_caller_to_anybody(hotline: Hotline) -> None:
    number = replied(hotline, f"{ASKING}我们在富强路附近。")
    do(hotline, "dispatcher", number, "reviewed-text", {"content": "某企业反映没有拿到检验报告。"})
    paths = hotline.client.get("/openapi.json").json()["paths"]
    read = [path for path, verbs in paths.items() if "/tickets/{number}" in path and "get" in verbs]
    assert len(read) >= 6
    for who in (LEAD, "unit_leader@市工信局", "reviewer"):
        own = SECRETS if who != "reviewer" else SECRETS[:-1]
        for path in read:
            answer = hotline.get(who, path.removeprefix("/api/v1").replace("{number}", number))
            assert answer.status_code in {200, 403}, (path, answer.text)
            assert not [word for word in own if word in answer.text], (who, path)


def test_the_explanation_of_a_veiled_ticket_has_no_words_and_that_of_a_public_one_has(hotline: Hotline) -> None:
    said = "装备制造产业园区的学校欠货款两年没有付，催了多次。"
    open_, kept = (veiled(hotline, said, confidentiality=how)["number"] for how in ("公开", "隐名"))
    for number, told in ((open_, True), (kept, False)):
        (judgement,) = hotline.get(LEAD, f"/tickets/{number}/routing").json()["judgements"]
        assert (bool(judgement["terms"]), bool(judgement["place"]["words"])) == (told, told)
        assert judgement["place"]["district"]


def ruled(hotline: Hotline, content: str) -> str:
    number: str = veiled(hotline, content, type="投诉")["number"]
    objection = {
        "reason": "职责不符",
        "clause": "三定规定第四条",
        "explanation": "此件是工程款，不属本单位职责",
        "suggested": "市住建局",
    }
    do(hotline, LEAD, number, "objection", objection)
    body = {"uphold": True, "unit": "市住建局", "opinion": "鹿城木业王大山的诉求属工程款，由住建办理"}
    do(hotline, "dispatcher", number, "objection/rule", body)
    return number


def test_rulings_name_no_veiled_caller_and_no_special_ticket(hotline: Hotline, database: Database) -> None:
    number = ruled(hotline, "学校欠款两年没有付。")
    tag = hotline.ticket(number)["tag"]["code"]
    seen = [
        hotline.get("dispatcher", "/rulings", tag=tag),
        hotline.get("unit_handler@市住建局", f"/tickets/{number}/file"),
        hotline.post("dispatcher", "/tickets/preview", {"content": "欠款", "override": {"tag": tag, "reason": "账款"}}),
    ]
    for answer in seen:
        assert ("的诉求属工程款" in answer.text, "鹿城木业" in answer.text, "王大山" in answer.text) == (
            True,
            False,
            False,
        )
    with database.write() as session:
        session.scalars(select(Ticket).where(Ticket.number == number)).one().state = "special"
    assert hotline.get("dispatcher", "/rulings", tag=tag).json() == []


def test_what_is_stuck_tells_of_no_special_ticket(hotline: Hotline, database: Database) -> None:
    special = hotline.submit(type="举报", complained_of="包头市人民政府办公室")["number"]
    plain = hotline.submit()["number"]
    with database.write() as session:
        session.execute(update(Outbox).values(dead_at=clock.now(), next_attempt_at=None))
    for who, told in (("leader", False), ("dispatcher", False), ("supervisor@special", True)):
        text = hotline.get(who, "/stuck").text
        assert (special in text, plain in text) == (told, True), who


ACCUSED = "unit_handler@市市场监管局"


def accused(hotline: Hotline, **but: Any) -> str:
    form = {
        "type": "求助",
        "override": {"tag": "1203", "reason": "人工"},
        "complained_of": "市市场监管局",
        "content": "王大山反映市市场监管局迟迟不办电梯检验的事情，请处理。",
        **but,
    }
    number: str = hotline.submit(**form)["number"]
    assert hotline.ticket(number, ACCUSED)["holder"] == "市市场监管局"
    return number


def test_what_turns_out_to_be_a_report_leaves_the_accused_and_its_author_is_veiled(hotline: Hotline) -> None:
    number = accused(hotline)
    assert found(hotline, "operator", "大山") == [number]
    seen = do(hotline, "reviewer", number, "reclassify", {"type": "举报", "reason": "实为举报"})
    assert (seen["type"], seen["confidentiality"], seen["state"], seen["party"]) == ("举报", "隐名", "triage", None)
    assert hotline.get(ACCUSED, f"/tickets/{number}").status_code == 404
    look = {"fields": ["contact_phone"], "reason": "联系企业核实"}
    assert hotline.post(ACCUSED, f"/tickets/{number}/unmask", look).status_code == 404
    assert found(hotline, "operator", "大山") == []
    sent = hotline.post("dispatcher", f"/tickets/{number}/dispatch", {"unit": "市市场监管局", "reason": "再派"})
    assert sent.status_code == 422


def test_a_chosen_openness_stands_and_a_unit_not_accused_keeps_its_report(hotline: Hotline) -> None:
    number = hotline.submit(confidentiality="公开")["number"]
    seen = do(hotline, "reviewer", number, "reclassify", {"type": "举报", "reason": "实为举报"})
    assert (seen["confidentiality"], seen["state"], seen["holder"]) == ("公开", "awaiting_sign", "市工信局")
