"""Pieces that several reports show: tables of indicators, of units, of shares, of work orders. All from frozen figures."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.reports.catalogue import BY_CODE
from app.reports.figures import Figures
from app.reports.layout import NOTHING, Cell, Chart, ChartKind, Section, Table, change, count, points, rate, words

UNIT_COLUMNS = (
    "dispatched", "in_hand", "overdue_open", "red_cards", "red_orders", "sign_timely", "response_rate", "on_time_rate",
    "original_on_time_rate", "closing_rate", "return_rate", "solved_rate", "satisfied_rate",
)  # fmt: skip
TREND = ("on_time_rate", "solved_rate", "satisfied_rate")
CHINESE_NUMBERS = "一二三四五六七八九十"
NO_UNIT = "（未派单位或直办）"
UNKNOWN = {"tag": "（未定标签）", "district": "（地点不明）", "unit": NO_UNIT, "type": "—", "channel": "—"}


def name_of(figures: Figures, axis: str, key: str) -> str:
    """Return what a code meant when the figures were frozen."""
    if not key:
        return UNKNOWN[axis]
    names: dict[str, str] = figures["names"].get(axis, {})
    return names.get(key, key)


def was(figures: Figures, row: dict[str, Any]) -> str:
    """Return whose a listed work order is."""
    return name_of(figures, "unit", row["unit"])


def shown(figure: dict[str, Any], code: str) -> Cell:
    """Return a figure as a cell that opens to its tickets."""
    if not BY_CODE[code].is_rate:
        return count(figure["base"], figure["link"])
    return rate(figure["hit"], figure["base"], figure["link"])


def numbered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return sections with Chinese numbers before their titles."""
    return tuple(
        replace(section, title=f"{CHINESE_NUMBERS[index]}、{section.title}") for index, section in enumerate(sections)
    )


def indicator_table(figures: Figures, codes: Sequence[str], caption: str = "主要指标") -> Table:
    """Return indicators with their base and how they changed; rates in 百分点."""
    header = ("指标", "本期", "分子", "分母", "环比", "同比")
    return Table(caption, header, tuple(_indicator_row(figures, code) for code in frozen(figures, codes)))


def frozen(figures: Figures, codes: Sequence[str]) -> list[str]:
    """Return which indicators a report was made with: one that was declared since cannot be shown in what is frozen."""
    return [code for code in codes if code in figures["headline"]]


def _indicator_row(figures: Figures, code: str) -> tuple[Cell, ...]:
    found, indicator = figures["headline"][code], BY_CODE[code]
    now, then, ago = found["now"], found["before"], found["year_before"]
    name = words(indicator.name + ("（未成熟）" if indicator.ripe_days and not now["base"] else ""))
    if not indicator.is_rate:
        moved = [words(change(now["base"], each["base"])) for each in (then, ago)]
        return (name, shown(now, code), words(NOTHING), words(NOTHING), *moved)
    moved = [words(points(number_of(now), number_of(each))) for each in (then, ago)]
    return (name, shown(now, code), count(now["hit"]), count(now["base"]), *moved)


def number_of(figure: dict[str, Any]) -> Decimal | None:
    """Return a rate as a number; None for 0/0."""
    return None if figure["percent"] is None else Decimal(figure["percent"])


def share_table(figures: Figures, axis: str, caption: str, top: int | None = None) -> Table:
    """Return how appeals fall on an axis: number, share of all, change; the rest in one row where only the top is shown."""
    rows = figures["by"][axis]
    whole = sum(row["now"] for row in rows)
    shown_rows, rest = (rows[:top], rows[top:]) if top else (rows, [])
    cells = [
        (
            words(name_of(figures, axis, row["key"])), count(row["now"], row["link"]), rate(row["now"], whole),
            words(change(row["now"], row["before"])),
        )
        for row in shown_rows
    ]  # fmt: skip
    if rest:
        now, then = (sum(row[key] for row in rest) for key in ("now", "before"))
        cells.append((words("其他"), count(now), rate(now, whole), words(change(now, then))))
    cells.append((words("合计"), count(whole), rate(whole, whole), words(NOTHING)))
    return Table(f"{caption}（按受理量，共{whole}件）", ("类别", "件数", "占比", "环比"), tuple(cells))


def unit_table(figures: Figures, units: Sequence[str] | None = None, caption: str = "各单位办理情况") -> Table:
    """Return the units' figures and their sum, which is the city's; what no unit has stands in a row of its own."""
    chosen = [unit for unit in figures["units"] if unit] if units is None else list(units)
    rows = [_unit_row(figures, unit) for unit in chosen]
    if units is None:
        rows += [_unit_row(figures, "")] if "" in figures["units"] else []
        whole = (shown(figures["headline"][code]["now"], code) for code in frozen(figures, UNIT_COLUMNS))
        rows.append((words("合计"), *whole))
    header = ("单位", *(BY_CODE[code].name for code in frozen(figures, UNIT_COLUMNS)))
    return Table(caption, header, tuple(rows))


def _unit_row(figures: Figures, unit: str) -> tuple[Cell, ...]:
    row = figures["units"][unit]
    return (words(name_of(figures, "unit", unit)), *(shown(row[code], code) for code in frozen(figures, UNIT_COLUMNS)))


def ticket_list(
    figures: Figures, caption: str, rows: Sequence[dict[str, Any]], also: tuple[str, str] | None = None
) -> Table:
    """Return work orders by number with unit and matter, and one further column."""
    header = ("工单", "单位", "归口标签", *([also[1]] if also else []))
    cells = tuple(
        (
            words(row["number"], f"/api/v1/tickets/{row['number']}"), words(was(figures, row)),
            words(name_of(figures, "tag", row.get("tag", ""))), *([words(row[also[0]])] if also else []),
        )
        for row in rows
    )  # fmt: skip
    return Table(caption, header, cells)


def trend_charts(rows: Sequence[dict[str, Any]], labels: tuple[str, ...], what: str) -> tuple[Chart, Chart]:
    """Return how volume and the three rates went over some periods."""
    received = tuple(Decimal(row["received"]["base"]) for row in rows)
    rates = tuple((BY_CODE[code].name, tuple(number_of(row[code]) for row in rows)) for code in TREND)
    return (
        Chart(ChartKind.COLUMNS, f"{what}受理量", labels, (("受理量", received),)),
        Chart(ChartKind.LINES, f"{what}主要指标", labels, rates, "%"),
    )


def rank_tables(figures: Figures, score: str) -> tuple[Table, ...]:
    """Return a table of ranks for each group; units with too few cases are named without a rank."""
    tables = []
    for group, rows in figures["ranks"].items():
        cells = tuple(
            (
                words(str(row["rank"]) if row["rank"] else "样本不足，不排名"), words(name_of(figures, "unit", row["unit"])),
                count(row["n"]), words(row["score"] or NOTHING),
            )
            for row in rows
        )  # fmt: skip
        tables.append(Table(f"{group or '其他'}（组内排名）", ("名次", "单位", "派单", score), cells))
    return tuple(tables)
