"""What a report shows, before it takes a form: sections of paragraphs, tables and charts. Pure.

HTML, XLSX, DOCX and CSV are all made from these shapes, so that no form can say another figure than the next.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

NOTHING = "—"
HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what people read.
        number: the same as a number (a percentage as 87.50), where it is one; None for words and for "—".
        link: path under the service that opens the figure down to its tickets; empty where there is none.
    """

    text: str
    number: Decimal | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """One table; every row has as many cells as the header, and the caption says what it shows."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class ChartKind(StrEnum):
    """How a chart is drawn."""

    BARS = "bars"
    COLUMNS = "columns"
    LINES = "lines"


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        series: name and values of each series, one value per label; None where there is none.
        unit: what the values are in (件, %).
    """

    kind: ChartKind
    title: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[Decimal | None, ...]], ...]
    unit: str = "件"


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes:
        code: stable English name, by which prose written for it is kept.
        title: heading with its Chinese number (一、总体情况).
    """

    code: str
    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A whole report as it is shown.

    Attributes:
        title: 包头市12345营商环境专席企业诉求办理情况月通报.
        subtitle: the period, the cut-off and the revision, in one line.
        number: official number (文号) of what was published; empty for a draft.
        day: 成文日期 of what was published (2026年11月3日); empty for a draft.
        addressee: 主送; empty where the report is for the hotline itself.
        notes: how to read it: bases, what is not counted, what is not ripe.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    number: str = ""
    day: str = ""
    addressee: str = ""
    notes: tuple[str, ...] = ()


def words(text: str, link: str = "") -> Cell:
    """Return a cell of words."""
    return Cell(text, None, link)


def count(number: float, link: str = "") -> Cell:
    """Return a cell of a count; half a case may be among it."""
    return Cell(str(number), Decimal(number), link)


def rate(hit: float, base: int, link: str = "") -> Cell:
    """Return a cell of a rate in percent, two decimals half-up; "—" for 0/0."""
    found = percent(hit, base)
    return Cell(NOTHING if found is None else f"{found}%", found, link)


def percent(hit: float, base: int) -> Decimal | None:
    """Return a rate in percent, two decimals half-up; None for a base of 0."""
    if base == 0:
        return None
    return (100 * Decimal(hit) / base).quantize(HUNDREDTH, ROUND_HALF_UP)


def change(now: int, then: int) -> str:
    """Return the change of a count (环比、同比): percent of what it was; a base of 0 is 新增 (domain practice)."""
    if then == 0:
        return "新增" if now else "持平"
    grown = percent(now - then, then)
    return "持平" if not grown else f"{grown:+}%"


def points(now: Decimal | None, then: Decimal | None) -> str:
    """Return the change of a rate in 百分点; "—" where one of the two is undefined."""
    if now is None or then is None:
        return NOTHING
    return "持平" if now == then else f"{now - then:+}个百分点"
