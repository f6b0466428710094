"""A year of the hotline: some 260 work orders of every kind of life, in every month, through the service's own face.

Deterministic: the same seed lives the same year. A life is a generator that acts and then says how many hours it waits; one
clock carries all lives forward in order of time, and the service's own daily rounds between them.
"""

import heapq
import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine

from app import clock
from app.accounts.sessions import issue_token
from app.accounts.tables import Staff
from app.tickets.office import Office
from tests.builders import Hotline, ticket_form
from tests.tickets.test_life import GOOD, call

YEAR = 2026
BEGINS = datetime(YEAR, 1, 1, tzinfo=UTC)
ENDS = datetime(YEAR + 1, 1, 4, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
VOICES = ("liked", "liked", "plain", "partly", "unsolved", "angry", "ungraded", "refused", "unreached")
SAID: dict[str, dict[str, Any]] = {
    "liked": {"grade": "非常满意"}, "plain": {"grade": "基本满意"}, "partly": {"solved": "部分解决", "grade": "满意"},
    "unsolved": {"solved": "未解决", "grade": "不满意"}, "angry": {"grade": "非常不满意"}, "ungraded": {"grade": None},
    "refused": {"outcome": "拒访", "solved": None, "grade": None},
    "unreached": {"outcome": "未接通", "solved": None, "grade": None},
}  # fmt: skip

Life = Iterator[float]


class LongHotline(Hotline):
    """The application with people whose sign-in lasts the whole year."""

    def _enrol(self, who: str) -> str:
        super()._enrol(who)
        with self.database.write() as session:
            staff = session.query(Staff).filter(Staff.login == who).one()
            return issue_token(session, staff, 24 * 800)[0]


class Year:
    """The hotline, the dice of the year and its clock."""

    def __init__(self, hotline: Hotline, office: Office, seed: int) -> None:
        self.hotline, self.office, self.dice = hotline, office, random.Random(seed)
        self.lived: dict[str, list[str]] = {}
        self._life = ""

    def live(self, lives: dict[str, tuple[datetime, Life]]) -> None:
        """Carry every life forward in order of time until the year's end."""
        order = itertools.count()
        waiting = [(begins, next(order), name, life) for name, (begins, life) in lives.items()]
        heapq.heapify(waiting)
        with time_machine.travel(BEGINS, tick=False) as traveller:
            while waiting:
                moment, _, self._life, life = heapq.heappop(waiting)
                if moment >= ENDS:
                    continue
                traveller.move_to(moment)
                wait = next(life, None)
                if wait is not None:
                    heapq.heappush(waiting, (moment + timedelta(hours=wait), next(order), self._life, life))

    def pick(self, *choices: Any) -> Any:
        """Return one of some choices."""
        return self.dice.choice(choices)

    def chance(self, share: float) -> bool:
        """Whether something happens that happens in a share of cases."""
        return self.dice.random() < share

    def post(self, who: str, path: str, body: Any = None) -> dict[str, Any]:
        """Act as somebody; nobody is refused in this year."""
        answer = self.hotline.post(who, path, body)
        assert answer.status_code < 300, (self._life, path, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    def do(self, who: str, number: str, verb: str, body: Any = None) -> dict[str, Any]:
        """Do something with a work order as a person or, by its short name, as a unit."""
        role = who if who.isascii() else f"unit_handler@{who}"
        return self.post(role, f"/tickets/{number}/{verb}", body)

    def submit(self, tag: str = "0101", **but: Any) -> str:
        """Submit an appeal of one of some enterprises; returns its number."""
        names = [f"鹿城第{index}木业有限公司" for index in range(40)]
        facts = {
            "enterprise": {"name": self.pick(*names)}, "type": self.pick("投诉", "求助", "建议"),
            "channel": self.pick("12345电话", "企业专席", "网站"), "override": {"tag": tag, "reason": "话务员判断"}, **but,
        }  # fmt: skip
        number: str = self.post("operator", "/tickets", ticket_form(**facts))["number"]
        self.lived.setdefault(self._life.partition(" ")[0], []).append(number)
        return number


def answered(year: Year, number: str, unit: str) -> Life:
    """Let a unit answer and the answer pass its review, now and then after it was sent back."""
    for approve in (False, True) if year.chance(0.2) else (True,):
        contact = {"at": (clock.now() - timedelta(minutes=20)).isoformat(), "way": "电话"}
        body = {"result": "已解决", "content": GOOD, "contact": contact, "without_opinions": "不影响结论"}
        year.do(unit, number, "reply", body)
        yield year.pick(2, 5, 20)
        ruling = {"approve": approve, "opinion": "已审", **({"despite_checks": "要点已答"} if approve else {})}
        year.do("reviewer", number, "review", ruling)
        yield year.pick(1, 4)
    yield year.pick(3, 40, 90)


def voiced(year: Year, number: str, unit: str = "", reworks: int = 0) -> Life:
    """Let the enterprise be called, and what it says be looked into; it may be reworked twice."""
    voice = year.pick(*VOICES)
    for _ in range(3):
        seen = year.do("callback", number, "callback", call(**SAID[voice]))
        if seen["state"] != "awaiting_callback":
            break
        yield year.pick(6, 9)
    if seen["state"] != "reassessment":
        return
    yield 3
    again = bool(unit) and reworks < 2 and year.chance(0.6)
    body = {"rework": again, "opinion": "已复核", **({} if again else {"finding": "已尽责办理"})}
    year.do("reviewer", number, "reassess", body)
    if again:
        yield year.pick(5, 30, 130)
        yield from answered(year, number, unit)
        yield from voiced(year, number, unit, reworks + 1)


def taken(year: Year, number: str, unit: str) -> Life:
    """Let a unit sign, soon or late or not by itself, and reach the enterprise, or try to."""
    yield year.pick(0.5, 2, 30)
    year.do(unit, number, "sign")
    for reached in year.pick((True,), (), (False, False, False), (False, False, False, True)):
        yield year.pick(4, 5, 7)
        year.do(unit, number, "contact-attempt", {"at": clock.now().isoformat(), "reached": reached})
    yield year.pick(1, 20)


def worked(year: Year, number: str, unit: str) -> Life:
    """Let a unit work on a matter from signing to the enterprise's word."""
    yield from taken(year, number, unit)
    yield year.pick(3, 30, 60, 200)
    yield from answered(year, number, unit)
    yield from voiced(year, number, unit)
