"""督办 of a 专办件: proposed to its named supervisor, carried through with the unit, and known to nobody else."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from app.accounts.tables import Staff
from app.jobs.worker import one_round
from app.notify.tables import Outbox
from app.supervision.ladder import propose
from app.tickets.office import Office
from app.tickets.tables import Ticket
from tests.builders import Hotline
from tests.notify.test_inbox import UNKNOWN_PLACE, inbox
from tests.supervision.test_as_sent import NAMED, NEIGHBOUR, WATCHERS, special_in_a_units_hands
from tests.supervision.test_supervision import DAY, NOON, act, orders, raised
from tests.tickets.test_life import LEAD, START, at, do, ok, refused

UNIT, HANDLER = "市纪委监委机关", "unit_handler@市纪委监委机关"
LATE = NOON + 30 * DAY
INDICATORS = ("supervision_rate", "red_orders", "red_cards")


def numbers(hotline: Hotline, who: str, **asked: Any) -> dict[str, list[str]]:
    """Return what a caller's list of orders leads to: the work orders of each."""
    found = [order["number"] for order in orders(hotline, who, **asked)]
    return {number: ok(hotline.get(who, f"/supervision/{number}"))["numbers"] for number in found}


def both_late(hotline: Hotline) -> tuple[str, str]:
    """Let one unit have a 专办件 and an ordinary work order, both of which it leaves lying."""
    with at(hotline, START):
        special, plain = special_in_a_units_hands(hotline), hotline.submit(**UNKNOWN_PLACE)["number"]
        ok(do(hotline, "dispatcher", plain, "dispatch", {"unit": UNIT, "tag": "0101", "reason": "按管辖移送"}))
    return special, plain


def test_a_proposal_about_a_special_ticket_stands_alone_and_is_its_named_supervisors(
    hotline: Hotline, office: Office
) -> None:
    special, plain = both_late(hotline)
    with at(hotline, LATE):
        propose(office.database, office.desk)
        propose(office.database, office.desk)
        found = numbers(hotline, NAMED, unit=UNIT, status="拟发")
        apart = next(order for order, about in found.items() if special in about)
        assert sorted(found.values()) == sorted([[special], [plain]])
        assert [item["title"] for item in inbox(hotline, NAMED) if apart in item["title"]] == [
            f"拟发约谈督办 {apart}（专办件 {special}），请审定"
        ]
        for verb, body in (("issue", {}), ("cancel", {"reason": "不属本人"})):
            refused(act(hotline, NEIGHBOUR, apart, verb, body), 404, "无权查看")
        for who in WATCHERS:
            assert list(numbers(hotline, who, unit=UNIT).values()) == [[plain]]
            refused(hotline.get(who, f"/supervision/{apart}"), 404, "无权查看")
            refused(hotline.get(who, f"/supervision/{apart}/paper"), 404, "无权查看")
            refused(hotline.get(who, f"/tickets/{special}/supervision"), 404, "无权查看")
            assert not [item for item in inbox(hotline, who) if apart in str(item)]
        assert orders(hotline, HANDLER) == []


def test_an_order_about_a_special_ticket_runs_its_course_between_the_unit_and_the_named_supervisor(
    hotline: Hotline, office: Office
) -> None:
    special, _ = both_late(hotline)
    with at(hotline, LATE):
        propose(office.database, office.desk)
        found = numbers(hotline, NAMED, unit=UNIT, level="红牌")
        order = next(number for number, about in found.items() if about == [special])
        ok(act(hotline, NAMED, order, "issue", {}))
        assert [each["number"] for each in orders(hotline, HANDLER)] == [order]
        assert any(order in item["title"] for item in inbox(hotline, HANDLER))
    with at(hotline, LATE + timedelta(days=1)):
        one_round(office, None)
        reminded = next(item for item in inbox(hotline, HANDLER) if item["kind"] == "reminder.special")
        assert f"督办件 1 件，最早 {order}" in str(reminded["lines"])
        for who in ("supervisor", "leader", "auditor"):
            for digest in hotline.get(who, "/digests").json():
                assert not {order, special} & set(str(digest).replace("'", " ").split())
                rows = [row for row in digest["content"].get("units", ()) if row["unit"] == "BT-JWJW"]
                assert [row["督办件"] for row in rows] in ([0], [])
        ok(act(hotline, HANDLER, order, "reply", {"text": "已当面说明情况。"}))
        assert inbox(hotline, NAMED)[0]["title"] == f"督办单 {order} 已回复"
        refused(act(hotline, NEIGHBOUR, order, "conclude", {"done": True, "opinion": "已核"}), 404, "无权查看")
        assert ok(act(hotline, NAMED, order, "conclude", {"done": True, "opinion": "已核"}))["result"] == "落实"
        for who in WATCHERS:
            assert not [item for item in inbox(hotline, who) if order in str(item)]
        for code in INDICATORS:
            behind = ok(hotline.get(NAMED, f"/indicators/{code}/tickets", span="monthly", period="2026-12"))
            assert special not in behind["tickets"]
            assert behind["total"] == len(behind["tickets"])
    with office.database.read() as session:
        assert not [row for row in session.scalars(select(Outbox)) if order in row.payload]


def test_an_order_about_what_became_a_special_ticket_later_is_told_to_nobody_new(
    hotline: Hotline, office: Office
) -> None:
    with at(hotline, START):
        hotline.token(NAMED)
        turned, plain = (hotline.submit(enterprise={"name": f"第{index}家公司"})["number"] for index in range(2))
        alone, beside = (raised(hotline, turned, tickets=about)["number"] for about in ([turned], [turned, plain]))
        with office.database.write() as session:
            named = session.scalars(select(Staff.id).where(Staff.login == NAMED)).one()
            session.execute(update(Ticket).where(Ticket.number == turned).values(special_supervisor=named))
        assert numbers(hotline, NEIGHBOUR) == {beside: [plain]}
        assert set(numbers(hotline, NAMED)) == {alone, beside}
        ok(act(hotline, LEAD, alone, "reply", {"text": "已与企业见面。"}))
        assert alone in inbox(hotline, NAMED)[0]["title"]
        assert not [item for item in inbox(hotline, NEIGHBOUR) if alone in item["title"]]
