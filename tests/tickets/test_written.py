"""Everything a person writes about a work order lies sealed, in whatever room's table, and is read again as it was written."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Text, text

from app import clock, schema
from app.database import Base
from app.reminders.duty import escalate
from app.reports import gaming
from app.reports.periods import CutOffs, Span, parse
from app.settings import Settings
from app.tickets import rekeying
from app.tickets.office import Office
from app.tickets.sealed import Sealed
from tests.builders import Hotline
from tests.supervision.test_supervision import act, raised
from tests.tickets.test_keys import NEW, OLD, raw, spoken, with_keys
from tests.tickets.test_life import GOOD, LEAD, START, answer_form, at, call, do, objection, ok, signed

NAME = "白音宝力格"
VIEW = {"name": "找人", "page": "search", "params": {"q": NAME}}
# Text that nobody types about a person, each with what it holds; whatever is new must be sealed or stand here.
PLAIN = {
    "access_log.reason": "masked", "api_key.scopes": "verbs", "conference.participants": "unit codes",
    "digest.content": "numbers and counts", "dispatch.dues": "rules", "dispatch.evidence": "clauses",
    "inbox_message.lines": "numbers and counts", "job_run.error": "kinds of errors", "job_run.outcome": "counts",
    "outbox.payload": "references", "report.changes": "figures", "report.figures": "figures",
    "report_prose.text": "written to be published", "supervision_order.basis": "the rule's basis",
    "ticket.accused": "unit codes", "ticket_event.payload": "references",
    "ticket_judgement.payload": "words of the model's vocabulary and of the rules' lists of places",
}  # fmt: skip
BY_HAND = {f"{table}.{column}" for table, columns in rekeying.BY_HAND.items() for column in columns}


def test_every_column_of_text_is_sealed_or_says_why_not() -> None:
    columns = [column for table in Base.metadata.sorted_tables for column in table.columns]
    plain = {f"{column.table.name}.{column.key}" for column in columns if type(column.type) is Text}
    assert plain == PLAIN.keys() | BY_HAND
    assert sum(isinstance(column.type, Sealed) for column in columns) > len(plain)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation on a key that can be replaced."""
    return settings.model_copy(update={"data_key": Settings(data_key=spoken(OLD)).data_key})


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


def written(hotline: Hotline, office: Office) -> tuple[str, str]:
    """Let people write a name wherever they can about a work order that is closed then; returns it and its 督办单."""
    said, now = f"请找{NAME}，他在现场。", clock.now().isoformat()
    number = hotline.submit(
        urgent=True, attachments=[{"name": f"{NAME}欠条.pdf", "media_type": "application/pdf"}],
        arrears={"debtor_kind": "其他", "debtor_name": NAME, "contract_name": f"与{NAME}的合同"},
    )["number"]  # fmt: skip
    escalate(office.database, office.desk.rulebook)
    duty = hotline.get("operator", "/duty-calls").json()[0]["id"]
    ok(hotline.post("operator", f"/duty-calls/{duty}/record", {"outcome": "接通", "remark": said}))
    ok(do(hotline, LEAD, number, "sign"))
    ok(do(hotline, LEAD, number, "objection", objection(explanation=said, clause=f"{NAME}所引条款")))
    ok(do(hotline, "dispatcher", number, "objection/rule", {"uphold": False, "opinion": said}))
    ok(do(hotline, LEAD, number, "contact-attempt", {"at": now, "reached": True, "remark": said}))
    body = {"held_at": now, "participants": ["市财政局", "市司法局"], "conclusion": said, "lead": "市工信局"}
    steps = [{"unit": "市工信局", "what": said, "due_on": "2026-11-05"}]
    ok(do(hotline, "supervisor", number, "conference", {**body, "steps": steps}))
    order = str(raised(hotline, number, requirement=said)["number"])
    record = {"kind": "电话", "at": now, "person": NAME, "text": said}
    ok(act(hotline, "supervisor", order, "record", record))
    reply = {"text": said, "attachments": [{"name": f"{NAME}.pdf", "media_type": "application/pdf"}]}
    ok(act(hotline, LEAD, order, "reply", reply))
    promises = [{"what": said, "promised_on": "2026-11-02"}]
    ok(do(hotline, LEAD, number, "reply", answer_form(content=said, plan=said, promises=promises)))
    ok(do(hotline, "reviewer", number, "review", {"approve": True, "opinion": said, "despite_checks": said}))
    ok(do(hotline, "callback", number, "callback", call(remark=said)))
    mark = {"kind": "剔除", "unit": "市工信局", "ticket": number, "reason": said}
    ok(hotline.post("supervisor", "/assessment/marks", mark))
    ok(hotline.post("dispatcher", "/views", VIEW))
    return number, order


def earlier(config: Config) -> str:
    """Return the migration before the one that sealed these texts."""
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    return next(str(script.down_revision) for script in scripts if "texts_sealed" in script.path)


def read(hotline: Hotline, number: str, order: str) -> dict[str, int]:
    """Return how often the name stands on what people are shown of all that."""
    pages = (
        ("supervisor", f"/tickets/{number}"), ("supervisor", f"/tickets/{number}/file"), ("supervisor", f"/supervision/{order}"),
        ("supervisor", "/assessment/marks"), ("dispatcher", "/views"), ("supervisor", f"/supervision/{order}/paper"),
    )  # fmt: skip
    return {path.partition(number)[2] or path: hotline.get(who, path).text.count(NAME) for who, path in pages}


def test_what_people_write_lies_sealed_and_what_lay_open_before_is_sealed_by_the_migration(
    monday: Hotline, office: Office
) -> None:
    number, order = written(monday, office)
    assert NAME not in raw(office.database)
    shown = read(monday, number, order)
    assert all(shown.values()), shown
    config = schema.alembic_config(office.database)
    command.downgrade(config, earlier(config))
    assert raw(office.database).count(NAME) > 20
    command.upgrade(config, "head")
    assert NAME not in raw(office.database)
    assert read(monday, number, order) == shown
    with office.database.write() as session:
        session.execute(text("UPDATE conference SET steps = 'x.AAAA'"))
    assert ok(monday.get("supervisor", f"/tickets/{number}/file"))["conferences"][0]["steps"] == []


def test_equal_answers_are_found_after_the_migration_and_under_another_key(
    monday: Hotline, office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaming, "SAME_ANSWERS", 2)

    def reply(content: str) -> None:
        ok(do(monday, LEAD, signed(monday), "reply", answer_form(content=content)))

    def seen() -> list[int]:
        with office.database.read() as session:
            found = gaming.signs(session, parse(Span.YEAR, "2026", CutOffs()))
        return [each["n"] for each in found if "一字不差" in each["sign"]]

    for content in (GOOD, f" {GOOD}\n", f"{GOOD}双方已签协议。"):
        reply(content)
    assert seen() == [2]
    config = schema.alembic_config(office.database)
    command.downgrade(config, earlier(config))
    command.upgrade(config, "head")
    assert seen() == [2]
    rekeying.rotate(office.database, with_keys(settings, NEW, OLD), lambda _table, _count: None)
    assert list(rekeying.verify(office.database, with_keys(settings, NEW))) == []
    reply(GOOD)
    assert seen() == [3]
