"""hotline report contributions: what every work order brought to a unit's score of a year, as a file."""

from pathlib import Path

from rich.console import Console

from app.accounts.audit import record
from app.cli.audit import note
from app.errors import InvalidInputError
from app.reports import contributions
from app.reports.issuing import cuts_of
from app.reports.periods import Span, parse
from app.reports.schemas import ContributionLine, Contributions
from app.settings import load_settings
from app.tickets.intake import find_unit
from app.tickets.office import open_office

console = Console()
FORMS = ("csv", "xlsx", "json")


def write_contributions(period: str, unit: str | None, form: str, output: Path | None) -> None:
    """Write a unit's account of a year; the record of access keeps that it was taken out.

    Raises:
        InvalidInputError: no unit is named, or the form is none.
        PeriodError: the period is no year.
        NotFoundError: there is no report of that year, or it has nothing of the unit.
    """
    if unit is None or form not in FORMS:
        raise InvalidInputError("逐件贡献须写 --unit（单位），--format 只能是 " + "、".join(FORMS))
    office = open_office(load_settings())
    code = find_unit(unit, office.desk.rulebook).code
    found = contributions.account_of(office, parse(Span.YEAR, period, cuts_of(office.settings)), code)
    target = output or Path(f"contributions-{period}-{code}.{form}")
    with office.database.write() as session:
        record(session, note(target.name, ""))
    told = contributions.told(office, found, None)
    if form == "csv":
        with target.open("w", encoding="utf-8", newline="") as file:
            file.writelines(contributions.csv_lines(told))
    elif form == "xlsx":
        target.write_bytes(contributions.workbook(contributions.bounded(told)))
    else:
        lines = [ContributionLine.model_validate(line) for line in contributions.bounded(told)]
        least = office.desk.rulebook.assessment.least
        whole = Contributions(period=period, unit=code, least=least, lines=lines)
        target.write_text(whole.model_dump_json(indent=1), encoding="utf-8")
    console.print(f"已写到 {target}")
