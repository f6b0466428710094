"""The OpenAPI document keeps its word: generated requests never end in a 5xx or in an undocumented answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import create_app
from app.settings import Settings
from app.tickets.intake import Desk
from tests.builders import Hotline, TestClient
from tests.conftest import open_test_office


def no_fault(_context: Any, response: Any, _case: Any) -> None:
    """Hold that nothing breaks; a 503 that says in its problem what is lacking is an answer, and must be documented."""
    lacking = response.status_code == 503 and response.json()["code"] == "unavailable"
    assert response.status_code < 500 or lacking, response.text


CHECKS = (no_fault, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture
def people(fresh_sqlite: str, small_models_dir: Path, tmp_path: Path, desk: Desk) -> Iterator[Hotline]:
    """An application with people, on SQLite."""
    settings = Settings(database_url=fresh_sqlite, var_dir=tmp_path / "var", models_dir=small_models_dir)
    office = open_test_office(settings, desk)
    with TestClient(create_app(office)) as client:
        yield Hotline(client)
    office.database.dispose()


LAW = hypothesis.settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("who", ["dispatcher", "unit_handler@市工信局"])
def test_every_generated_request_gets_a_documented_answer(people: Hotline, who: str) -> None:
    number = people.submit()["number"]
    schema = schemathesis.openapi.from_asgi("/openapi.json", people.client.app)
    schema.config.update(headers=people.headers(who))
    found = schema.exclude(path_regex="session").get_all_operations()
    operations: list[Any] = [result.ok() for result in found]  # type: ignore[union-attr]
    assert len(operations) > 15
    for operation in operations:
        holds(operation, number)


def holds(operation: Any, number: str) -> None:
    """Ask one operation many generated questions, about a ticket that exists wherever one is named."""

    @LAW
    @given(case=operation.as_strategy())
    def asked(case: Any) -> None:
        if "number" in (case.path_parameters or {}):
            case.path_parameters["number"] = number
        case.call_and_validate(checks=CHECKS)

    asked()
