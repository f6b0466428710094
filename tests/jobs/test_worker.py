"""What the service does by itself: alarms, merged units, forgotten keys, and a worker no fault can stop."""

import threading
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select

from app import clock
from app.jobs import worker
from app.jobs.worker import one_round
from app.notify.tables import Outbox
from app.rulebook.shapes import Rulebook
from app.tickets.clocks import rebuild
from app.tickets.intake import make_desk
from app.tickets.office import Office
from app.tickets.receipt_tables import Idempotency
from app.tickets.upkeep import hand_over_merged
from tests.builders import Hotline, changed_rules, ticket_form

UNKNOWN_PLACE = {"override": {"tag": "0405", "reason": "征地"}, "content": "征地补偿款一直没有发下来。"}


def alarms(office: Office) -> int:
    with office.database.read() as session:
        statement = select(func.count()).where(Outbox.kind == "ticket.urgent_triage_overdue")
        return session.scalars(statement).one()


def test_an_urgent_ticket_left_in_triage_alarms_once(hotline: Hotline, office: Office) -> None:
    number = hotline.submit(urgent=True, **UNKNOWN_PLACE)["number"]
    one_round(office, None)
    assert alarms(office) == 0
    with time_machine.travel(clock.now() + timedelta(minutes=6), tick=False):
        one_round(office, None)
        one_round(office, None)
    assert alarms(office) == 1
    events = hotline.get("dispatcher", f"/tickets/{number}/events").json()
    assert (events[-1]["kind"], events[-1]["actor"]) == ("alarmed", "system:0")


def test_an_ordinary_ticket_in_triage_does_not_alarm(hotline: Hotline, office: Office) -> None:
    hotline.submit(**UNKNOWN_PLACE)
    with time_machine.travel(clock.now() + timedelta(minutes=6), tick=False):
        one_round(office, None)
    assert alarms(office) == 0


def merged(rulebook: Rulebook) -> Rulebook:
    """The rules after 市工信局 went up in 市发改委 yesterday."""
    gone = {"valid_to": clock.today() - timedelta(days=1), "successor": "BT-FGW"}
    units = tuple(unit.model_copy(update=gone) if unit.code == "BT-GXJ" else unit for unit in rulebook.units)
    return changed_rules(rulebook, units=units)


@pytest.mark.parametrize("signed", [False, True])
def test_a_merged_units_open_tickets_move_with_an_event(
    hotline: Hotline, office: Office, rulebook: Rulebook, signed: bool
) -> None:
    number = hotline.submit()["number"]
    if signed:
        hotline.post("unit_handler@市工信局", f"/tickets/{number}/sign")
    before = hotline.ticket(number)
    desk = make_desk(merged(rulebook), None)
    moved, again = hand_over_merged(office.database, desk), hand_over_merged(office.database, desk)
    after = hotline.ticket(number)
    assert (moved, again) == (1, 0)
    assert (after["holder"], after["state"], after["due_at"]) == ("市发改委", "awaiting_sign", before["due_at"])
    assert [item["number"] for item in hotline.get("unit_handler@市发改委", "/queue").json()["items"]] == [number]
    assert hotline.get("unit_handler@市工信局", f"/tickets/{number}").status_code == 404
    assert hotline.get("dispatcher", f"/tickets/{number}/events").json()[-1]["kind"] == "handed_over"


def test_new_tickets_go_to_the_successor(rulebook: Rulebook) -> None:
    reformed = merged(rulebook)
    assert reformed.current_unit("BT-GXJ", clock.today()).code == "BT-FGW"
    assert reformed.current_unit("BT-GXJ", date(2025, 1, 6)).code == "BT-GXJ"


def test_old_idempotency_keys_are_forgotten(hotline: Hotline, office: Office) -> None:
    hotline.post("operator", "/tickets", ticket_form(), Idempotency_Key="old")
    one_round(office, None)
    with time_machine.travel(clock.now() + timedelta(hours=25), tick=False):
        assert one_round(office, None)["keys_forgotten"] == 1
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Idempotency)) == 0


def test_a_round_that_fails_does_not_stop_the_worker(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, turns = threading.Event(), []

    def failing(*_: Any) -> dict[str, int]:
        turns.append(1)
        if len(turns) == 1:
            raise RuntimeError("数据库暂时离开")
        stop.set()
        return {}

    monkeypatch.setattr(worker, "one_round", failing)
    worker.run(office, stop)
    assert len(turns) == 2


@pytest.mark.parametrize("before", ["objection", "suspension", "supported"])
def test_a_merged_units_ticket_moves_out_of_any_state_and_its_columns_agree(
    hotline: Hotline, office: Office, rulebook: Rulebook, before: str
) -> None:
    number, lead = hotline.submit()["number"], "unit_handler@市工信局"
    hotline.post(lead, f"/tickets/{number}/sign")
    suspension = {
        "reason": "司法程序", "explanation": "法院已立案，等待裁判结果。", "evidence": [{"name": "立案通知"}],
        "until": str(clock.today() + timedelta(days=9)),
    }  # fmt: skip
    body: dict[str, Any]
    if before == "objection":
        body = {"reason": "重复", "clause": "三定规定第一条", "explanation": "与另一件是同一件事，应并案。"}
        assert hotline.post(lead, f"/tickets/{number}/objection", body).status_code == 200
    elif before == "suspension":
        assert hotline.post(lead, f"/tickets/{number}/suspension", suspension).status_code == 200
        granted = {"grant": True, "opinion": "属实"}
        assert hotline.post("reviewer", f"/tickets/{number}/suspension/rule", granted).status_code == 200
    else:
        body = {"units": ["市发改委"], "reason": "需要协办"}
        assert hotline.post("dispatcher", f"/tickets/{number}/support", body).status_code == 200
    assert hand_over_merged(office.database, make_desk(merged(rulebook), None)) == 1
    after = hotline.ticket(number)
    assert (after["holder"], after["state"]) == ("市发改委", "awaiting_sign")
    assert list(rebuild(office.database, check=True)) == []
    heir = "unit_handler@市发改委"
    assert hotline.post(heir, f"/tickets/{number}/sign").json()["state"] == "in_progress"
    assert hotline.get("reviewer", "/desk", step="退单审核").json()["items"] == []
