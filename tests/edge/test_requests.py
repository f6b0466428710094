"""What is refused before anything reads it, each with an answer that says why."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.edge.requests import check_json
from app.errors import InvalidInputError
from tests.builders import Hotline, ticket_form
from tests.edge.conftest import Opened


@pytest.fixture
def desk_hotline(opened: Opened) -> Hotline:
    """An application with default settings."""
    return opened()


def sent(hotline: Hotline, content: bytes, **headers: str) -> Any:
    """POST bytes as an operator; header names with underscores; JSON unless said otherwise."""
    said = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return hotline.client.post("/api/v1/tickets", content=content, headers=hotline.headers("operator", said))


FORM = json.dumps(ticket_form()).encode()


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', " application/json "],
)
def test_json_said_to_be_json_is_taken(desk_hotline: Hotline, kind: str) -> None:
    assert sent(desk_hotline, FORM, content_type=kind).status_code == 201


@pytest.mark.parametrize(
    "kind",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
        "application/json; charset=gbk", "application/json; charset=utf-16", "application/vnd.api+json",
        "application/json, text/plain", "application/jsonp",
    ],
)  # fmt: skip
def test_any_other_kind_of_body_is_refused(desk_hotline: Hotline, kind: str) -> None:
    answer = sent(desk_hotline, FORM, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-content-type")
    assert "application/json" in answer.json()["detail"]


def test_a_compressed_body_is_refused(desk_hotline: Hotline) -> None:
    assert sent(desk_hotline, FORM, content_encoding="gzip").status_code == 415


def test_a_verb_without_a_body_needs_no_content_type(desk_hotline: Hotline) -> None:
    number = desk_hotline.submit()["number"]
    headers = desk_hotline.headers("unit_handler@市工信局")
    assert desk_hotline.client.post(f"/api/v1/tickets/{number}/sign", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"title": "a", "title": "b"}', "字段“title”写了两次"),
        (b'{"contact": {"name": "a", "name": "b"}}', "字段“name”写了两次"),
        (b'{"arrears": {"owed_sum": NaN}}', "不能有 NaN"),
        (b'{"arrears": {"owed_sum": -Infinity}}', "不能有 -Infinity"),
        (FORM.decode().encode("utf-16"), "NUL"),
        (FORM.decode().encode("utf-16-le"), "NUL"),
        ("货款".encode("gbk"), "UTF-8"),
        (b'{"a":' + b"9" * 5000 + b"}", "数字过长"),
        (b"[" * 10_000, "嵌套不能超过"),
        (b'{"a":' * 10_000, "嵌套不能超过"),
        (b'{"a": "\\\\"' + b"[" * 10_000, "嵌套不能超过"),
    ],
)
def test_json_that_readers_may_differ_on_is_refused(desk_hotline: Hotline, content: bytes, why: str) -> None:
    answer = sent(desk_hotline, content)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert why in answer.json()["detail"]


def test_brackets_inside_texts_are_no_levels(desk_hotline: Hotline) -> None:
    answer = desk_hotline.post(
        "operator", "/tickets", ticket_form(content='合同写着"' + "[{" * 200 + "\\，余款没有付。")
    )
    assert answer.status_code == 201


def test_no_body_within_the_limit_takes_long_to_refuse() -> None:
    started = time.perf_counter()
    for evil in (b"[" * 40 + b'"' + b'\\"' * 32_000, b'{"":1,' * 10_000, b"[" * 40 + b'"\\', b"[1e9999]" * 8_000):
        with suppress(InvalidInputError):
            check_json(evil)
    assert time.perf_counter() - started < 1


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_all_plain_json_passes(value: Any) -> None:
    check_json(json.dumps(value).encode())
    check_json(json.dumps(value, indent=1).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='[]{}":,\\1aNn ').map(str.encode))
def test_any_bytes_pass_or_are_refused_and_nothing_else_comes_out(content: bytes) -> None:
    with suppress(InvalidInputError):
        check_json(content)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/tickets/BTQ%00",
        "/api/v1/tickets?q=%0a%7b%22level%22",
        "/nowhere%0d%0aSet-Cookie:%20a=b",
        "/api/v1/me?a=%7F",
    ],
)
def test_control_characters_in_an_address_are_refused(desk_hotline: Hotline, path: str) -> None:
    answer = desk_hotline.client.get(path, headers=desk_hotline.headers("dispatcher"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert "set-cookie" not in answer.headers


def test_endless_addresses_and_headers_are_refused(desk_hotline: Hotline) -> None:
    headers = desk_hotline.headers("dispatcher")
    long = desk_hotline.client.get("/api/v1/tickets", params={"q": "货" * 1500}, headers=headers)
    many = desk_hotline.client.get("/api/v1/me", headers={**headers, **{f"x-{n}": "1" for n in range(70)}})
    large = desk_hotline.client.get("/api/v1/me", headers={**headers, "cookie": "a" * 17_000})
    assert [answer.status_code for answer in (long, many, large)] == [414, 431, 431]
    assert {answer.headers["content-type"] for answer in (long, many, large)} == {"application/problem+json"}
