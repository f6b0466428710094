"""Limits by token and by address, and whose word about an address is taken."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
import time_machine
from pydantic import ValidationError

from app import clock
from app.edge.peers import address_of
from app.edge.rates import OPEN
from app.settings import Settings
from tests.accounts.test_access import OPEN_TO_ALL
from tests.builders import Hotline
from tests.edge.conftest import Opened


def statuses(hotline: Hotline, times: int, **headers: str) -> list[int]:
    """Ask who I am several times; header names with underscores."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return [hotline.client.get("/api/v1/me", headers=sent).status_code for _ in range(times)]


def test_a_caller_over_its_limit_is_told_how_long_to_wait(opened: Opened) -> None:
    hotline = opened(rate_per_minute=3)
    answers = [hotline.get("operator", "/me") for _ in range(5)]
    # The first use of a token counts with its address.
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].json()["code"] == "too-many-requests"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert hotline.get("dispatcher", "/me").status_code == 200


def test_spelling_the_scheme_otherwise_is_no_other_caller(opened: Opened) -> None:
    hotline = opened(rate_per_minute=2)
    token = hotline.token("operator")
    found = [
        statuses(hotline, 1, authorization=f"{scheme} {token}")[0]
        for scheme in ("Bearer", "bearer", "BEARER", "bEARER")
    ]
    assert found == [200, 200, 200, 429]


def test_the_next_minute_begins_anew(opened: Opened) -> None:
    hotline = opened(rate_per_minute=1)
    assert [hotline.get("operator", "/me").status_code for _ in range(3)] == [200, 200, 429]
    with time_machine.travel(clock.now() + timedelta(seconds=61)):
        assert hotline.get("operator", "/me").status_code == 200


def test_nobody_gets_further_by_making_tokens_up(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=4)
    found = [statuses(hotline, 1, authorization=f"Bearer hlt_{index}")[0] for index in range(6)]
    assert found == [401] * 4 + [429] * 2


def test_a_known_caller_counts_by_its_token_whatever_it_asks(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=2)
    assert [hotline.get("operator", f"/tickets/BTQ{n}").status_code for n in range(4)] == [404] * 4
    assert [hotline.get("leader", "/triage").status_code for _ in range(4)] == [403] * 4


def test_what_needs_no_token_proves_none(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=4)
    made_up = {"authorization": "Bearer hlt_made_up"}
    found = [hotline.client.get("/openapi.json", headers=made_up).status_code for _ in range(6)]
    assert found == [200] * 4 + [429] * 2


def test_a_token_that_was_ended_falls_back_to_its_address(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=4)
    headers = hotline.headers("operator")
    assert hotline.client.delete("/api/v1/session", headers=headers).status_code == 204
    assert statuses(hotline, 6, **headers) == [401] * 4 + [429] * 2


def test_signing_in_counts_by_address_whatever_token_comes_with_it(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=3)
    headers = hotline.headers("operator")
    assert statuses(hotline, 2, **headers) == [200, 200]
    form = {"login": "", "password": ""}
    found = [hotline.client.post("/api/v1/session", json=form, headers=headers).status_code for _ in range(3)]
    assert found == [422, 422, 429]


def test_every_endpoint_that_needs_no_token_counts_by_address() -> None:
    assert {place for place in OPEN_TO_ALL if place[1].startswith(("/api/", "/signin"))} == OPEN


def test_guessing_query_codes_is_slowed_down(opened: Opened) -> None:
    hotline = opened(rate_address_per_minute=3)
    number = hotline.submit()["number"]
    headers = hotline.headers("dispatcher")
    guesses = [{"number": number, "code": f"{guess:08d}"} for guess in range(4)]
    found = [hotline.client.post("/api/v1/enquiry", json=guess, headers=headers).status_code for guess in guesses]
    assert found[-1] == 429
    assert 200 not in found


def test_nought_is_no_limit_and_health_is_never_limited(opened: Opened) -> None:
    assert set(statuses(opened(rate_address_per_minute=0), 8)) == {401}
    tight = opened(rate_address_per_minute=1)
    assert {tight.client.get(path).status_code for path in ["/healthz", "/readyz", "/metrics"] * 3} == {200}


def test_only_a_trusted_proxys_word_about_the_address_is_taken(opened: Opened) -> None:
    limited = {"rate_address_per_minute": 2}
    forged = opened(peer="203.0.113.9", **limited)
    assert [statuses(forged, 1, x_forwarded_for=f"198.51.100.{n}")[0] for n in range(4)] == [401, 401, 429, 429]
    proxied = opened(peer="10.1.0.7", trusted_proxies="10.1.0.0/16", **limited)
    assert [statuses(proxied, 1, x_forwarded_for=f"198.51.100.{n}")[0] for n in range(4)] == [401] * 4


@pytest.mark.parametrize(
    "forwarded",
    ["{n}.1.1.1, 198.51.100.7", "{n}.1.1.1, 198.51.100.7, 10.1.0.9", "{n}.1.1.1, nobody, 10.1.0.9", "nobody{n}"],
)
def test_what_a_client_writes_left_of_its_own_address_counts_for_nothing(opened: Opened, forwarded: str) -> None:
    hotline = opened(peer="10.1.0.7", trusted_proxies="10.1.0.0/16", rate_address_per_minute=2)
    found = [statuses(hotline, 1, x_forwarded_for=forwarded.format(n=n))[0] for n in range(1, 5)]
    assert found == [401, 401, 429, 429]


def test_an_ipv6_subscriber_is_one_address(opened: Opened) -> None:
    hotline = opened(peer="::1", trusted_proxies="::1", rate_address_per_minute=2)
    found = [statuses(hotline, 1, x_forwarded_for=f"2001:db8::{n}")[0] for n in range(1, 4)]
    assert found == [401, 401, 429]
    assert statuses(hotline, 1, x_forwarded_for="2001:db8:0:1::1") == [401]


def test_figures_are_read_from_named_addresses_only(opened: Opened) -> None:
    assert opened().client.get("/metrics").status_code == 200
    assert opened(peer="192.0.2.4").client.get("/metrics").status_code == 403
    assert opened(peer="192.0.2.4", metrics_from="192.0.2.0/28").client.get("/metrics").status_code == 200
    # A proxy on this machine that nobody named must not open them to its clients.
    assert opened().client.get("/metrics", headers={"x-forwarded-for": "192.0.2.4"}).status_code == 403
    behind = opened(trusted_proxies="127.0.0.1")
    assert behind.client.get("/metrics", headers={"x-forwarded-for": "192.0.2.4"}).status_code == 403


@pytest.mark.parametrize("bad", ["proxy.example", "10.0.0.1/8", "10.0.0.0/64"])
def test_addresses_that_are_none_stop_the_start(bad: str) -> None:
    for name in ("trusted_proxies", "metrics_from"):
        with pytest.raises(ValidationError, match="须为 IP 地址或网段"):
            Settings(**{name: bad})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9:51234", "203.0.113.9"), ("[2001:db8::7]:443", "2001:db8::7"), ("203.0.113.9", "203.0.113.9"),
        ("unknown", ""), ("203.0.113.9, _hidden", ""),
    ],
)  # fmt: skip
def test_what_a_proxy_writes_is_read_with_its_port_and_the_unreadable_is_nobody(forwarded: str, address: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())]
    scope = {"type": "http", "client": ("127.0.0.1", 4000), "headers": headers}
    assert address_of(scope, (ip_network("127.0.0.0/8"),)) == address
