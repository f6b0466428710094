"""What people read in a browser: the home page by role, lists, reports; all of it dressed, and errors told as pages."""

import re
from datetime import timedelta

import pytest

from app.accounts.access import Role
from app.edge.headers import BARE, HEADERS, hashed
from tests.builders import Hotline
from tests.edge.conftest import Opened
from tests.pages.browsing import ACCEPT
from tests.reports.history import make_history
from tests.reports.test_reports import SOON, made
from tests.tickets.test_life import START, at, signed

PAGES = ["/", "/signin", "/password", "/lists/triage", "/lists/overdue", "/lists/supervision", "/lists/reports",
         "/lists/desk?step=回访", "/lists/nowhere", "/lists/desk"]  # fmt: skip


def test_every_page_is_dressed_runs_nothing_and_can_be_read_aloud(opened: Opened) -> None:
    hotline = opened()
    for path in PAGES:
        page = hotline.browse("supervisor", path)
        assert set(HEADERS) <= set(page.headers), path
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        style = page.text.partition("<style>")[2].partition("</style>")[0]
        policy = page.headers["content-security-policy"]
        assert policy == f"{BARE}; form-action 'self'; style-src {hashed(style)}"
        # With `no-referrer` a browser would name no origin when it sends a form.
        assert page.headers["referrer-policy"] == "same-origin"
        assert not re.search(r"<script|<img|<link|\son\w+=|style=|javascript:|https?://", page.text)
        assert page.text.startswith('<!doctype html>\n<html lang="zh-CN">')
        assert page.text.count("<h1>") == 1
        seen = set(re.findall(r'<input id="(\w+)"', page.text))
        assert seen == set(re.findall(r'<label for="(\w+)"', page.text))


def test_every_link_on_somebodys_home_page_opens(opened: Opened) -> None:
    hotline = opened()
    with at(hotline, START):
        hotline.submit()
    with at(hotline, START + timedelta(days=30)):
        for role in set(Role) - {Role.CHANNEL}:
            who = f"{role}@市工信局" if role.of_unit else role.value
            home = hotline.browse(who, "/")
            assert home.status_code == 200
            links = set(re.findall(r'<a href="([^"]+)"', home.text))
            assert ("/lists/queue" in links) == role.of_unit
            for link in links - {"/docs"}:
                assert hotline.browse(who, link).status_code == 200, (who, link)


def test_counts_are_of_what_the_list_shows(hotline: Hotline) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        signed(hotline)
        hotline.submit(override=None, title="问一下", content="想问一下这个事情应该找谁办呢，说不清楚。")
    with at(hotline, START + timedelta(days=30)):
        counts: dict[str, int] = {}
        for who in ("unit_leader@市工信局", "supervisor"):
            home = hotline.browse(who, "/").text
            found = {link: int(count) for link, count in re.findall(r'href="(/lists/[^"]+)"><b>(\d+)</b>', home)}
            rows = {link: len(re.findall(r"<td>BTQ\d+|<td>DB\d+", hotline.browse(who, link).text)) for link in found}
            assert rows == found
            counts |= found
        queue = {link.partition("?")[2]: count for link, count in counts.items() if link.startswith("/lists/queue")}
        assert queue == {
            "": 2, "state=awaiting_sign": 1, "state=in_progress": 1, "rework=true": 0, "overdue=true": 2,
        }  # fmt: skip
        assert counts["/lists/overdue"] > 0
        assert number in hotline.browse("supervisor", "/lists/overdue").text
        assert number in hotline.browse("unit_leader@市工信局", "/lists/queue").text
        assert number not in hotline.browse("unit_leader@市教育局", "/lists/queue").text


def test_a_list_goes_on_over_pages_with_the_same_question(opened: Opened) -> None:
    hotline = opened()
    with at(hotline, START):
        for n in range(21):
            hotline.submit(title=f"货款拖了{n}年")
    with at(hotline, START + timedelta(days=30)):
        first = hotline.browse("leader", "/lists/overdue?unit=市工信局")
        onward = first.text.partition('<p><a href="')[2].partition('"')[0].replace("&amp;", "&")
        assert onward.startswith("/lists/overdue?unit=")
        rest = hotline.browse("leader", onward)
    numbers = [re.findall(r"<td>(BTQ\d+)", page.text) for page in (first, rest)]
    assert (len(numbers[0]), len(numbers[1]), len({*numbers[0], *numbers[1]})) == (20, 1, 21)
    assert "下一页" not in rest.text


def test_a_report_opens_in_a_browser_in_every_form_and_exports_are_recorded(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=6)
    with at(hotline, SOON):
        made(hotline, "monthly", "2026-10")
        home = hotline.browse("leader", "/").text
        links = [link.replace("&amp;", "&") for link in re.findall(r'href="(/api/v1/reports/[^"]+)"', home)]
        assert [link.partition("format=")[2][:4].rstrip("&") for link in links] == ["html", "docx", "xlsx", "csv"]
        opened = [hotline.browse("leader", link) for link in links]
        assert [answer.status_code for answer in opened] == [200] * 4
        # The link of a notice names no form.
        named = hotline.browse("leader", "/api/v1/reports/monthly/2026-10", accept=ACCEPT)
        assert (named.headers["content-type"], named.text) == ("text/html; charset=utf-8", opened[0].text)
        behind = re.findall(r'href="(/api/v1/indicators/[^"]+)"', named.text)[0].replace("&amp;", "&")
        assert hotline.browse("leader", behind, accept=ACCEPT).json()["indicator"]
        assert "/api/v1/reports/" not in hotline.browse("unit_leader@市工信局", "/").text
        draft = hotline.browse("unit_leader@市工信局", "/api/v1/reports/monthly/2026-10", accept=ACCEPT)
        assert (draft.status_code, "还没有发布" in draft.text) == (404, True)
        assert draft.headers["content-type"] == "text/html; charset=utf-8"
        told = hotline.get("auditor", "/audit/log", verb="export").json()["items"]
    assert sorted(item["subject"] for item in told) == [f"monthly-2026-10-0.{form}" for form in ("csv", "docx", "xlsx")]
    assert {item["role"] for item in told} == {"leader"}


def test_errors_on_pages_are_pages_in_chinese(opened: Opened) -> None:
    hotline = opened()
    headers = {"cookie": f"hotline={hotline.token('reviewer')}"}
    for method, path, status in (
        ("GET", "/lists/desk", 422), ("GET", "/lists/nowhere", 404), ("PUT", "/signin", 405), ("GET", "/lists/queue", 403),
        ("POST", "/signin", 413),
    ):  # fmt: skip
        content = b" " * 70_000 if status == 413 else None
        answer = hotline.client.request(method, path, headers=headers, content=content)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
        assert re.search(r"<h1>[一-鿿]+</h1>", answer.text)


def test_an_unforeseen_error_on_a_page_is_a_page_that_says_nothing_of_the_inside(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    hotline = opened()

    def broken(*_: object) -> None:
        raise RuntimeError("鹿城木业 /srv/hotline")

    monkeypatch.setattr("app.pages.lists.waiting", broken)
    answer = hotline.browse("leader", "/")
    assert (answer.status_code, "系统内部错误" in answer.text) == (500, True)
    assert not re.search(r"RuntimeError|鹿城|/srv", answer.text)
    assert answer.headers["x-request-id"] in answer.text
