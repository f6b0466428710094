"""A year of every kind of life, on both databases: each declared indicator against its slow twin, the units against the city."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import time_machine

from app.main import create_app
from app.reports.catalogue import BY_CODE, INDICATORS
from app.reports.counting import Tally, of, tally, total
from app.reports.periods import CutOffs, Period, Span, parse
from app.reports.showing import NO_UNIT
from app.settings import Settings
from app.tickets.clocks import rebuild
from app.tickets.intake import Desk
from app.tickets.office import Office
from tests.builders import TestClient
from tests.conftest import BACKENDS, lent_database, open_test_office
from tests.reports.lives import EVERY_SECOND, MONTHLY, make_year
from tests.reports.slow import TWINS, slow_sum
from tests.reports.slow_world import World, read_world
from tests.reports.test_contributions import by_hand, file_of
from tests.reports.year import ENDS, LongHotline, Year
from tests.tickets.test_life import ok

PERIODS = [
    parse(span, key, CutOffs())
    for span, key in (
        (Span.YEAR, "2026"), (Span.MONTH, "2026-03"), (Span.MONTH, "2026-10"), (Span.WEEK, "2026-W20"),
        (Span.WEEK, "2026-W47"),
    )
]  # fmt: skip

# What this seed submits; children of splits and 专办件 apart.
RECEIVED = 240


@dataclass(frozen=True)
class Lived:
    """A hotline with a year behind it, and what happened in it, read once."""

    hotline: LongHotline
    office: Office
    year: Year
    world: World


@pytest.fixture(scope="module", params=BACKENDS)
def lived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_models_dir: Path, desk: Desk
) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("year")
    with lent_database(request, folder) as url:
        given = Settings(database_url=url, var_dir=folder / "var", models_dir=small_models_dir)
        # One sign-in lasts the year.
        settings = given.model_copy(update={"idle_minutes": 2 * 365 * 24 * 60, "rate_per_minute": 0})
        office = open_test_office(settings, desk)
        with TestClient(create_app(office), raise_server_exceptions=False) as client:
            hotline = LongHotline(client)
            year = make_year(hotline, office, seed=5)
            with time_machine.travel(ENDS, tick=False):
                yield Lived(hotline, office, year, read_world(office.database))
        office.database.dispose()


def test_every_kind_of_life_is_lived_in_several_months(lived: Lived) -> None:
    for kind in {*MONTHLY, *EVERY_SECOND[0], *EVERY_SECOND[1]}:
        numbers = lived.year.lived[kind.__name__]
        assert len({number[5:7] for number in numbers}) >= 5, kind.__name__
    assert sum(map(len, lived.year.lived.values())) > 240
    assert list(rebuild(lived.office.database, check=True)) == []


def test_no_indicator_is_without_its_twin() -> None:
    assert set(TWINS) == set(BY_CODE)


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.key)
def test_every_indicator_is_what_its_twin_counts_for_the_city_and_each_unit(lived: Lived, period: Period) -> None:
    with lived.office.database.read() as session:
        city, units = tally(session, INDICATORS, period), tally(session, INDICATORS, period, "unit")
    for code in BY_CODE:
        slow, whole = slow_sum(code, lived.world, period), of(city, code)
        assert (code, whole.base, whole.hit) == (code, *slow.of_city())
        # A report's city is the sum of its units; 2.5 and 2.5 are told as 5, as when counted at once.
        summed = of(total(units), code)
        assert (code, summed.base, str(summed.hit)) == (code, whole.base, str(whole.hit))
        found = {unit: (each.base, each.hit) for (name, unit), each in units.items() if name == code and each.base}
        assert (code, found) == (code, {unit: slow.of(unit) for unit in slow.bases})


def test_every_indicator_has_something_to_count_and_most_rates_miss_and_hit(lived: Lived) -> None:
    sums = {code: slow_sum(code, lived.world, PERIODS[0]).of_city() for code in BY_CODE}
    assert [code for code, (base, _) in sums.items() if base == 0] == []
    assert [each.code for each in INDICATORS if each.is_rate and not 0 < sums[each.code][1] < sums[each.code][0]] == []


def test_the_units_of_a_report_add_up_to_the_city_and_the_page_says_what_no_unit_has(lived: Lived) -> None:
    ok(lived.hotline.post("admin", "/jobs/annual_report/run", {"period": "2026"}))
    figures = ok(lived.hotline.get("supervisor", "/reports/annual/2026"))["figures"]
    sums: Counter[tuple[str, str]] = Counter()
    for row in figures["units"].values():
        for code, each in row.items():
            sums.update({(code, "base"): each["base"], (code, "hit"): each["hit"]})
    assert {key: figures["headline"][key[0]]["now"][key[1]] for key in sums} == dict(sums)
    page = lived.hotline.get("supervisor", "/reports/annual/2026", format="html").text
    assert NO_UNIT in page
    assert "各单位数之和与全市数一致" in page


def test_every_unit_recomputes_its_score_from_its_file_alone(lived: Lived) -> None:
    ok(lived.hotline.post("admin", "/jobs/annual_report/run", {"period": "2026"}))
    scores = ok(lived.hotline.get("supervisor", "/reports/annual/2026"))["figures"]["scores"]
    scored = {unit: (row["score"], row["final"]) for unit, row in scores.items() if row["score"]}
    assert {unit: by_hand(file_of(lived.hotline, "supervisor", unit=unit)) for unit in scored} == scored
    assert len(scored) > 2


def test_what_only_the_named_supervisor_may_know_of_is_in_no_figure(lived: Lived) -> None:
    numbers = lived.year.lived["special"]
    every: dict[str, Any] = ok(
        lived.hotline.get("supervisor@special", "/indicators/received/tickets", span="annual", period="2026")
    )
    assert numbers
    assert every["hidden"] == 0
    assert every["total"] == sum(each.parent is None for each in lived.world.matters.values())
    ok(lived.hotline.post("admin", "/jobs/annual_report/run", {"period": "2026"}))
    told = lived.hotline.get("supervisor@special", "/reports/annual/2026").text
    assert [number for number in numbers if number in told] == []


def test_the_months_add_up_to_the_year_and_the_year_is_the_same_on_both_databases(lived: Lived) -> None:
    months = [parse(Span.MONTH, f"2026-{month:02d}", CutOffs()) for month in range(1, 13)]
    codes = ("received", "dispatched", "answered", "on_time_rate", "improper_return_rate")
    with lived.office.database.read() as session:
        year, *parts = (tally(session, [BY_CODE[code] for code in codes], each) for each in (PERIODS[0], *months))
    for code in codes:
        assert sum((of(part, code) for part in parts), Tally(0, 0)) == of(year, code), code
    assert of(year, "received").base == RECEIVED
