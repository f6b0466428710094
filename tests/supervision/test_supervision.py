"""督办 as supervisors and units meet it: raised or proposed, sent, answered, concluded; the ladder misses nobody."""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import func, insert, select, text

from app import clock
from app.jobs.worker import one_round
from app.notify.tables import Outbox
from app.rulebook.shapes import Rulebook
from app.supervision.ladder import propose
from app.supervision.tables import SupervisionOrder, SupervisionTicket
from app.tickets.clocks import rebuild
from app.tickets.intake import make_desk
from app.tickets.office import Office
from app.tickets.tables import Dispatch, Ticket
from tests.builders import Hotline, changed_rules
from tests.tickets.test_life import HELPER, LEAD, START, answer_form, at, call, do, ok, refused, reviewed, signed

UNIT, OTHER = "市工信局", "市财政局"
DAY = timedelta(days=1)
NOON = START - timedelta(minutes=30)  # 9:00, in office hours


@pytest.fixture
def monday(hotline: Hotline) -> Iterator[Hotline]:
    with at(hotline, START):
        yield hotline


def raised(hotline: Hotline, number: str, **but: Any) -> dict[str, Any]:
    body = {"way": "书面", "unit": UNIT, "tickets": [number], "requirement": "请限期办结并说明原因。", **but}
    answer = hotline.post("supervisor", "/supervision", body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def act(hotline: Hotline, who: str, order: str, verb: str, body: Any) -> Any:
    return hotline.post(who, f"/supervision/{order}/{verb}", body)


def orders(hotline: Hotline, who: str = "supervisor", **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(hotline.get(who, "/supervision", **asked))["items"]
    return found


def proposals(hotline: Hotline, unit: str = UNIT) -> Counter[tuple[str, str]]:
    return Counter((order["rule"], order["way"]) for order in orders(hotline, status="拟发", unit=unit))


REPLY = {
    "text": "已与企业见面，货款本周到账。",
    "attachments": [{"name": "付款凭证.pdf", "media_type": "application/pdf"}],
}


def test_an_order_from_raising_to_conclusion(monday: Hotline, office: Office) -> None:
    number = signed(monday)
    order = raised(monday, number, level="红牌")
    where = order["number"]
    assert (order["status"], order["numbers"], order["level"]) == ("已发", [number], "红牌")
    assert clock.spoken(clock.now().fromisoformat(order["due_at"])) == "2026-11-05 17:30"
    body = {"kind": "电话", "at": clock.now().isoformat(), "person": "值班员", "text": "已告知，承诺周三办结。"}
    ok(act(monday, "supervisor", where, "record", body))
    assert ok(act(monday, LEAD, where, "reply", REPLY))["status"] == "已回复"
    done = ok(act(monday, "supervisor", where, "conclude", {"done": True, "opinion": "企业确认"}))
    assert (done["status"], done["result"]) == ("已办结", "落实")
    assert [step["kind"] for step in done["steps"]] == ["发出", "电话", "回复", "办结"]
    assert done["steps"][2]["attachments"][0]["name"] == "付款凭证.pdf"
    assert monday.get("dispatcher", f"/tickets/{number}/events").json()[-1]["kind"] == "supervised"
    assert [line["number"] for line in monday.get(LEAD, f"/tickets/{number}/supervision").json()] == [where]
    assert list(rebuild(office.database, check=True)) == []


def test_a_unit_sees_its_own_orders_only_once_they_are_out(monday: Hotline, office: Office) -> None:
    where = raised(monday, signed(monday))["number"]
    assert [order["number"] for order in orders(monday, LEAD)] == [where]
    assert orders(monday, HELPER) == []
    refused(monday.get(HELPER, f"/supervision/{where}"), 404, "无权查看")
    refused(act(monday, HELPER, where, "reply", REPLY), 404, "无权查看")
    refused(monday.get(HELPER, "/supervision", unit=UNIT), 403, "本单位")
    with at(monday, START + DAY):
        propose(office.database, office.desk)
        proposed = orders(monday, status="拟发", unit=OTHER)[0]["number"]
        refused(monday.get(HELPER, f"/supervision/{proposed}"), 404, "无权查看")
        refused(act(monday, HELPER, proposed, "reply", REPLY), 404, "无权查看")


def test_a_reply_that_does_not_do_goes_back(monday: Hotline) -> None:
    where = raised(monday, signed(monday))["number"]
    ok(act(monday, LEAD, where, "reply", REPLY))
    back = ok(act(monday, "supervisor", where, "send-back", {"reason": "没有说明原因"}))
    assert (back["status"], back["replied_at"]) == ("已发", None)
    refused(act(monday, "supervisor", where, "send-back", {"reason": "没有说明原因"}), 409, "已发")
    ok(act(monday, LEAD, where, "reply", REPLY))
    undone = ok(act(monday, "supervisor", where, "conclude", {"done": False, "opinion": "企业仍未收到"}))
    assert undone["result"] == "未落实"
    refused(act(monday, LEAD, where, "reply", REPLY), 409, "已办结")


def test_silence_is_concluded_only_after_its_time(monday: Hotline) -> None:
    where = raised(monday, signed(monday))["number"]
    for done in (True, False):
        refused(act(monday, "supervisor", where, "conclude", {"done": done, "opinion": "没有回复"}), 409, "还没有回复")
    with at(monday, START + 4 * DAY):
        assert [order["number"] for order in orders(monday, overdue=True)] == [where]
        ok(act(monday, "supervisor", where, "conclude", {"done": False, "opinion": "逾期没有回复"}))
        assert orders(monday, overdue=True) == []


@pytest.mark.parametrize(
    ("but", "status", "words"),
    [
        ({"unit": OTHER, "tickets": ["BTQ261102999999"]}, 422, "/tickets/0"),
        ({"unit": "没有的局"}, 422, "/unit"),
        ({"way": "写信"}, 422, "电话"),
        ({"tickets": []}, 422, "/tickets"),
        ({"due_at": "2026-11-01T00:00:00+08:00"}, 422, "/due_at"),
        ({"requirement": "快"}, 422, "/requirement"),
    ],
)
def test_an_order_that_cannot_be_raised_says_why(monday: Hotline, but: dict[str, Any], status: int, words: str) -> None:
    body = {"way": "书面", "unit": UNIT, "tickets": [signed(monday)], "requirement": "请限期办结。", **but}
    refused(monday.post("supervisor", "/supervision", body), status, words)
    assert orders(monday) == []


def test_a_special_ticket_cannot_be_put_into_an_order(monday: Hotline) -> None:
    special = monday.submit(complained_of="市政府", type="举报", content="举报市政府有关负责人索要好处。")["number"]
    body = {"way": "书面", "unit": UNIT, "tickets": [special], "requirement": "请限期办结。"}
    refused(monday.post("supervisor", "/supervision", body), 422, "不在该单位手中")


def test_the_paper_names_the_clause_and_nobody_who_appealed(monday: Hotline) -> None:
    number = signed(monday)
    with at(monday, START + 10 * DAY):
        where = raised(monday, number)["number"]
        paper = ok(monday.get(LEAD, f"/supervision/{where}/paper"))
    assert paper["addressee"] == "包头市工业和信息化局"
    assert paper["tickets"] == [
        {"number": number, "tag": paper["tickets"][0]["tag"], "due_at": "2026-11-09T09:30:00Z", "overdue_days": 3}
    ]
    words = "".join(paper["paragraphs"])
    assert "第31项" in words
    assert "鹿城" not in str(paper)
    assert "王大山" not in str(paper)


def test_a_cancelled_order_says_why_and_has_no_paper(monday: Hotline) -> None:
    where = raised(monday, signed(monday))["number"]
    refused(act(monday, "supervisor", where, "cancel", {"reason": ""}), 422, "/reason")
    assert ok(act(monday, "supervisor", where, "cancel", {"reason": "企业撤诉"}))["status"] == "已撤销"
    refused(monday.get("supervisor", f"/supervision/{where}/paper"), 409, "文书")
    refused(act(monday, "supervisor", where, "cancel", {"reason": "企业撤诉"}), 409, "已撤销")


def test_the_ladder_climbs_with_the_days(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    seen = []
    for days in range(1, 16):
        with at(hotline, NOON + days * DAY):
            propose(office.database, office.desk)
            for order in orders(hotline, status="拟发", unit=UNIT):
                seen.append((days, order["rule"], order["way"]))
                ok(act(hotline, "supervisor", order["number"], "cancel", {"reason": "只看提出"}))
    # Due on Monday, the 7th day; the weekend does not count.
    assert seen == [
        (1, "unsigned", "电话"), (4, "silent", "电话"), (8, "overdue", "书面"), (10, "overdue-3", "现场"),
        (14, "overdue-5", "约谈"),
    ]  # fmt: skip


def test_a_sleeping_service_starts_on_the_right_rung(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
    with at(hotline, NOON + 14 * DAY):
        propose(office.database, office.desk)
        propose(office.database, office.desk)
        assert proposals(hotline) == {("overdue-5", "约谈"): 1}


def test_an_unanswered_paper_leads_to_a_talk(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        raised(hotline, signed(hotline))
    with at(hotline, NOON + 4 * DAY):
        propose(office.database, office.desk)
        assert ("unanswered", "约谈") in proposals(hotline)


def test_still_unsatisfied_after_rework(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        number = reviewed(hotline)
        for _ in range(2):
            said = call(solved="未解决", grade="不满意")
            ok(do(hotline, "callback", number, "callback", said))
            if ok(hotline.get("dispatcher", f"/tickets/{number}"))["reworks"]:
                break
            ok(do(hotline, "reviewer", number, "reassess", {"rework": True, "opinion": "请重办"}))
            ok(do(hotline, LEAD, number, "sign"))
            ok(do(hotline, LEAD, number, "reply", answer_form()))
            ok(
                do(
                    hotline,
                    "reviewer",
                    number,
                    "review",
                    {"approve": True, "opinion": "可以", "despite_checks": "要点已答"},
                )
            )
        propose(office.database, office.desk)
        assert ("unsatisfied", "书面") in proposals(hotline)


def test_the_third_appeal_about_one_matter_is_looked_at_on_site(monday: Hotline, office: Office) -> None:
    for count in range(3):
        propose(office.database, office.desk)
        assert proposals(monday)["repeated", "现场"] == 0, count
        monday.submit()
    monday.submit(enterprise={"name": "另一家公司"})
    propose(office.database, office.desk)
    assert proposals(monday) == {("repeated", "现场"): 1}
    assert orders(monday, status="拟发", unit=UNIT)[0]["tickets"] == 3


def test_one_proposal_gathers_a_units_work_orders_until_it_goes_out(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        first = hotline.submit()["number"]
    with at(hotline, START + DAY):
        propose(office.database, office.desk)
        hotline.submit(enterprise={"name": "另一家公司"})
    with at(hotline, NOON + 2 * DAY):
        propose(office.database, office.desk)
        order = orders(hotline, status="拟发", unit=UNIT)[0]
        assert order["tickets"] == 2
        sent = ok(
            act(hotline, "supervisor", order["number"], "issue", {"level": "黄牌", "requirement": "今日内签收。"})
        )
        assert (sent["status"], sent["level"], sent["requirement"], first in sent["numbers"]) == (
            "已发",
            "黄牌",
            "今日内签收。",
            True,
        )
        refused(act(hotline, "supervisor", order["number"], "issue", {}), 409, "已发")


def test_nothing_is_proposed_at_night_but_for_urgent_ones(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        hotline.submit()
        hotline.submit(urgent=True, enterprise={"name": "另一家公司"})
    with at(hotline, START + timedelta(hours=12)):
        propose(office.database, office.desk)
        assert proposals(hotline) == {("unsigned", "电话"): 1}
        assert orders(hotline, status="拟发", unit=UNIT)[0]["tickets"] == 1


def test_rules_decide(hotline: Hotline, office: Office, rulebook: Rulebook) -> None:
    ladder = rulebook.supervision.model_copy(
        update={"rules": tuple(rule for rule in rulebook.supervision.rules if rule.code == "overdue")}
    )
    desk = make_desk(changed_rules(rulebook, supervision=ladder), None)
    with at(hotline, START):
        hotline.submit()
    with at(hotline, NOON + 14 * DAY):
        propose(office.database, desk)
        assert proposals(hotline) == {("overdue", "书面"): 1}


def test_racing_workers_propose_a_cause_once(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        for index in range(5):
            hotline.submit(enterprise={"name": f"第{index}家公司"})
    with at(hotline, NOON + 8 * DAY):
        threads = [threading.Thread(target=propose, args=(office.database, office.desk)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        propose(office.database, office.desk)
        with office.database.read() as session:
            causes = session.execute(
                select(SupervisionTicket.dispatch_id, SupervisionTicket.cause).where(
                    SupervisionTicket.cause == "overdue"
                )
            ).all()
        assert len(causes) == len(set(causes)) == 10


def copies(office: Office, number: str, count: int) -> None:
    """Write many work orders like one into the tables: five thousand through the front door would take minutes."""
    with office.database.write() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        part = session.scalars(select(Dispatch).where(Dispatch.ticket_id == ticket.id, Dispatch.role == "lead")).one()
        like = {column.name: getattr(ticket, column.name) for column in Ticket.__table__.columns}
        rows = [like | {"id": 10_000 + index, "number": f"BTQ26110290{index:05d}"} for index in range(count)]
        session.execute(insert(Ticket), rows)
        like = {column.name: getattr(part, column.name) for column in Dispatch.__table__.columns}
        parts = [like | {"id": 20_000 + index, "ticket_id": 10_000 + index} for index in range(count)]
        session.execute(insert(Dispatch), parts)
        # So many rows at once are counted by the server itself within a minute; a plan for none of them takes as long.
        session.execute(text("ANALYZE"))


def test_of_five_thousand_overdue_none_is_missed(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        copies(office, hotline.submit()["number"], 4999)
    with at(hotline, NOON + 8 * DAY):
        assert propose(office.database, office.desk) >= 5000
        with office.database.read() as session:
            brought = select(func.count(SupervisionTicket.dispatch_id.distinct())).join(
                SupervisionOrder, SupervisionOrder.id == SupervisionTicket.order_id
            )
            assert session.scalars(brought.where(SupervisionOrder.unit == "BT-GXJ")).one() == 5000
            most = select(func.max(SupervisionOrder.tickets))
            assert session.scalars(most).one() == 200
        assert propose(office.database, office.desk) == 0


def test_the_rate_counts_replies_in_time_that_did(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        first, second, third = (signed(hotline, enterprise={"name": f"第{index}家公司"}) for index in range(3))
        kept, late, silent = (raised(hotline, number)["number"] for number in (first, second, third))
        ok(act(hotline, LEAD, kept, "reply", REPLY))
        ok(act(hotline, "supervisor", kept, "conclude", {"done": True, "opinion": "企业确认"}))
        ok(act(hotline, "supervisor", raised(hotline, first)["number"], "cancel", {"reason": "重复发出"}))
    with at(hotline, START + 4 * DAY):
        ok(act(hotline, LEAD, late, "reply", REPLY))
        ok(act(hotline, "supervisor", late, "conclude", {"done": True, "opinion": "企业确认"}))
    with at(hotline, START + 7 * DAY):
        one_round(office, None)
        week = ok(hotline.get("supervisor", "/reports/weekly/2026-W45"))
        found = week["figures"]["headline"]["supervision_rate"]["now"]
        assert (found["hit"], found["base"], found["percent"]) == (1, 3, "33.33")
        link = urlsplit(found["link"])
        behind = ok(hotline.get("supervisor", link.path.removeprefix("/api/v1"), **dict(parse_qsl(link.query))))
        assert set(behind["tickets"]) == {first, second, third}
    assert silent


def test_units_and_supervisors_are_told(monday: Hotline, office: Office) -> None:
    where = raised(monday, signed(monday))["number"]
    ok(act(monday, LEAD, where, "reply", REPLY))
    with office.database.read() as session:
        kinds = set(session.scalars(select(Outbox.kind).where(Outbox.kind.like("supervision.%"))))
        payloads = "".join(session.scalars(select(Outbox.payload)))
    assert kinds == {"supervision.issued", "supervision.replied"}
    assert "货款" not in payloads


def test_the_digest_counts_what_waits_for_a_reply(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        where = raised(hotline, signed(hotline))["number"]
    with at(hotline, START + DAY - timedelta(minutes=49)):
        one_round(office, None)
        content = hotline.get("unit_leader@市工信局", "/digests").json()[0]["content"]
        group = next(group for group in content["groups"] if group["name"] == "督办件")
        assert (group["n"], group["items"][0]["number"]) == (1, where)
        link = urlsplit(group["link"])
        behind = ok(hotline.get(LEAD, link.path.removeprefix("/api/v1"), **dict(parse_qsl(link.query))))["items"]
        assert [order["number"] for order in behind] == [where]
        assert [order["number"] for order in orders(hotline, LEAD, status="已发")] == [where]


def test_an_order_changes_no_deadline(monday: Hotline, office: Office) -> None:
    number = signed(monday)
    before = monday.ticket(number)
    raised(monday, number)
    after = monday.ticket(number)
    assert (after["due_at"], after["state"], after["holder"]) == (before["due_at"], before["state"], before["holder"])
