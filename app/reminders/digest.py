"""日提醒: what every unit has before it this working day, and what the hotline's supervisors must look at.

One digest a unit and round: at 08:40 待签收, 今日到期, 下一工作日到期 (a limit that ends on days off between falls in it), 已超期 (the
answer) with the oldest first, 环节超时 (signing, contact or an interim reply alone), 待重办, 督办件; at 15:00 only what is still
due today (鄂托克旗等地日提醒通行做法). A part that is late with one step is still due with the next.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.notify.deliver import waiting
from app.reminders.tables import DutyCall
from app.sla.calendar import WorkingCalendar
from app.supervision.knowing import about
from app.supervision.tables import ISSUED, SupervisionOrder
from app.tickets import day_seals
from app.tickets.dues import DueOf
from app.tickets.lifecycle import State
from app.tickets.queries import NEVER, ordinary
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Ticket

INSTANT = timedelta(microseconds=1)
SHOWN = 10
WORST = 10
OWED = (Phase.AWAITING_SIGN.value, Phase.IN_PROGRESS.value, Phase.RETURNING.value)
UNOWNED = (State.TRIAGE.value, State.RETURN_REVIEW.value, State.ARBITRATION.value)
Content = dict[str, Any]


class Round(IntEnum):
    """The rounds of a day."""

    MORNING = 1
    AFTERNOON = 2


class Group(StrEnum):
    """What a digest counts, in the order it is shown."""

    UNSIGNED = "待签收"
    TODAY = "今日到期"
    NEXT_DAY = "下一工作日到期"
    OVERDUE = "已超期"
    STEP_LATE = "环节超时"
    REWORK = "待重办"
    ORDERS = "督办件"


@dataclass(frozen=True)
class Item:
    """One thing a unit owes: a part of a work order or a 督办单.

    Attributes:
        due_at: until when it is to be answered.
        next_due_at: until when the first of all that is owed on it is due.
    """

    unit: str
    number: str
    due_at: datetime | None
    next_due_at: datetime | None = None
    unsigned: bool = False
    rework: bool = False
    order: bool = False


@dataclass(frozen=True)
class Days:
    """The moments that part a digest's groups: now, and those from which today, the next working day are over.

    A limit of 24:00 is stored as 0:00 and belongs to the day it ends, so each is an instant after midnight.
    """

    now: datetime
    today_ends: datetime
    next_ends: datetime


def days_of(now: datetime, calendar: WorkingCalendar) -> Days:
    """Return the bounds of the groups at a moment; days off after today belong to the next working day."""
    today = clock.local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    following = next(day for ahead in range(1, 40) if calendar.is_working_day((day := today + timedelta(ahead)).date()))
    return Days(now, today + timedelta(days=1) + INSTANT, following + timedelta(days=1) + INSTANT)


def items(session: Session) -> list[Item]:
    """Return everything units owe on work orders; no 专办件, nothing that is suspended."""
    statement = (
        select(Dispatch.unit, Ticket.number, Dispatch.due_at, Dispatch.next_due_at, Dispatch.state, Dispatch.rework)
        .join(Ticket, Ticket.id == Dispatch.ticket_id)
        .where(Dispatch.state.in_(OWED), Dispatch.role.in_(("lead", "support")), ordinary())
        .order_by(Dispatch.next_due_at, Dispatch.id)
    )
    return [
        Item(unit, number, due_at, first, state == Phase.AWAITING_SIGN.value, rework > 0)
        for unit, number, due_at, first, state, rework in session.execute(statement)
    ]


def orders(session: Session) -> list[Item]:
    """Return the 督办单 that wait for a unit's reply; none about a 专办件."""
    statement = (
        select(SupervisionOrder.unit, SupervisionOrder.number, SupervisionOrder.due_at)
        .where(SupervisionOrder.status == ISSUED, about(ordinary()))
        .order_by(SupervisionOrder.due_at, SupervisionOrder.id)
    )
    return [Item(unit, number or "", due_at, order=True) for unit, number, due_at in session.execute(statement)]


def groups_of(item: Item, days: Days) -> tuple[Group, ...]:
    """Return the groups an item is counted in; a 督办单 only among the 督办件."""
    if item.order:
        return (Group.ORDERS,)
    late = _within(item.due_at, None, days.now)
    belongs = {
        Group.UNSIGNED: item.unsigned,
        Group.TODAY: _first_within(item, days.now, days.today_ends) is not None,
        Group.NEXT_DAY: _first_within(item, days.today_ends, days.next_ends) is not None,
        Group.OVERDUE: late,
        Group.STEP_LATE: _within(item.next_due_at, None, days.now) and not late,
        Group.REWORK: item.rework,
    }
    return tuple(group for group, inside in belongs.items() if inside)


def _within(moment: datetime | None, start: datetime | None, before: datetime) -> bool:
    return moment is not None and (start is None or start <= moment) and moment < before


def _first_within(item: Item, start: datetime, before: datetime) -> datetime | None:
    return min((due for due in (item.due_at, item.next_due_at) if due and start <= due < before), default=None)


def due_in(item: Item, group: Group, days: Days) -> datetime | None:
    """Return the time by which a group counts an item."""
    if group is Group.TODAY:
        return _first_within(item, days.now, days.today_ends)
    if group is Group.NEXT_DAY:
        return _first_within(item, days.today_ends, days.next_ends)
    return item.due_at if group in {Group.OVERDUE, Group.ORDERS} else item.next_due_at


def unit_digests(found: Iterable[Item], which: Round, days: Days) -> dict[str, Content]:
    """Return the digest of every unit that has anything in it, by unit code."""
    groups = tuple(Group) if which is Round.MORNING else (Group.TODAY,)
    units: dict[str, dict[Group, list[Item]]] = defaultdict(lambda: {group: [] for group in groups})
    for item in found:
        for group in groups_of(item, days):
            if group in groups:
                units[item.unit][group].append(item)
    return {unit: _content(unit, mine, days) for unit, mine in sorted(units.items())}


def _content(unit: str, mine: dict[Group, list[Item]], days: Days) -> Content:
    return {
        "unit": unit,
        "as_of": clock.spoken(days.now),
        "groups": [
            {
                "name": group.value, "n": len(items), "link": link_of(group, unit, days),
                "items": [
                    {"number": item.number, "due": clock.spoken(due) if due else None}
                    for item, due in _shown(items, group, days)
                ],
            }
            for group, items in mine.items()
        ],
    }  # fmt: skip


def _shown(items: list[Item], group: Group, days: Days) -> list[tuple[Item, datetime | None]]:
    """Return the first of a group in the order of the list behind its link, of what is overdue the oldest."""
    found = [(item, due_in(item, group, days)) for item in items]
    if group is Group.OVERDUE:
        found.sort(key=lambda pair: pair[1] or NEVER)
    return found[:SHOWN]


def link_of(group: Group, unit: str, days: Days) -> str:
    """Return where the work orders of a group are listed, as they stand when the link is opened."""
    now, today_ends, next_ends = (quote(moment.isoformat()) for moment in (days.now, days.today_ends, days.next_ends))
    asked = {
        Group.UNSIGNED: "state=awaiting_sign",
        Group.TODAY: f"due_of={DueOf.ANY}&due_from={now}&due_before={today_ends}",
        Group.NEXT_DAY: f"due_of={DueOf.ANY}&due_from={today_ends}&due_before={next_ends}",
        Group.OVERDUE: f"due_of={DueOf.CLOSING}&due_before={now}",
        Group.STEP_LATE: f"due_of={DueOf.STEP}&due_before={now}",
        Group.REWORK: "rework=true",
    }
    if group is Group.ORDERS:
        return f"/api/v1/supervision?unit={unit}&status={quote(ISSUED)}"
    return f"/api/v1/queue?unit={unit}&{asked[group]}"


def desk_digest(session: Session, found: Iterable[Item], days: Days, jobs: int) -> Content:
    """Return the supervisors' digest: every unit's counts, the worst first, and what goes no further by itself."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    oldest: dict[str, Item] = {}
    for item in found:
        for group in groups_of(item, days):
            counts[item.unit][group.value] += 1
            if group is Group.OVERDUE:
                oldest[item.unit] = min(oldest.get(item.unit, item), item, key=lambda each: each.due_at or NEVER)
    units = [
        {"unit": unit, **{group.value: mine[group.value] for group in Group}, **_oldest(oldest.get(unit))}
        for unit, mine in sorted(counts.items(), key=lambda pair: (-pair[1][Group.OVERDUE], pair[0]))
    ]
    return {
        "as_of": clock.spoken(days.now),
        "units": units,
        "worst": [row["unit"] for row in units if row[Group.OVERDUE.value]][:WORST],
        "stuck": {**_stuck(session, days.now), "jobs": jobs},
        "own": _own_steps(session, days.now),
        "seal": _seal(session),
    }


def _oldest(item: Item | None) -> Content:
    if item is None or item.due_at is None:
        return {"oldest": None, "oldest_due": None}
    return {"oldest": item.number, "oldest_due": clock.spoken(item.due_at)}


def _stuck(session: Session, now: datetime) -> Content:
    def tickets(*conditions: Any) -> int:
        statement = (
            select(func.count()).select_from(Ticket).where(ordinary(), Ticket.next_due_at.is_not(None), *conditions)
        )
        return session.scalars(statement).one()

    # Those about 专办件 are for one person to make; a count would tell the others of them.
    calls = (
        select(func.count())
        .select_from(DutyCall)
        .join(Ticket, Ticket.id == DutyCall.ticket_id)
        .where(DutyCall.status == "待拨", DutyCall.due_at <= now, ordinary())
    )
    return {
        "unowned": tickets(Ticket.state.in_(UNOWNED), Ticket.next_due_at < now),
        "gaps": tickets(Ticket.gap.is_(True)),
        "notices": waiting(session)[1],
        "calls": session.scalars(calls).one(),
        "link": "/api/v1/stuck",
    }


def _seal(session: Session) -> Content | None:
    """Return the newest daily seal: in messages and mails its hash lies where whoever holds the database does not reach."""
    last = day_seals.newest(session)
    return {"day": last.day.isoformat(), "hash": last.hash} if last else None


def _own_steps(session: Session, now: datetime) -> list[Content]:
    """Return the hotline's own steps: how many wait at each, and how many of them are late."""
    statement = (
        select(Ticket.desk_step, func.count(), func.count().filter(Ticket.desk_due_at < now))
        .where(Ticket.desk_step.is_not(None), ordinary())
        .group_by(Ticket.desk_step)
        .order_by(Ticket.desk_step)
    )
    return [
        {"step": step, "n": n, "overdue": late, "link": f"/api/v1/desk?step={step}"}
        for step, n, late in session.execute(statement)
    ]


def lines_of(content: Content) -> tuple[str, ...]:
    """Return a unit's digest as the lines of a message."""
    lines = []
    for group in content["groups"]:
        if group["items"]:
            first = min(group["items"], key=lambda item: item["due"] or "9")
            lines.append(f"{group['name']} {group['n']} 件，最早 {first['number']}（{first['due'] or '无期限'}）")
    return tuple(lines)


def desk_lines(content: Content, name_of: Callable[[str], str]) -> tuple[str, ...]:
    """Return the supervisors' digest as the lines of a message."""
    total = Counter[str]()
    for row in content["units"]:
        total.update({group.value: row[group.value] for group in Group})
    lines = [
        "，".join(f"{group.value} {total[group.value]} 件" for group in Group if total[group.value]) or "各单位没有待办"
    ]
    worst = [row for row in content["units"] if row["unit"] in content["worst"]][:3]
    if worst:
        named = "、".join(f"{name_of(row['unit'])} {row[Group.OVERDUE.value]} 件" for row in worst)
        lines.append(f"超期最多：{named}")
    stuck = content["stuck"]
    names = {
        "unowned": "逾期无人认领",
        "gaps": "无措施覆盖",
        "notices": "通知失败",
        "calls": "待拨值班电话",
        "jobs": "作业失败",
    }
    found = [f"{name} {stuck[key]}" for key, name in names.items() if stuck[key]]
    if found:
        lines.append("卡住的：" + "，".join(found))
    late = [f"{row['step']} {row['overdue']}" for row in content["own"] if row["overdue"]]
    if late:
        lines.append("热线自办超期：" + "，".join(late))
    if content["seal"]:
        lines.append(f"日封存 {content['seal']['day']} {content['seal']['hash']}")
    return tuple(lines)
