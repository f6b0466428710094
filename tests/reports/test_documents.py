"""Reports as Word files: the figures of the frozen JSON, draft until published, and for a unit only once it is."""

import io
from collections.abc import Iterator

import pytest
from docx import Document

from app.tickets.office import Office
from tests.builders import Hotline
from tests.reports.history import make_history
from tests.reports.test_reports import LATER, made
from tests.tickets.test_life import at, ok


@pytest.fixture
def lived(hotline: Hotline, office: Office) -> Iterator[Hotline]:
    make_history(hotline, seed=5, number=12)
    with at(hotline, LATER):
        yield hotline


def word(hotline: Hotline, path: str, who: str = "supervisor") -> str:
    answer = hotline.get(who, path, format="docx")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].endswith("wordprocessingml.document")
    document = Document(io.BytesIO(answer.content))
    lines = [line.text for line in document.paragraphs]
    lines += [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join((document.sections[0].header.paragraphs[0].text, *lines))


def test_a_month_in_word_says_what_its_json_says_and_is_a_draft_until_published(lived: Hotline) -> None:
    figures = made(lived, "monthly", "2026-10")["figures"]
    text = word(lived, "/reports/monthly/2026-10")
    received = figures["headline"]["received"]["now"]["base"]
    assert f"受理企业诉求{received}件" in text
    assert "草稿" in text
    ok(lived.post("supervisor", "/reports/monthly/2026-10/prose", {"section": "demands", "text": "请各单位对照整改。"}))
    assert "请各单位对照整改。" in word(lived, "/reports/monthly/2026-10")
    assert lived.get("unit_leader@市工信局", "/reports/monthly/2026-10", format="docx").status_code == 404


def test_week_and_year_come_in_word_too(lived: Hotline) -> None:
    made(lived, "weekly", "2026-W45")
    assert "周分析" in word(lived, "/reports/weekly/2026-W45")


def test_a_written_order_comes_in_word(lived: Hotline) -> None:
    number = lived.submit()["number"]
    body = {"way": "书面", "unit": "市工信局", "tickets": [number], "requirement": "请限期办结并说明原因。"}
    order = lived.post("supervisor", "/supervision", body).json()["number"]
    text = word(lived, f"/supervision/{order}/paper", "unit_handler@市工信局")
    assert all(
        part in text for part in ("督办通知单", order, number, "包头市工业和信息化局：", "请限期办结并说明原因。")
    )
    assert "木业" not in text
