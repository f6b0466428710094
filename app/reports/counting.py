"""Counts indicators in SQL: all that share a grain and a moment in one query, whole or by unit, type, channel, place, tag.

专办件 count in no figure: a number by unit or type would tell of them, and no unit could recompute its score.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased
from sqlalchemy.sql.visitors import iterate

from app.database import at_first
from app.reports.indicators import Condition, Grain, Indicator, rows_of, ticket_of, unit_of
from app.reports.layout import percent
from app.reports.periods import Period
from app.tickets.lifecycle import State
from app.tickets.queries import ordinary
from app.tickets.tables import Ticket

WHOLE = ""


@dataclass(frozen=True)
class Tally:
    """How many rows an indicator counts and how many of them hit; of a plain count `hit` is the count.

    Where something counts half (宽口径), `hit` may end in .5, which a float holds exactly.
    """

    hit: int | float
    base: int

    @property
    def percent(self) -> Decimal | None:
        """The rate in percent; None for 0/0."""
        return percent(self.hit, self.base)

    def __add__(self, other: "Tally") -> "Tally":
        # Two halves are a whole one, told as 1 and not as 1.0.
        return Tally(whole(int(2 * (self.hit + other.hit))), self.base + other.base)


NONE = Tally(0, 0)
Tallies = dict[tuple[str, str], Tally]
AXES: dict[str, InstrumentedAttribute[Any]] = {
    "type": Ticket.kind, "channel": Ticket.channel, "district": Ticket.district, "tag": Ticket.tag,
}  # fmt: skip


def tally(
    session: Session, indicators: Iterable[Indicator], period: Period, axis: str = "", *also: ColumnElement[bool]
) -> Tallies:
    """Return what indicators come to in a period, by (code, key); the key is "" without an axis.

    The axis is unit, type, channel, district or tag; `also` are further conditions on the rows, where every grain has the
    ticket's columns.
    """
    groups: dict[tuple[Grain, str], list[Indicator]] = defaultdict(list)
    for indicator in indicators:
        groups[indicator.grain, str(indicator.moment)].append(indicator)
    found: Tallies = {}
    for (grain, _), members in groups.items():
        for row in session.execute(_query(grain, members, period, axis, also)):
            key, counts = row[0] or WHOLE, row[1:]
            for index, indicator in enumerate(members):
                found[indicator.code, key] = Tally(whole(int(counts[2 * index] or 0)), int(counts[2 * index + 1] or 0))
    return found


def shares(session: Session, indicator: Indicator, period: Period) -> dict[str, dict[str, int]]:
    """Return how many work orders a count comes to by type, channel, district and tag: axis, then key ("" is unknown).

    One pass over the period's rows for all four: they are read once and added up here.
    """
    columns = [column.expression for column in AXES.values()]
    query = select(*columns, func.count()).where(ripe(indicator, period), indicator.within(period), ordinary())
    found: dict[str, dict[str, int]] = {axis: defaultdict(int) for axis in AXES}
    for *kinds, number in session.execute(query.group_by(*columns)):
        for axis, key in zip(AXES, kinds, strict=True):
            found[axis][key or WHOLE] += number
    return found


def total(tallies: Tallies) -> Tallies:
    """Return what tallies by one axis come to together: the keys part the rows, so their sum is the whole."""
    found: Tallies = {}
    for (code, _), each in tallies.items():
        found[code, WHOLE] = found.get((code, WHOLE), NONE) + each
    return found


def whole(halves: int) -> int | float:
    """Return halves as ones: 5 as 2.5, 4 as 2."""
    return halves / 2 if halves % 2 else halves // 2


def _query(
    grain: Grain, members: Sequence[Indicator], period: Period, axis: str, also: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    key = (unit_of(grain) if axis == "unit" else AXES[axis]).expression if axis else literal(WHOLE)
    # What several indicators ask of a row is asked once: some of it looks into another table.
    bases = {_base_key(each): ripe(each, period) for each in members}
    names = {asked: f"base{index}" for index, asked in enumerate(bases)}
    halves = [each.halves(period).label(f"halves{index}") for index, each in enumerate(members)]
    columns = [key.label("key"), *(base.label(names[asked]) for asked, base in bases.items()), *halves]
    where = (members[0].within(period), *also)
    # Joining every work order to count parts by what stands on the parts costs three times the counting.
    needed = any(reads_ticket(each) for each in (*columns, *where))
    rows = rows_of(grain, with_ticket=needed)
    judged = select(*columns).select_from(rows).where(*where, ordinary() if needed else not_special(grain))
    row = at_first(judged, "judged").c
    sums: list[Any] = []
    for index, indicator in enumerate(members):
        base = row[names[_base_key(indicator)]]
        sums += [func.sum(case((base, row[f"halves{index}"]), else_=0)), func.sum(case((base, 1), else_=0))]
    query = select(row["key"], *sums)
    return query.group_by(row["key"]) if axis else select(literal(WHOLE), *sums)


def _base_key(indicator: Indicator) -> tuple[Condition, int]:
    return indicator.base, indicator.ripe_days


def special() -> Select[int]:
    """Return the few 专办件, which are in no figure, as a set to be asked once."""
    ticket = aliased(Ticket)
    apart = or_(ticket.state == State.SPECIAL.value, ticket.special_supervisor.is_not(None))
    return select(ticket.id).where(apart)


def not_special(grain: Grain) -> ColumnElement[bool]:
    """Return the condition that a row is of no 专办件, where its ticket is not at hand."""
    return ordinary() if grain is Grain.TICKET else ticket_of(grain).not_in(special())


def reads_ticket(expression: ColumnElement[Any]) -> bool:
    """Whether an expression asks for a column of the row's own ticket."""
    return any(getattr(each, "table", None) is Ticket.__table__ for each in iterate(expression))


def ripe(indicator: Indicator, period: Period) -> ColumnElement[bool]:
    """Return the base of an indicator, without what is too fresh at the period's cut-off to be judged."""
    base = indicator.base(period)
    if not indicator.ripe_days or indicator.moment is None:
        return base
    return and_(base, indicator.moment < ripe_until(indicator, period))


def ripe_until(indicator: Indicator, period: Period) -> datetime:
    """Return the moment up to which rows can be judged at the period's cut-off."""
    return period.ends - timedelta(days=indicator.ripe_days)


def tickets(indicator: Indicator, period: Period, part: str, *also: ColumnElement[bool]) -> Select[str, int]:
    """Return the query of the work orders behind a figure: its base, its hits, or what missed; once each.

    Raises:
        KeyError: the part is none of base, hit, miss.
    """
    base = ripe(indicator, period)
    hit = indicator.hits(period)
    if indicator.half is not None:
        hit = or_(hit, indicator.half(period))
    wanted = {"base": base, "hit": and_(base, hit), "miss": and_(base, not_(hit))}[part]
    counted = (indicator.within(period), wanted, ordinary(), *also)
    rows = select(Ticket.id).select_from(rows_of(indicator.grain)).where(*counted)
    return select(Ticket.number, Ticket.id).where(Ticket.id.in_(rows.correlate(None)))


def link(indicator: str, period: Period, part: str = "base", **axes: str) -> str:
    """Return the path that opens a figure down to its work orders."""
    query = {"span": period.span.value, "period": period.key, "part": part, **{k: v for k, v in axes.items() if v}}
    return f"/api/v1/indicators/{indicator}/tickets?{urlencode(query)}"


def of(tallies: Tallies, code: str, key: str = WHOLE) -> Tally:
    """Return a tally; nothing counted is 0 of 0."""
    return tallies.get((code, key), NONE)
