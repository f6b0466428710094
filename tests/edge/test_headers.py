"""Every answer of every endpoint carries the headers; pages load nothing that their policy does not name."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request

from app.edge.headers import HEADERS, SEALED, hashed
from tests.builders import ticket_form
from tests.edge.conftest import Opened
from tests.tickets.test_life import at


def missing(answer: Any) -> set[str]:
    """Return which of the headers an answer lacks."""
    return set(HEADERS) - set(answer.headers)


def test_every_answer_of_every_endpoint_is_dressed(opened: Opened) -> None:
    hotline = opened()
    number = hotline.submit()["number"]
    paths: dict[str, dict[str, Any]] = hotline.client.get("/openapi.json").json()["paths"]
    assert len(paths) > 60
    for path, methods in paths.items():
        place = re.sub(r"\{\w+\}", "1", path.replace("{number}", number))
        for method in [*methods, "trace"]:
            answer = hotline.client.request(method, place, headers=hotline.headers("supervisor"))
            assert not missing(answer), (method, place, answer.status_code)
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/healthz", {}, 405),
        ("GET", "/api/v1/me", {}, 401),
        ("POST", "/api/v1/tickets", {"json": {"content": ""}}, 422),
        ("POST", "/api/v1/tickets", {"content": b" " * 70_000}, 413),
        ("GET", "/api/v1/tickets/BTQ1", {}, 404),
        ("GET", "/static-offline-docs/nothing.js", {}, 404),
    ],
)
def test_refusals_are_dressed_too(opened: Opened, method: str, path: str, sent: dict[str, Any], status: int) -> None:
    hotline = opened()
    headers = {} if status == 401 else hotline.headers("operator")
    answer = hotline.client.request(method, path, headers=headers, **sent)
    assert (answer.status_code, missing(answer)) == (status, set())
    assert answer.headers["content-security-policy"] == SEALED


def test_an_unforeseen_error_is_dressed_and_says_nothing_of_the_inside(opened: Opened) -> None:
    hotline = opened()

    def broken(_: Request) -> None:
        raise RuntimeError("鹿城木业 13847200001 /srv/hotline")

    hotline.client.app.router.add_route("/broken", broken)  # type: ignore[attr-defined]
    answer = hotline.client.get("/broken")
    assert (answer.status_code, missing(answer)) == (500, set())
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] != ""
    for inside in ("RuntimeError", "Traceback", "鹿城", "13847200001", ".py", "/srv"):
        assert inside not in answer.text


def test_only_production_demands_https(opened: Opened) -> None:
    assert "strict-transport-security" not in opened().client.get("/healthz").headers
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    production = opened(environment="production", data_key=key).client.get("/healthz")
    assert production.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documents_run_their_own_scripts_only(opened: Opened, path: str) -> None:
    page = opened().client.get(path)
    policy = page.headers["content-security-policy"]
    scripts = policy.partition("script-src ")[2].partition(";")[0].split()
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert scripts == ["'self'", *map(hashed, inline)]
    assert not re.search(r'<(script|link)[^>]+(src|href)="(https?:)?//', page.text)
    assert not missing(page)


def test_files_of_the_documents_may_be_kept(opened: Opened) -> None:
    client = opened().client
    kept = client.get("/static-offline-docs/swagger-ui.css")
    assert kept.headers["cache-control"] == "public, max-age=3600"
    assert client.get("/static-offline-docs/nothing.css").headers["cache-control"] == "no-store"


def test_a_report_page_shows_its_own_styles_and_runs_nothing(opened: Opened) -> None:
    hotline = opened()
    with at(hotline, datetime(2026, 11, 18, 2, tzinfo=UTC)):
        hotline.submit(title="<script>alert(1)</script>", enterprise={"name": "<img onerror=alert(1)>"})
    with at(hotline, datetime(2026, 11, 24, 2, tzinfo=UTC)):
        assert hotline.post("admin", "/jobs/weekly_report/run", {"period": "2026-W47"}).json()["ran"]
        page = hotline.get("supervisor", "/reports/weekly/2026-W47", format="html")
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    assert page.headers["content-security-policy"] == f"{SEALED}; style-src {hashed(style)}"
    assert not re.search(r"<script|<img|\son\w+=|style=|javascript:", page.text)


def test_nothing_an_answer_says_repeats_the_host_that_was_sent(opened: Opened) -> None:
    hotline = opened()
    for path in ("/api/v1/tickets/", "/docs/", "/nowhere", "/static-offline-docs"):
        answer = hotline.client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
        assert answer.status_code == 404, path
        assert "evil.example" not in answer.text + str(answer.headers)


def test_a_title_that_holds_markup_stays_text_in_json(opened: Opened) -> None:
    hotline = opened()
    number = hotline.post("operator", "/tickets", ticket_form(title="<script>alert(1)</script>")).json()["number"]
    answer = hotline.get("dispatcher", f"/tickets/{number}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
