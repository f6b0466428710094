"""Scores units by the rules of assessment.yaml, so that anybody can recompute a score by hand; ranks inside groups only."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import ColumnElement, exists, not_

from app.reports.catalogue import BY_CODE
from app.reports.counting import Tally, of, tally
from app.reports.figures import Maker, value
from app.reports.periods import Period, Span
from app.reports.tables import AssessmentMark
from app.rulebook.assessment import Assessment, Weight
from app.tickets.tables import Ticket

EXCLUDED, UPHELD = "剔除", "认定"
CENT = Decimal("0.01")
MONTHS = {Span.WEEK: Decimal("0.25"), Span.MONTH: Decimal(1), Span.YEAR: Decimal(12)}


@dataclass(frozen=True)
class Part:
    """What one weight brings.

    Attributes:
        share: its weight after the undefined ones were shared out; None: too few cases to be scored.
        points: what it adds to the score.
    """

    tally: Tally
    share: Decimal | None
    points: Decimal | None


@dataclass(frozen=True)
class Score:
    """A unit's score before deductions and bonus; None where nothing could be scored."""

    parts: Mapping[str, Part]
    total: Decimal | None


def left_out(weight: Weight) -> list[ColumnElement[bool]]:
    """Return the conditions of what a weight counts: without its types and tags, without what two people excluded."""
    mark = exists().where(
        AssessmentMark.ticket_id == Ticket.id, AssessmentMark.kind == EXCLUDED, AssessmentMark.status == UPHELD
    )
    found: list[ColumnElement[bool]] = [not_(mark)]
    if weight.without_types:
        found.append(Ticket.kind.not_in(weight.without_types))
    found += [Ticket.tag.not_like(f"{prefix}%") for prefix in weight.without_tags]
    return found


def tallies(maker: Maker, period: Period) -> dict[str, dict[str, Tally]]:
    """Return what each weight counts, by unit and weight."""
    found: dict[str, dict[str, Tally]] = defaultdict(dict)
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Weight]] = defaultdict(list)
    for weight in maker.rulebook.assessment.weights:
        alike[weight.without_types, weight.without_tags].append(weight)
    for weights in alike.values():
        wanted = [BY_CODE[code] for code in dict.fromkeys(weight.indicator for weight in weights)]
        counted = tally(maker.session, wanted, period, "unit", *left_out(weights[0]))
        for (code, unit), each in counted.items():
            if unit:
                found[unit] |= {weight.code: each for weight in weights if weight.indicator == code}
    return dict(found)


def score(assessment: Assessment, counted: Mapping[str, Tally]) -> Score:
    """Return a score: 100 × Σ share × rate, the weights of what has too few cases shared out among the others."""
    weights = assessment.weights
    defined = [each for each in weights if counted.get(each.code, Tally(0, 0)).base >= assessment.least]
    whole = sum((each.weight for each in defined), Decimal(0))
    parts: dict[str, Part] = {}
    for weight in weights:
        found = counted.get(weight.code, Tally(0, 0))
        if weight not in defined:
            parts[weight.code] = Part(found, None, None)
            continue
        hits = Decimal(found.base - found.hit if weight.inverted else found.hit)
        share = weight.weight / whole
        parts[weight.code] = Part(found, share, 100 * share * hits / found.base)
    points = [part.points for part in parts.values() if part.points is not None]
    return Score(parts, sum(points, Decimal(0)) if points else None)


def cents(number: Decimal | None) -> str | None:
    """Return points with two decimals, half-up."""
    return None if number is None else str(number.quantize(CENT, ROUND_HALF_UP))


def scores(maker: Maker, period: Period) -> dict[str, dict[str, Any]]:
    """Return every unit's score with its parts, its group, and how many parts it was sent."""
    rules = maker.rulebook.assessment
    counted = tallies(maker, period)
    sent = maker.by_unit(period)
    found = {}
    for unit in sorted({*counted, *(key for code, key in sent if key and code == "dispatched")}):
        volume = of(sent, "dispatched", unit).base
        result = score(rules, counted.get(unit, {}))
        found[unit] = {
            "dispatched": volume, "group": group_of(maker, unit, volume, period), "score": cents(result.total),
            "parts": {
                code: value(_weight(rules, code).indicator, part.tally, period, unit=unit)
                | {"share": None if part.share is None else str(part.share.quantize(Decimal("0.0001"))),
                   "points": cents(part.points)}
                for code, part in result.parts.items()
            },
        }  # fmt: skip
    return found


def _weight(rules: Assessment, code: str) -> Weight:
    return next(weight for weight in rules.weights if weight.code == code)


def group_of(maker: Maker, unit: str, volume: int, period: Period) -> str:
    """Return the group a unit is ranked in."""
    known = maker.rulebook.unit_by_code.get(unit)
    return maker.rulebook.assessment.group_of(known.kind, volume / MONTHS[period.span]) if known else ""


def ranked(
    rules: Assessment, found: Mapping[str, Mapping[str, Any]], key: str = "score"
) -> dict[str, list[dict[str, Any]]]:
    """Return the units of each group, best first; equal scores share a rank, units with too few cases have none."""
    groups: dict[str, list[dict[str, Any]]] = {group.name: [] for group in rules.groups}
    for unit, row in found.items():
        enough = row["dispatched"] >= rules.least and row[key] is not None
        groups.setdefault(row["group"], []).append(
            {"unit": unit, "score": row[key] if enough else None, "n": row["dispatched"]}
        )
    for rows in groups.values():
        rows.sort(key=lambda row: (row["score"] is None, -Decimal(row["score"] or 0), row["unit"]))
        for index, row in enumerate(rows):
            tied = index > 0 and rows[index - 1]["score"] == row["score"]
            row["rank"] = None if row["score"] is None else rows[index - 1]["rank"] if tied else index + 1
    return {name: rows for name, rows in groups.items() if rows}
