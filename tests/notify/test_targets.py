"""Addresses people enter: nothing inside a private network, nothing but https, and the name is asked once."""

import socket
from typing import Any

import pytest

from app.notify.targets import TargetError, check_url
from app.settings import Settings

STRICT = Settings()
INSIDE = STRICT.model_copy(update={"notice_private_targets": True})


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://localhost/x", "https://[::1]/x", "https://10.1.2.3/x", "https://192.168.1.1/x",
        "https://172.16.0.9/x", "https://169.254.169.254/latest/meta-data", "https://0.0.0.0/x", "https://[fe80::1]/x",
        "https://[::ffff:127.0.0.1]/x", "https://2130706433/x", "https://0x7f.1/x", "https://100.64.0.1/x",
        "https://[64:ff9b::7f00:1]/x", "https://[64:ff9b::a01:203]/x", "https://[2002:7f00:1::]/x", "https://[fec0::1]/x",
        "https://[::7f00:1]/x", "https://224.0.0.1/x", "https://[ff02::1]/x", "https://240.0.0.1/x",
        "https://[64:ff9b::a00:1]/x", "https://[2002:a00:1::1]/x", "https://[::10.0.0.1]/x",
        "https://[ff0e::1]/x", "https://[fd00::1]/x",
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(url: str) -> None:
    with pytest.raises(TargetError):
        check_url(url, STRICT)


@pytest.mark.parametrize("url", ["https://8.8.8.8/x", "https://[2400:3200::1]/x", "https://223.5.5.5:8443/x"])
def test_public_addresses_are_taken(url: str) -> None:
    assert str(check_url(url, STRICT).url) == url


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8/x", "file:///etc/passwd", "gopher://8.8.8.8", "//8.8.8.8", "8.8.8.8", "https://8.8.8.8#x"]
)
def test_other_schemes_and_forms_are_refused(url: str) -> None:
    with pytest.raises(TargetError):
        check_url(url, STRICT)


def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, 443)) for number in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(TargetError, match="内部网络"):
        check_url("https://robot.example/x", STRICT)


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answers(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    pinned = check_url("https://robot.example/x?key=1", STRICT)
    assert str(pinned.url) == "https://8.8.8.8/x?key=1"
    assert (pinned.headers, pinned.extensions) == ({"host": "robot.example"}, {"sni_hostname": "robot.example"})
    assert asked == ["robot.example"]


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3:8080/x", "https://192.168.1.1/x", "https://[fd00::1]/x", "https://8.8.8.8/x"]
)
def test_a_government_network_may_allow_its_own_addresses(url: str) -> None:
    assert str(check_url(url, INSIDE).url) == url


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/x", "http://169.254.169.254/x", "http://[::1]/x", "http://224.0.0.1/x", "http://0.0.0.0/x"],
)
def test_the_machine_itself_is_allowed_only_by_name_of_its_network(url: str) -> None:
    with pytest.raises(TargetError):
        check_url(url, INSIDE)
    named = STRICT.model_copy(update={"notice_networks": "127.0.0.0/8, 169.254.0.0/16 ::1/128 224.0.0.0/4 0.0.0.0/8"})
    assert str(check_url(url, named).url) == url


def test_a_refusal_does_not_say_where_a_name_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("10.9.8.7", 443))])
    with pytest.raises(TargetError) as refused:
        check_url("https://mail.inside.example/x", STRICT)
    assert "10.9.8.7" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("https://服务.政务:8443/x", "xn--zfr188b.xn--zfr164b:8443", "xn--zfr188b.xn--zfr164b"),
        ("https://[2606:4700::1]:8443/x", "[2606:4700::1]:8443", "2606:4700::1"),
    ],
)
def test_the_host_is_named_as_the_network_spells_it(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, name: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("8.8.8.8", 8443))])
    pinned = check_url(url, STRICT)
    assert (pinned.headers["host"], pinned.extensions["sni_hostname"]) == (host, name)


def test_a_setting_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="网段"):
        Settings(notice_networks="10.1.0.0/33")
