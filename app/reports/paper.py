"""A report as a 公文: its sections as headings, its wide tables as annexes, its charts with the table that may replace them."""

import re

from app.papers.docx import WIDE, docx
from app.papers.fonts import FOLDERS
from app.papers.shapes import Block, Figure, Grid, Heading, Paper, Paragraph
from app.reports.layout import NOTHING, Chart, Sheet, Table
from app.reports.svg import draw

# The bulletin numbers its own annexes; on paper the wide tables before them come first.
ANNEX = re.compile(r"^附件\d+\s*")
ORGAN = "包头市12345政务服务便民热线"


def document(sheet: Sheet, folders: tuple[str, ...] = FOLDERS) -> bytes:
    """Return a report as a Word file in the layout of GB/T 9704-2012."""
    return docx(paper_of(sheet), folders)


def paper_of(sheet: Sheet) -> Paper:
    """Return what stands on the paper: every figure that the other forms show, without links."""
    blocks: list[Block] = []
    annexes: list[Grid] = []
    for section in sheet.sections:
        blocks.append(Heading(1, section.title))
        blocks += [Paragraph(text) for text in section.paragraphs]
        for table in section.tables:
            grid = _grid(table)
            if len(grid.header) > WIDE or section.code == "annex":
                annexes.append(grid)
                blocks.append(Paragraph(f"{grid.caption}，见附件{len(annexes)}。"))
            else:
                blocks.append(grid)
        blocks += [Figure(chart.title, draw(chart), _instead(chart)) for chart in section.charts]
    published = bool(sheet.number)
    return Paper(
        organ=ORGAN, number=sheet.number, title=sheet.title, subtitle=sheet.subtitle, addressee=sheet.addressee,
        blocks=tuple(blocks), annexes=tuple(annexes), notes=sheet.notes, signed=f"{ORGAN}营商环境专席" if published else "",
        day=sheet.day, draft=not published,
    )  # fmt: skip


def _grid(table: Table) -> Grid:
    return Grid(
        ANNEX.sub("", table.caption), table.header, tuple(tuple(cell.text for cell in row) for row in table.rows)
    )


def _instead(chart: Chart) -> Grid:
    header = ("", *(f"{name}（{chart.unit}）" for name, _ in chart.series))
    rows = (
        (label, *(_shown(values[index]) for _, values in chart.series)) for index, label in enumerate(chart.labels)
    )  # fmt: skip
    return Grid(chart.title, header, tuple(rows))


def _shown(value: object) -> str:
    return NOTHING if value is None else str(value)
