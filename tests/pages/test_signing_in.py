"""Signing in and out in a browser: the cookie, the same limits as over the API, the first change of a password."""

from datetime import timedelta
from urllib.parse import quote

import pytest
import time_machine

from app import clock
from app.pages.shell import local_path
from tests.builders import PASSWORD, Hotline
from tests.edge.conftest import Opened
from tests.pages.browsing import Browser

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OWN = "草原上的七匹马跑得都很快啊"


def recorded(hotline: Hotline, verb: str) -> list[str]:
    return [item["reason"] for item in hotline.get("auditor", "/audit/log", verb=verb).json()["items"]]


def test_the_whole_way_in_and_out(hotline: Hotline) -> None:
    hotline.token("leader")
    browser = Browser(hotline)
    assert browser.open("/").headers["location"] == "/signin"
    entered = browser.sign_in("leader")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    home = browser.open("/")
    assert home.status_code == 200
    assert "热线负责人" in home.text
    assert recorded(hotline, "session.sign_in") == ["password"]
    kept = browser.session
    left = browser.client.post("/signout", data={"token": token_on(home.text)})
    assert (left.status_code, left.headers["location"], browser.session) == (303, "/signin", None)
    browser.client.cookies.set("hotline", str(kept), domain="testserver.local", path="/")
    assert not browser.is_in()
    assert len(recorded(hotline, "session.sign_out")) == 1


def token_on(page: str) -> str:
    """Return the token of the first form on a page."""
    return page.partition('name="token" value="')[2].partition('"')[0]


def test_the_cookie_stays_with_this_host_and_out_of_reach_of_scripts(opened: Opened) -> None:
    hotline = opened(environment="production", data_key=KEY)
    hotline.token("leader")
    browser = Browser(hotline, base="https://testserver")
    (session,) = [line for line in browser.sign_in("leader").headers.get_list("set-cookie") if "hlt_" in line]
    name, *rest = session.split("; ")
    assert name.startswith("__Host-hotline=hlt_")
    assert sorted(rest) == ["HttpOnly", "Path=/", "SameSite=lax", "Secure"]
    assert browser.is_in()


@pytest.mark.parametrize(
    ("peer", "plain"), [("127.0.0.1", True), ("::1", True), ("192.0.2.4", False), ("nobody", False)]
)
def test_only_trials_on_this_machine_go_without_https(opened: Opened, peer: str, plain: bool) -> None:
    given = Browser(opened(), peer=peer).open("/signin").headers["set-cookie"]
    assert given.startswith("hotline-signin=" if plain else "__Host-hotline-signin=")
    assert ("Secure" in given) != plain


def test_wrong_passwords_and_unknown_logins_are_answered_alike_and_slowed_down_with_the_api(hotline: Hotline) -> None:
    hotline.token("leader")
    browser = Browser(hotline)
    wrong, unknown = browser.sign_in("leader", "wrong"), browser.sign_in("leaden", "wrong")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text.replace("leader", "leaden") == unknown.text
    for _ in range(4):
        hotline.client.post("/api/v1/session", json={"login": "leader", "password": "wrong"})
    held = browser.sign_in("leader")
    assert (held.status_code, "秒后再试" in held.text) == (429, True)
    assert int(held.headers["retry-after"]) > 0
    assert browser.session is None


def test_signing_in_on_the_page_counts_by_address(opened: Opened) -> None:
    browser = Browser(opened(rate_address_per_minute=3))
    answers = [browser.open("/signin") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["content-type"] == "text/html; charset=utf-8"
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_session_in_a_browser_counts_by_itself(opened: Opened) -> None:
    hotline = opened(rate_per_minute=2, rate_address_per_minute=1)
    statuses = [hotline.browse("leader", "/").status_code for _ in range(4)]
    # The first use counts with the address.
    assert statuses == [200, 200, 200, 429]


def test_a_session_that_ended_counts_by_its_address_again(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=4)
    assert hotline.browse("leader", "/").status_code == 200
    assert hotline.client.delete("/api/v1/session", headers=hotline.headers("leader")).status_code == 204
    assert [hotline.browse("leader", "/").status_code for _ in range(6)] == [303] * 4 + [429] * 2


def test_signing_in_makes_a_new_session_and_ends_the_one_the_browser_had(hotline: Hotline) -> None:
    planted = hotline.token("operator")
    hotline.token("leader")
    browser = Browser(hotline)
    browser.client.cookies.set("hotline", planted, domain="testserver.local", path="/")
    browser.sign_in("leader")
    assert browser.session not in {None, planted}
    assert "热线负责人" in browser.open("/").text
    assert hotline.get("operator", "/me").status_code == 401


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "evil.example",
        "javascript:alert(1)", "/ /evil", "", "/a\r\nSet-Cookie: a=b", "/" + "a" * 2000, "/页",
    ],
)  # fmt: skip
def test_no_address_elsewhere_is_a_way_on(elsewhere: str) -> None:
    assert local_path(elsewhere) == "/"


def test_after_signing_in_one_stands_where_one_wanted_to_go(hotline: Hotline) -> None:
    hotline.token("leader")
    browser = Browser(hotline)
    wanted = "/api/v1/reports/weekly/latest?format=xlsx"
    led = browser.open(wanted).headers["location"]
    assert led == f"/signin?next={quote(wanted, safe='/')}"
    assert browser.sign_in("leader", path=led).headers["location"] == wanted
    elsewhere = browser.send("/signin", {"login": "leader", "password": PASSWORD, "next": "//evil.example"})
    assert elsewhere.headers["location"] == "/"


def test_whose_password_was_set_by_another_is_led_to_change_it_and_nowhere_else(hotline: Hotline) -> None:
    made = hotline.post("admin", "/staff", {"login": "li.na", "name": "李娜", "role": "leader"}).json()
    browser = Browser(hotline)
    entered = browser.sign_in("li.na", made["password"], "/signin?next=/lists/overdue")
    assert entered.headers["location"] == "/password?next=/lists/overdue"
    assert browser.open("/").headers["location"] == "/password"
    for path in ("/lists/overdue", "/api/v1/reports/weekly/latest"):
        assert browser.open(path).headers["location"].startswith("/password?next=")
    before, page = browser.session, "/password?next=/lists/overdue"
    unlike = browser.send(page, {"old": made["password"], "new": OWN, "again": OWN + "！"})
    weak = browser.send(page, {"old": made["password"], "new": "123456789012", "again": "123456789012"})
    wrong = browser.send(page, {"old": "wrong", "new": OWN, "again": OWN})
    told = ["两次填写的新密码不一样", "太容易猜到", "不正确"]
    assert [words in answer.text for words, answer in zip(told, (unlike, weak, wrong), strict=True)] == [True] * 3
    assert {answer.status_code for answer in (unlike, weak, wrong)} == {422}
    changed = browser.send(page, {"old": made["password"], "new": OWN, "again": OWN})
    assert (changed.status_code, changed.headers["location"]) == (303, "/lists/overdue")
    assert browser.open("/lists/overdue").status_code == 200
    assert hotline.client.get("/api/v1/me", headers={"Authorization": f"Bearer {before}"}).status_code == 401


def test_a_session_left_idle_or_revoked_ends_in_the_browser_too(hotline: Hotline) -> None:
    hotline.token("leader")
    browser = Browser(hotline)
    browser.sign_in("leader")
    with time_machine.travel(clock.now() + timedelta(minutes=700), tick=False):
        assert browser.is_in()
    with time_machine.travel(clock.now() + timedelta(hours=12, minutes=1), tick=False):
        assert browser.open("/").headers["location"] == "/signin"
    newest = hotline.get("leader", "/sessions").json()["items"][0]
    ended = hotline.client.delete(f"/api/v1/sessions/{newest['id']}", headers=hotline.headers("leader"))
    assert (ended.status_code, browser.is_in()) == (204, False)


def test_two_hours_without_use_end_it(opened: Opened) -> None:
    hotline = opened(idle_minutes=120)
    with time_machine.travel(clock.now(), tick=False) as traveller:
        assert hotline.browse("leader", "/").status_code == 200
        traveller.shift(timedelta(minutes=121))
        assert hotline.browse("leader", "/").headers["location"] == "/signin"


def test_a_key_of_a_system_opens_no_page(opened: Opened) -> None:
    assert opened().browse("channel@12345电话", "/").headers["location"] == "/signin"


def test_markup_in_a_login_or_a_name_stays_text(hotline: Hotline) -> None:
    markup = '"><script>alert(1)</script>'
    browser = Browser(hotline)
    refused = browser.sign_in(markup, "wrong")
    assert (refused.status_code, "<script" in refused.text) == (401, False)
    assert "&#34;&gt;&lt;script&gt;" in refused.text
    hotline.token("leader")
    form = {"name": "<img src=x onerror=alert(1)>"}
    assert hotline.client.patch("/api/v1/staff/leader", json=form, headers=hotline.headers("admin")).status_code == 200
    assert "<img" not in hotline.browse("leader", "/").text
