"""The forms of a report: HTML with charts, XLSX with a sheet a section, CSV. All from the same layout."""

import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.edge.headers import SEALED, hashed
from app.reports.layout import Chart, ChartKind, Section, Sheet, Table
from app.reports.paper import document
from app.reports.svg import draw

BOM = "\ufeff"
# What begins a formula, in Chinese and Japanese spreadsheets also in full width (OWASP, CSV Injection).
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
SHEET_NAME_CHARS = 28
A4 = 9
CHART_ROWS = 16
EXCEL_KINDS = {ChartKind.BARS: "bar", ChartKind.COLUMNS: "column", ChartKind.LINES: "line"}
# A workbook carries its moment of making; a fixed one keeps the same figures the same file.
MADE = datetime(2024, 5, 28)  # noqa: DTZ001  the library takes a plain one
_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True,
)  # fmt: skip


def _page_policy() -> str:
    """Return the policy of the HTML form: its own styles by their hash, nothing else; it has no script and no other file."""
    source = (Path(__file__).parent / "templates" / "report.html").read_text(encoding="utf-8")
    styles = hashed(source.partition("<style>")[2].partition("</style>")[0])
    return f"{SEALED}; style-src {styles}"


PAGE_POLICY = _page_policy()


def as_file(sheet: Sheet, form: str) -> bytes:
    """Return a report as a file: xlsx, docx or csv.

    Raises:
        KeyError: there is no such form.
    """
    makers: dict[str, Callable[[Sheet], bytes]] = {"xlsx": xlsx, "docx": document, "csv": _csv_bytes}
    return makers[form](sheet)


def _csv_bytes(sheet: Sheet) -> bytes:
    return csv_text(sheet).encode()


def html(sheet: Sheet, sha256: str) -> str:
    """Return a report as one page that needs no script and no other file."""

    def chart(found: Chart) -> Markup:
        return Markup(draw(found))  # noqa: S704  our own drawing, its labels escaped there

    return _environment.get_template("report.html").render(sheet=sheet, sha256=sha256, draw=chart)


def csv_text(sheet: Sheet) -> str:
    """Return every table one below the other as CSV with a BOM, so that spreadsheets read it as UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([safe(sheet.title), safe(sheet.subtitle)])
    for section in sheet.sections:
        for table in section.tables:
            writer.writerow([])
            writer.writerow([safe(section.title), safe(table.caption)])
            writer.writerow([safe(name) for name in table.header])
            writer.writerows([safe(cell.text) for cell in row] for row in table.rows)
    return BOM + out.getvalue()


def safe(text: str) -> str:
    """Keep a spreadsheet from taking text for a formula; a number may begin with its sign."""
    plain = text.rstrip("%").removesuffix("个百分点")
    signed = plain[:1] in "+-" and plain[1:].replace(".", "", 1).isdigit()
    return f"'{text}" if text.startswith(RISKY) and not signed else text


def xlsx(sheet: Sheet) -> bytes:
    """Return a report as a workbook: a sheet a section, numbers as numbers, native charts, a sheet of where figures open."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": sheet.title, "created": MADE})
    formats = {
        "head": book.add_format({"bold": True, "bg_color": "#F2F4F7", "border": 1, "text_wrap": True}),
        "title": book.add_format({"bold": True, "font_size": 14}), "cell": book.add_format({"border": 1}),
        "middle": book.add_format({"border": 1, "align": "center"}),
        "rate": book.add_format({"border": 1, "align": "center", "num_format": '0.00"%"'}),
    }  # fmt: skip
    for section in sheet.sections:
        _section(book, section, formats, sheet)
    _links(book, sheet, formats)
    book.close()
    return out.getvalue()


def _section(book: Any, section: Section, formats: dict[str, Any], sheet: Sheet) -> None:
    page = book.add_worksheet(section.title[:SHEET_NAME_CHARS].replace("/", "／"))
    page.set_column(0, 0, 30)
    page.set_column(1, 20, 14)
    page.set_landscape()
    page.set_paper(A4)
    page.fit_to_pages(1, 0)
    page.set_footer("&C&P / &N")
    page.write_string(0, 0, f"{sheet.title}　{section.title}", formats["title"])
    page.write_string(1, 0, sheet.subtitle)
    row = 3
    for text in section.paragraphs:
        page.write_string(row, 0, text)
        row += 1
    for table in section.tables:
        row = _table(page, table, row + 1, formats)
    for chart in section.charts:
        row = _chart(book, page, chart, row + 1, formats)


def _table(page: Any, table: Table, row: int, formats: dict[str, Any]) -> int:
    page.write_string(row, 0, table.caption, formats["title"])
    for column, name in enumerate(table.header):
        page.write_string(row + 1, column, name, formats["head"])
    for index, cells in enumerate(table.rows, row + 2):
        for column, cell in enumerate(cells):
            if cell.number is None:
                page.write_string(index, column, cell.text, formats["middle" if column else "cell"])
            else:
                form = formats["rate" if cell.text.endswith("%") else "middle"]
                page.write_number(index, column, float(cell.number), form)
    return row + 2 + len(table.rows)


def _chart(book: Any, page: Any, chart: Chart, row: int, formats: dict[str, Any]) -> int:
    page.write_string(row, 0, chart.title, formats["title"])
    drawn = book.add_chart({"type": EXCEL_KINDS[chart.kind]})
    for index, label in enumerate(chart.labels, row + 2):
        page.write_string(index, 0, label, formats["cell"])
    last = row + 1 + len(chart.labels)
    for column, (name, values) in enumerate(chart.series, 1):
        page.write_string(row + 1, column, name, formats["head"])
        for index, value in enumerate(values, row + 2):
            if value is not None:
                page.write_number(index, column, float(value), formats["cell"])
        drawn.add_series(
            {
                "name": [page.name, row + 1, column], "categories": [page.name, row + 2, 0, last, 0],
                "values": [page.name, row + 2, column, last, column],
            }
        )  # fmt: skip
    drawn.set_title({"name": f"{chart.title}（{chart.unit}）"})
    page.insert_chart(row, len(chart.series) + 2, drawn)
    return last + CHART_ROWS


def _links(book: Any, sheet: Sheet, formats: dict[str, Any]) -> None:
    page = book.add_worksheet("展开到工单")
    page.set_column(0, 2, 24)
    page.set_column(3, 3, 90)
    for column, name in enumerate(("表", "行", "列", "查询地址")):
        page.write_string(0, column, name, formats["head"])
    row = 1
    for section in sheet.sections:
        for table in section.tables:
            for cells in table.rows:
                for name, cell in zip(table.header, cells, strict=True):
                    if cell.link:
                        for column, text in enumerate((table.caption, cells[0].text, name, cell.link)):
                            page.write_string(row, column, text)
                        row += 1
