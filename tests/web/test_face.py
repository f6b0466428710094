"""The service's outer face: health, errors, limits on bodies, headers, documents that work offline, the OpenAPI promise."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from app import schema
from app.main import StartError, create_app
from app.paging import encode_cursor
from app.tickets.office import Office
from app.web import JsonLines
from tests.builders import Hotline, TestClient, ticket_form


def test_health_and_readiness(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    checks = ready.json()["checks"]
    assert ready.status_code == 200
    assert set(checks) == {"database", "migrations", "model", "rules", "calendar"}
    assert checks["database"]["ok"]
    assert checks["migrations"]["ok"]


def test_a_lapsed_notice_degrades_readiness_and_says_so(client: TestClient) -> None:
    ready = client.get("/readyz").json()
    assert ready["status"] == "degraded"
    assert "lapsed" in ready["checks"]["rules"]["detail"]
    assert "实践中延续" in ready["checks"]["rules"]["detail"]


def test_it_refuses_to_start_on_another_schema(office: Office) -> None:
    with office.database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StartError, match=f"程序需要 {schema.newest()}"):
        create_app(office)


def test_readiness_is_503_when_the_schema_moves_under_it(client: TestClient, office: Office) -> None:
    with office.database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "down")


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    for answer, status in ((client.get("/nowhere"), 404), (client.put("/healthz"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe", b"null", b'{"content": NaN}'])
def test_a_body_that_is_no_form_is_told_so(hotline: Hotline, body: bytes) -> None:
    headers = hotline.headers("operator", {"content-type": "application/json"})
    answer = hotline.client.post("/api/v1/tickets", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.json()["code"] in {"invalid-input", "http-400"}


def test_a_streamed_body_without_length_is_cut_off_too(hotline: Hotline) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b" " * 8192 for _ in range(20))

    headers = hotline.headers("operator", {"content-type": "application/json"})
    answer = hotline.client.post("/api/v1/tickets", content=chunks(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


def test_a_callers_request_id_is_kept_only_if_harmless(client: TestClient) -> None:
    kept = client.get("/healthz", headers={"x-request-id": "abc-123"}).headers["x-request-id"]
    made = client.get("/healthz", headers={"x-request-id": "evil id {}"}).headers["x-request-id"]
    assert kept == "abc-123"
    assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_metrics_count_requests_by_route_template(hotline: Hotline) -> None:
    number = hotline.submit()["number"]
    hotline.ticket(number)
    text = hotline.client.get("/metrics").text
    assert 'route="/api/v1/tickets/{number}"' in text
    assert number not in text
    assert 'hotline_tickets{state="awaiting_sign"} 1.0' in text


def test_documents_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    places = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert places
    for place in places:
        assert not place.startswith(("http:", "https:", "//")), place
        assert client.get(place).status_code == 200, place


def test_log_lines_are_json_without_what_a_caller_said() -> None:
    fault = ValueError("王大山 13847200001")
    record = logging.LogRecord("hotline", logging.ERROR, "x.py", 1, "unhandled", (), (ValueError, fault, None))
    record.content = "王大山"
    line = JsonLines().format(record)
    assert json.loads(line)["error"] == "ValueError"
    assert "王大山" not in line
    assert "13847200001" not in line


def test_every_refusal_status_is_documented(hotline: Hotline) -> None:
    paths = hotline.client.get("/openapi.json").json()["paths"]
    responses = paths["/api/v1/tickets"]["post"]["responses"]
    refused = hotline.post("operator", "/tickets", ticket_form(content=""))
    assert str(refused.status_code) in responses
    assert "application/problem+json" in responses["422"]["content"]


@pytest.mark.parametrize(("who", "path"), [("admin", "/staff"), ("admin", "/sessions"), ("operator", "/search")])
def test_a_cursor_without_its_row_is_refused(hotline: Hotline, who: str, path: str) -> None:
    asked = {"q": "货款"} if path == "/search" else {}
    answer = hotline.get(who, path, cursor=encode_cursor([None]), **asked)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?cursor")
