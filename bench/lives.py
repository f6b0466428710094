"""Lives of work orders, lived through the service's own face with a moved clock: the moulds that the seeder casts from."""

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from starlette.testclient import TestClient

from app import schema
from app.main import create_app
from app.rulebook.shapes import Handling
from app.settings import HOME, Settings
from app.tickets.office import Office, open_office
from tests.builders import Hotline, ticket_form

# One data key for all that the bench makes, so that what one part sealed the other can open.
VAR = Path(tempfile.gettempdir()) / "hotline-bench-var"
FIRST = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)  # Monday, 9:00 in Baotou
GOOD = (
    "经核实并与企业当面沟通，所反映的问题已按规定处理完毕，企业经办人知晓结果并表示认可，后续如有问题可直接联系经办人。"
)
GRADES = ("非常满意", "满意", "满意", "满意", "基本满意", "不满意")


def corpus() -> list[dict[str, Any]]:
    """Return the project's own appeals, in a fixed order."""
    files = sorted((HOME / "models" / "corpus").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]


@contextmanager
def at(hotline: Hotline, moment: datetime) -> Iterator[None]:
    """Move the clock; people sign in anew."""
    with time_machine.travel(moment, tick=False):
        hotline.sign_in_anew()
        yield


def live(count: int, var_dir: Path = VAR, seed: int = 1) -> tuple[Office, list[str]]:
    """Let a number of appeals live; returns the office of a database of their own and the numbers they got."""
    dice = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="hotline-lives-"))
    office = open_office(Settings(database_url=f"sqlite:///{folder / 'lives.sqlite3'}", var_dir=var_dir))
    schema.upgrade(office.database)
    texts = [row for row in corpus() if _is_dispatched(row["tag"], office)]
    with TestClient(create_app(office)) as client:
        hotline = Hotline(client)
        numbers = [number for _ in range(count) if (number := _one(hotline, dice, dice.choice(texts)))]
    return office, numbers


def _is_dispatched(tag: str, office: Office) -> bool:
    found = office.desk.rulebook.tag_by_code[tag]
    return found.handling is Handling.DISPATCH and not found.by_place


def _one(hotline: Hotline, dice: random.Random, text: dict[str, Any]) -> str:
    moment = FIRST + timedelta(minutes=dice.randrange(5 * 24 * 60))
    form = ticket_form(
        title=text["title"][:100], content=text["text"], type=text["type"] if text["type"] != "举报" else "投诉",
        override={"tag": text["tag"], "reason": "话务员判断"}, urgent=text["urgent"],
    )  # fmt: skip
    with at(hotline, moment):
        answer = hotline.post("operator", "/tickets", form).json()
    if answer.get("state") != "awaiting_sign":
        return ""
    number: str = answer["number"]
    unit = answer["judgement"]["lead"]["unit"]["name"]
    who = f"unit_handler@{unit}"
    course = dice.random()
    moment += timedelta(minutes=dice.choice((20, 60, 150)))
    if course < 0.04:
        return number
    with at(hotline, moment):
        hotline.post(who, f"/tickets/{number}/sign")
    if course < 0.10:
        return number
    moment += timedelta(hours=dice.choice((3, 26, 50, 100, 180)))
    _answer(hotline, number, who, moment)
    _call_back(hotline, dice, number, moment + timedelta(hours=dice.choice((6, 30))), who)
    return number


def _answer(hotline: Hotline, number: str, who: str, moment: datetime) -> None:
    with at(hotline, moment):
        contact = {"at": (moment - timedelta(minutes=30)).isoformat(), "way": "电话"}
        body: dict[str, Any] = {
            "result": "已解决",
            "content": GOOD,
            "contact": contact,
            "without_opinions": "不影响结论",
        }
        hotline.post(who, f"/tickets/{number}/reply", body)
    with at(hotline, moment + timedelta(hours=2)):
        body = {"approve": True, "opinion": "可以", "despite_checks": "要点已答"}
        hotline.post("reviewer", f"/tickets/{number}/review", body)


def _call_back(hotline: Hotline, dice: random.Random, number: str, moment: datetime, who: str) -> None:
    grade = dice.choice(GRADES)
    solved = "未解决" if grade == "不满意" else dice.choice(("已解决", "已解决", "部分解决"))
    with at(hotline, moment):
        said = {"at": moment.isoformat(), "outcome": "接通", "solved": solved, "grade": grade}
        seen = hotline.post("callback", f"/tickets/{number}/callback", said).json()
        if seen.get("state") != "reassessment":
            return
        rework = dice.random() < 0.5
        body: dict[str, Any] = {
            "rework": rework,
            "opinion": "复核意见",
            **({} if rework else {"finding": "诉求超合理范围"}),
        }
        hotline.post("reviewer", f"/tickets/{number}/reassess", body)
    if rework:
        with at(hotline, moment + timedelta(hours=2)):
            hotline.post(who, f"/tickets/{number}/sign")
        _answer(hotline, number, who, moment + timedelta(hours=28))
        with at(hotline, moment + timedelta(hours=40)):
            said = {
                "at": (moment + timedelta(hours=40)).isoformat(),
                "outcome": "接通",
                "solved": "已解决",
                "grade": "满意",
            }
            hotline.post("callback", f"/tickets/{number}/callback", said)
