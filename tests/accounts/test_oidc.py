"""Sign-in through a provider: the whole way over loopback, and every answer that must not be believed."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from httpx2 import Response
from joserfc.jwk import ECKey

from app import clock
from app.accounts.oidc import REFRESH_SECONDS, Way
from app.accounts.service import revoke_staff
from app.accounts.tables import Staff
from app.database import Database
from app.main import create_app
from app.sealing import installed_sealer
from app.settings import Settings
from app.tickets.intake import Desk
from tests.accounts import provider
from tests.accounts.provider import CLIENT, SECRET, FakeCity
from tests.builders import Hotline, TestClient
from tests.conftest import open_test_office

HERE = "http://testserver"
START, BACK = "/api/v1/session/oidc", "/api/v1/session/oidc/callback"


@pytest.fixture
def city() -> Iterator[FakeCity]:
    """A provider that behaves until it is told not to."""
    with provider.serving() as served:
        yield served


@pytest.fixture
def joined(settings: Settings, city: FakeCity) -> Settings:
    """Settings of an installation that is joined to the provider."""
    return Settings(
        **settings.model_dump(exclude={"oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_redirect_url"}),
        oidc_issuer=city.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET, oidc_redirect_url=HERE + BACK,
    )  # fmt: skip


@pytest.fixture
def people(joined: Settings, desk: Desk) -> Iterator[Hotline]:
    """The application, joined to the provider, with an operator in it."""
    office = open_test_office(joined, desk)
    with TestClient(create_app(office), raise_server_exceptions=False) as client:
        hotline = Hotline(client)
        hotline.token("operator")
        yield hotline
    office.database.dispose()


def leave(people: Hotline) -> str:
    """Begin a sign-in; returns where the browser is sent."""
    answer = people.client.get(START, follow_redirects=False)
    assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store"), answer.text
    return str(answer.headers["location"])


def through(address: str) -> str:
    """Sign in at the provider; returns the address it sends the browser back to."""
    answer = httpx.get(address, follow_redirects=False)
    return answer.headers["location"].removeprefix(HERE)


def come_back(people: Hotline, address: str) -> Response:
    return people.client.get(address)


def sign_in(people: Hotline) -> Response:
    return come_back(people, through(leave(people)))


def as_bearer(answer: Response) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def test_the_whole_way_gives_a_session_like_any_other(people: Hotline) -> None:
    entered = sign_in(people)
    assert entered.status_code == 200, entered.text
    assert people.client.get("/api/v1/me", headers=as_bearer(entered)).json()["role"] == "operator"
    newest = people.client.get("/api/v1/sessions", headers=as_bearer(entered)).json()["items"][0]
    assert (newest["via"], newest["current"]) == ("oidc", True)
    told = people.get("auditor", "/audit/log", verb="session.sign_in").json()["items"]
    assert told[0]["reason"] == "oidc"


def test_a_browser_comes_back_to_the_home_page_signed_in(people: Hotline) -> None:
    browser = TestClient(people.client.app, client=("127.0.0.1", 50001), follow_redirects=False)
    browser.headers["accept"] = "text/html"
    back = through(browser.get(START).headers["location"])
    entered = browser.get(back)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert list(browser.cookies) == ["hotline"]
    assert "话务员" in browser.get("/").text
    again = browser.get(back)
    assert (again.status_code, again.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "统一认证没有完成" in again.text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(people: Hotline) -> None:
    answer = people.client.get(START, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", f"Path={START}", "Max-Age=600"))
    assert "code_challenge=" in answer.headers["location"]
    assert "verifier" not in answer.headers["location"]


def test_in_production_the_cookie_travels_only_encrypted(joined: Settings, people: Hotline) -> None:
    production = joined.model_copy(update={"environment": "production"})
    people.client.app.state.settings = production  # type: ignore[attr-defined]
    assert "Secure" in people.client.get(START, follow_redirects=False).headers["set-cookie"]


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "somebody else's"}, {"nonce": None}, {"aud": "another client"}, {"aud": None}, {"iss": "http://evil"},
        {"exp": int(time.time()) - 3600}, {"exp": None}, {"sub": None}, {"azp": "another client"},
        {"preferred_username": None}, {"preferred_username": 7}, {"preferred_username": "nobody"}, {"iat": None},
    ],
)  # fmt: skip
def test_an_id_token_that_says_anything_wrong_opens_nothing(
    people: Hotline, city: FakeCity, claims: dict[str, Any]
) -> None:
    city.claims = claims
    refused = sign_in(people)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "forge",
    [
        provider.unsigned, provider.signed_by_a_stranger, provider.signed_with_an_unknown_kid,
        provider.signed_with_the_client_secret, lambda _: "not.a.token", lambda _: "", lambda _: 5,
    ],
)  # fmt: skip
def test_an_id_token_that_the_provider_did_not_sign_opens_nothing(people: Hotline, city: FakeCity, forge: Any) -> None:
    city.forge = forge
    assert sign_in(people).status_code == 401


def test_es256_is_taken_too_and_a_new_key_is_found_when_it_is_needed(
    people: Hotline, city: FakeCity, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sign_in(people).status_code == 200
    city.turn_key(ECKey.generate_key("P-256", {"kid": "second"}))
    monkeypatch.setattr("app.accounts.oidc.REFRESH_SECONDS", 0)
    assert sign_in(people).status_code == 200
    assert city.asked.count("/keys") == 2
    assert city.asked.count("/.well-known/openid-configuration") == 1


def test_forged_key_ids_do_not_make_it_hammer_the_provider(people: Hotline, city: FakeCity) -> None:
    assert REFRESH_SECONDS >= 10
    city.forge = provider.signed_with_an_unknown_kid
    for _ in range(4):
        assert sign_in(people).status_code == 401
    assert city.asked.count("/keys") == 1


@pytest.mark.parametrize("change", ["state", "no cookie", "no code", "error", "issuer", "other browser"])
def test_a_return_that_this_browser_did_not_begin_is_refused(people: Hotline, city: FakeCity, change: str) -> None:
    address = through(leave(people))
    match change:
        case "state":
            address = address.replace("state=", "state=x")
        case "no cookie":
            people.client.cookies.clear()
        case "no code":
            address = address.replace("code=", "iss=")
        case "error":
            address += "&error=access_denied"
        case "issuer":
            address += "&iss=http%3A%2F%2Fevil"
        case "other browser":
            leave(people)
    assert come_back(people, address).status_code == 401
    assert "/token" not in city.asked


def test_a_code_is_good_once(people: Hotline) -> None:
    address = through(leave(people))
    kept = dict(people.client.cookies)
    assert come_back(people, address).status_code == 200
    assert not people.client.cookies
    people.client.cookies.update(kept)
    assert come_back(people, address).status_code == 401


def test_a_code_of_another_sign_in_fails_at_pkce(people: Hotline) -> None:
    stolen = through(leave(people)).partition("code=")[2].partition("&")[0]
    own = through(leave(people))
    mine = own.partition("code=")[2].partition("&")[0]
    assert come_back(people, own.replace(mine, stolen)).status_code == 401


def test_who_takes_too_long_begins_again(people: Hotline) -> None:
    address = through(leave(people))
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=False):
        assert come_back(people, address).status_code == 401


def test_a_value_sealed_for_something_else_is_no_way(people: Hotline) -> None:
    way = Way(purpose="another")
    people.client.cookies.set("hotline_oidc", way.sealed(installed_sealer()), domain="testserver.local", path=START)
    assert come_back(people, f"{BACK}?state={way.state}&code=x").status_code == 401


def test_a_closed_account_stays_closed_and_no_account_is_ever_made(
    people: Hotline, city: FakeCity, database: Database
) -> None:
    with database.write() as session:
        revoke_staff(session, "operator")
    assert sign_in(people).status_code == 401
    city.login = "newcomer"
    assert "没有对应的在用人员" in sign_in(people).json()["detail"]
    with database.read() as session:
        assert session.query(Staff).filter_by(login="newcomer").count() == 0
    told = people.get("auditor", "/audit/log", verb="session.refused").json()["items"]
    assert ["newcomer" in str(item) for item in told] == [False, False]


def test_whom_the_provider_vouches_for_need_not_change_a_password_he_never_uses(
    people: Hotline, city: FakeCity
) -> None:
    city.login = "wang"
    first = people.post("admin", "/staff", {"login": "wang", "name": "王芳芳", "role": "operator"}).json()["password"]
    entered = sign_in(people)
    assert entered.json()["must_change_password"] is False
    assert people.client.get("/api/v1/tickets", headers=as_bearer(entered)).status_code == 200
    by_password = people.client.post("/api/v1/session", json={"login": "wang", "password": first})
    assert by_password.json()["must_change_password"] is True


@pytest.mark.parametrize(("verified", "status"), [(True, 200), (False, 401), (None, 401)])
def test_an_unverified_address_is_no_login(
    joined: Settings, city: FakeCity, desk: Desk, verified: bool | None, status: int
) -> None:
    by_mail = joined.model_copy(update={"oidc_login_claim": "email"})
    office = open_test_office(by_mail, desk)
    city.claims = {"email": "operator", "email_verified": verified}
    with TestClient(create_app(office)) as client:
        people = Hotline(client)
        people.token("operator")
        assert sign_in(people).status_code == status
    office.database.dispose()


def test_another_process_finishes_what_one_began(people: Hotline, joined: Settings, desk: Desk) -> None:
    address = through(leave(people))
    office = open_test_office(joined, desk)
    with TestClient(create_app(office)) as other:
        for cookie in people.client.cookies.jar:
            other.cookies.jar.set_cookie(cookie)
        assert other.get(address).status_code == 200
    office.database.dispose()


@pytest.mark.parametrize(
    "document",
    [{"issuer": "http://evil"}, {"token_endpoint": None}, {"token_endpoint": "http://127.0.0.1:9/token"},
     {"jwks_uri": "file:///etc/passwd"}],
)  # fmt: skip
def test_a_provider_that_cannot_be_used_is_told_as_such(
    people: Hotline, city: FakeCity, document: dict[str, Any]
) -> None:
    city.document = document
    if "issuer" in document:
        assert people.client.get(START, follow_redirects=False).status_code == 503
        return
    refused = sign_in(people)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")


def test_a_client_that_posts_its_secret(people: Hotline, city: FakeCity) -> None:
    city.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert sign_in(people).status_code == 200


def test_without_a_provider_there_is_no_such_way(hotline: Hotline) -> None:
    assert hotline.client.get(START, follow_redirects=False).status_code == 404
    assert hotline.client.get(BACK).status_code == 404


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "https://sso.example"},
        {"oidc_issuer": "ftp://sso", "oidc_client_id": "a", "oidc_redirect_url": "https://here"},
        {"oidc_issuer": "http://sso", "oidc_client_id": "a", "oidc_redirect_url": "https://here",
         "environment": "production", "data_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
    ],
)  # fmt: skip
def test_half_a_provider_does_not_start(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="HOTLINE_OIDC"):
        Settings(**given)
