"""A unit recomputes its year's score from its own file alone; what it may not see counts, but is not named."""

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.reports.contributions import GONE, HEADER
from app.tickets.office import Office
from tests.builders import Hotline
from tests.command import hotline_command
from tests.reports.history import make_history
from tests.reports.remembering import lived_once
from tests.reports.test_reports import NEW_YEAR, made
from tests.tickets.test_life import at, do, objection, ok, refused

WHERE = "/reports/annual/2026/contributions"
UNIT = "市工信局"
LEADER = f"unit_leader@{UNIT}"
LEAST = 10
Row = dict[str, str]


def find(hotline: Hotline, kind: str, ticket: str | None = None, **but: Any) -> None:
    """Let two persons find something of the unit."""
    body = {"kind": kind, "unit": UNIT, "reason": "两人核实", **({"ticket": ticket} if ticket else {}), **but}
    mark = ok(hotline.post("supervisor", "/assessment/marks", body))
    ok(hotline.post("leader", f"/assessment/marks/{mark['id']}/decide", {"uphold": True, "opinion": "属实"}))


def live_a_year(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=36)
    with at(hotline, datetime(2026, 12, 1, 1, 30, tzinfo=UTC)):
        returned = hotline.submit()["number"]
        ok(do(hotline, f"unit_handler@{UNIT}", returned, "objection", objection()))
        ruling = {"uphold": True, "unit": "市住建局", "opinion": "可以"}
        ok(do(hotline, "dispatcher", returned, "objection/rule", ruling))
    with at(hotline, datetime(2026, 12, 20, 1, 30, tzinfo=UTC)):
        mine = ok(hotline.get(LEADER, "/indicators/on_time_rate/tickets", span="annual", period="2026"))["tickets"]
        for kind, number in zip(("剔除", "办理不实", "督办未落实"), mine, strict=False):
            find(hotline, kind, number)
        find(hotline, "加分", points="4.5")
        find(hotline, "加分", points="2.25")
    with at(hotline, NEW_YEAR):
        made(hotline, "annual", "2026")


@pytest.fixture
def year(hotline: Hotline) -> Iterator[Hotline]:
    """A year with its report: findings, an exclusion, and a work order that was returned."""
    lived_once(hotline, "year with its report", lambda: live_a_year(hotline))
    with at(hotline, NEW_YEAR):
        yield hotline


def file_of(hotline: Hotline, who: str = LEADER, **asked: str) -> list[Row]:
    answer = hotline.get(who, WHERE, format="csv", **asked)
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def by_hand(rows: list[Row]) -> tuple[str, str]:
    """Return score and final score from the counted cases and the findings alone, as a clerk would add them up."""
    bases: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    weights: dict[str, Decimal] = {}
    for row in rows:
        if row["类别"] == "计件":
            bases[row["项目"]] += int(row["计入分母"])
            hits[row["项目"]] += int(row["计入分子"])
            weights[row["项目"]] = Decimal(row["权重"])
    counted = [item for item in weights if bases[item] >= LEAST]
    whole = sum(weights[item] for item in counted)
    score = Decimal(0)
    for item in counted:
        good = bases[item] - hits[item] if item == "不当退单" else hits[item]
        score += 100 * (weights[item] / whole) * good / bases[item]
    shown = score.quantize(Decimal("0.01"), ROUND_HALF_UP)
    taken, given = (sum(Decimal(row["得分"]) for row in rows if row["类别"] == kind) for kind in ("扣分", "加分"))
    return str(shown), str(max(shown + taken, Decimal(0)) + given)


def test_a_unit_recomputes_its_score_from_its_file_alone(year: Hotline) -> None:
    score = ok(year.get("supervisor", "/reports/annual/2026"))["figures"]["scores"]["BT-GXJ"]
    rows = file_of(year)
    assert by_hand(rows) == (score["score"], score["final"])
    totals = {row["项目"]: row["得分"] for row in rows if row["类别"] == "合计"}
    assert totals == {"得分": score["score"], "扣分": "4.00", "加分": "5.00", "最终得分": score["final"]}
    assert "一致" in rows[-1]["说明"]


def test_what_is_left_out_says_why_and_findings_name_their_rule(year: Hotline) -> None:
    rows = file_of(year)
    reasons = {row["说明"] for row in rows if row["类别"] == "不计"}
    assert "经两人认定剔除（含申诉成立）" in reasons
    told = {row["项目"]: (row["得分"], row["说明"]) for row in rows if row["类别"] == "扣分"}
    assert told["办理不实"] == ("-3.00", "每件3分（国办发〔2020〕53号（谎报瞒报问责））")
    assert [row["得分"] for row in rows if row["类别"] == "加分"] == ["4.50", "2.25", "-1.75"]


def test_a_returned_work_order_counts_but_is_not_named_to_the_unit(year: Hotline) -> None:
    mine = [row["工单"] for row in file_of(year) if row["项目"] == "不当退单" and row["类别"] == "计件"]
    whole = [
        row["工单"]
        for row in file_of(year, "supervisor", unit=UNIT)
        if row["项目"] == "不当退单" and row["类别"] == "计件"
    ]
    assert GONE in mine
    assert GONE not in whole
    assert len(mine) == len(whole)


def test_a_unit_sees_its_own_account_only_and_the_hotline_says_whose(year: Hotline) -> None:
    refused(year.get(LEADER, WHERE, unit="市司法局"), 403, "本单位")
    refused(year.get("supervisor", WHERE), 422, "unit")
    refused(year.get("supervisor", WHERE, unit="市林草局"), 404, "没有这个单位")
    refused(year.get("supervisor", "/reports/annual/2025/contributions", unit=UNIT), 404, "还没有生成")


def test_every_form_holds_the_same_lines_and_the_export_is_on_record(year: Hotline) -> None:
    rows = file_of(year, "supervisor", unit=UNIT)
    told = ok(year.get("supervisor", WHERE, unit=UNIT))
    assert [line["number"] for line in told["lines"]] == [row["工单"] for row in rows]
    book = openpyxl.load_workbook(io.BytesIO(year.get("supervisor", WHERE, unit=UNIT, format="xlsx").content))
    sheet = list(book["逐件贡献"].iter_rows(values_only=True))
    assert (sheet[0], len(sheet)) == (HEADER, len(rows) + 1)
    assert sheet[1][4] == int(rows[0]["计入分母"])
    log = year.get("auditor", "/audit/log").text
    assert "contributions-2026-BT-GXJ.csv" in log


def test_figures_that_moved_since_the_report_are_told(year: Hotline) -> None:
    mine = ok(year.get(LEADER, "/indicators/sign_timely/tickets", span="annual", period="2026"))["tickets"]
    find(year, "剔除", mine[-1])
    assert "数据有变" in file_of(year)[-1]["说明"]


def test_the_command_writes_the_same_file(year: Hotline, office: Office, tmp_path: Path) -> None:
    target = tmp_path / "贡献.csv"
    environment = {
        **os.environ, "HOTLINE_DATABASE_URL": office.settings.database_url, "HOTLINE_VAR_DIR": str(office.settings.var_dir),
        "HOTLINE_MODELS_DIR": str(office.settings.models_dir),
    }  # fmt: skip
    command = ("report", "contributions", "--period", "2026", "--unit", UNIT)
    ran = hotline_command((*command, "--output", str(target)), environment)
    assert ran.returncode == 0, ran.stderr
    rows = list(csv.DictReader(io.StringIO(target.read_bytes().decode("utf-8-sig"))))
    assert by_hand(rows) == by_hand(file_of(year))
    without = hotline_command(command[:-2], environment)
    assert (without.returncode, "--unit" in without.stderr) == (1, True)
