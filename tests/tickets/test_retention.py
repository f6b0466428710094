"""What is past its term: persons and words go, facts, figures and chains stay; nothing goes before its time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from app.cli import retention as command
from app.cli.retention import ALSO
from app.database import Database
from app.reports import issuing
from app.reports.periods import CutOffs, Span, parse
from app.supervision.retention import orders_due
from app.tickets import audit, rekeying, retention
from app.tickets.clocks import rebuild
from app.tickets.office import Office
from app.tickets.sealed import DAMAGED
from app.tickets.tables import Ticket, TicketParty
from tests.builders import Hotline
from tests.reports.history import make_history
from tests.reports.test_reports import LATER, made
from tests.supervision.test_supervision import raised
from tests.tickets.test_life import LEAD, START, at, call, do, ok, reviewed, signed
from tests.tickets.test_work import triaged
from tests.tickets.test_written import NAME, written

FIVE_YEARS = datetime(2031, 11, 2, 1, 30, tzinfo=UTC)
SAID = {
    "contact": {"name": "王大山", "phone": "13847200001", "email": "wang@example.com", "address": "青松小区5栋"},
    "attachments": [{"name": "鹿城木业合同.pdf", "media_type": "application/pdf", "size": 1, "sha256": "a" * 64}],
    "external_number": "REC-778", "complained_of": "某学校",
    "content": "装备制造产业园区的学校欠课桌椅货款三十六万，欠条是李二狗打的。",
    "arrears": {"debtor_kind": "其他", "debtor_name": "李二狗", "owed_sum": "360000"},
}  # fmt: skip
GONE = (
    "鹿城木业",
    "王大山",
    "13847200001",
    "wang@",
    "青松",
    "课桌椅",
    "货款",
    "REC-778",
    "某学校",
    "约定分两期",
    "话务员判断",
    "李二狗",
    "装备制造",
)


@pytest.fixture
def closed(hotline: Hotline) -> str:
    """A work order closed on a Monday of 2026."""
    with at(hotline, START):
        number = reviewed(hotline)
        ok(do(hotline, "callback", number, "callback", call(remark="王大山表示满意")))
    return number


def everything(database: Database) -> str:
    """Return all rows of all tables as one text, sealed values opened."""
    with database.read() as session:
        names = [
            name for name in inspect(session.get_bind()).get_table_names() if not name.startswith("ticket_search_")
        ]
        rows = [row for name in names for row in session.execute(select(text("*")).select_from(text(name)))]
        return " ".join(str(value) for row in rows for value in row) + _opened(session)


def _opened(session: Session) -> str:
    return " ".join(
        str(value)
        for store in rekeying.stores()
        for row in session.execute(select(*(store.table.c[name] for name in store.columns)))
        for value in row
    )


def clear(office: Office) -> int:
    return retention.apply(office, ALSO, lambda _: None).count


def test_nothing_goes_before_its_time_and_a_dry_run_changes_nothing(
    hotline: Hotline, office: Office, closed: str
) -> None:
    with at(hotline, FIVE_YEARS - timedelta(days=1)):
        assert list(retention.every_due(office.database, office.settings)) == []
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        before = everything(office.database)
        assert [item.number for item in retention.every_due(office.database, office.settings)] == [closed]
        assert everything(office.database) == before


def test_persons_and_words_go_and_facts_and_chains_stay(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit(**SAID)["number"]
        ok(do(hotline, "operator", number, "unmask", {"fields": ["contact_phone"], "reason": "核对鹿城木业电话"}))
        ok(do(hotline, "operator", number, "withdraw", {"reason": "王大山说已收到货款"}))
        facts = hotline.ticket(number)
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        assert clear(office) == 1
        left = everything(office.database)
        assert [word for word in GONE if word in left] == []
        seen = hotline.ticket(number)
        assert (seen["content"], seen["external_number"]) == (retention.TOMBSTONE, None)
        for name in ("state", "tag", "accepted_at", "dispatched_at", "due_at", "rulebook_version"):
            assert seen[name] == facts[name], name
        assert hotline.get("dispatcher", f"/tickets/{number}/events").json()[-1]["label"] == "到期清除个人信息和内容"
        assert list(audit.verify(office.database)) == []
        assert list(rebuild(office.database, check=True)) == []


def tables_with(database: Database, word: str) -> set[str]:
    """Return the tables that hold a word, sealed or not."""
    with database.read() as session:
        return {
            store.table.name
            for store in rekeying.stores()
            for row in session.execute(select(*(store.table.c[name] for name in store.columns)))
            if any(word in value for value in row)
        }


def test_what_every_room_wrote_about_it_goes_and_the_administrations_own_papers_stay_without_the_caller(
    hotline: Hotline, office: Office
) -> None:
    with at(hotline, START):
        number, order = written(hotline, office)
        going, staying = signed(hotline), signed(hotline)
        words = "请答复鹿城木业和同园区企业。"
        shared = raised(hotline, staying, tickets=[going, staying], requirement=words)["number"]
        ok(do(hotline, "operator", going, "withdraw", {"reason": "鹿城木业说不办了"}))
    assert {"supervision_order", "supervision_step", "duty_call", "reply", "promise"} < tables_with(
        office.database, NAME
    )
    assert tables_with(office.database, "鹿城") == {"supervision_order", "supervision_step", "ticket_note"}
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        with office.database.read() as session:
            assert orders_due(session, office.settings) == 1
        assert clear(office) == 2
        assert tables_with(office.database, NAME) == {"ruling", "conference", "assessment_mark", "saved_view"}
        assert tables_with(office.database, "鹿城") == set()
        assert ok(hotline.get("supervisor", f"/supervision/{order}"))["requirement"] == retention.TOMBSTONE
        assert ok(hotline.get("supervisor", f"/supervision/{shared}"))["requirement"] == "请答复＊＊和同园区企业。"
        assert ok(hotline.get("supervisor", f"/tickets/{number}/routing"))["judgements"][0]["terms"] == []
        assert ok(hotline.get("supervisor", f"/tickets/{number}/file"))["promises"][0]["what"] == retention.TOMBSTONE


def test_what_a_shared_order_holds_besides_words_stays_whole(hotline: Hotline, office: Office) -> None:
    digest = "a88" + "0" * 61
    paper = {"name": "88商行凭证.pdf", "media_type": "application/pdf", "size": 13847200088, "sha256": digest}
    with at(hotline, START):
        going, staying = signed(hotline, enterprise={"name": "88商行"}), signed(hotline)
        shared = raised(hotline, staying, tickets=[going, staying])["number"]
        ok(hotline.post(LEAD, f"/supervision/{shared}/reply", {"text": "88商行的货款已付。", "attachments": [paper]}))
        # As it was written before the column refused what quotes the words for a damaged text.
        with office.database.write() as session:
            quoted = {"x": office.sealer.seal(f"见{DAMAGED}")}
            session.execute(text("UPDATE supervision_order SET requirement = :x"), quoted)
        step = {"unit": "市财政局", "what": "核对88商行的账", "due_on": "2026-11-28"}
        talk = {
            "held_at": START.isoformat(),
            "participants": ["市财政局", "市司法局"],
            "conclusion": "分三期付清全部货款。",
            "lead": "市工信局",
        }
        ok(do(hotline, "supervisor", going, "conference", {**talk, "steps": [step]}))
        ok(do(hotline, "operator", going, "withdraw", {"reason": "不办了"}))
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        assert clear(office) == 1
        reply = ok(hotline.get("supervisor", f"/supervision/{shared}"))["steps"][-1]
        assert reply["text"] == "＊＊的货款已付。"
        assert reply["attachments"] == [{**paper, "name": "＊＊凭证.pdf"}]
        assert ok(hotline.get("supervisor", f"/supervision/{shared}"))["requirement"] == f"见{retention.TOMBSTONE}"
        held = ok(hotline.get("supervisor", f"/tickets/{going}/file"))["conferences"][0]["steps"][0]
        assert (held["what"], held["due_on"]) == ("核对＊＊的账", "2026-11-28")


def test_what_is_cleared_is_found_no_more_and_nothing_can_be_done_to_it(
    hotline: Hotline, office: Office, closed: str
) -> None:
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        assert clear(office) == 1
        assert clear(office) == 0
        for asked in ("鹿城木业有限公司", "课桌椅"):
            assert hotline.get("operator", "/search", q=asked).json()["items"] == []
        assert [item["number"] for item in hotline.get("operator", "/search", q=closed).json()["items"]] == [closed]
        refused = do(hotline, "operator", closed, "unmask", {"fields": ["contact_phone"], "reason": "再看看电话"})
        assert (refused.status_code, refused.json()["code"]) == (409, "anonymised")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_byte_of_what_was_cleared_stays_in_sqlites_files(hotline: Hotline, office: Office) -> None:
    path = Path(office.database.url.database or "")

    def bytes_with(word: str) -> int:
        assert office.database.empty_log()
        assert Path(f"{path}-wal").stat().st_size == 0
        return path.read_bytes().count(word.encode())

    with at(hotline, START):
        for word in ("x5kiosk", "q9zebra"):
            number = hotline.submit(content=f"学校欠课桌椅货款，收据写着{word}。")["number"]
            ok(do(hotline, "operator", number, "withdraw", {"reason": "已付款"}))
    # Once where rows are kept, and once among the index's words.
    assert bytes_with("zebra") == 2
    with at(hotline, START + timedelta(days=400)):
        ok(
            do(
                hotline,
                "dispatcher",
                hotline.submit(content="另一件事，收据写着w7other。")["number"],
                "withdraw",
                {"reason": "不办了"},
            )
        )
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        assert clear(office) == 2
        assert (bytes_with("zebra"), bytes_with("kiosk"), bytes_with("课桌")) == (0, 0, 0)
        assert bytes_with("w7other") > 0
        assert len(hotline.get("operator", "/search", q="w7other").json()["items"]) == 1


def test_open_work_orders_stay_and_reports_have_a_term_of_their_own(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
        tip = triaged(hotline, type="举报")
        body = {"reason": "核实为骚扰电话"}
        assert do(hotline, "dispatcher", tip, "invalidate", body).status_code == 200
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        assert list(retention.every_due(office.database, office.settings)) == []
    with at(hotline, START.replace(year=2036) + timedelta(days=1)):
        assert [item.number for item in retention.every_due(office.database, office.settings)] == [tip]


def headline(office: Office, week: str) -> Any:
    with office.database.read() as session:
        maker = issuing.maker_of(session, office.desk, office.settings)
        return json.loads(issuing.build(maker, parse(Span.WEEK, week, CutOffs())))["headline"]


def test_every_figure_is_the_same_afterwards(hotline: Hotline, office: Office) -> None:
    make_history(hotline, seed=7, number=24)
    with at(hotline, LATER):
        frozen = made(hotline, "monthly", "2026-11")
    with at(hotline, FIVE_YEARS + timedelta(days=90)):
        before = {week: headline(office, week) for week in ("2026-W45", "2026-W46")}
        assert clear(office) > 3
        assert {week: headline(office, week) for week in before} == before
        assert ok(hotline.get("supervisor", "/reports/monthly/2026-11")) == frozen
        assert list(audit.verify(office.database)) == []


def test_a_clearing_broken_off_goes_on(hotline: Hotline, office: Office, closed: str) -> None:
    with at(hotline, START):
        second = reviewed(hotline)
        ok(do(hotline, "callback", second, "callback", call()))
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        with office.database.write() as session:
            first = session.scalars(select(Ticket.id).where(Ticket.number == closed)).one()
            retention.anonymise(session, first, office, ALSO)
        assert clear(office) == 1
        with office.database.read() as session:
            rows = list(session.scalars(select(TicketParty)))
        assert [row.enterprise_find for row in rows] == ["", ""]
        assert len({row.enterprise_group for row in rows} - {office.sealer.find_key("鹿城木业有限公司")}) == 1


def test_one_that_does_not_open_holds_up_nothing_else_and_is_named(
    hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with at(hotline, START):
        broken, other = hotline.submit()["number"], hotline.submit()["number"]
        for number in (broken, other):
            ok(do(hotline, "operator", number, "withdraw", {"reason": "已付款"}))
    with office.database.write() as session:
        ident = session.scalars(select(Ticket.id).where(Ticket.number == broken)).one()
        session.get_one(TicketParty, ident).address = "x.AAAA"
    monkeypatch.setattr(command, "load_settings", lambda: office.settings)
    monkeypatch.setattr(command, "open_office", lambda _: office)
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        with pytest.raises(typer.Exit) as ended:
            command.retention(apply=True)
        told = capsys.readouterr().out
        assert (ended.value.exit_code, "已清除 1 件" in told, broken in told, other in told) == (1, True, True, False)
        assert "课桌椅" in hotline.ticket(broken)["content"]
        assert hotline.ticket(other)["content"] == retention.TOMBSTONE
        recorded = hotline.get("auditor", "/audit/log", verb="erasure").json()["items"]
    assert [item["subject"] for item in recorded] == ["retention"]


def test_what_was_taken_up_again_since_the_list_was_made_stays(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = hotline.submit()["number"]
        ok(do(hotline, "operator", number, "withdraw", {"reason": "企业说不办了"}))
    with at(hotline, FIVE_YEARS + timedelta(days=1)):
        listed = list(retention.every_due(office.database, office.settings))
        assert [item.number for item in listed] == [number]
        ok(do(hotline, "dispatcher", number, "restore", {"reason": "企业又来电要求继续办理"}))
        with office.database.write() as session:
            assert not retention.anonymise(session, listed[0].ticket_id, office, ALSO)
        assert "课桌椅" in hotline.ticket(number)["content"]
