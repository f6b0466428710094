"""Signs that figures are played with: closings minutes before due that come back, the same answer many times, late returns.

Signs are not findings: a person looks before anything is held against a unit.
"""

from collections import defaultdict
from typing import Any

from scipy.stats import binomtest
from sqlalchemy import and_, func, not_, select
from sqlalchemy.orm import Session, aliased

from app.clock import local
from app.database import Later
from app.reports.catalogue import BY_CODE
from app.reports.indicators import rows_of
from app.reports.periods import Period
from app.tickets.queries import ordinary
from app.tickets.tables import Dispatch, Reply, Ticket, UnitRequest

LAST_MINUTES = 30 * 60
SAME_ANSWERS = 5
SHORTEST_ANSWER = 10
LAST_DAYS = 5
DAYS_A_MONTH = 30
FEWEST_RETURNS = 5
UNLIKELY = 0.01
SHOWN = 10


def signs(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the signs of a period, by unit, with work orders to look at."""
    return [*_last_minute(session, period), *_same_answers(session, period), *_late_returns(session, period)]


def _sign(unit: str, sign: str, numbers: list[str]) -> dict[str, Any]:
    return {"unit": unit, "sign": sign, "n": len(numbers), "numbers": numbers[:SHOWN]}


def _last_minute(session: Session, period: Period) -> list[dict[str, Any]]:
    on_time, once = BY_CODE["on_time_rate"], BY_CODE["once_rate"]
    hurried = and_(Dispatch.replied_at <= Dispatch.due_at, Later(Dispatch.replied_at, LAST_MINUTES) >= Dispatch.due_at)
    came_back = and_(Ticket.answered_at.is_not(None), not_(once.hits(period)))
    statement = select(Dispatch.unit, Ticket.number).select_from(rows_of(on_time.grain))
    statement = statement.where(on_time.counted(period), hurried, came_back, ordinary()).order_by(
        Dispatch.unit, Ticket.id
    )
    groups: dict[str, list[str]] = defaultdict(list)
    for unit, number in session.execute(statement):
        groups[unit].append(number)
    return [_sign(unit, "截止前半小时内办结、其后重办或再次反映", numbers) for unit, numbers in groups.items()]


def _same_answers(session: Session, period: Period) -> list[dict[str, Any]]:
    written = and_(
        Reply.written_at >= period.begins, Reply.written_at < period.ends, Reply.stage == "终",
        func.length(Reply.content) >= SHORTEST_ANSWER,
    )  # fmt: skip
    alike = (
        select(Dispatch.unit, Reply.content, func.min(Reply.id).label("first"))
        .join(Dispatch, Dispatch.id == Reply.dispatch_id)
        .where(written)
        .group_by(Dispatch.unit, Reply.content)
        .having(func.count(Reply.ticket_id.distinct()) >= SAME_ANSWERS)
        .subquery()
    )
    part = aliased(Dispatch)
    statement = (
        select(alike.c.unit, alike.c.first, Ticket.number)
        .join(Reply, Reply.content == alike.c.content)
        .join(part, and_(part.id == Reply.dispatch_id, part.unit == alike.c.unit))
        .join(Ticket, Ticket.id == Reply.ticket_id)
        .where(written, ordinary())
        .order_by(alike.c.unit, alike.c.first, Ticket.number)
        .distinct()
    )
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for unit, first, number in session.execute(statement):
        groups[unit, first].append(number)
    return [_sign(unit, "多件答复一字不差", sorted(set(numbers))) for (unit, _), numbers in groups.items()]


def _late_returns(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return units whose returns crowd into the last days of months, more than chance would put there."""
    statement = (
        select(Dispatch.unit, UnitRequest.asked_at, Ticket.number)
        .join(Dispatch, Dispatch.id == UnitRequest.dispatch_id)
        .join(Ticket, Ticket.id == UnitRequest.ticket_id)
        .where(UnitRequest.kind == "退单", UnitRequest.asked_at >= period.begins, UnitRequest.asked_at < period.ends)
        .where(ordinary())
        .order_by(Dispatch.unit, UnitRequest.id)
    )
    every: dict[str, int] = defaultdict(int)
    crowded: dict[str, list[str]] = defaultdict(list)
    for unit, asked_at, number in session.execute(statement):
        every[unit] += 1
        day = local(asked_at).date()
        if day.day > DAYS_A_MONTH - LAST_DAYS:
            crowded[unit].append(number)
    share = LAST_DAYS / DAYS_A_MONTH
    return [
        _sign(unit, "退单集中在月末", numbers)
        for unit, numbers in crowded.items()
        if len(numbers) >= FEWEST_RETURNS and binomtest(len(numbers), every[unit], share, "greater").pvalue < UNLIKELY
    ]
