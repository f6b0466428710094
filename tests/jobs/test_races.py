"""Sweeps and verbs meet on PostgreSQL: nobody waits for ever, nobody is refused, and every step of a round has its turn."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.jobs import worker
from app.jobs.worker import one_round
from app.reminders import cards
from app.reminders.tables import Card, DutyCall
from app.supervision import ladder
from app.supervision.tables import SupervisionOrder
from app.tickets.office import Office
from app.tickets.tables import Dispatch
from tests.builders import Hotline
from tests.tickets.test_life import LEAD, START, at, do, ok

OVERDUE = START + timedelta(days=8)
SWEEPS: dict[str, tuple[Any, str, Callable[[Office], int]]] = {
    "proposals": (ladder, "_place", lambda office: ladder.propose(office.database, office.desk)),
    "cards": (cards, "_make", lambda office: cards.make_cards(office.database, office.desk)),
}


@pytest.fixture
def database_url(fresh_postgres: str) -> str:
    """SQLite has one writer at a time; rows are locked only here."""
    return fresh_postgres


@pytest.mark.parametrize("which", list(SWEEPS))
def test_a_verb_in_the_middle_of_a_sweep_stops_neither(
    hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    module, name, sweep = SWEEPS[which]
    with at(hotline, START):
        number = hotline.submit()["number"]
    whole, chosen, made = getattr(module, name), threading.Event(), []

    def slow(*given: Any) -> Any:
        # What is to be written has been chosen; the verb comes before it is written.
        chosen.set()
        time.sleep(0.4)
        return whole(*given)

    monkeypatch.setattr(module, name, slow)
    with at(hotline, OVERDUE):
        hotline.token(LEAD)
        thread = threading.Thread(target=lambda: made.append(sweep(office)))
        thread.start()
        assert chosen.wait(10)
        answer = do(hotline, LEAD, number, "sign")
        thread.join(30)
        assert answer.status_code == 200, answer.text
        assert made
        assert made[0] >= 2


def test_sweeps_and_verbs_run_into_each_other_all_the_time(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        numbers = [hotline.submit(enterprise={"name": f"第{index}家公司"})["number"] for index in range(12)]
    with at(hotline, OVERDUE):
        hotline.token(LEAD)
        faults: list[BaseException] = []

        def sweep() -> None:
            try:
                for _ in range(5):
                    assert "failed" not in one_round(office, None)
            except BaseException as fault:  # noqa: BLE001  told by the test, wherever it comes from
                faults.append(fault)

        threads = [threading.Thread(target=sweep) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in numbers:
            contact = {"at": START.isoformat(), "reached": True, "way": "电话"}
            do(hotline, LEAD, number, "sign")  # unless the system, whose sweep runs at this moment, has signed for it
            ok(do(hotline, LEAD, number, "contact-attempt", contact))
        for thread in threads:
            thread.join(120)
        assert faults == []
        with office.database.read() as session:
            waiting = select(SupervisionOrder.unit, SupervisionOrder.rule, func.count())
            twice = waiting.group_by(SupervisionOrder.unit, SupervisionOrder.rule).having(func.count() > 1)
            assert session.execute(twice).all() == []
            assert session.scalars(select(func.count()).select_from(Card).where(Card.level == "红牌")).one() == 24


def test_a_step_that_fails_holds_up_no_other(hotline: Hotline, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with at(hotline, START):
        hotline.submit()

    def broken(*_: Any) -> int:
        raise RecursionError("too deep")

    monkeypatch.setattr(worker, "propose", broken)
    with at(hotline, OVERDUE):
        done = one_round(office, None)
        assert (done["failed"], done["cards"]) == (1, 2)


def test_a_unit_that_the_rules_no_longer_know_stops_no_call(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit(urgent=True)
        with office.database.write() as session:
            for part in session.scalars(select(Dispatch)):
                part.unit = f"GONE-{part.id}"
        assert "failed" not in one_round(office, None)
        with office.database.read() as session:
            assert session.scalars(select(func.count()).select_from(DutyCall)).one() == 1
        assert hotline.get("operator", "/duty-calls").json()[0]["phone"] == ""
