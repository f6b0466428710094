"""Papers as Word files: the layout of GB/T 9704, hostile text, the same bytes twice, pictures only with a Chinese font."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from docx import Document
from docx.document import Document as Doc
from docx.oxml import parse_xml
from docx.oxml.ns import qn

from app.papers.docx import docx
from app.papers.fonts import chinese_font
from app.papers.shapes import Figure, Grid, Heading, Paper, Paragraph

GRID = Grid("主要指标", ("指标", "本期"), (("受理量", "17"), ("按时办结率", "88.24%")))
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 40"><text x="5" y="20" font-size="12">受理量</text></svg>'
)
PAPER = Paper(
    organ="包头市12345政务服务便民热线", number="包热线通报〔2026〕3号", title="企业诉求办理情况月通报", subtitle="2026年10月",
    addressee="市直各有关单位：",
    blocks=(Heading(1, "一、总体情况"), Paragraph("受理企业诉求17件。"), Heading(2, "（一）受理"), GRID),
    annexes=(Grid("各单位办理情况", tuple(f"列{index}" for index in range(12)), (tuple("123456789012"),)),),
    notes=("分母为0的写“—”。",), signed="包头市12345政务服务便民热线", day="2026年11月3日",
)  # fmt: skip


def opened(paper: Paper, folders: tuple[str, ...] = ()) -> Doc:
    return Document(io.BytesIO(docx(paper, folders)))


def texts(document: Doc) -> list[str]:
    return [line.text for line in document.paragraphs if line.text]


def font_of(document: Doc, text: str) -> tuple[str | None, float | None]:
    run = next(run for line in document.paragraphs for run in line.runs if run.text == text)
    fonts = run._r.get_or_add_rPr().find(qn("w:rFonts"))
    return fonts.get(qn("w:eastAsia")), run.font.size.pt if run.font.size else None


def test_the_page_is_that_of_the_standard() -> None:
    section = opened(PAPER).sections[0]
    sides = (section.top_margin, section.bottom_margin, section.left_margin, section.right_margin)
    assert [round(side.mm) if side else 0 for side in sides] == [37, 35, 28, 26]
    assert [round(side.mm) if side else 0 for side in (section.page_width, section.page_height)] == [210, 297]


@pytest.mark.parametrize(
    ("text", "font", "size"),
    [
        ("企业诉求办理情况月通报", "方正小标宋简体", 22), ("一、总体情况", "黑体", 16), ("（一）受理", "楷体_GB2312", 16),
        ("受理企业诉求17件。", "仿宋_GB2312", 16), ("市直各有关单位：", "仿宋_GB2312", 16),
    ],
)  # fmt: skip
def test_fonts_are_those_of_the_standard(text: str, font: str, size: float) -> None:
    assert font_of(opened(PAPER), text) == (font, size)


def test_everything_stands_in_its_order() -> None:
    document = opened(PAPER)
    found = texts(document)
    wanted = [
        PAPER.organ,
        PAPER.number,
        PAPER.title,
        "市直各有关单位：",
        "一、总体情况",
        "注：1. 分母为0的写“—”。",
        "附件：1. 各单位办理情况",
        "2026年11月3日",
        "附件1",
    ]
    places = [found.index(text) for text in wanted]
    assert places == sorted(places)
    assert [cell.text for cell in document.tables[0].rows[2].cells] == ["按时办结率", "88.24%"]


def test_a_wide_table_lies_on_its_side_on_pages_of_its_own() -> None:
    sections = opened(PAPER).sections
    assert [section.page_width > section.page_height for section in sections] == [False, True]  # type: ignore[operator]


def test_table_heads_repeat_and_pages_are_numbered_on_the_outer_side() -> None:
    document = opened(PAPER)
    assert document.tables[0].rows[0]._tr.get_or_add_trPr().find(qn("w:tblHeader")) is not None
    footers = [document.sections[0].footer, document.sections[0].even_page_footer]
    assert ["PAGE" in footer._element.xml for footer in footers] == [True, True]
    assert [footer.paragraphs[0].alignment for footer in footers] == [2, 0]


def test_the_same_paper_is_the_same_file() -> None:
    assert docx(PAPER, ()) == docx(PAPER, ())


def test_a_draft_says_so_on_every_page_and_a_published_paper_does_not() -> None:
    draft = opened(replace(PAPER, draft=True)).sections[0]
    assert "草稿" in draft.header.paragraphs[0].text
    assert "草稿" in draft.even_page_header.paragraphs[0].text
    assert "草稿" not in opened(PAPER).sections[0].header.paragraphs[0].text


@pytest.mark.parametrize("text", ["<w:p>&注入", "=HYPERLINK(1)", "控制\x00\x0b符", "emoji😀", "\ud800残", "{{ 模板 }}"])
def test_hostile_text_stays_text(text: str) -> None:
    document = opened(replace(PAPER, title=text, blocks=(Paragraph(text), Grid(text, (text,), ((text,),)))))
    kept = "".join(char for char in text if char.isprintable() and char != "\ud800")
    assert kept in texts(document)
    assert document.tables[0].rows[1].cells[0].text == kept


def test_without_a_chinese_font_the_table_stands_in_for_the_picture(tmp_path: Path) -> None:
    paper = replace(PAPER, blocks=(Figure("受理量走势", SVG, GRID),))
    document = opened(paper, (str(tmp_path),))
    assert "受理量走势（服务器没有中文字体，图以表代）" in texts(document)
    assert len(document.inline_shapes) == 0
    assert document.tables[0].rows[1].cells[0].text == "受理量"


@pytest.mark.skipif(chinese_font() is None, reason="这台机器没有中文字体")
def test_with_a_chinese_font_the_picture_has_its_words() -> None:
    paper = replace(PAPER, blocks=(Figure("受理量走势", SVG, GRID),))
    with_words = docx(paper, ("/usr/share/fonts",))
    without = docx(
        replace(paper, blocks=(Figure("受理量走势", SVG.replace("受理量", ""), GRID),)), ("/usr/share/fonts",)
    )
    pictures = [zipfile.ZipFile(io.BytesIO(data)).read("word/media/image1.png") for data in (with_words, without)]
    assert pictures[0] != pictures[1]
    assert len(Document(io.BytesIO(with_words)).inline_shapes) == 1


def test_a_very_long_table_is_cut_and_says_so() -> None:
    rows = tuple((f"第{index}行", "1") for index in range(450))
    document = opened(replace(PAPER, blocks=(Grid("长表", ("行", "数"), rows),)))
    assert len(document.tables[0].rows) == 401
    assert "共 450 行，此处列前 400 行，全部见 XLSX。" in texts(document)


# ECMA-376 Part 1, 17.3.1.26, 17.3.2.28, 17.6.17, 17.4.82, as far as these papers use them.
ORDER = {
    "pPr": "pStyle keepNext keepLines pageBreakBefore widowControl numPr pBdr shd tabs snapToGrid spacing ind jc rPr sectPr",
    "rPr": "rStyle rFonts b bCs i iCs color spacing w kern position sz szCs highlight u lang",
    "sectPr": "Reference type pgSz pgMar pgNumType cols titlePg docGrid",
    "trPr": "cantSplit trHeight tblHeader jc",
    "tblPr": "tblStyle tblW jc tblInd tblBorders tblLayout tblCellMar tblLook",
    "tcPr": "tcW gridSpan vMerge tcBorders shd vAlign",
}


@pytest.mark.parametrize("draft", [True, False])
def test_every_property_stands_where_the_schema_wants_it(draft: bool) -> None:
    with zipfile.ZipFile(io.BytesIO(docx(replace(PAPER, draft=draft), ()))) as made:
        parts = [parse_xml(made.read(name)) for name in made.namelist() if name.startswith("word/") and "xml" in name]
    for name, order in ORDER.items():
        wanted = order.split()
        found = [each for part in parts if part.tag != qn("w:styles") for each in part.iter(qn(f"w:{name}"))]
        assert found or name == "trPr"
        for each in found:
            tags = [child.tag.rpartition("}")[2].replace("header", "").replace("footer", "") for child in each]
            assert tags == sorted(tags, key=wanted.index), (name, tags)
            assert len(set(tags) - {"Reference"}) == len([tag for tag in tags if tag != "Reference"]), (name, tags)
