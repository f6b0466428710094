"""红牌 in the monthly bulletin: given ones are counted, named and followed up; withdrawn ones, yellow ones and 专办件 are not."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta

import openpyxl
import pytest

from app.reminders.cards import make_cards
from app.reports import monthly
from app.tickets.office import Office
from tests.builders import Hotline
from tests.reports.test_documents import word
from tests.reports.test_reports import LATER, made
from tests.supervision.test_as_sent import special_in_a_units_hands
from tests.supervision.test_supervision import act, raised
from tests.tickets.test_life import START, answer_form, at, do, ok, refused

MONTH = "/reports/monthly/2026-11"
UNIT, HANDLER = "市司法局", "unit_handler@市司法局"
CARDED, DAY = START + timedelta(days=8), timedelta(days=1)
Lived = tuple[Hotline, dict[str, str]]


@pytest.fixture
def lived(hotline: Hotline, office: Office) -> Iterator[Lived]:
    """A December morning after a month in which two appeals were carded, one of them for nothing, and orders went out."""
    with at(hotline, START):
        numbers = {"special": special_in_a_units_hands(hotline)}
        for name in ("late", "prolonged"):
            matter = {"type": "投诉", "override": {"tag": "2405", "reason": "话务员判断"}}
            numbers[name] = hotline.submit(**matter, enterprise={"name": f"鹿城{name}木业有限公司"})["number"]
            ok(do(hotline, HANDLER, numbers[name], "sign"))
    with at(hotline, START + 4 * DAY):
        make_cards(office.database, office.desk)
        ok(
            do(
                hotline,
                HANDLER,
                numbers["prolonged"],
                "extension",
                {"days": 3, "reason": "须会同法院调解后才能答复企业。"},
            )
        )
    with at(hotline, CARDED):
        make_cards(office.database, office.desk)
        ok(do(hotline, "reviewer", numbers["prolonged"], "extension/rule", {"grant": True, "opinion": "同意"}))
        red = {"unit": UNIT, "level": "红牌", "requirement": "请说明超期原因，勿提举报人。"}
        numbers["order"] = raised(hotline, numbers["late"], **red)["number"]
        raised(hotline, numbers["prolonged"], **red | {"level": "黄牌"})
        wrong = raised(hotline, numbers["prolonged"], **red)["number"]
        ok(act(hotline, "supervisor", wrong, "cancel", {"reason": "已准延期"}))
    with at(hotline, CARDED + 2 * DAY):
        for name in ("late", "prolonged"):
            ok(do(hotline, HANDLER, numbers[name], "reply", answer_form()))
    with at(hotline, START + 22 * DAY):
        # The one in the named supervisor's care is carded too, for the unit alone to know.
        assert make_cards(office.database, office.desk) == 1
    with at(hotline, LATER):
        yield hotline, numbers


def test_red_cards_and_orders_are_named_with_what_became_of_them_in_every_form(lived: Lived) -> None:
    hotline, numbers = lived
    figures = made(hotline, "monthly", "2026-11")["figures"]
    mine = {"unit": "BT-SFJ", "number": numbers["late"], "on": "2026-11-10 09:30"}
    assert figures["red"] == [
        {**mine, "reason": "书面督办（人工发起）", "due": "2026-11-13 17:30", "outcome": "逾期未回复"},
        {**mine, "reason": "办结超期", "due": "2026-11-09 17:30", "outcome": "2026-11-12 09:30 答复"},
    ]
    own = ok(hotline.get(f"unit_leader@{UNIT}", f"{MONTH}/own"))["figures"]
    for code in ("red_cards", "red_orders"):
        opened = ok(hotline.client.get(own[code]["link"], headers=hotline.headers(HANDLER)))
        assert (own[code]["base"], opened["tickets"]) == (1, [numbers["late"]])
        assert figures["headline"][code]["now"]["base"] == 1
    assert numbers["special"] not in json.dumps(figures)
    book = openpyxl.load_workbook(io.BytesIO(hotline.get("supervisor", MONTH, format="xlsx").content))
    cells = "\n".join(str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row)
    for text in (hotline.get("supervisor", MONTH, format="html").text, word(hotline, MONTH), cells):
        assert all(part in text for part in ("各单位红牌", numbers["late"], "书面督办（人工发起）", "逾期未回复"))
        assert [part for part in ("木业", "勿提举报人", numbers["prolonged"], numbers["special"]) if part in text] == []


def test_a_red_order_withdrawn_later_is_a_correction_and_an_older_bulletin_is_still_shown(lived: Lived) -> None:
    hotline, numbers = lived
    first = made(hotline, "monthly", "2026-11")["figures"]
    refused(hotline.post("supervisor", f"{MONTH}/correct"), 409, "无需更正")
    ok(act(hotline, "supervisor", numbers["order"], "cancel", {"reason": "发错了单位"}))
    ok(hotline.post("supervisor", f"{MONTH}/correct"))
    figures = ok(hotline.get("supervisor", MONTH))["figures"]
    assert [row["reason"] for row in figures["red"]] == ["办结超期"]
    assert figures["headline"]["red_orders"]["now"]["base"] == 0
    # One that was frozen before there were such figures.
    del first["red"]
    for row in (first["headline"], *first["units"].values()):
        del row["red_cards"], row["red_orders"]
    headers = [each for part in monthly.sheet(first).sections for table in part.tables for each in table.header]
    assert ("按时办结率" in headers, "红牌" in headers) == (True, False)
