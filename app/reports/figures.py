"""The figures that all reports share, as plain data that is frozen: each value with its base and a link to its tickets.

Nothing here depends on the moment of making: the same period from the same data comes out byte for byte the same.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clock import spoken
from app.reports.catalogue import BY_CODE, INDICATORS
from app.reports.counting import Tallies, Tally, link, of, shares, tally, total
from app.reports.periods import CutOffs, Period, before, year_before
from app.rulebook.shapes import Rulebook
from app.sla.calendar import WorkingCalendar
from app.tickets.tables import Ticket

Figures = dict[str, Any]


@dataclass(frozen=True)
class Maker:
    """What figures are made with: a session, the rules, the calendar and where periods are cut.

    Each period is counted once, by unit, for all that a report says of it: whole, before, a year before and by unit.
    """

    session: Session
    rulebook: Rulebook
    calendar: WorkingCalendar
    cuts: CutOffs
    counted: dict[Period, Tallies] = field(default_factory=dict, compare=False)

    def by_unit(self, period: Period) -> Tallies:
        """Return every indicator by unit; the key "" holds what no unit has."""
        if period not in self.counted:
            self.counted[period] = tally(self.session, INDICATORS, period, "unit")
        return self.counted[period]

    def whole(self, period: Period) -> Tallies:
        """Return every indicator of the whole city."""
        return total(self.by_unit(period))


def canonical(figures: Figures) -> str:
    """Return figures as the text that is frozen and hashed."""
    return json.dumps(figures, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sha256(text: str) -> str:
    """Return the hash that stands for frozen figures."""
    return hashlib.sha256(text.encode()).hexdigest()


def head(maker: Maker, period: Period) -> Figures:
    """Return what every report says of itself."""
    return {
        "kind": period.span.value, "period": period.key, "title": period.title, "begins": spoken(period.begins),
        "cut_off": spoken(period.ends), "rulebook": maker.rulebook.version, "names": names(maker.rulebook),
    }  # fmt: skip


def names(rulebook: Rulebook) -> Figures:
    """Return what codes mean, so that a frozen report can be read when the rules have moved on."""
    return {
        "unit": {unit.code: unit.short for unit in rulebook.units},
        "tag": {tag.code: tag.name for tag in rulebook.tags},
        "district": {district.code: district.short for district in rulebook.districts},
    }


def value(code: str, found: Tally, period: Period, **axes: str) -> Figures:
    """Return one figure: hits, base, rate in percent (None for 0/0 or a count), and where it opens."""
    indicator = BY_CODE[code]
    rate = found.percent if indicator.is_rate else None
    return {
        "hit": found.hit, "base": found.base, "percent": None if rate is None else str(rate),
        "link": link(code, period, **axes),
    }  # fmt: skip


def headline(maker: Maker, period: Period) -> Figures:
    """Return every indicator with the period before (环比) and the same a year before (同比)."""
    earlier, last_year = before(period, maker.cuts), year_before(period, maker.cuts)
    tallies = [maker.whole(each) for each in (period, earlier, last_year)]
    return {
        indicator.code: {
            name: value(indicator.code, of(found, indicator.code), each)
            for name, found, each in zip(
                ("now", "before", "year_before"), tallies, (period, earlier, last_year), strict=True
            )
        }
        for indicator in INDICATORS
    }


def breakdowns(maker: Maker, period: Period) -> dict[str, list[Figures]]:
    """Return how many appeals came by type, channel, district and tag, most first, with the period before."""
    received = BY_CODE["received"]
    now = shares(maker.session, received, period)
    then = shares(maker.session, received, before(period, maker.cuts))
    return {axis: _breakdown(axis, now[axis], then[axis], period) for axis in now}


def _breakdown(axis: str, now: dict[str, int], then: dict[str, int], period: Period) -> list[Figures]:
    rows = [
        {
            "key": key,
            "now": now.get(key, 0),
            "before": then.get(key, 0),
            "link": link("received", period, **{axis: key}),
        }
        for key in {*now, *(key for key in then if key)}
    ]
    return sorted(rows, key=lambda row: (-int(row["now"]), str(row["key"])))


def by_unit(maker: Maker, period: Period, codes: Sequence[str]) -> dict[str, Figures]:
    """Return figures by unit; the key "" holds what no unit has (not sent out yet, or settled by the hotline itself)."""
    found = maker.by_unit(period)
    units = sorted({key for code, key in found if code in codes})
    return {unit: {code: value(code, of(found, code, unit), period, unit=unit) for code in codes} for unit in units}


def weeks_known(session: Session, period: Period, most: int) -> int:
    """Return for how many whole spans like the period before it there are appeals at all."""
    first = session.scalar(select(func.min(Ticket.accepted_at)))
    if first is None or first >= period.begins:
        return 0
    return min(int((period.begins - first) / (period.ends - period.begins)), most)
