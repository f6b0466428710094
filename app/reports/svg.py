"""Charts as SVG made on the server: no script, no outside file. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from app.reports.layout import Chart, ChartKind

COLOURS = ("#1f5fa8", "#c8752b", "#3d8a56")
WIDTH, LEFT, RIGHT, TOP, LINE = 720, 190, 60, 44, 22
PLOT_HEIGHT, BOTTOM = 220, 40
POINT = 3


def draw(chart: Chart) -> str:
    """Return a chart as an SVG element with a title for screen readers."""
    body, height = _bars(chart) if chart.kind is ChartKind.BARS else _plot(chart)
    legend = "".join(
        f'<rect x="{LEFT + 110 * index}" y="24" width="10" height="10" fill="{COLOURS[index % len(COLOURS)]}"/>'
        f'<text x="{LEFT + 110 * index + 14}" y="33">{escape(name)}</text>'
        for index, (name, _) in enumerate(chart.series)
    )
    title = escape(f"{chart.title}（{chart.unit}）")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-size="12">'
        f'<title>{title}</title><text x="{WIDTH // 2}" y="15" text-anchor="middle" font-size="14">{title}</text>'
        f"{legend}{body}</svg>"
    )


def _top(chart: Chart) -> Decimal:
    return max(
        (value for _, values in chart.series for value in values if value is not None), default=Decimal(0)
    ) or Decimal(1)


def _bars(chart: Chart) -> tuple[str, int]:
    top, room = _top(chart), WIDTH - LEFT - RIGHT
    step = LINE * len(chart.series)
    parts = []
    for row, label in enumerate(chart.labels):
        y = TOP + row * (step + 6)
        parts.append(f'<text x="{LEFT - 8}" y="{y + step // 2 + 4}" text-anchor="end">{escape(label[:14])}</text>')
        for index, (_, values) in enumerate(chart.series):
            value = values[row] or Decimal(0)
            length = float(value / top) * room
            parts.append(
                f'<rect x="{LEFT}" y="{y + index * LINE}" width="{length:.1f}" height="{LINE - 4}" '
                f'fill="{COLOURS[index % len(COLOURS)]}"/>'
                f'<text x="{LEFT + length + 5:.1f}" y="{y + index * LINE + 13}">{value}</text>'
            )
    return "".join(parts), TOP + len(chart.labels) * (step + 6) + 10


def _plot(chart: Chart) -> tuple[str, int]:
    top = Decimal(100) if chart.unit == "%" else _top(chart)
    left, room = 60, WIDTH - 60 - RIGHT
    step = room / max(len(chart.labels), 1)
    base = TOP + PLOT_HEIGHT
    parts = [f'<line x1="{left}" y1="{base}" x2="{WIDTH - RIGHT}" y2="{base}" stroke="#666"/>']
    for index, label in enumerate(chart.labels):
        parts.append(
            f'<text x="{left + step * (index + 0.5):.1f}" y="{base + 18}" text-anchor="middle">{escape(label)}</text>'
        )
    for index, (_, values) in enumerate(chart.series):
        places = [
            None if value is None else (left + step * (place + 0.5), base - float(value / top) * PLOT_HEIGHT, value)
            for place, value in enumerate(values)
        ]
        colour = COLOURS[index % len(COLOURS)]
        parts.append(_columns(places, step, base, colour) if chart.kind is ChartKind.COLUMNS else _line(places, colour))
    return "".join(parts), base + BOTTOM


Places = Sequence[tuple[float, float, Decimal] | None]


def _columns(places: Places, step: float, base: int, colour: str) -> str:
    width = step * 0.5
    return "".join(
        f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{base - y:.1f}" fill="{colour}"/>'
        f'<text x="{x:.1f}" y="{y - 4:.1f}" text-anchor="middle">{value}</text>'
        for x, y, value in filter(None, places)
    )


def _line(places: Places, colour: str) -> str:
    known = [place for place in places if place is not None]
    track = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in known)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{POINT}" fill="{colour}"><title>{value}</title></circle>'
        for x, y, value in known
    )
    return f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
