"""/metrics answers whether we are late, where and why; alerts and dashboard use only what it has."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text, update

from app import clock
from app.database import Database
from app.jobs.worker import one_round
from app.main import create_app
from app.metrics import measure
from app.settings import HOME
from app.tickets.office import Office
from app.tickets.queries import recent_confidences
from app.tickets.tables import TicketJudgement
from tests.builders import Hotline, TestClient
from tests.tickets.test_life import START, at

NAME = re.compile(r"\bhotline_\w+")
USED = re.compile(r"\b(hotline_\w+)(?:\{([^}]*)\})?")
UNKNOWN_PLACE = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有发下来。"}


def figures(client: TestClient) -> dict[tuple[str, str], float]:
    """Every sample by its name and its labels' values."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_ages_and_lateness_are_told_by_unit(hotline: Hotline) -> None:
    with at(hotline, START):
        hotline.submit()
        hotline.submit(**UNKNOWN_PLACE)
        fresh = figures(hotline.client)
    with at(hotline, START + timedelta(days=30)):
        late = figures(hotline.client)
    assert fresh["hotline_overdue_parts", "BT-GXJ"] == fresh["hotline_oldest_triage_seconds", ""] == 0
    assert late["hotline_overdue_parts", "BT-GXJ"] == 1
    assert late["hotline_oldest_unsigned_seconds", ""] == late["hotline_oldest_triage_seconds", ""] == 30 * 86400
    assert late["hotline_database_up", ""] == 1


def test_a_special_ticket_is_in_no_figure_by_unit(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
        hotline.token("supervisor")
    with office.database.write() as session:
        session.execute(text("UPDATE ticket SET special_supervisor = (SELECT max(id) FROM staff)"))
    with at(hotline, START + timedelta(days=30)):
        late = figures(hotline.client)
    assert sum(value for (name, _), value in late.items() if name == "hotline_overdue_parts") == 0


def test_the_outbox_is_late_only_with_what_can_be_sent(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, START + timedelta(hours=1)):
        assert figures(hotline.client)["hotline_outbox_oldest_seconds", ""] == 0
        configured = office.settings.model_copy(update={"webhook_url": "http://127.0.0.1:9/"})
        other = Office(configured, office.database, office.desk, office.sealer, office.numbers, "")
        found = figures(TestClient(create_app(other), client=("127.0.0.1", 50_000)))
    assert found["hotline_outbox_oldest_seconds", ""] == 3600


def test_jobs_tell_their_age_and_what_is_left(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
        one_round(office, None)
    with at(hotline, START + timedelta(hours=2)):
        found = figures(hotline.client)
        assert found["hotline_job_finished_age_seconds", "morning_reminder"] == 7200
        assert found["hotline_job_unfinished", "weekly_report"] == 0
        with office.database.write() as session:
            session.execute(text("UPDATE job_run SET status = '失败' WHERE kind = 'weekly_report'"))
        assert figures(hotline.client)["hotline_job_unfinished", "weekly_report"] == 1


def test_without_a_database_the_process_still_tells_its_own_figures(hotline: Hotline, office: Office) -> None:
    hotline.submit()
    gone = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    measure(Office(office.settings, gone, office.desk, office.sealer, office.numbers, ""))
    gone.dispose()
    assert REGISTRY.get_sample_value("hotline_database_up") == 0
    assert figures(hotline.client)["hotline_database_up", ""] == 1


def expressions() -> Iterator[str]:
    rules = yaml.safe_load((HOME / "docs" / "alerts.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert {"summary", "description"} <= set(rule["annotations"])
            yield rule["expr"]
    board: dict[str, Any] = json.loads((HOME / "docs" / "dashboard.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_alerts_and_dashboard_use_only_what_there_is(hotline: Hotline) -> None:
    hotline.submit()
    families = text_string_to_metric_families(hotline.client.get("/metrics").text)
    known = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    asked = list(expressions())
    used = {name for expression in asked for name in NAME.findall(expression)}
    assert used <= set(known)
    for expression in asked:
        for name, labels in USED.findall(expression):
            assert set(re.findall(r"(\w+)\s*[=!]~?", labels)) <= known[name], expression
        grouped = {label for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(", ")}
        assert grouped <= set().union(*(known[name] for name in NAME.findall(expression))), expression
    told = {name for name in known if re.match(r"hotline_(?!http)", name)}
    assert told <= used, "有指标没有人看"


@pytest.mark.parametrize("moment", [clock.now() - timedelta(days=1)])
def test_a_clock_set_back_gives_no_negative_age(hotline: Hotline, moment: Any) -> None:
    hotline.submit()
    with time_machine.travel(moment, tick=False):
        assert figures(hotline.client)["hotline_oldest_unsigned_seconds", ""] == 0


def test_drift_is_looked_for_among_the_newest_answers_only(hotline: Hotline, office: Office) -> None:
    first = hotline.submit(override=None)["judgement"]["confidence"]
    with office.database.write() as session:
        session.execute(update(TicketJudgement).values(model_version="旧"))
    with office.database.read() as session:
        assert recent_confidences(session, "旧", 1) == pytest.approx([first], abs=1e-3)
    later = [hotline.submit(override=None, title=f"第{each}次")["judgement"]["confidence"] for each in range(10)]
    assert office.desk.classifier is not None
    version = office.desk.classifier.version
    with office.database.read() as session:
        assert recent_confidences(session, "旧", 1) == []
        assert recent_confidences(session, "旧", 2) == pytest.approx([first], abs=1e-3)
        assert recent_confidences(session, version, 50) == pytest.approx(later[::-1], abs=1e-3)
