"""Jobs that fail: tried again for as long as it makes sense, told to those who can mend them, never under a false date."""

from datetime import time, timedelta
from typing import Any

import pytest

from app.jobs.catalogue import make_runner
from app.reminders import sending
from app.reports import issuing
from app.tickets.office import Office
from tests.builders import Hotline
from tests.tickets.test_life import LEAD, START, at, do, ok, refused

MONDAY = START + timedelta(days=7)
ADMIN, WEEK = "admin", "2026-W45"


class Fault:
    """Makes every report fail until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch, self._build = monkeypatch, issuing.build
        self._patch.setattr(issuing, "build", self._broken)

    def _broken(self, *_: Any) -> str:
        raise OSError("No space left on device")

    def mend(self) -> None:
        self._patch.setattr(issuing, "build", self._build)


def runs(hotline: Hotline, kind: str) -> dict[str, tuple[str, int]]:
    answer = hotline.get(ADMIN, "/jobs/history", kind=kind)
    return {run["period"]: (run["status"], run["attempts"]) for run in answer.json()}


def told(hotline: Hotline, who: str) -> list[str]:
    return [item["title"] for item in ok(hotline.get(who, "/inbox"))["items"] if item["kind"] == "job.failed"]


def test_a_report_survives_a_fault_of_a_day_and_is_not_missed_in_silence(
    hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(hotline, START):
        hotline.submit()
    fault, runner = Fault(monkeypatch), make_runner(office)
    for hours in range(12):
        with at(hotline, MONDAY + timedelta(hours=hours)):
            runner.run_due()
    with at(hotline, MONDAY + timedelta(hours=12)):
        assert runs(hotline, "weekly_report")[WEEK] == ("失败", 12)
        for who in (ADMIN, "supervisor"):
            assert told(hotline, who) == [f"作业 weekly_report {WEEK} 一直没有成功"]
    with at(hotline, MONDAY + timedelta(days=1)):
        make_runner(office).run_due()
        desk = [each for each in hotline.get("supervisor", "/digests").json() if each["audience"] == "desk:supervisor"]
        assert desk[0]["content"]["stuck"]["jobs"] == 1
    fault.mend()
    with at(hotline, MONDAY + timedelta(days=1, hours=2)):
        runner.run_due()
        assert runs(hotline, "weekly_report")[WEEK][0] == "完成"


def test_weeks_missed_before_one_that_is_run_by_hand_are_made_all_the_same(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, MONDAY):
        make_runner(office).run_due()
    with at(hotline, MONDAY + timedelta(weeks=3)):
        assert ok(hotline.post(ADMIN, "/jobs/weekly_report/run", {}))["period"] == "2026-W48"
        assert runs(hotline, "weekly_report") == {
            WEEK: ("完成", 1), "2026-W46": ("失败", 0), "2026-W47": ("失败", 0), "2026-W48": ("完成", 1)
        }  # fmt: skip
        make_runner(office).run_due()
        assert {status for status, _ in runs(hotline, "weekly_report").values()} == {"完成"}


def test_a_run_whose_process_died_does_not_look_alive(
    hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(hotline, START):
        hotline.submit()

    def dies(*_: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(issuing, "build", dies)
    with at(hotline, MONDAY):
        with pytest.raises(KeyboardInterrupt):
            make_runner(office).run_due()
        assert runs(hotline, "weekly_report")[WEEK] == ("进行中", 1)
    with at(hotline, MONDAY + timedelta(minutes=6)):
        assert runs(hotline, "weekly_report")[WEEK] == ("失败", 1)


def test_yesterdays_reminder_is_not_sent_by_hand(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, MONDAY):
        refused(hotline.post(ADMIN, "/jobs/morning_reminder/run", {"period": "2026-11-04"}), 409, "已过时效")
        assert hotline.get("supervisor", "/digests", day="2026-11-04").json() == []
        assert ok(hotline.post(ADMIN, "/jobs/morning_reminder/run", {"period": "2026-11-09"}))["ran"] is True
    with at(hotline, MONDAY + timedelta(hours=10)):
        refused(hotline.post(ADMIN, "/jobs/morning_reminder/run", {}), 409, "已过时效")


def test_a_failed_reminder_of_yesterday_is_not_sent_late_because_its_hour_was_moved(
    hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(hotline, START):
        ok(do(hotline, LEAD, hotline.submit()["number"], "sign"))

    def broken(*_: Any, **__: Any) -> dict[str, Any]:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sending, "prepare", broken)
        with at(hotline, MONDAY):
            make_runner(office).run_due()
    moved = Office(**{**vars(office), "settings": office.settings.model_copy(update={"reminder_morning": time(8)})})
    with at(hotline, MONDAY + timedelta(days=1)):
        make_runner(moved).run_due()
        assert runs(hotline, "morning_reminder")["2026-11-09"][0] == "略过"
        assert hotline.get("supervisor", "/digests", day="2026-11-09").json() == []
