"""What people decided comes out as labelled texts: their tag, nobody's name; hidden callers' tickets stay in."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app import clock
from app.classify.corpus import Row, read_corpus
from app.tickets.feedback import labelled
from app.tickets.office import Office
from tests.builders import Hotline
from tests.tickets.test_life import START, at, do, ok
from tests.tickets.test_retention import clear

LONG_AGO = datetime(2000, 1, 1, tzinfo=clock.SHANGHAI)
PLAIN = {"override": None, "title": "", "content": "货车在园区门口被拦下，说要交一百元登记费，没有票。"}


def exported(office: Office, since: datetime = LONG_AGO) -> list[Row]:
    with office.database.read() as session:
        return list(labelled(session, office.sealer, office.desk.rulebook, since))


def test_an_operators_own_tag_is_a_label(hotline: Hotline, office: Office) -> None:
    number = hotline.submit()["number"]
    (row,) = exported(office)
    assert (row.id, row.tag, row.type, row.urgent) == (f"feedback-{number}", "0101", "投诉", False)
    assert row.batch == f"feedback-{clock.today():%Y%m}"


def test_names_and_numbers_are_hidden(hotline: Hotline, office: Office) -> None:
    hotline.submit(content="我是鹿城木业有限公司的王大山，电话13847200001，学校欠我们课桌椅款三十六万，两年了。")
    (row,) = exported(office)
    assert "课桌椅款" in row.text
    for word in ("鹿城木业", "王大山", "13847200001"):
        assert word not in row.text


def test_what_the_model_decided_alone_is_no_label_and_what_a_person_sent_out_is(
    hotline: Hotline, office: Office
) -> None:
    number = hotline.submit(**PLAIN)["number"]
    assert exported(office) == []
    answer = hotline.post(
        "dispatcher", f"/tickets/{number}/dispatch", {"tag": "0606", "unit": "市市场监管局", "reason": "乱收费"}
    )
    assert answer.status_code == 200, answer.text
    (row,) = exported(office)
    assert row.tag == "0606"


@pytest.mark.parametrize("mode", ["隐名", "匿名"])
def test_a_hidden_callers_words_stay_in(hotline: Hotline, office: Office, mode: str) -> None:
    hotline.submit(confidentiality=mode)
    assert exported(office) == []


def test_only_what_was_judged_since_a_day_comes_out(hotline: Hotline, office: Office) -> None:
    hotline.submit()
    assert len(exported(office, clock.now() - timedelta(hours=1))) == 1
    assert exported(office, clock.now() + timedelta(hours=1)) == []


def test_what_is_cleared_teaches_nothing(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, "operator", number, "withdraw", {"reason": "企业说不办了"}))
    with at(hotline, START.replace(year=2032)):
        assert len(exported(office)) == 1
        assert clear(office) == 1
        assert exported(office) == []


def test_an_odd_line_separator_in_a_text_survives_the_way_out_and_back(tmp_path: Path) -> None:
    row = {"id": "x-1", "batch": "x", "title": "", "text": "第一段\u2028第二段", "tag": "0101", "type": "投诉"}
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(row | {"urgent": False, "place": "", "enterprise": True}, ensure_ascii=False) + "\n")
    assert [each.text for each in read_corpus(path)] == [row["text"]]
