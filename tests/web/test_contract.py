"""The OpenAPI document keeps its word: generated requests never end in a 5xx or in an undocumented answer."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
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

TESTED = {"dispatcher": 6, "unit_handler@市工信局": 3}
SOAKED = (
    "operator", "reviewer", "unit_handler@市工信局", "unit_leader@市工信局", "supervisor", "supervisor@special", "leader",
    "callback", "auditor", "admin", "channel@12345电话",
)  # fmt: skip
SOAK_EXAMPLES = 40
# What ends the token that the questions are asked with, or makes others.
OWN_SESSION = r"/(sessions?|staff)(/|$)"


def no_fault(_context: Any, response: Any, _case: Any) -> None:
    """Hold that nothing breaks; a 503 that says in its problem what is lacking is an answer, and must be documented."""
    lacking = response.status_code == 503 and response.json()["code"] == "unavailable"
    assert response.status_code < 500 or lacking, response.text


CHECKS = (no_fault, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture
def people(fresh_sqlite: str, small_models_dir: Path, tmp_path: Path, desk: Desk) -> Iterator[Hotline]:
    """An application with people, on SQLite; it may be asked as often as one likes."""
    settings = Settings(
        database_url=fresh_sqlite, var_dir=tmp_path / "var", models_dir=small_models_dir, rate_per_minute=0,
        rate_address_per_minute=0,
    )  # fmt: skip
    office = open_test_office(settings, desk)
    with TestClient(create_app(office)) as client:
        yield Hotline(client)
    office.database.dispose()


def law(examples: int) -> hypothesis.settings:
    """The same questions at every run."""
    return hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def ask_everything(people: Hotline, who: str, mode: GenerationMode, examples: int) -> None:
    """Ask every operation as somebody, about a ticket that exists wherever one is named."""
    number = people.submit()["number"]
    schema = schemathesis.openapi.from_asgi("/openapi.json", people.client.app)
    schema.config.update(headers=people.headers(who))
    found = schema.exclude(path_regex=OWN_SESSION).get_all_operations()
    operations: list[Any] = [result.ok() for result in found]  # type: ignore[union-attr]
    assert len(operations) > 15
    for operation in operations:
        holds(operation, number, mode, examples)


def holds(operation: Any, number: str, mode: GenerationMode, examples: int) -> None:
    """Ask one operation many generated questions."""

    @law(examples)
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        if "number" in (case.path_parameters or {}):
            case.path_parameters["number"] = number
        case.call_and_validate(checks=CHECKS)

    with suppress(Unsatisfiable):  # there is no wrong question to what takes nothing
        asked()


@pytest.mark.parametrize(("who", "examples"), TESTED.items())
def test_every_generated_request_gets_a_documented_answer(people: Hotline, who: str, examples: int) -> None:
    ask_everything(people, who, GenerationMode.POSITIVE, examples)


def test_every_wrong_request_gets_a_documented_refusal(people: Hotline) -> None:
    ask_everything(people, "dispatcher", GenerationMode.NEGATIVE, 3)


@pytest.mark.soak
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("who", SOAKED)
def test_every_role_gets_documented_answers(people: Hotline, who: str, mode: GenerationMode) -> None:
    ask_everything(people, who, mode, SOAK_EXAMPLES)
