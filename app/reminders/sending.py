"""Makes the digests of one round of one day and tells every audience; a job's last transaction keeps and sends them."""

import json
from collections.abc import Callable, Iterable
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.notify.messages import Message, tell
from app.reminders import digest, special
from app.reminders.digest import Content, Item, Round
from app.reminders.tables import Digest
from app.tickets.intake import Desk

DESK = "desk:supervisor"
# A service that was away all morning sends the whole digest late; a second one right after it would say nothing new.
TOO_SOON = timedelta(hours=2)
Found = Callable[[Session], Iterable[Item]]


def prepare(session: Session, which: Round, desk: Desk, *, jobs: int) -> dict[str, Content]:
    """Return the digests of a round as things stand now, by audience; `jobs` is how many jobs fail again and again."""
    days = digest.days_of(clock.now(), desk.calendar)
    found = [*digest.items(session), *digest.orders(session)]
    units = digest.unit_digests(found, which, days)
    audiences = {f"unit:{unit}": content for unit, content in units.items()}
    if which is Round.MORNING:
        audiences[DESK] = digest.desk_digest(session, found, days, jobs)
    return audiences


def is_too_soon(session: Session, day: date) -> bool:
    """Whether the day's first round went out only just now."""
    made = session.scalar(
        select(Digest.made_at).where(Digest.day == day, Digest.round == Round.MORNING.value).limit(1)
    )  # fmt: skip
    return made is not None and clock.now() - made < TOO_SOON


def send(session: Session, day: date, which: Round, audiences: dict[str, Content], desk: Desk) -> None:
    """Keep the digests of a round and tell their audiences, in the caller's transaction."""
    now = clock.now()
    for audience, content in audiences.items():
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        session.add(Digest(day=day, round=which.value, audience=audience, content=text, made_at=now))
        tell(session, now, audience, _message(day, which, audience, content, desk))
    if which is Round.MORNING:
        special.remind(session, day, desk)


def _message(day: date, which: Round, audience: str, content: Content, desk: Desk) -> Message:
    def name_of(code: str) -> str:
        unit = desk.rulebook.unit_by_code.get(code)
        return unit.short if unit else code

    if audience == DESK:
        lines, title = digest.desk_lines(content, name_of), f"督办日提醒 {day}"
    else:
        lines = digest.lines_of(content)
        title = f"日提醒 {day}" if which is Round.MORNING else f"今日到期提醒 {day}"
    return Message("reminder.digest", title, lines, f"/api/v1/digests?day={day}", key=f"digest:{day}:{which.value}")
