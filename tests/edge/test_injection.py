"""What people write stays text: in spreadsheets, in the log, in headers; faults say nothing of the inside."""

import csv
import io
import json
import logging
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from app.reports.layout import Cell, Section, Sheet, Table
from app.reports.render import csv_text, html, xlsx
from app.web import JsonLines
from tests.builders import Hotline, ticket_form
from tests.edge.conftest import Opened

EVIL = (
    "=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(A1)",
    '=HYPERLINK("http://evil.example","点我")', "--1", "-1,5",
)  # fmt: skip
PLAIN = ("包钢集团", "12", "-3", "+1.25", "-8.30%", "+2.5个百分点", "1-2", "—")


def sheet_of(*texts: str) -> Sheet:
    """A report whose every place holds one of the texts."""
    rows = tuple((Cell(text), Cell(text)) for text in texts)
    table = Table(texts[0], (texts[0], texts[0]), rows)
    return Sheet(texts[0], texts[0], (Section("one", texts[0].strip("[]:*?/\\"), (texts[0],), (table,)),))


@pytest.mark.parametrize("text", EVIL)
def test_no_cell_of_a_csv_begins_as_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_text(sheet_of(text)).removeprefix("\ufeff"), newline="")))
    cells = [cell for row in rows for cell in row]
    assert cells.count(f"'{text}") >= 8
    assert text not in cells


def test_numbers_keep_their_signs_in_a_csv() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(sheet_of(*PLAIN)))))
    assert [row[0] for row in rows[-len(PLAIN) :]] == list(PLAIN)


def test_no_cell_of_a_workbook_is_a_formula_or_a_link() -> None:
    content = xlsx(sheet_of("标题", *EVIL))
    cells = [cell for page in openpyxl.load_workbook(io.BytesIO(content)) for row in page.iter_rows() for cell in row]
    texts = [cell for cell in cells if cell.value is not None]
    assert {cell.data_type for cell in texts} == {"s"}
    assert not any(cell.hyperlink for cell in texts)
    assert {cell.value for cell in texts} >= {"=1+1", "@SUM(A1)"}


def test_a_number_in_a_workbook_is_a_number() -> None:
    table = Table("表", ("数",), ((Cell("-3", Decimal(-3)),),))
    content = xlsx(Sheet("标题", "", (Section("one", "一", (), (table,)),)))
    cells = [
        cell.value for row in openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].iter_rows() for cell in row
    ]
    assert -3 in cells


def test_markup_in_a_report_page_is_text() -> None:
    evil = "<script>alert(1)</script>\"' onload=x"
    page = html(sheet_of(evil), "0" * 64)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 7


@pytest.mark.parametrize("evil", ["\n{}", "\r\n", "\u2028{}", "\u2029", "\x85", "\x1b[2J", "\x9b2J", "\x7f"])
def test_a_log_record_is_one_line_and_commands_no_terminal(evil: str) -> None:
    record = logging.LogRecord("hotline", logging.ERROR, "x.py", 1, f"a{evil}b", (), None)
    record.path, record.reason = f"/a{evil}", evil
    line = JsonLines().format(record)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert json.loads(line)["path"] == f"/a{evil}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-Match", "9" * 5000), ("If-Match", '"1", "2"'), ("If-Match", '"x"'), ("If-Match", "\xff"),
        ("If-Match", "-1"), ("If-Match", "٣".encode().decode("latin-1")),
        ("Idempotency-Key", "a" * 200), ("Idempotency-Key", "a\tb"), ("Idempotency-Key", "键".encode().decode("latin-1")),
        ("Authorization", "Bearer " + "a" * 9000), ("Authorization", "Bearer \xff\xfe"), ("Authorization", "Basic YTpi"),
    ],
)  # fmt: skip
def test_odd_headers_are_refused_and_never_repeated(opened: Opened, name: str, value: str) -> None:
    hotline = opened()
    number = hotline.submit()["number"]
    who, place, body = ("operator", "/tickets", ticket_form())
    if name == "If-Match":
        who, place, body = "unit_handler@市工信局", f"/tickets/{number}/sign", {}
    headers: Any = {**hotline.headers(who), name: value.encode("latin-1")}
    answer = hotline.client.post(f"/api/v1{place}", json=body, headers=headers)
    assert answer.status_code in {401, 412, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert value not in str(dict(answer.headers))


@pytest.mark.parametrize("period", ["2026-W47%22", "2026-W47;filename=x", "..%2F..%2Fetc", "2026-W99", "%E2%80%AE"])
def test_a_periods_name_brings_nothing_into_a_files_name(opened: Opened, period: str) -> None:
    answer = opened().get("supervisor", f"/reports/weekly/{period}", format="csv")
    assert answer.status_code in {404, 422}
    assert "content-disposition" not in answer.headers


def test_an_attachment_is_its_metadata_and_opens_no_file(opened: Opened) -> None:
    hotline = opened()
    named = {"name": "../../etc/passwd", "media_type": "image/png", "size": 3, "sha256": "a" * 64}
    number = hotline.submit(attachments=[named])["number"]
    assert "root:" not in json.dumps(hotline.ticket(number), ensure_ascii=False)
    refused = hotline.post("operator", "/tickets", ticket_form(attachments=[{**named, "content": "AAAA"}]))
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/attachments/0/content")


def test_no_fault_of_the_application_says_where_it_was(opened: Opened) -> None:
    hotline: Hotline = opened()
    for path in (
        "/tickets/BTQ'--",
        "/tickets?q=%27%20OR%201%3D1--&after=x",
        "/reports/weekly/0000-W00",
        "/audit/log?after=-1",
    ):
        answer = hotline.get("auditor", path)
        assert answer.status_code < 500
        for inside in ("Traceback", "sqlalchemy", "site-packages", "SELECT", ".py"):
            assert inside not in answer.text
