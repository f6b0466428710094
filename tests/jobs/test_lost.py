"""A job that is lost is seen: one that failed, one whose process died, and those that no worker begins."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from app.jobs.catalogue import make_runner
from app.jobs.worker import one_round
from app.main import create_app
from app.reports import issuing
from app.tickets.office import Office
from tests.builders import Hotline, TestClient
from tests.tickets.test_life import START, at, ok
from tests.web.test_metrics import figures

MONDAY = START + timedelta(days=7)
HOUR = timedelta(hours=1)
WEEK = "2026-W45"


@pytest.fixture
def running(hotline: Hotline, office: Office) -> Hotline:
    """A hotline with a work order, whose worker ran last on the Monday of the week to be reported on."""
    with at(hotline, START):
        hotline.submit()
        one_round(office, None)
    return hotline


def lost(hotline: Hotline) -> list[tuple[str, str, int]]:
    found = ok(hotline.get("dispatcher", "/stuck"))["jobs"]
    return [(job["kind"], job["period"], job["attempts"]) for job in found]


def told(hotline: Hotline, name: str, kind: str = "weekly_report") -> float:
    return figures(hotline.client)[f"hotline_job_{name}", kind]


def failing(*_: Any) -> str:
    raise OSError("No space left on device")


def dying(*_: Any) -> str:
    raise KeyboardInterrupt


def test_a_failed_run_is_stuck_until_it_is_done(
    running: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, at(running, MONDAY):
        patch.setattr(issuing, "build", failing)
        make_runner(office).run_due()
        job = ok(running.get("dispatcher", "/stuck"))["jobs"][0]
        assert (job["kind"], job["period"], job["attempts"]) == ("weekly_report", WEEK, 1)
        assert job["reason"] == "失败 1 次，2026-11-09 09:31 起再试，原因见作业记录"
        assert (told(running, "failed"), told(running, "failed", "monthly_report")) == (1, 0)
    with at(running, MONDAY + HOUR):
        make_runner(office).run_due()
        assert (lost(running), told(running, "failed"), told(running, "late_seconds")) == ([], 0, 0)


def test_a_run_whose_process_died_is_stuck_once_its_lease_is_over(
    running: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "build", dying)
    with at(running, MONDAY):
        with pytest.raises(KeyboardInterrupt):
            make_runner(office).run_due()
        assert (lost(running), told(running, "failed"), told(running, "unfinished")) == ([], 0, 1)
    with at(running, MONDAY + timedelta(minutes=6)):
        assert lost(running) == [("weekly_report", WEEK, 1)]
        assert told(running, "failed") == 1


def due_of(office: Office, kind: str, since: datetime) -> datetime:
    return next(make_runner(office).find(kind).slots(since, since + timedelta(days=30))).due_at


def test_what_no_worker_begins_is_stuck_an_hour_after_it_was_due(running: Hotline, office: Office) -> None:
    due = due_of(office, "afternoon_reminder", START)
    with at(running, due + HOUR - timedelta(seconds=1)):
        assert lost(running) == []
        assert told(running, "late_seconds", "afternoon_reminder") == 3599
    with at(running, due + HOUR):
        assert lost(running) == [("afternoon_reminder", "2026-11-02", 0)]
    with at(running, due + timedelta(days=2)):
        reasons = {job["kind"]: job["reason"] for job in ok(running.get("supervisor", "/stuck"))["jobs"]}
        assert reasons["afternoon_reminder"].startswith("到期一小时后还没有开始（共 2 期）")
        assert told(running, "late_seconds", "afternoon_reminder") == 2 * 86400
        one_round(office, None)
        assert (lost(running), told(running, "late_seconds", "afternoon_reminder")) == ([], 0)


def test_a_reminder_that_was_sent_is_not_late_because_its_hour_was_moved(running: Hotline, office: Office) -> None:
    later = office.settings.model_copy(update={"reminder_morning": time(9, 45)})
    with at(running, START + 2 * HOUR):
        moved = TestClient(create_app(replace(office, settings=later)), client=("127.0.0.1", 50_000))
        assert figures(moved)["hotline_job_late_seconds", "morning_reminder"] == 0
