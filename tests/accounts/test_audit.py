"""The record: chains that name their first broken link, the log of access, and files that prove themselves."""

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.accounts import audit as access
from app.accounts.access import Role
from app.accounts.audit import Access, AccessBreak, Note, record
from app.accounts.service import add_staff
from app.accounts.tables import AccessEntry, AccessHead
from app.cli import audit as commands
from app.database import Database
from app.tickets import audit, audit_files
from app.tickets.clocks import rebuild
from app.tickets.events import Broken
from app.tickets.tables import Ticket, TicketEvent
from tests.builders import PASSWORD, Hotline

LEAD = "unit_handler@市工信局"
SPECIAL = {"type": "举报", "complained_of": "包头市人民政府办公室", "confidentiality": "公开"}
Tamper = Callable[[Session], Any]
EVENTS: Any = TicketEvent.__table__


def change_payload(session: Session) -> None:
    session.execute(update(EVENTS).where(EVENTS.c.seq == 2).values(payload='{"tag":"9999"}'))


def change_actor(session: Session) -> None:
    session.execute(update(EVENTS).where(EVENTS.c.seq == 4).values(actor="staff:99"))


def drop(*seqs: int) -> Tamper:
    return lambda session: session.execute(delete(EVENTS).where(EVENTS.c.seq.in_(seqs)))


def reorder(session: Session) -> None:
    for before, after in ((2, 99), (3, 2), (99, 3)):
        session.execute(update(EVENTS).where(EVENTS.c.seq == before).values(seq=after))


def relink(session: Session) -> None:
    session.execute(update(EVENTS).where(EVENTS.c.seq == 3).values(prev_hash="0" * 64))


def forget_last(session: Session) -> None:
    session.execute(update(Ticket).values(last_seq=Ticket.last_seq - 1))


@pytest.mark.parametrize(
    ("tamper", "seq", "what"),
    [
        (change_payload, 2, "changed"), (change_actor, 4, "changed"), (drop(1), 1, "missing"), (drop(3), 3, "missing"),
        (drop(4), 4, "tail"), (drop(3, 4), 3, "tail"), (drop(1, 2, 3, 4), 1, "tail"), (reorder, 2, "prev"),
        (relink, 3, "prev"), (forget_last, 4, "beyond"),
    ],
)  # fmt: skip
def test_every_way_to_tamper_is_named_at_its_first_link(
    hotline: Hotline, database: Database, tamper: Tamper, seq: int, what: str
) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    assert list(audit.verify(database)) == []
    with database.write() as session:
        tamper(session)
    assert list(audit.verify(database)) == [Broken(number, seq, what)]
    assert [item.column for item in rebuild(database, check=True)] == ["hash"]


def test_a_chain_written_anew_does_not_fit_the_tickets_row(hotline: Hotline, database: Database) -> None:
    number = hotline.submit()["number"]
    with database.write() as session:
        session.execute(update(Ticket).values(last_hash="f" * 64))
    assert list(audit.verify(database)) == [Broken(number, 3, "head")]


def test_verify_walks_more_tickets_than_a_chunk(
    hotline: Hotline, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "CHUNK", 2)
    numbers = [hotline.submit()["number"] for _ in range(5)]
    told: list[int] = []
    with database.write() as session:
        last = session.scalars(select(func.max(TicketEvent.ticket_id))).one()
        session.execute(delete(EVENTS).where(EVENTS.c.ticket_id == last, EVENTS.c.seq == 2))
    assert list(audit.verify(database, told.append)) == [Broken(numbers[-1], 2, "missing")]
    assert told == [2, 4]


def log(hotline: Hotline, **asked: Any) -> list[dict[str, Any]]:
    answer = hotline.get("auditor", "/audit/log", **asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_signing_in_out_and_failing_are_recorded(hotline: Hotline, database: Database) -> None:
    with database.write() as session:
        ident = add_staff(session, login="wang", name="王", role=Role.REVIEWER, password=PASSWORD).id
    for login, password in (("wang", "wrong"), ("nobody", "wrong")):
        hotline.client.post("/api/v1/session", json={"login": login, "password": password})
    token = hotline.client.post("/api/v1/session", json={"login": "wang", "password": PASSWORD}).json()["token"]
    hotline.client.delete("/api/v1/session", headers={"Authorization": f"Bearer {token}"})
    found = [(item["verb"], item["subject"]) for item in reversed(log(hotline))]
    assert found[:1] == [("session.refused", f"staff:{ident}")]
    assert found[1][0] == "session.refused"
    assert "nobody" not in found[1][1]
    assert found[2:] == [("session.sign_in", f"staff:{ident}"), ("session.sign_out", f"staff:{ident}")]


def test_reading_the_log_is_itself_recorded_and_filters_and_pages(hotline: Hotline) -> None:
    for _ in range(3):
        log(hotline, subject="BTQ1")
    page = hotline.get("auditor", "/audit/log", verb="audit.read", limit=2).json()
    more = hotline.get("auditor", "/audit/log", verb="audit.read", limit=2, cursor=page["next_cursor"]).json()
    assert [item["seq"] for item in page["items"]] == [3, 2]
    assert [item["seq"] for item in more["items"]] == [1]
    assert page["items"][0]["reason"] == "subject=BTQ1"
    assert page["items"][0]["role_label"] == "审计员"
    assert log(hotline, until="2020-01-01T00:00:00+08:00") == []
    assert hotline.get("supervisor", "/audit/log").status_code == 403


def test_a_number_typed_into_a_filter_or_a_commands_reason_is_masked_in_the_record(
    hotline: Hotline, database: Database
) -> None:
    asked = {"who": "王13847200001", "subject": "13847200001"}
    hotline.client.get("/api/v1/audit/log", params=asked, headers=hotline.headers("auditor"))
    with database.write() as session:
        record(session, commands.note("13847200001.csv", "核实13847200001的投诉"))
    with database.read() as session:
        entries = [(entry.subject, entry.reason) for entry in session.scalars(select(AccessEntry))]
    assert entries == [
        ("access_log", "who=王138****0001，subject=138****0001"), ("138****0001.csv", "核实138****0001的投诉"),
    ]  # fmt: skip


def test_who_reads_a_special_ticket_is_recorded_and_ordinary_readings_are_not(hotline: Hotline) -> None:
    ordinary = hotline.submit()["number"]
    hidden = hotline.submit(**SPECIAL)
    assert hidden["state"] == "special"
    for number in (ordinary, hidden["number"]):
        for path in ("", "/events", "/clock", "/file", "/routing"):
            assert hotline.get("supervisor@special", f"/tickets/{number}{path}").status_code == 200
        hotline.get("dispatcher", f"/tickets/{number}")
    found = log(hotline, verb="ticket.read_special")
    assert [item["subject"] for item in found] == [hidden["number"]] * 5
    assert {item["role"] for item in found} == {"supervisor"}


def note(count: int = 0) -> Note:
    return Note("staff:1", "auditor", Access.EXPORT, f"file-{count}", "例行导出")


def break_log(session: Session, how: str) -> None:
    rows: Any = AccessEntry.__table__
    match how:
        case "changed":
            session.execute(update(rows).where(rows.c.seq == 2).values(who="staff:2"))
        case "missing":
            session.execute(delete(rows).where(rows.c.seq == 2))
        case "tail":
            session.execute(delete(rows).where(rows.c.seq == 3))
        case "head":
            session.execute(delete(AccessHead))
        case "relinked":
            session.execute(update(rows).where(rows.c.seq == 2).values(prev_hash=""))


@pytest.mark.parametrize(
    ("how", "seq", "message"),
    [
        ("changed", 2, "内容被改动"), ("missing", 2, "这一条缺失"), ("tail", 3, "末尾缺失（应有 3 条）"),
        ("head", 0, "链头缺失"), ("relinked", 2, "与前一条接不上"),
    ],
)  # fmt: skip
def test_a_broken_record_of_access_names_its_first_link(database: Database, how: str, seq: int, message: str) -> None:
    with database.write() as session:
        record(session, note(1), note(2), note(3))
    assert access.verify(database) is None
    with database.write() as session:
        break_log(session, how)
    assert access.verify(database) == AccessBreak(seq, message)


def test_several_writers_at_once_leave_one_chain_without_gaps(settings: Any) -> None:
    offices = [Database(settings.database_url) for _ in range(4)]

    def write(database: Database) -> None:
        for index in range(10):
            with database.write() as session:
                record(session, note(index))

    threads = [threading.Thread(target=write, args=(each,)) for each in offices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert access.verify(offices[0]) is None
    assert access.head_of(offices[0]) == (40, next(reversed(list(access.entries(offices[0])))).hash)
    for each in offices:
        each.dispose()


def test_an_act_that_is_not_committed_leaves_no_gap(database: Database) -> None:
    with database.read() as session:
        record(session, note())
    with database.write() as session:
        record(session, note())
    assert access.verify(database) is None
    assert len(list(access.entries(database))) == 1


@pytest.fixture
def exported(hotline: Hotline, database: Database, tmp_path: Path) -> Path:
    """An export of two tickets and two entries."""
    for _ in range(2):
        number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    with database.write() as session:
        record(session, note(1), note(2))
    audit_files.export(database, tmp_path / "out")
    return tmp_path / "out"


def test_an_export_proves_itself_and_holds_no_personal_data(exported: Path) -> None:
    assert list(audit_files.check(exported)) == []
    whole = "".join(path.read_text(encoding="utf-8") for path in exported.iterdir())
    assert not any(word in whole for word in ("鹿城木业", "13847200001", "王大山", "课桌椅"))
    names = sorted(path.name.rpartition("-")[0] for path in exported.glob("*.jsonl"))
    assert names == ["access_log", "ticket", "ticket_event"]


def test_a_changed_file_is_found_by_its_hash(exported: Path) -> None:
    (path,) = exported.glob("ticket_event-*.jsonl")
    path.write_text(path.read_text(encoding="utf-8").replace("signed", "closed"), encoding="utf-8")
    assert [path.name in fault for fault in audit_files.check(exported)] == [True]
    (exported / "manifest.json").unlink()
    assert "没有做完" in next(audit_files.check(exported))


@pytest.mark.parametrize(
    ("table", "before", "after", "told"),
    [
        ("ticket_event", '"signed"', '"closed"', "第 4 条：内容被改动"),
        ("ticket", '"last_seq": 4', '"last_seq": 5', "第 5 条：末尾缺失"),
        ("access_log", "例行", "特别", "访问记录第 1 条：内容被改动"),
    ],
)
def test_a_forger_who_mends_the_manifest_is_found_by_the_chains(
    exported: Path, table: str, before: str, after: str, told: str
) -> None:
    (path,) = exported.glob(f"{table}-*.jsonl")
    text = path.read_text(encoding="utf-8").replace(before, after)
    path.write_text(text, encoding="utf-8", newline="\n")
    manifest = json.loads((exported / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][path.name]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (exported / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert any(told in fault for fault in audit_files.check(exported)), list(audit_files.check(exported))


def test_an_export_never_mixes_with_what_is_there(exported: Path, database: Database) -> None:
    with pytest.raises(Exception, match="不是空目录"):
        audit_files.export(database, exported)


def test_a_cut_history_is_not_gone_on_with(hotline: Hotline, database: Database) -> None:
    number = hotline.submit()["number"]
    hotline.post(LEAD, f"/tickets/{number}/sign")
    with database.write() as session:
        last = session.scalars(select(func.max(EVENTS.c.seq))).one()
        session.execute(delete(EVENTS).where(EVENTS.c.seq == last))
    refused = hotline.post(LEAD, f"/tickets/{number}/sign")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert "与链头不符" in refused.json()["detail"]
    assert [found.number for found in audit.verify(database)] == [number]


def test_a_forged_entry_behind_the_head_is_named(database: Database) -> None:
    with database.write() as session:
        record(session, Note("staff:1", "operator", Access.UNMASK, "T1"))
    with database.write() as session:
        last = session.scalars(select(AccessEntry).order_by(AccessEntry.seq.desc())).first()
        assert last is not None
        values = {column.key: getattr(last, column.key) for column in AccessEntry.__table__.columns}
        forged = AccessEntry(**values | {"seq": last.seq + 1, "prev_hash": last.hash, "subject": "T2"})
        forged.hash = access.link_hash(forged)
        session.add(forged)
    found = access.verify(database)
    assert found is not None
    assert (found.seq, found.message) == (2, "链头之后多出的一条，不是本系统所写")


def test_times_in_the_record_never_go_back(database: Database) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    for moment in (now, now - timedelta(milliseconds=6)):
        with time_machine.travel(moment, tick=False), database.write() as session:
            record(session, Note("staff:1", "operator", Access.UNMASK, "T1"))
    with database.read() as session:
        assert len(set(session.scalars(select(AccessEntry.at)))) == 1
