"""Forms that other sites, sessions and machines send are refused; a cookie alone changes nothing anywhere."""

from typing import Any

import pytest

from tests.builders import PASSWORD, Hotline, ticket_form
from tests.edge.conftest import Opened
from tests.pages.browsing import Browser

ELSEWHERE = [
    {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"origin": "https://evil.example"},
    {"origin": "null"}, {"origin": "http://["}, {"origin": "http://testserver.evil.example"}, {"origin": "http://testserver:8080"},
    {"sec_fetch_site": "cross-site", "origin": "http://testserver"},
]  # fmt: skip
HERE = [{"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}, {"origin": "http://testserver"}, {}]


def is_refused(answer: Any) -> bool:
    page = answer.headers["content-type"] == "text/html; charset=utf-8"
    return bool(answer.status_code == 403 and page and "没有执行任何操作" in answer.text)


def test_a_form_from_another_site_changes_nothing(opened: Opened) -> None:
    hotline = opened()
    browser = Browser(hotline)
    for headers in ELSEWHERE:
        assert is_refused(hotline.browse("leader", "/signout", {}, **headers)), headers
        assert is_refused(browser.send("/signin", {"login": "leader", "password": PASSWORD}, **headers)), headers
    assert hotline.browse("leader", "/").status_code == 200
    assert browser.session is None


def test_a_form_from_here_is_taken(opened: Opened) -> None:
    hotline = opened()
    for headers in HERE:
        assert hotline.browse("leader", "/signout", {}, **headers).headers["location"] == "/signin", headers
        hotline.sign_in_anew()


def test_behind_a_proxy_our_public_name_is_ours(opened: Opened) -> None:
    hotline = opened(public_url="https://hotline.example/")
    assert is_refused(hotline.browse("leader", "/signout", {}, origin="https://other.example"))
    assert hotline.browse("leader", "/signout", {}, origin="https://hotline.example").status_code == 303


@pytest.mark.parametrize("path", ["/signout", "/password"])
def test_a_token_that_is_missing_wrong_or_of_another_session_is_refused(hotline: Hotline, path: str) -> None:
    hotline.token("leader")
    other = hotline.client.app.state.office.sealer.form_tokens(hotline.token("operator"))[0]  # type: ignore[attr-defined]
    for token in ("", "x", "令牌", other, hotline.token("leader")):
        assert is_refused(hotline.browse("leader", path, {"token": token})), token
    bare = hotline.client.post(path, headers={"cookie": f"hotline={hotline.token('leader')}"})
    assert is_refused(bare)
    assert hotline.browse("leader", "/").status_code == 200


def test_signing_in_needs_the_form_this_browser_was_shown(opened: Opened) -> None:
    hotline = opened()
    hotline.token("leader")
    mine, other = Browser(hotline), Browser(hotline)
    right = {"login": "leader", "password": PASSWORD}
    assert is_refused(mine.client.post("/signin", data=right))
    token = other.open("/signin").text.partition('name="token" value="')[2].partition('"')[0]
    assert is_refused(mine.send("/signin", {**right, "token": token}))
    mine.client.cookies.clear()
    assert is_refused(mine.client.post("/signin", data={**right, "token": token}))
    assert mine.session is None
    assert mine.sign_in("leader").status_code == 303


def test_two_tabs_of_one_browser_do_not_shut_each_other_out(opened: Opened) -> None:
    hotline = opened()
    hotline.token("leader")
    browser = Browser(hotline)
    first = browser.open("/signin").text.partition('name="token" value="')[2].partition('"')[0]
    browser.open("/signin")
    sent = {"login": "leader", "password": PASSWORD, "token": first}
    assert browser.client.post("/signin", data=sent).status_code == 303


def test_forms_from_before_a_change_of_the_data_key_are_still_taken(opened: Opened) -> None:
    old, new = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
    before = opened(data_key=old)
    token = before.client.app.state.office.sealer.form_tokens(before.token("leader"))[0]  # type: ignore[attr-defined]
    after = opened(data_key=new, old_data_keys=old)
    answer = after.client.post(
        "/signout",
        data={"token": token},
        headers={"cookie": f"hotline={before.token('leader')}"},
        follow_redirects=False,
    )
    assert answer.status_code == 303


def test_a_cookie_alone_changes_and_reads_nothing_over_the_api(hotline: Hotline) -> None:
    cookie = {"cookie": f"hotline={hotline.token('supervisor')}"}
    number = hotline.submit()["number"]
    for method, path, body in (
        ("POST", "/tickets", ticket_form()), ("POST", f"/tickets/{number}/urge", {"reason": "催一催"}), ("DELETE", "/session", None),
        ("PATCH", "/staff/supervisor", {"name": "换"}), ("POST", "/reports/monthly/2026-10/correct", None),
        ("GET", "/me", None), ("GET", f"/tickets/{number}", None), ("GET", "/reports/weekly/latest?format=json", None),
        ("GET", "/reports/weekly/latest", None), ("GET", "/supervision/DB2611240001/paper", None),
    ):  # fmt: skip
        answer = hotline.client.request(method, f"/api/v1{path}", json=body, headers=cookie)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert answer.headers["content-type"] == "application/problem+json"
    assert hotline.get("supervisor", "/me").status_code == 200


def test_who_names_a_token_in_the_header_means_that_one(opened: Opened) -> None:
    hotline = opened()
    cookie = {"cookie": f"hotline={hotline.token('leader')}", "accept": "text/html"}
    path = "/api/v1/reports/weekly/latest?format=html"
    for given in ("Bearer hlt_wrong", "Basic bGVhZGVyOng=", ""):
        answer = hotline.client.get(path, headers={**cookie, "authorization": given})
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), given
    assert hotline.client.get(path, headers=cookie).status_code == 404


def test_what_is_no_form_of_ours_is_refused_on_a_page(opened: Opened) -> None:
    hotline, form = opened(), "application/x-www-form-urlencoded"
    for content, kind, status in (
        (b'{"login": "leader"}', "application/json", 415), (b"login=a", "text/plain", 415),
        (b"login=a&login=b", form, 422), (b"login=%00", form, 422), (b"login=%ff", form, 422), (b"login", form, 422),
        (b"&".join(b"f%d=1" % n for n in range(20)), form, 422), ("login=李".encode(), form, 422),
    ):  # fmt: skip
        answer = hotline.client.post("/signin", content=content, headers={"content-type": kind})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), content


def test_the_api_takes_no_forms(opened: Opened) -> None:
    answer = opened().client.post("/api/v1/session", data={"login": "leader", "password": PASSWORD})
    assert answer.status_code == 415
