"""Daily seals: whatever is taken out of a day gone by is found and named, without an export at hand; honest records pass."""

import hashlib
import json
import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from app import schema
from app.accounts import audit as access
from app.accounts.tables import AccessEntry, AccessHead
from app.cli.audit import verify as audit_command
from app.database import Base, Database
from app.errors import ConflictError, InvalidInputError
from app.jobs import ledger
from app.jobs.tables import JobRun
from app.settings import Settings
from app.tickets import audit, audit_files, day_seals, retention, seal_watch
from app.tickets.day_seal_tables import DaySeal
from app.tickets.day_seals import seal_hash
from app.tickets.events import link_hash
from app.tickets.office import Office
from app.tickets.tables import Ticket, TicketEvent
from tests.builders import Hotline
from tests.command import Ran, hotline_command
from tests.process.killing import environment_of
from tests.tickets.test_life import LEAD, START, at, call, do, ok, reviewed

DAY = timedelta(days=1)
MONDAY, TUESDAY = date(2026, 11, 2), date(2026, 11, 3)
# One o'clock in the morning after START's day.
ONE = START.replace(hour=17, minute=0)
Tamper = Callable[[Session, int], None]
EVENTS: Any = TicketEvent.__table__


def seal(hotline: Hotline, moment: datetime = ONE) -> int:
    """Run the job at a moment; returns how many days it sealed."""
    with at(hotline, moment):
        ok(hotline.post("admin", "/jobs/day_seal/run", {}))
        days: int = json.loads(hotline.get("admin", "/jobs/history", kind="day_seal").json()[0]["outcome"])["days"]
        return days


def told(database: Database, anchors: list[tuple[date, str]] | None = None, *, late: bool = False) -> list[str]:
    """Return what the seals find; the chains of the tickets that are there must hold."""
    watch = seal_watch.stored(database)
    assert list(audit.verify(database, see=watch.see)) == []
    assert access.verify(database) is None
    found = seal_watch.verify(database, watch, anchors or ())
    return [f"{item.day} {item.message}" for item in found if item.late == late]


def stored(database: Database) -> list[DaySeal]:
    with database.read() as session:
        return list(session.scalars(select(DaySeal).order_by(DaySeal.day)))


@pytest.fixture
def lived(hotline: Hotline) -> list[str]:
    """Two work orders of Monday, one of them signed on Tuesday, one more of Tuesday; both days sealed in their nights."""
    with at(hotline, START):
        numbers = [hotline.submit()["number"] for _ in range(2)]
    assert seal(hotline) == 1
    with at(hotline, START + DAY):
        ok(do(hotline, LEAD, numbers[0], "sign"))
        numbers.append(hotline.submit()["number"])
    assert seal(hotline, ONE + DAY) == 1
    return numbers


def test_an_untouched_record_passes_however_it_goes_on(hotline: Hotline, database: Database, lived: list[str]) -> None:
    assert told(database) == []
    with at(hotline, START + 2 * DAY):
        ok(do(hotline, LEAD, lived[1], "sign"))
        hotline.submit()
    assert told(database) == []
    assert [(item.day, item.tickets, item.events) for item in stored(database)] == [(MONDAY, 2, 6), (TUESDAY, 1, 4)]


def test_days_that_were_missed_are_sealed_in_order_each_once(hotline: Hotline, database: Database) -> None:
    assert seal(hotline) == 0
    with at(hotline, START - 3 * DAY):
        number = hotline.submit()["number"]
    assert seal(hotline, ONE + DAY) == 1
    for days in (2, 4):
        with at(hotline, START + days * DAY):
            ok(do(hotline, LEAD, number, "sign")) if days == 2 else hotline.submit()
    # The row of a work order may have been touched last by a machine whose clock lags behind.
    with database.write() as session:
        session.execute(update(Ticket).where(Ticket.number == number).values(updated_at=START + DAY))
    assert [seal(hotline, ONE + 5 * DAY - timedelta(minutes=1)), seal(hotline, ONE + 5 * DAY)] == [3, 1]
    assert [(item.day.day, item.tickets, item.events) for item in stored(database)] == [
        (3, 1, 3), (4, 0, 1), (5, 0, 0), (6, 1, 3), (7, 0, 0),
    ]  # fmt: skip
    assert told(database) == []


def erase(session: Session, ticket_id: int) -> None:
    session.execute(text("DELETE FROM ticket_search"))
    for table in reversed(Base.metadata.sorted_tables):
        if "ticket_id" in table.c:
            session.execute(delete(table).where(table.c.ticket_id == ticket_id))
    session.execute(delete(Ticket).where(Ticket.id == ticket_id))


def cut(session: Session, ticket_id: int) -> None:
    last = session.get_one(Ticket, ticket_id)
    mine = EVENTS.c.ticket_id == ticket_id
    session.execute(delete(EVENTS).where(mine, EVENTS.c.seq == last.last_seq))
    last.last_seq -= 1
    last.last_hash = session.scalars(select(EVENTS.c.hash).where(mine, EVENTS.c.seq == last.last_seq)).one()


def rewrite(session: Session, ticket_id: int) -> None:
    ticket = session.get_one(Ticket, ticket_id)
    event = session.get_one(TicketEvent, (ticket.month, ticket_id, ticket.last_seq))
    event.actor = "staff:99"
    event.hash = ticket.last_hash = link_hash(
        ticket.number, event.seq, event.kind, event.at, event.actor, event.payload, event.prev_hash
    )


ERASED = "2026-11-02 封存时 6 条事件，少了 3 条；封存时 2 件新工单，少了 1 件；整件不见：{1}"
CUT = "2026-11-02 封存时 6 条事件，少了 1 条；不见的末条：{1} 第 3 条"
CUT_LATER = "2026-11-03 封存时 4 条事件，少了 1 条；不见的末条：{0} 第 4 条"
REWRITTEN = "2026-11-03 事件的内容与封存时不同；被改写的末条：{0} 第 4 条"


@pytest.mark.parametrize(
    ("tampers", "found"),
    [((rewrite, erase), (ERASED, REWRITTEN)), ((cut, cut), (CUT, CUT_LATER))],
    ids=["rewritten-and-erased", "cut"],
)
def test_what_the_tickets_own_rows_no_longer_show_is_named(
    database: Database, lived: list[str], tampers: tuple[Tamper, Tamper], found: tuple[str, str]
) -> None:
    with database.write() as session:
        for number, tamper in zip(lived[:2], tampers, strict=True):
            tamper(session, session.scalars(select(Ticket.id).where(Ticket.number == number)).one())
    assert told(database) == [line.format(*lived) for line in found]


def change(session: Session, seals: list[DaySeal]) -> None:
    seals[1].events -= 1


def rehash(session: Session, seals: list[DaySeal]) -> None:
    seals[0].tickets -= 1
    seals[0].hash = seal_hash(seals[0])


def forge(session: Session, seals: list[DaySeal]) -> None:
    rehash(session, seals)
    for before, after in pairwise(seals):
        after.prev_hash = before.hash
        after.hash = seal_hash(after)


def drop(index: int) -> Callable[[Session, list[DaySeal]], None]:
    return lambda session, seals: session.delete(seals[index])


WAYS = (
    (change, ["03 封存本身被改动"]),
    (rehash, ["03 封存与前一天的封存接不上", "02 封存与别处登记的哈希不符", "02 事件的内容与封存时不同"]),
    (forge, [*(f"0{day} 封存与别处登记的哈希不符" for day in (2, 3, 4)), "02 事件的内容与封存时不同"]),
    (drop(1), ["03 这一天的封存缺失", "03 这一天曾经封存（别处有登记），封存已不在"]),
    (drop(0), ["03 封存与前一天的封存接不上", "02 这一天曾经封存（别处有登记），封存已不在"]),
    (drop(2), ["04 这一天曾经封存（别处有登记），封存已不在"]),
)


def test_seals_that_are_changed_or_left_out_are_found(hotline: Hotline, database: Database, lived: list[str]) -> None:
    seal(hotline, ONE + 2 * DAY)
    with database.read() as session:
        anchors = list(ledger.sealed(session))
        kept = [dict(row) for row in session.execute(select(DaySeal.__table__)).mappings()]
    for tamper, found in WAYS:
        with database.write() as session:
            tamper(session, list(session.scalars(select(DaySeal).order_by(DaySeal.day))))
        assert told(database, anchors) == [f"2026-11-{line}" for line in found]
        with database.write() as session:
            session.execute(delete(DaySeal))
            session.execute(insert(DaySeal), kept)
    assert told(database, anchors) == []


def test_seals_written_anew_as_a_whole_are_found_by_a_hash_that_was_noted_elsewhere(
    hotline: Hotline, database: Database, lived: list[str]
) -> None:
    noted = stored(database)[-1]
    with database.write() as session:
        erase(session, session.scalars(select(Ticket.id).where(Ticket.number == lived[1])).one())
        session.execute(delete(DaySeal))
        session.execute(delete(JobRun))
    seal(hotline, ONE + DAY)
    assert told(database) == []
    assert told(database, [(noted.day, noted.hash[:16])]) == ["2026-11-03 封存与别处登记的哈希不符"]


def test_a_record_of_access_cut_off_with_its_head_is_found(
    hotline: Hotline, database: Database, lived: list[str]
) -> None:
    with at(hotline, START + 2 * DAY):
        ok(hotline.get("auditor", "/audit/log"))
        ok(hotline.get("auditor", "/audit/log"))
    seal(hotline, ONE + 2 * DAY)
    with database.write() as session:
        before = session.scalars(select(AccessEntry).where(AccessEntry.seq == 1)).one()
        session.execute(delete(AccessEntry).where(AccessEntry.seq == 2))
        session.execute(update(AccessHead).values(seq=1, hash=before.hash))
    assert told(database) == ["2026-11-04 封存时访问记录的第 2 条已不在或已不是那一条"]


def test_what_a_slow_clock_brings_in_after_the_seal_is_told_and_is_no_fault(
    hotline: Hotline, database: Database, lived: list[str]
) -> None:
    with at(hotline, START + timedelta(hours=1)):
        hotline.submit()
        ok(do(hotline, LEAD, lived[1], "sign"))
    assert told(database) == []
    (note,) = told(database, late=True)
    assert note.startswith(f"2026-11-02 封存以后又写入 4 条事件：{lived[1]} 第 4 条起、")
    assert "倒填时间也是这样" in note
    with database.write() as session:
        erase(session, session.scalars(select(Ticket.id).where(Ticket.number == lived[1])).one())
    assert told(database)[0].endswith(f"整件不见：{lived[1]}")


def test_what_is_dated_back_by_more_than_a_day_is_a_fault(
    hotline: Hotline, database: Database, lived: list[str]
) -> None:
    with at(hotline, START + 2 * DAY):
        ok(do(hotline, LEAD, lived[1], "sign"))
    with database.write() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == lived[1])).one()
        before = session.get_one(TicketEvent, (ticket.month, ticket.id, ticket.last_seq))
        forged: dict[str, Any] = {
            "ticket_month": ticket.month, "ticket_id": ticket.id, "seq": before.seq + 1, "kind": before.kind,
            "at": START + timedelta(hours=1), "actor": before.actor, "payload": before.payload, "prev_hash": before.hash,
        }  # fmt: skip
        forged["hash"] = link_hash(ticket.number, *(forged[key] for key in (
            "seq", "kind", "at", "actor", "payload", "prev_hash"
        )))  # fmt: skip
        session.execute(insert(EVENTS), forged)
        ticket.last_seq, ticket.last_hash = before.seq + 1, forged["hash"]
    (fault,) = told(database)
    assert fault.endswith(f"不像时钟慢：{lived[1]} 第 5 条起")


def test_two_that_seal_at_once_leave_one_chain(hotline: Hotline, database: Database, lived: list[str]) -> None:
    with at(hotline, ONE + 3 * DAY):
        first, second = (day_seals.make(database, lambda _: None) for _ in range(2))
        with database.write() as session:
            day_seals.write(session, first)
        with pytest.raises(ConflictError), database.write() as session:
            day_seals.write(session, second)
    assert [item.day.day for item in stored(database)] == [2, 3, 4, 5]
    assert told(database) == []


def test_clearing_what_is_past_its_term_breaks_no_seal(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        ok(do(hotline, "callback", reviewed(hotline), "callback", call()))
    seal(hotline)
    with at(hotline, START.replace(year=2032)):
        assert retention.apply(office, (), lambda _: None).count == 1
    assert told(office.database) == []


@pytest.fixture
def exported(database: Database, lived: list[str], tmp_path: Path) -> Path:
    """An export with two seals."""
    audit_files.export(database, tmp_path / "out")
    return tmp_path / "out"


def test_an_export_carries_its_seals_and_is_held_against_them(exported: Path, lived: list[str]) -> None:
    assert list(audit_files.check(exported)) == []
    (tickets,), (events,) = exported.glob("ticket-*.jsonl"), exported.glob("ticket_event-*.jsonl")
    gone = json.loads(tickets.read_text(encoding="utf-8").splitlines()[1])
    manifest = json.loads((exported / "manifest.json").read_text(encoding="utf-8"))
    digests = audit_files.Digests()
    for path, key in ((tickets, "id"), (events, "ticket_id")):
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)[key] != gone["id"]]
        text = "".join(f"{line}\n" for line in kept)
        path.write_text(text, encoding="utf-8", newline="\n")
        manifest["files"][path.name] = {"rows": len(kept), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    for line in tickets.read_text(encoding="utf-8").splitlines():
        digests.add(audit.ChainHead(**json.loads(line)))
    manifest["chain_heads"]["ticket"] = digests.told()
    (exported / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (fault,) = audit_files.check(exported)
    assert fault.startswith("日封存 2026-11-02：")
    assert fault.endswith(f"整件不见：{lived[1]}")
    manifest["chain_heads"]["day_seal"]["hash"] = "0" * 64
    (exported / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert next(audit_files.check(exported)) == "最后一封日封存与清单不符"


def test_an_export_from_before_there_were_seals_is_still_checked(exported: Path) -> None:
    (exported / "day_seal.jsonl").unlink()
    manifest = json.loads((exported / "manifest.json").read_text(encoding="utf-8"))
    del manifest["files"]["day_seal.jsonl"], manifest["chain_heads"]["day_seal"]
    (exported / "manifest.json").write_text(json.dumps(manifest | {"format": 1}), encoding="utf-8")
    assert list(audit_files.check(exported)) == []
    (exported / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "没有做完" in next(audit_files.check(exported))


def test_seals_can_be_taken_out_and_made_anew(hotline: Hotline, database: Database, lived: list[str]) -> None:
    config = schema.alembic_config(database)
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    command.downgrade(config, next(str(script.down_revision) for script in scripts if "day_seals" in script.path))
    command.upgrade(config, "head")
    assert seal(hotline, ONE + 2 * DAY) == 1
    with database.read() as session:
        assert told(database, list(ledger.sealed(session))) == []


def test_the_mornings_digest_carries_the_newest_seal(hotline: Hotline, database: Database, lived: list[str]) -> None:
    with at(hotline, START + 2 * DAY):
        ok(hotline.post("admin", "/jobs/morning_reminder/run", {}))
        found = [item["lines"] for item in ok(hotline.get("supervisor", "/inbox"))["items"]]
    assert f"日封存 2026-11-03 {stored(database)[-1].hash}" in found[0]


def test_the_command_prints_the_newest_seal_and_holds_a_noted_one_against_it(
    settings: Settings, database: Database, lived: list[str]
) -> None:
    environment = os.environ | environment_of(settings)

    def verify(*anchors: str) -> Ran:
        return hotline_command(("audit", "verify", *(f"--anchor={anchor}" for anchor in anchors)), environment)

    newest = stored(database)[-1]
    good = verify(f"2026-11-03={newest.hash[:16]}")
    assert (good.returncode, f"日封存 2 封，最新 2026-11-03 {newest.hash}" in good.stdout) == (0, True), good
    assert "天该封存而没有封存" in good.stdout
    bad = verify("2026-11-03=" + "0" * 16)
    assert (bad.returncode, "日封存 2026-11-03：封存与别处登记的哈希不符" in bad.stdout) == (1, True), bad
    assert "日封存 1 处" in bad.stderr
    with pytest.raises(InvalidInputError, match="不是日封存"):
        audit_command(["2026-11-03=0"])


def test_a_day_sealed_while_verify_runs_is_no_alarm(
    hotline: Hotline, office: Office, lived: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = access.verify

    def slow(database: Database, progress: Callable[[int], None] | None = None) -> Any:
        assert seal(hotline, ONE + 2 * DAY) == 1
        return plain(database, progress)

    monkeypatch.setattr("app.cli.audit.load_settings", lambda: office.settings)
    monkeypatch.setattr(access, "verify", slow)
    audit_command()
    assert len(stored(office.database)) == 3
