"""Writes a paper as DOCX in the layout of GB/T 9704-2012 (党政机关公文格式).

A4, margins 37/35/28/26 mm, 22 lines of 28 characters, title 方正小标宋 二号, body 仿宋 三号, headings 黑体 and 楷体, page number
“— 1 —” on the outer side. Fonts are named, never embedded: they must be on the reader's machine. The same paper is the
same file, byte for byte.
"""

import io
import re
import zipfile
from datetime import datetime
from typing import Any

import resvg_py
from docx import Document
from docx.document import Document as Doc
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph as Line
from docx.text.run import Run

from app.papers.fonts import FOLDERS, chinese_font
from app.papers.shapes import Block, Figure, Grid, Heading, Paper, Paragraph

TITLE_FONT, BODY_FONT, HEAD_FONT, KAI_FONT, NUMBER_FONT = "方正小标宋简体", "仿宋_GB2312", "黑体", "楷体_GB2312", "宋体"
TITLE_SIZE, BODY_SIZE, TABLE_SIZE, SMALL_SIZE, NUMBER_SIZE, ORGAN_SIZE = 22, 16, 10.5, 9, 14, 32
LINE_PITCH = 28.95
DOC_GRID_PITCH = 579  # twentieths of a point: 22 lines on the page
RED = RGBColor(0xC0, 0x00, 0x00)
TOP, BOTTOM, LEFT, RIGHT = Mm(37), Mm(35), Mm(28), Mm(26)
PAGE_WIDTH, PAGE_HEIGHT = Mm(210), Mm(297)
# A table with more columns than this is laid on its side, on a page of its own.
WIDE = 8
MOST_ROWS = 400
CLEAN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
MADE = datetime(2024, 5, 28)  # noqa: DTZ001  the library takes a plain one
ZIP_TIME = (2024, 5, 28, 0, 0, 0)
CJK_WIDTH = 2
# Of a column, in widths of a Latin letter.
NARROWEST, WIDEST, PADDING = 4, 40, 3
# The order of a paragraph's properties, as far as they are used here.
PROPERTIES = tuple(
    qn(f"w:{name}") for name in ("pStyle", "keepNext", "pBdr", "snapToGrid", "spacing", "ind", "jc", "rPr", "sectPr")
)
LEVEL_FONTS = {1: HEAD_FONT, 2: KAI_FONT, 3: BODY_FONT}


def docx(paper: Paper, folders: tuple[str, ...] = FOLDERS) -> bytes:
    """Return a paper as a Word file.

    Args:
        paper: what stands on it.
        folders: where a font that draws Chinese is looked for; without one a figure's table stands in its place.
    """
    document = Document()
    _set_up(document, paper)
    _head(document, paper)
    for block in paper.blocks:
        _block(document, block, folders)
    _foot(document, paper)
    for index, grid in enumerate(paper.annexes, 1):
        _annex(document, grid, index)
    return _same_bytes(document)


def _set_up(document: Doc, paper: Paper) -> None:
    properties = document.core_properties
    properties.title, properties.author, properties.comments = _clean(paper.title), _clean(paper.organ), ""
    properties.created = properties.modified = MADE
    style = document.styles["Normal"]
    style.font.size = Pt(BODY_SIZE)
    _fonts(style.element.get_or_add_rPr(), BODY_FONT)
    document.settings.odd_and_even_pages_header_footer = True
    section = document.sections[0]
    _page(section, wide=False)
    _number(section.footer.paragraphs[0], WD_ALIGN_PARAGRAPH.RIGHT)
    _number(section.even_page_footer.paragraphs[0], WD_ALIGN_PARAGRAPH.LEFT)
    if paper.draft:
        for header in (section.header, section.even_page_header):
            line = header.paragraphs[0]
            line.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            _run(line, "草稿（未签发，不得外传）", HEAD_FONT, NUMBER_SIZE)


def _page(section: Any, *, wide: bool) -> None:
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (PAGE_HEIGHT, PAGE_WIDTH) if wide else (PAGE_WIDTH, PAGE_HEIGHT)
    # Turned a quarter, the top of the sheet becomes its left side.
    sides = (LEFT, RIGHT, BOTTOM, TOP) if wide else (TOP, BOTTOM, LEFT, RIGHT)
    section.top_margin, section.bottom_margin, section.left_margin, section.right_margin = sides
    section.footer_distance = Mm(28)
    for old in section._sectPr.findall(qn("w:docGrid")):  # noqa: SLF001  the library has no face for the grid
        section._sectPr.remove(old)  # noqa: SLF001
    grid = OxmlElement("w:docGrid")
    grid.set(qn("w:type"), "lines")
    grid.set(qn("w:linePitch"), str(DOC_GRID_PITCH))
    section._sectPr.append(grid)  # noqa: SLF001


def _head(document: Doc, paper: Paper) -> None:
    organ = _line(document, WD_ALIGN_PARAGRAPH.CENTER, exact=False)
    _run(organ, paper.organ, TITLE_FONT, ORGAN_SIZE if len(paper.organ) <= 14 else TITLE_SIZE).font.color.rgb = RED  # noqa: PLR2004
    number = _line(document, WD_ALIGN_PARAGRAPH.CENTER)
    _run(number, paper.number, BODY_FONT, BODY_SIZE)
    _rule(number)
    _line(document)
    title = _line(document, WD_ALIGN_PARAGRAPH.CENTER, exact=False)
    _run(title, paper.title, TITLE_FONT, TITLE_SIZE)
    if paper.subtitle:
        _run(_line(document, WD_ALIGN_PARAGRAPH.CENTER), paper.subtitle, KAI_FONT, NUMBER_SIZE)
    _line(document)
    if paper.addressee:
        _run(_line(document), paper.addressee, BODY_FONT, BODY_SIZE)


def _foot(document: Doc, paper: Paper) -> None:
    for index, note in enumerate(paper.notes):
        line = _line(document)
        _run(line, f"{'注：' if index == 0 else ''}{index + 1}. {note}", KAI_FONT, NUMBER_SIZE)
    _listed(document, paper)
    for text in (paper.signed, paper.day):
        if text:
            line = _line(document, WD_ALIGN_PARAGRAPH.RIGHT)
            line.paragraph_format.right_indent = Pt(BODY_SIZE * 2)
            _run(line, text, BODY_FONT, BODY_SIZE)


def _listed(document: Doc, paper: Paper) -> None:
    """Name the annexes before the signature, one a line, aligned behind “附件：”."""
    for index, grid in enumerate(paper.annexes, 1):
        line = _line(document)
        line.paragraph_format.left_indent = Pt(BODY_SIZE * 2)
        _run(line, f"{'附件：' if index == 1 else '　　　'}{index}. {grid.caption}", BODY_FONT, BODY_SIZE)


def _annex(document: Doc, grid: Grid, index: int) -> None:
    _page(document.add_section(WD_SECTION.NEW_PAGE), wide=len(grid.header) > WIDE)
    _run(_line(document), f"附件{index}", HEAD_FONT, BODY_SIZE)
    _grid(document, grid)


def _block(document: Doc, block: Block, folders: tuple[str, ...]) -> None:
    match block:
        case Heading(level, text):
            line = _line(document, indent=True)
            line.paragraph_format.keep_with_next = True
            _run(line, text, LEVEL_FONTS[level], BODY_SIZE)
        case Paragraph(text):
            _run(_line(document, indent=True), text, BODY_FONT, BODY_SIZE)
        case Grid():
            _grid(document, block)
        case Figure():
            _figure(document, block, folders)


def _line(
    document: Doc,
    alignment: WD_ALIGN_PARAGRAPH = WD_ALIGN_PARAGRAPH.LEFT,
    *,
    indent: bool = False,
    exact: bool = True,
) -> Line:
    line = document.add_paragraph()
    line.alignment = alignment
    shape = line.paragraph_format
    shape.space_before = shape.space_after = Pt(0)
    if exact:
        shape.line_spacing_rule, shape.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(LINE_PITCH)
    if indent:
        shape.first_line_indent = Pt(BODY_SIZE * 2)
        # In characters as well, so that it stays two of them whatever the size.
        line._p.get_or_add_pPr().get_or_add_ind().set(qn("w:firstLineChars"), "200")  # noqa: SLF001
    return line


def _run(line: Line, text: str, font: str, size: float) -> Run:
    run = line.add_run(_clean(text))
    run.font.size = Pt(size)
    _fonts(run._r.get_or_add_rPr(), font)  # noqa: SLF001
    return run


def _fonts(properties: Any, font: str) -> None:
    """Name a font for Chinese and for Latin letters, and the language, else “，” takes its Japanese place."""
    fonts = properties.find(qn("w:rFonts"))
    if fonts is None:
        fonts = OxmlElement("w:rFonts")
        properties.insert(0, fonts)
    for name in ("w:eastAsia", "w:ascii", "w:hAnsi", "w:cs"):
        fonts.set(qn(name), font if name == "w:eastAsia" else "Times New Roman")
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "en-US")
    language.set(qn("w:eastAsia"), "zh-CN")
    properties.append(language)


def _clean(text: str) -> str:
    """Leave out what XML cannot carry."""
    return CLEAN.sub("", text)


def _rule(line: Line) -> None:
    borders, bottom = OxmlElement("w:pBdr"), OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "12"), ("space", "8"), ("color", "C00000")):
        bottom.set(qn(f"w:{name}"), value)
    borders.append(bottom)
    _place(line, borders)


def _place(line: Line, element: Any) -> None:
    """Put an element among a paragraph's properties where the schema (ECMA-376, CT_PPrBase) wants it: some readers drop it else."""
    properties = line._p.get_or_add_pPr()  # noqa: SLF001
    later = PROPERTIES[PROPERTIES.index(element.tag) + 1 :]
    properties.insert_element_before(element, *(f"w:{tag.rpartition('}')[2]}" for tag in later))


def _number(line: Line, alignment: WD_ALIGN_PARAGRAPH) -> None:
    """Write “— 1 —” with the page's number as a field."""
    line.alignment = alignment
    _run(line, "— ", NUMBER_FONT, NUMBER_SIZE)
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        run = _run(line, "", NUMBER_FONT, NUMBER_SIZE)
        if kind:
            part = OxmlElement("w:fldChar")
            part.set(qn("w:fldCharType"), kind)
        else:
            part = OxmlElement("w:instrText")
            part.text = text
        run._r.append(part)  # noqa: SLF001
    _run(line, " —", NUMBER_FONT, NUMBER_SIZE)


def _grid(document: Doc, grid: Grid) -> None:
    caption = _line(document, WD_ALIGN_PARAGRAPH.CENTER)
    caption.paragraph_format.keep_with_next = True
    _run(caption, grid.caption, HEAD_FONT, NUMBER_SIZE)
    rows = grid.rows[:MOST_ROWS]
    table = document.add_table(rows=1 + len(rows), cols=len(grid.header))
    table.style, table.alignment, table.autofit = "Table Grid", WD_TABLE_ALIGNMENT.CENTER, False
    across = document.sections[-1].orientation == WD_ORIENT.LANDSCAPE
    room = PAGE_HEIGHT - TOP - BOTTOM if across else PAGE_WIDTH - LEFT - RIGHT
    widths = _widths(grid, room)
    size = SMALL_SIZE if across else TABLE_SIZE
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    for index, texts in enumerate((grid.header, *rows)):
        cells = table.rows[index].cells
        for place, (cell, text) in enumerate(zip(cells, texts, strict=True)):
            cell.width = widths[place]
            words = place == 0 and index > 0
            _cell(cell.paragraphs[0], text, HEAD_FONT if index == 0 else BODY_FONT, size, words=words)
    _repeat_head(table.rows[0])
    if len(grid.rows) > MOST_ROWS:
        _run(_line(document), f"共 {len(grid.rows)} 行，此处列前 {MOST_ROWS} 行，全部见 XLSX。", KAI_FONT, NUMBER_SIZE)
    _line(document)


def _cell(line: Line, text: str, font: str, size: float, *, words: bool) -> None:
    line.alignment = WD_ALIGN_PARAGRAPH.LEFT if words else WD_ALIGN_PARAGRAPH.CENTER
    shape = line.paragraph_format
    shape.space_before = shape.space_after = Pt(1)
    shape.line_spacing_rule = WD_LINE_SPACING.SINGLE
    # The page's grid of 22 lines is for the body; a table held to it would have gaping rows.
    free = OxmlElement("w:snapToGrid")
    free.set(qn("w:val"), "0")
    _place(line, free)
    _run(line, text, font, size)


def _widths(grid: Grid, room: int) -> list[int]:
    """Share a page's width out by what the columns hold: heads may stand in two lines, numbers may not break."""
    needs = []
    for place, name in enumerate(grid.header):
        body = max((_width(row[place]) for row in grid.rows[:MOST_ROWS]), default=0)
        needs.append(max(min(body, WIDEST), (_width(name) + 1) // 2 + 1, NARROWEST) + PADDING)
    return [int(room * need / sum(needs)) for need in needs]


def _width(text: str) -> int:
    return sum(CJK_WIDTH if ord(char) > 0x2E80 else 1 for char in text)  # noqa: PLR2004


def _repeat_head(row: Any) -> None:
    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)  # noqa: SLF001


def _figure(document: Doc, figure: Figure, folders: tuple[str, ...]) -> None:
    font = chinese_font(folders)
    if font is None:
        _run(_line(document, indent=True), f"{figure.title}（服务器没有中文字体，图以表代）", KAI_FONT, NUMBER_SIZE)
        _grid(document, figure.instead)
        return
    path, family = font
    picture = resvg_py.svg_to_bytes(
        svg_string=figure.svg, font_files=[str(path)], font_family=family, sans_serif_family=family, serif_family=family,
        skip_system_fonts=True, zoom=2, background="#ffffff",
    )  # fmt: skip
    line = _line(document, WD_ALIGN_PARAGRAPH.CENTER, exact=False)
    line.add_run().add_picture(io.BytesIO(bytes(picture)), width=PAGE_WIDTH - LEFT - RIGHT)


def _same_bytes(document: Doc) -> bytes:
    """Return the file with every part's time fixed, so that the same paper is the same file."""
    first, last = io.BytesIO(), io.BytesIO()
    document.save(first)
    with zipfile.ZipFile(first) as made, zipfile.ZipFile(last, "w", zipfile.ZIP_DEFLATED) as kept:
        for name in sorted(made.namelist()):
            kept.writestr(zipfile.ZipInfo(name, ZIP_TIME), made.read(name), zipfile.ZIP_DEFLATED)
    return last.getvalue()
