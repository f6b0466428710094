"""A varied history made through the service's own face with a moved clock, and the same figures from its events, slowly."""

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.database import Database
from app.reports.periods import Period
from app.tickets.life_tables import CallbackAttempt, UnitRequest
from app.tickets.tables import Ticket, TicketEvent, TicketParty
from tests.builders import Hotline
from tests.reports.remembering import lived_once
from tests.tickets.test_life import GOOD, at, call, do, objection, ok

FIRST = datetime(2026, 10, 26, 1, 0, tzinfo=UTC)  # Monday, 9:00 in Baotou
MATTERS = (("0101", "市工信局"), ("0101", "市工信局"), ("2405", "市司法局"))
GRADES = ("非常满意", "满意", "满意", "基本满意", "不满意")


def make_history(hotline: Hotline, seed: int, number: int) -> list[str]:
    """Let a number of appeals live very different lives over three weeks; returns their numbers."""

    def live() -> list[str]:
        dice = random.Random(seed)
        return [_one_life(hotline, dice, index) for index in range(number)]

    return lived_once(hotline, f"history {seed} {number}", live)


def _one_life(hotline: Hotline, dice: random.Random, index: int) -> str:
    moment = FIRST + timedelta(hours=8 * index + dice.randrange(4))
    tag, unit = dice.choice(MATTERS)
    who = f"unit_handler@{unit}"
    if dice.random() < 0.15:
        with at(hotline, moment):
            number: str = hotline.submit(answered={"way": "在线解答", "content": GOOD})["number"]
        _call_back(hotline, dice, number, moment + timedelta(hours=dice.choice((5, 30))))
        return number
    with at(hotline, moment):
        enterprise = {"name": f"鹿城第{dice.randrange(6)}木业有限公司"}
        body = {
            "override": {"tag": tag, "reason": "话务员判断"},
            "enterprise": enterprise,
            "type": dice.choice(("投诉", "求助")),
        }
        number = hotline.submit(**body)["number"]
    moment += timedelta(hours=dice.choice((1, 2, 30)))
    if dice.random() < 0.2:
        return _bounce(hotline, dice, number, who, moment)
    with at(hotline, moment):
        ok(do(hotline, who, number, "sign"))
    if dice.random() < 0.2:
        return number
    moment += timedelta(hours=dice.choice((2, 50, 200)))
    _answer(hotline, number, who, moment)
    _call_back(hotline, dice, number, moment + timedelta(hours=dice.choice((6, 60))), who)
    return number


def _bounce(hotline: Hotline, dice: random.Random, number: str, who: str, moment: datetime) -> str:
    with at(hotline, moment):
        answer = do(hotline, who, number, "objection", objection("市财政局"))
        if answer.status_code == 200 and dice.random() < 0.8:
            body = {"uphold": dice.random() < 0.5, "unit": "市财政局", "opinion": "依职责"}
            ok(do(hotline, "dispatcher", number, "objection/rule", body))
    return number


def _answer(hotline: Hotline, number: str, who: str, moment: datetime) -> None:
    with at(hotline, moment):
        contact = {"at": (moment - timedelta(hours=1)).isoformat(), "way": "电话"}
        body = {"result": "已解决", "content": GOOD, "contact": contact, "without_opinions": "不影响结论"}
        ok(do(hotline, who, number, "reply", body))
    with at(hotline, moment + timedelta(hours=3)):
        ok(
            do(
                hotline,
                "reviewer",
                number,
                "review",
                {"approve": True, "opinion": "可以", "despite_checks": "要点已答"},
            )
        )


def _call_back(hotline: Hotline, dice: random.Random, number: str, moment: datetime, who: str = "") -> None:
    grade = dice.choice(GRADES)
    solved = "未解决" if grade == "不满意" else dice.choice(("已解决", "已解决", "部分解决"))
    with at(hotline, moment):
        seen = ok(do(hotline, "callback", number, "callback", call(solved=solved, grade=grade)))
        if seen["state"] != "reassessment":
            return
        rework = bool(who) and dice.random() < 0.6
        body = {"rework": rework, "opinion": "复核意见", **({} if rework else {"finding": "诉求超合理范围"})}
        ok(do(hotline, "reviewer", number, "reassess", body))
    if rework:
        _answer(hotline, number, who, moment + timedelta(hours=20))
        with at(hotline, moment + timedelta(hours=30)):
            ok(do(hotline, "callback", number, "callback", call(grade="满意")))


Life = list[tuple[str, datetime, dict[str, Any]]]


@dataclass
class Slow:
    """Hits and bases counted one event at a time."""

    period: Period
    hits: Counter[str] = field(default_factory=Counter)
    bases: Counter[str] = field(default_factory=Counter)

    def note(self, code: str, moment: datetime | None, *, hit: bool, counts: bool = True) -> None:
        """Count one case, if its moment lies in the period."""
        if moment is not None and self.period.holds(moment) and counts:
            self.bases[code] += 1
            self.hits[code] += hit


def slow_figures(database: Database, period: Period) -> Slow:
    """Return the figures of a period from events, callbacks and requests alone: no column that the fold keeps is read."""
    slow = Slow(period)
    with database.read() as session:
        numbers = {ticket.id: ticket.number for ticket in session.scalars(select(Ticket))}
        rows = session.scalars(select(TicketEvent).order_by(TicketEvent.ticket_id, TicketEvent.seq)).all()
        calls = session.scalars(select(CallbackAttempt).order_by(CallbackAttempt.at)).all()
        requests = session.scalars(select(UnitRequest).where(UnitRequest.kind == "退单")).all()
    lives: dict[int, Life] = defaultdict(list)
    for row in rows:
        lives[row.ticket_id].append((row.kind, row.at, json.loads(row.payload)))
    assert set(lives) == set(numbers)
    for life in lives.values():
        _live(slow, life)
    _voices(slow, calls)
    _repeats(slow, database, lives)
    for request in requests:
        slow.note(
            "improper_return_rate",
            request.decided_at,
            hit=request.status == "不予",
            counts=request.status in {"准予", "不予"},
        )
    return slow


def _live(slow: Slow, life: Life) -> None:
    kinds = [kind for kind, _, _ in life]
    slow.note("received", life[0][1], hit=True)
    slow.note("direct_rate", life[0][1], hit="answered" in kinds)
    first = next((when for kind, when, _ in life if kind in {"approved", "answered"}), None)
    passed = _submitted(life) if "approved" in kinds else first
    for code, hit in (("answered", True), ("rework_rate", "rework_ordered" in kinds)):
        slow.note(code, passed, hit=hit)
    for index, (kind, when, payload) in enumerate(life):
        if kind == "dispatched":
            _part(slow, life[index:], payload, when, passed=passed)


def _submitted(life: Life) -> datetime:
    """When the first submission that passed its review was made."""
    before = [kind for kind, _, _ in life].index("approved")
    found: datetime = next(when for kind, when, _ in reversed(life[:before]) if kind == "replied")
    return found


def _part(
    slow: Slow,
    life: Life,
    payload: dict[str, Any],
    when: datetime,
    passed: datetime | None,
) -> None:
    dues = {step: datetime.fromisoformat(text) for step, text in payload["dues"].items()}
    for role, units in (("lead", [payload["lead"]]), ("support", payload["supporters"])):
        for unit in units:
            mine = [(kind, at_, body) for kind, at_, body in life if body.get("unit") == unit]
            returned = any(kind == "return_upheld" for kind, _, _ in mine)
            # Taken back with the lead's returned round, or no longer waited for by the lead's answer.
            gone = next(
                (at_ for kind, at_, body in life if kind == "return_upheld" or unit in body.get("excused", ())), None
            )
            signed = next((at_ for kind, at_, _ in mine if kind in {"signed", "objected"}), None)
            if role == "lead":
                slow.note("dispatched", when, hit=True)
            slow.note("return_rate", when, hit=returned)
            kept = not returned and (gone is None or signed is not None or dues["签收"] < gone)
            slow.note("sign_timely", dues["签收"], hit=signed is not None and signed <= dues["签收"], counts=kept)
            if role == "lead" and not returned:
                _lead(slow, mine, dues, passed)


def _lead(slow: Slow, mine: Life, dues: dict[str, datetime], passed: datetime | None) -> None:
    replies = [(at_, datetime.fromisoformat(body["contacted"])) for kind, at_, body in mine if kind == "replied"]
    reached = replies[0][1] if replies else None
    slow.note("response_rate", dues["首次联系"], hit=reached is not None and reached <= dues["首次联系"])
    slow.note("on_time_rate", dues["办结"], hit=passed is not None and passed <= dues["办结"])


def _repeats(slow: Slow, database: Database, lives: dict[int, Life]) -> None:
    with database.read() as session:
        rows = session.execute(
            select(Ticket.accepted_at, Ticket.tag, TicketParty.enterprise_find, Ticket.id).join(
                TicketParty, TicketParty.ticket_id == Ticket.id
            )
        ).all()
    for came, tag, who, ident in rows:
        earlier = [
            each for when, matter, name, each in rows
            if each != ident and (matter, name) == (tag, who) and timedelta() <= came - when <= timedelta(days=30)
        ]  # fmt: skip
        slow.note("repeat_rate", came, hit=bool(who) and bool(earlier))
        _once(
            slow,
            lives[ident],
            [(when, each) for when, matter, name, each in rows if (matter, name) == (tag, who)],
            ident,
        )


def _once(slow: Slow, life: Life, same: list[tuple[datetime, int]], ident: int) -> None:
    """Count 一次办结: of what was answered 30 days before the cut-off, what was neither reworked nor appealed again."""
    kinds = [kind for kind, _, _ in life]
    if "approved" not in kinds and "answered" not in kinds:
        return
    answered = _submitted(life) if "approved" in kinds else next(when for kind, when, _ in life if kind == "answered")
    again = [each for when, each in same if each != ident and timedelta() < when - answered <= timedelta(days=30)]
    ripe = answered < slow.period.ends - timedelta(days=30)
    slow.note("once_rate", answered, hit="rework_ordered" not in kinds and not again, counts=ripe)


def _voices(slow: Slow, calls: Any) -> None:
    last: dict[int, CallbackAttempt] = {}
    for attempt in calls:
        if slow.period.holds(attempt.at) and attempt.outcome == "接通":
            last[attempt.ticket_id] = attempt
            slow.note("first_satisfied_rate", attempt.at, hit="不" not in attempt.grade, counts=attempt.rework == 0)
    for attempt in last.values():
        slow.note("solved_rate", attempt.at, hit=attempt.solved == "已解决")
        slow.note("satisfied_rate", attempt.at, hit="不" not in attempt.grade)
