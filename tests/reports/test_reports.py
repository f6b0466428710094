"""Reports from a varied history: every figure against a slow count, each form, the course of a bulletin, jobs that run once."""

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from app.jobs import ledger
from app.jobs.catalogue import make_runner
from app.jobs.schedule import Slot
from app.jobs.worker import one_round
from app.reports.catalogue import INDICATORS
from app.reports.counting import Tally
from app.reports.periods import CutOffs, Span, parse
from app.reports.rising import rises
from app.reports.scoring import score
from app.rulebook.shapes import Rulebook
from app.tickets.office import Office
from tests.builders import Hotline
from tests.reports.history import FIRST, make_history, slow_figures
from tests.tickets.test_life import GOOD, at, call, do, ok, refused

LATER = datetime(2026, 12, 14, 1, 0, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 4, 1, 0, tzinfo=UTC)
SOON = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
WEEKS = ("2026-W44", "2026-W45", "2026-W46")


@pytest.fixture
def lived(hotline: Hotline, office: Office) -> Iterator[Hotline]:
    """A hotline with three weeks behind it, on a Monday in December."""
    make_history(hotline, seed=7, number=36)
    with at(hotline, LATER):
        yield hotline


def made(hotline: Hotline, span: str, period: str) -> dict[str, Any]:
    ok(hotline.post("admin", f"/jobs/{span}_report/run", {"period": period}))
    return ok(hotline.get("supervisor", f"/reports/{span}/{period}"))


def compared(hotline: Hotline, office: Office, span: str, key: str) -> int:
    """Hold every figure of a report against the slow count; returns how many."""
    figures = made(hotline, span, key)["figures"]["headline"]
    slow = slow_figures(office.database, parse(Span(span), key, CutOffs()))
    for code, base in slow.bases.items():
        now = figures[code]["now"]
        assert (now["base"], now["hit"]) == (base, slow.hits[code]), (key, code)
    return len(slow.bases)


def test_every_figure_is_what_a_slow_count_of_events_says(lived: Hotline, office: Office) -> None:
    periods = [*(("weekly", week) for week in WEEKS), ("monthly", "2026-11")]
    assert sum(compared(lived, office, span, key) for span, key in periods) > 40


def test_a_years_figures_are_what_a_slow_count_says(hotline: Hotline, office: Office) -> None:
    make_history(hotline, seed=11, number=30)
    with at(hotline, NEW_YEAR):
        assert compared(hotline, office, "annual", "2026") > 14
        once = ok(hotline.get("supervisor", "/reports/annual/2026"))["figures"]["headline"]["once_rate"]["now"]
        assert 0 < once["hit"] < once["base"]


def test_every_figure_opens_to_as_many_work_orders_as_it_counts(lived: Hotline) -> None:
    report = made(lived, "monthly", "2026-11")
    for indicator in INDICATORS:
        now = report["figures"]["headline"][indicator.code]["now"]
        behind = ok(lived.client.get(now["link"], headers=lived.headers("supervisor")))
        # A work order can have several parts or callbacks in a figure; it is named once.
        assert behind["total"] <= now["base"], indicator.code
        assert bool(behind["total"]) == bool(now["base"]), indicator.code
        assert len(behind["tickets"]) == behind["total"]


def test_the_units_add_up_to_the_city(lived: Hotline) -> None:
    figures = made(lived, "monthly", "2026-11")["figures"]
    for code in ("dispatched", "sign_timely", "on_time_rate", "solved_rate"):
        whole = figures["headline"][code]["now"]
        assert sum(row[code]["base"] for row in figures["units"].values()) == whole["base"]
        assert sum(row[code]["hit"] for row in figures["units"].values()) == whole["hit"]


def test_the_same_period_from_the_same_data_is_the_same_to_the_byte(lived: Hotline, office: Office) -> None:
    first = make_runner(office).find("weekly_report").prepare(office, WEEKS[1], lambda _: None)
    made(lived, "weekly", WEEKS[1])
    assert first.outcome["made"]
    refused(lived.post("supervisor", f"/reports/weekly/{WEEKS[1]}/correct"), 409, "无需更正")


def test_what_changes_later_is_a_correction_that_names_the_difference(lived: Hotline) -> None:
    before = made(lived, "weekly", WEEKS[2])
    number = next(
        iter(
            ok(
                lived.client.get(
                    before["figures"]["headline"]["in_hand"]["now"]["link"], headers=lived.headers("supervisor")
                )
            )["tickets"]
        )
    )
    ok(lived.post("operator", f"/tickets/{number}/withdraw", {"reason": "企业来电撤回"}))
    ok(lived.post("supervisor", f"/reports/weekly/{WEEKS[2]}/correct"))
    after = ok(lived.get("supervisor", f"/reports/weekly/{WEEKS[2]}"))
    assert (before["revision"], after["revision"]) == (0, 1)
    assert after["changes"]
    assert all(item["before"] != item["after"] for item in after["changes"])
    kept = ok(lived.get("supervisor", f"/reports/weekly/{WEEKS[2]}", revision=0))
    assert kept["sha256"] == before["sha256"]


@pytest.mark.parametrize(("span", "key"), [("weekly", WEEKS[1]), ("monthly", "2026-11")])
def test_every_form_says_the_same(lived: Hotline, span: str, key: str) -> None:
    report = made(lived, span, key)
    now = str(report["figures"]["headline"]["received"]["now"]["base"])
    page = lived.get("supervisor", f"/reports/{span}/{key}", format="html")
    assert page.headers["content-type"].startswith("text/html")
    assert re.search(rf"受理企业诉求{now}件", page.text)
    assert "<svg" in page.text
    assert not re.search(r"(src|href)=\"https?:", page.text)
    table = lived.get("supervisor", f"/reports/{span}/{key}", format="csv").content
    rows = list(csv.reader(io.StringIO(table.decode("utf-8-sig"))))
    assert table.startswith(b"\xef\xbb\xbf")
    assert any(now in row for row in rows)
    book = openpyxl.load_workbook(io.BytesIO(lived.get("supervisor", f"/reports/{span}/{key}", format="xlsx").content))
    assert len(book.sheetnames) == len(set(book.sheetnames)) > 5
    cells = [cell.value for sheet in book for row in sheet.iter_rows() for cell in row]
    assert int(now) in cells
    assert not [cell for cell in cells if isinstance(cell, str) and cell.startswith("=")]


def test_a_bulletin_is_checked_signed_numbered_and_then_seen_by_units(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=12)
    where = "/reports/monthly/2026-10"
    with at(hotline, SOON):
        made(hotline, "monthly", "2026-10")
        refused(hotline.get("unit_leader@市工信局", where), 404, "还没有发布")
        own = ok(hotline.get("unit_leader@市工信局", f"{where}/own"))
        assert own["figures"]["dispatched"]["base"] > 0
        refused(hotline.post("leader", f"{where}/sign"), 409, "没有核对")
        refused(hotline.post("unit_leader@市工信局", f"{where}/check", {"agrees": False}), 422, "opinion")
        ok(hotline.post("unit_leader@市工信局", f"{where}/check", {"agrees": False, "opinion": "有一件应算按时"}))
        ok(hotline.post("supervisor", f"{where}/prose", {"section": "demands", "text": "各单位要及时签收。"}))
        assert (
            ok(hotline.post("supervisor", f"{where}/prose", {"section": "demands", "text": "各单位要按时签收。"}))[
                "version"
            ]
            == 2
        )
    with at(hotline, SOON + timedelta(days=3)):
        refused(hotline.post("leader", f"{where}/sign"), 409, "异议")
        ok(hotline.post("supervisor", f"{where}/checks/市工信局/answer", {"answer": "已复核，原数据无误"}))
        refused(hotline.post("supervisor", f"{where}/publish"), 409, "签发后")
        ok(hotline.post("leader", f"{where}/sign"))
        refused(hotline.post("supervisor", f"{where}/prose", {"section": "demands", "text": "改"}), 409, "更正")
        assert ok(hotline.post("supervisor", f"{where}/publish"))["number"] == "包热线通报〔2026〕1号"
        page = hotline.get("unit_leader@市工信局", where, format="html")
        assert "按时签收" in page.text
        assert "及时签收。" not in page.text
        refused(hotline.get("unit_leader@市工信局", "/reports/weekly/latest"), 403, "内部")


def first_of(hotline: Hotline, unit: str, report: dict[str, Any]) -> str:
    """Return a unit's first work order of a report, as the unit itself opens it."""
    code = next(code for code, name in report["figures"]["names"]["unit"].items() if name == unit)
    link = report["figures"]["units"][code]["dispatched"]["link"]
    found: str = ok(hotline.client.get(link, headers=hotline.headers(f"unit_leader@{unit}")))["tickets"][0]
    return found


def published(hotline: Hotline) -> None:
    with at(hotline, SOON):
        made(hotline, "monthly", "2026-10")
    with at(hotline, SOON + timedelta(days=3)):
        ok(hotline.post("leader", "/reports/monthly/2026-10/sign"))
        ok(hotline.post("supervisor", "/reports/monthly/2026-10/publish"))


def test_an_upheld_appeal_leaves_the_work_order_out_and_the_next_bulletin_says_so(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=12)
    published(hotline)
    with at(hotline, SOON + timedelta(days=4)):
        number = first_of(hotline, "市工信局", ok(hotline.get("supervisor", "/reports/monthly/2026-10")))
        body = {"report": "monthly/2026-10", "ticket": number, "indicator": "on_time_rate", "reason": "系统停机所致"}
        refused(
            hotline.post("unit_leader@市工信局", "/assessment/appeals", body | {"indicator": "no_such"}),
            422,
            "没有指标",
        )
        made_ = ok(hotline.post("unit_leader@市工信局", "/assessment/appeals", body))
        refused(hotline.post("unit_leader@市工信局", "/assessment/appeals", body), 409, "正在裁定")
        ruling = {"uphold": True, "opinion": "情况属实"}
        refused(hotline.post("leader", f"/assessment/appeals/{made_['id']}/decide", ruling), 403, "另一人")
        assert ok(hotline.post("supervisor", f"/assessment/appeals/{made_['id']}/decide", ruling))["status"] == "成立"
        marks = hotline.get("unit_leader@市工信局", "/assessment/marks").json()
        assert [(mark["kind"], mark["ticket"]) for mark in marks] == [("剔除", number)]
        assert hotline.get("unit_leader@市司法局", "/assessment/marks").json() == []
    with at(hotline, SOON + timedelta(days=20)):
        late = hotline.post("unit_leader@市工信局", "/assessment/appeals", body)
        refused(late, 409, "届满")
    with at(hotline, LATER):
        corrections = made(hotline, "monthly", "2026-11")["figures"]["corrections"]
        assert [(row["unit"], row["number"]) for row in corrections] == [("BT-GXJ", number)]


def test_a_finding_takes_two_persons_and_shows_in_the_years_score(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=30)
    with at(hotline, LATER):
        number = first_of(hotline, "市工信局", made(hotline, "monthly", "2026-11"))
        body = {"kind": "办理不实", "unit": "市工信局", "ticket": number, "reason": "回访证实没有联系"}
        mark = ok(hotline.post("supervisor", "/assessment/marks", body))
        refused(hotline.post("supervisor", "/assessment/marks", body), 409, "已有")
        decision = {"uphold": True, "opinion": "属实"}
        refused(hotline.post("supervisor", f"/assessment/marks/{mark['id']}/decide", decision), 403, "另一人")
        ok(hotline.post("leader", f"/assessment/marks/{mark['id']}/decide", decision))
    with at(hotline, NEW_YEAR):
        row = made(hotline, "annual", "2026")["figures"]["scores"]["BT-GXJ"]
        assert [(line["finding"], line["points"]) for line in row["deductions"]] == [("办理不实", "3.00")]
        assert Decimal(row["final"]) == Decimal(row["score"]) - 3
        points = [Decimal(part["points"]) for part in row["parts"].values() if part["points"]]
        assert abs(sum(points) - Decimal(row["score"])) <= Decimal("0.05")
        page = hotline.get("supervisor", "/reports/annual/2026", format="html").text
        assert "办理不实" in page


def test_a_callback_that_brought_no_grade_is_no_participation(hotline: Hotline) -> None:
    with at(hotline, FIRST):
        number = hotline.submit(answered={"way": "在线解答", "content": GOOD})["number"]
    with at(hotline, FIRST + timedelta(hours=5)):
        ok(do(hotline, "callback", number, "callback", call(grade=None)))
    with at(hotline, SOON):
        figures = made(hotline, "weekly", WEEKS[0])["figures"]["headline"]
        assert (figures["callback_coverage"]["now"]["hit"], figures["participation_rate"]["now"]["hit"]) == (1, 0)


def test_no_case_is_published_unseen(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=12)
    with at(hotline, SOON):
        assert made(hotline, "monthly", "2026-10")["figures"]["cases"]
        assert "拟推荐案例" in hotline.get("supervisor", "/reports/monthly/2026-10", format="html").text
    published(hotline)
    with at(hotline, SOON + timedelta(days=3)):
        assert ok(hotline.get("unit_leader@市工信局", "/reports/monthly/2026-10"))["figures"]["cases"] == []
        assert "拟推荐案例" not in hotline.get("unit_leader@市工信局", "/reports/monthly/2026-10", format="html").text


def test_what_has_too_few_cases_gives_its_weight_to_the_others(rulebook: Rulebook) -> None:
    counted = {"sign": Tally(10, 10), "on_time": Tally(5, 10), "solved": Tally(9, 9), "returns": Tally(1, 10)}
    found = score(rulebook.assessment, counted)
    # 0.10 × 1 + 0.20 × 0.5 + 0.05 × 0.9 over the weights that count, 0.35.
    assert found.total is not None
    assert abs(found.total - Decimal(100) * Decimal("0.245") / Decimal("0.35")) < Decimal("0.0001")
    assert found.parts["solved"].share is None
    assert score(rulebook.assessment, {}).total is None


def test_a_doubling_of_small_numbers_is_no_surprise_and_a_flood_is() -> None:
    assert rises({"0101": 4, "0203": 3}, {"0101": 16, "0203": 12}, 8) == []
    found = rises({"0101": 4, "0203": 30, "0301": 5}, {"0101": 30, "0203": 40, "0301": 0}, 8)
    assert [rise.key for rise in found] == ["0203", "0301"]
    assert rises({"0203": 30}, {}, 1) == []


def test_missed_weeks_are_made_up_for_in_order_and_once(lived: Hotline, office: Office) -> None:
    with at(lived, datetime(2026, 11, 9, 1, 0, tzinfo=UTC)):
        one_round(office, None)
    with at(lived, LATER):
        one_round(office, None)
        one_round(office, None)
        runs = lived.get("admin", "/jobs/history", kind="weekly_report").json()
        assert [row["period"] for row in runs] == [
            "2026-W50",
            "2026-W49",
            "2026-W48",
            "2026-W47",
            "2026-W46",
            "2026-W45",
        ]
        assert {(row["status"], row["attempts"]) for row in runs} == {("完成", 1)}
        weekly = lived.get("supervisor", "/reports", span="weekly").json()
        assert [line["period"] for line in weekly] == [row["period"] for row in runs]


def test_four_workers_make_one_report(hotline: Hotline, office: Office) -> None:
    make_history(hotline, seed=3, number=6)
    with at(hotline, LATER):
        runner = make_runner(office)
        job = runner.find("weekly_report")
        slot = runner.slot_of(job, WEEKS[0])
        done: list[bool] = []
        workers = [
            threading.Thread(target=lambda: done.append(make_runner(office).run_slot(job, slot))) for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert sorted(done) == [False, False, False, True]
        assert len(hotline.get("supervisor", "/reports", span="weekly").json()) == 1


def test_a_worker_that_dies_is_followed_and_one_that_lost_its_lease_writes_nothing(
    hotline: Hotline, office: Office
) -> None:
    hotline.submit()
    slot = Slot("2026-W44", SOON)
    with at(hotline, LATER):
        with office.database.write() as session:
            dead = ledger.claim(session, "weekly_report", slot, "dead")
        assert dead is not None
        assert not make_runner(office).run_slot(make_runner(office).find("weekly_report"), slot)
    with at(hotline, LATER + timedelta(minutes=6)):
        assert make_runner(office).run_slot(make_runner(office).find("weekly_report"), slot)
        with pytest.raises(Exception, match="另一进程"), office.database.write() as session:
            ledger.finish(session, dead, {})


def test_a_job_that_fails_is_on_record_and_tried_again_later(hotline: Hotline, office: Office) -> None:
    hotline.submit()
    runner = make_runner(office)
    job, slot = runner.find("weekly_report"), Slot("2026-W99", SOON)
    with at(hotline, LATER):
        assert not runner.run_slot(job, slot)
        assert not runner.run_slot(job, slot)
        row = hotline.get("admin", "/jobs/history").json()[0]
        assert (row["status"], row["attempts"]) == ("失败", 1)
        assert "只有53周" in row["error"]
    with at(hotline, LATER + timedelta(minutes=2)):
        assert [found.period for found in _waiting(office)] == ["2026-W99"]


def _waiting(office: Office) -> list[Slot]:
    with office.database.read() as session:
        return ledger.unfinished(session, "weekly_report")


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/reports/weekly/2026-W54", 404, "没有周分析"),
        ("/indicators/nothing/tickets?span=weekly&period=2026-W44", 404, "没有指标"),
        ("/indicators/received/tickets?span=weekly&period=2026-W54", 422, "只有53周"),
    ],
)
def test_a_report_that_is_none_is_told(hotline: Hotline, path: str, status: int, why: str) -> None:
    refused(hotline.client.get(f"/api/v1{path}", headers=hotline.headers("supervisor")), status, why)


def test_a_period_that_has_not_ended_is_not_reported(hotline: Hotline) -> None:
    hotline.submit()
    with at(hotline, SOON):
        refused(hotline.post("admin", "/jobs/weekly_report/run", {"period": "2026-W45"}), 404, "没有已到期")
        assert "jobs" not in json.dumps(ok(hotline.post("admin", "/jobs/weekly_report/run", {})))
