"""Tickets like one, through HTTP: repeats, the same matter, the same enterprise first, rows kept apart, preview."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from app import clock
from app.database import Database
from app.tickets.indexing import index_missing
from app.tickets.lifecycle import State
from app.tickets.office import Office
from app.tickets.similar import indexed
from app.tickets.tables import Ticket, TicketKey, TicketSignature
from tests.builders import Hotline

PUMP = "锦棠花园五号楼地下水泵房夜里嗡嗡响，床头跟着震，孩子要中考了，物业说正常，要求降噪。"
PUMP_TOLD_BY_ANOTHER = "我住锦棠花园五号楼二层，那个泵房半夜最吵，老人睡不着觉，能不能换个泵。"
OTHER = "营业执照变更地址，窗口说房产证复印件不行，要原件，跑了三趟。"


@pytest.fixture
def pump(hotline: Hotline) -> str:
    number: str = hotline.submit(title="水泵房噪声", content=PUMP)["number"]
    return number


def similar(hotline: Hotline, number: str, who: str = "dispatcher", **params: object) -> list[dict[str, object]]:
    answer = hotline.get(who, f"/tickets/{number}/similar", **params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_the_same_text_again_is_a_suspected_repeat(hotline: Hotline, pump: str) -> None:
    again = hotline.submit(title="水泵房噪声", content=PUMP + "请尽快处理！", enterprise={"name": "另一家公司"})[
        "number"
    ]
    (found,) = similar(hotline, again)
    assert (found["number"], found["relation"], found["same_enterprise"]) == (pump, "疑似重复提交", False)
    assert float(str(found["score"])) > 0.8
    assert found["shared"]


def test_the_same_matter_told_by_another_is_found_and_another_matter_is_not(hotline: Hotline, pump: str) -> None:
    hotline.submit(title="执照", content=OTHER, enterprise={"name": "第三家公司"})
    told = hotline.submit(title="", content=PUMP_TOLD_BY_ANOTHER, enterprise={"name": "另一家公司"})["number"]
    (found,) = similar(hotline, told)
    assert (found["number"], found["relation"]) == (pump, "可能同一事项")
    assert any("锦棠" in word for word in found["shared"])  # type: ignore[attr-defined]


def test_the_same_enterprise_stands_first_whatever_the_matter(hotline: Hotline, pump: str) -> None:
    own = hotline.submit(title="执照", content=OTHER, enterprise={"name": "甲木业有限公司"})["number"]
    asked = hotline.submit(title="", content=PUMP_TOLD_BY_ANOTHER, enterprise={"name": "甲木业有限公司"})["number"]
    found = similar(hotline, asked)
    assert [item["number"] for item in found] == [own, pump]
    assert found[0]["relation"] == "同一企业"


def test_old_closed_tickets_are_left_out_and_old_open_ones_are_not(
    hotline: Hotline, pump: str, database: Database
) -> None:
    told = hotline.submit(title="", content=PUMP_TOLD_BY_ANOTHER, enterprise={"name": "另一家公司"})["number"]
    with database.write() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == pump)).one()
        ticket.accepted_at = clock.now() - timedelta(days=400)
    assert [item["number"] for item in similar(hotline, told)] == [pump]
    with database.write() as session:
        session.scalars(select(Ticket).where(Ticket.number == pump)).one().state = State.TOLD.value
    assert similar(hotline, told) == []
    assert [item["number"] for item in similar(hotline, told, days=500)] == [pump]


def test_a_unit_and_a_channel_may_not_look_across_the_city(hotline: Hotline, pump: str) -> None:
    for who in ("unit_handler@市工信局", "channel@蒙企通"):
        assert hotline.get(who, f"/tickets/{pump}/similar").status_code == 403


def test_a_special_ticket_is_seen_by_its_supervisor_only(hotline: Hotline, pump: str, database: Database) -> None:
    told = hotline.submit(title="", content=PUMP_TOLD_BY_ANOTHER, enterprise={"name": "另一家公司"})["number"]
    with database.write() as session:
        session.scalars(select(Ticket).where(Ticket.number == pump)).one().state = State.SPECIAL.value
    assert similar(hotline, told) == []
    assert [item["number"] for item in similar(hotline, told, who="supervisor@special")] == [pump]


def test_an_unknown_ticket_is_told(hotline: Hotline) -> None:
    answer = hotline.get("dispatcher", "/tickets/BTQ000000000000/similar")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 51}, {"days": 0}, {"days": 9999}, {"days": "x"}])
def test_bad_parameters_are_named(hotline: Hotline, pump: str, params: dict[str, object]) -> None:
    answer = hotline.get("dispatcher", f"/tickets/{pump}/similar", **params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"?{next(iter(params))}"


def test_preview_shows_repeats_what_would_change_it_and_stores_nothing(
    hotline: Hotline, pump: str, database: Database
) -> None:
    form = {"content": PUMP_TOLD_BY_ANOTHER, "enterprise": {"name": "另一家公司"}}
    found = hotline.post("operator", "/tickets/preview", form).json()
    assert [item["number"] for item in found["similar"]] == [pump]
    assert found["turn"]["unit"]
    assert found["turn"]["told"]
    assert found["matters"] == []
    with database.read() as session:
        assert session.scalars(select(func.count()).select_from(Ticket)).one() == 1


def test_what_would_change_the_answer_really_changes_it(hotline: Hotline) -> None:
    content = "物业收了钱不管事，楼道的灯坏了没人修"
    first = hotline.post("operator", "/tickets/preview", {"content": content}).json()
    assert first["turn"]["without"]
    assert all(word in content for word in first["turn"]["without"])
    for word in first["turn"]["without"]:
        content = content.replace(word, "，")
    second = hotline.post("operator", "/tickets/preview", {"content": content}).json()
    assert second["tag"]["code"] == first["turn"]["tag"] != first["tag"]["code"]


def test_a_channel_previews_without_seeing_others(hotline: Hotline, pump: str) -> None:
    form = {"content": PUMP, "channel": "蒙企通"}
    assert hotline.post("channel@蒙企通", "/tickets/preview", form).json()["similar"] == []


def test_tickets_taken_in_without_a_model_are_indexed_afterwards(hotline: Hotline, pump: str, office: Office) -> None:
    with office.database.write() as session:
        session.execute(delete(TicketKey))
        session.execute(delete(TicketSignature))
    maker = office.desk.signatures
    assert maker is not None
    with office.database.write() as session:
        assert (index_missing(session, maker), index_missing(session, maker)) == (1, 0)
        assert indexed(session) == 1
    again = hotline.submit(title="", content=PUMP, enterprise={"name": "另一家公司"})["number"]
    assert [item["number"] for item in similar(hotline, again)] == [pump]
