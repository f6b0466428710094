"""Signs that figures are played with: closings minutes before due that come back, the same answer many times, late returns.

Signs are not findings: a person looks before anything is held against a unit.
"""

from collections import defaultdict
from typing import Any

from scipy.stats import binomtest
from sqlalchemy import and_, func, not_, select
from sqlalchemy.orm import Session

from app.clock import local
from app.database import Later
from app.reports.catalogue import BY_CODE
from app.reports.counting import special
from app.reports.indicators import rows_of
from app.reports.periods import Period
from app.tickets.life_tables import Reply, UnitRequest
from app.tickets.queries import ordinary
from app.tickets.tables import Dispatch, Ticket

LAST_MINUTES = 30 * 60
SAME_ANSWERS = 5
LAST_DAYS = 5
DAYS_A_MONTH = 30
FEWEST_RETURNS = 5
UNLIKELY = 0.01
SHOWN = 10


def signs(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the signs of a period, by unit, with work orders to look at."""
    return [*_last_minute(session, period), *_same_answers(session, period), *_late_returns(session, period)]


def _sign(unit: str, sign: str, numbers: list[str], count: int | None = None) -> dict[str, Any]:
    return {"unit": unit, "sign": sign, "n": count or len(numbers), "numbers": numbers[:SHOWN]}


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
    # Texts are sealed; by their keyed hashes a year's hundred thousand are hashed twice and never sorted.
    written = and_(
        Reply.written_at >= period.begins, Reply.written_at < period.ends, Reply.stage == "终", Reply.content_find != ""
    )
    once = select(Dispatch.unit, Reply.content_find, Reply.ticket_id, func.min(Reply.id).label("reply"))
    once = once.join(Dispatch, Dispatch.id == Reply.dispatch_id).where(written, Reply.ticket_id.not_in(special()))
    told = once.group_by(Dispatch.unit, Reply.content_find, Reply.ticket_id).subquery()
    often = func.count() >= SAME_ANSWERS
    alike = select(told.c.unit, told.c.content_find, func.min(told.c.reply).label("first"), func.count().label("n"))
    group = alike.group_by(told.c.unit, told.c.content_find).having(often).subquery()
    place = func.row_number().over(partition_by=group.c.first, order_by=told.c.ticket_id)
    same = and_(told.c.unit == group.c.unit, told.c.content_find == group.c.content_find)
    rows = select(group.c.unit, group.c.first, group.c.n, told.c.ticket_id, place.label("place")).join(told, same)
    listed = rows.subquery()
    statement = (
        select(listed.c.unit, listed.c.first, listed.c.n, Ticket.number)
        .join(Ticket, Ticket.id == listed.c.ticket_id)
        .where(listed.c.place <= SHOWN)
        .order_by(listed.c.unit, listed.c.first, listed.c.place)
    )
    groups: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    for unit, first, number_of, number in session.execute(statement):
        groups[unit, first, number_of].append(number)
    return [_sign(unit, "多件答复一字不差", numbers, n) for (unit, _, n), numbers in groups.items()]


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
