"""Lists people keep under a name."""

from typing import Any

from app.tickets.saved import MOST_VIEWS
from tests.builders import Hotline

LATE_REPORTS = {"name": "举报待办", "page": "tickets", "params": {"type": "举报", "hardness": "proposed"}}


def kept(hotline: Hotline, who: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hotline.get(who, "/views").json()
    return found


def test_a_person_keeps_replaces_and_drops_lists_nobody_else_sees(hotline: Hotline) -> None:
    first = hotline.post("dispatcher", "/views", LATE_REPORTS).json()
    hotline.post("dispatcher", "/views", {**LATE_REPORTS, "params": {"type": "投诉"}})
    assert [(view["id"], view["params"]) for view in kept(hotline, "dispatcher")] == [(first["id"], {"type": "投诉"})]
    assert kept(hotline, "supervisor") == []
    path = f"/api/v1/views/{first['id']}"
    assert hotline.client.delete(path, headers=hotline.headers("supervisor")).status_code == 404
    assert hotline.client.delete(path, headers=hotline.headers("dispatcher")).status_code == 204
    assert kept(hotline, "dispatcher") == []


def test_a_kept_list_opens_with_its_own_filters(hotline: Hotline) -> None:
    number = hotline.submit(type="投诉")["number"]
    view = hotline.post("dispatcher", "/views", {"name": "投诉", "page": "tickets", "params": {"type": "投诉"}}).json()
    opened = hotline.get("dispatcher", f"/{view['page']}", **view["params"]).json()["items"]
    assert [item["number"] for item in opened] == [number]


def test_unknown_lists_and_filters_are_refused_with_what_is_known(hotline: Hotline) -> None:
    page = hotline.post("dispatcher", "/views", {**LATE_REPORTS, "page": "reports"})
    params = hotline.post("dispatcher", "/views", {**LATE_REPORTS, "params": {"colour": "red"}})
    assert (page.status_code, page.json()["errors"][0]["pointer"]) == (422, "/page")
    assert (params.status_code, params.json()["errors"][0]["pointer"]) == (422, "/params/colour")


def test_there_is_an_end_to_keeping(hotline: Hotline) -> None:
    for index in range(MOST_VIEWS):
        assert hotline.post("dispatcher", "/views", {**LATE_REPORTS, "name": f"第{index}个"}).status_code == 200
    assert hotline.post("dispatcher", "/views", LATE_REPORTS).status_code == 409
    assert hotline.post("dispatcher", "/views", {**LATE_REPORTS, "name": "第3个"}).status_code == 200
