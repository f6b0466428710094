"""The course of a bulletin where two things meet: an objection and a correction, two publications at one moment."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta

from app.reports import issuing
from app.reports.figures import canonical, sha256
from app.reports.periods import Span
from app.tickets.office import Office
from tests.builders import Hotline
from tests.reports.history import make_history
from tests.reports.test_reports import LATER, SOON, made
from tests.tickets.test_life import at, do, ok, refused

WHERE = "/reports/monthly/2026-10"


def corrected(hotline: Hotline) -> None:
    """Change something of the month's figures and count it anew."""
    behind = ok(hotline.get("supervisor", "/indicators/in_hand/tickets", span="monthly", period="2026-10"))
    ok(do(hotline, "operator", behind["tickets"][0], "withdraw", {"reason": "企业来电撤回"}))
    ok(hotline.post("supervisor", f"{WHERE}/correct"))


def test_an_objection_to_a_draft_is_carried_to_its_correction_and_must_be_answered(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=12)
    with at(hotline, SOON):
        made(hotline, "monthly", "2026-10")
        ok(hotline.post("unit_leader@市工信局", f"{WHERE}/check", {"agrees": False, "opinion": "有一件应算按时"}))
        corrected(hotline)
        checks = hotline.get("supervisor", f"{WHERE}/checks").json()
        assert [(row["unit"], row["opinion"], row["answer"]) for row in checks] == [("BT-GXJ", "有一件应算按时", "")]
    with at(hotline, SOON + timedelta(days=3)):
        refused(hotline.post("leader", f"{WHERE}/sign"), 409, "异议", "BT-GXJ")
        ok(hotline.post("supervisor", f"{WHERE}/checks/市工信局/answer", {"answer": "已按实际更正"}))
        assert ok(hotline.post("leader", f"{WHERE}/sign"))["revision"] == 1


def test_an_answered_objection_stays_answered_and_only_an_unchanged_consent_holds(hotline: Hotline) -> None:
    make_history(hotline, seed=3, number=12)
    with at(hotline, SOON):
        made(hotline, "monthly", "2026-10")
        for unit in ("市工信局", "市司法局"):
            ok(hotline.post(f"unit_leader@{unit}", f"{WHERE}/check", {"agrees": True}))
        ok(hotline.post("unit_leader@市财政局", f"{WHERE}/check", {"agrees": False, "opinion": "不是我们的"}))
        ok(hotline.post("supervisor", f"{WHERE}/checks/市财政局/answer", {"answer": "协办也计签收"}))
        before = ok(hotline.get("supervisor", WHERE))["figures"]
        corrected(hotline)
        after = ok(hotline.get("supervisor", WHERE))["figures"]
        kept = {row["unit"]: row["answer"] for row in hotline.get("supervisor", f"{WHERE}/checks").json()}
    same = {unit for unit in ("BT-GXJ", "BT-SFJ") if all(f["units"][unit] for f in (before, after))}
    same = {unit for unit in same if all(before[key][unit] == after[key][unit] for key in ("units", "scores"))}
    assert len(same) == 1
    assert kept == {"BT-CZJ": "协办也计签收", **dict.fromkeys(same, "")}


def test_a_consent_to_a_draft_of_a_release_with_fewer_indicators_holds(hotline: Hotline, office: Office) -> None:
    make_history(hotline, seed=3, number=12)
    with at(hotline, SOON):
        made(hotline, "monthly", "2026-10")
        with office.database.write() as session:
            draft = issuing.locked(session, Span.MONTH, "2026-10")
            figures = json.loads(draft.figures)
            for row in figures["units"].values():
                del row["red_cards"], row["red_orders"]
            draft.figures = canonical(figures)
            draft.sha256 = sha256(draft.figures)
        for unit in ("市工信局", "市司法局"):
            ok(hotline.post(f"unit_leader@{unit}", f"{WHERE}/check", {"agrees": True}))
        corrected(hotline)
        assert len(hotline.get("supervisor", f"{WHERE}/checks").json()) == 1


def test_bulletins_published_at_one_moment_get_numbers_one_after_the_other(hotline: Hotline, office: Office) -> None:
    make_history(hotline, seed=3, number=6)
    with at(hotline, LATER):
        for month in ("2026-10", "2026-11"):
            made(hotline, "monthly", month)
    numbers: dict[str, str] = {}

    def publish(month: str, then: Callable[[], None]) -> None:
        with office.database.write() as session:
            report = issuing.publish(session, issuing.locked(session, Span.MONTH, month), office.desk)
            then()
        numbers[month] = issuing.number_of(report)

    other = threading.Thread(target=publish, args=("2026-11", lambda: None))

    def while_the_other_publishes() -> None:
        other.start()
        other.join(0.5)

    with at(hotline, LATER + timedelta(days=5)):
        for month in ("2026-10", "2026-11"):
            ok(hotline.post("leader", f"/reports/monthly/{month}/sign"))
        publish("2026-10", while_the_other_publishes)
        other.join(30)
    assert numbers == {"2026-10": "包热线通报〔2026〕1号", "2026-11": "包热线通报〔2026〕2号"}
