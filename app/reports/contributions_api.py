"""A unit's account of a year over HTTP: streamed as CSV, or bounded as a workbook or JSON."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.accounts.access import Caller, Rows, Verb
from app.accounts.audit import Access, note_of, record
from app.accounts.browser import AllowDocument, opened_in_browser
from app.errors import FieldFault, ForbiddenError, InvalidInputError
from app.reports import contributions, issuing, queries
from app.reports.periods import Span
from app.reports.schemas import ContributionLine, Contributions
from app.tickets.api import OfficeOf
from app.tickets.intake import find_unit
from app.tickets.office import Office
from app.web import NO_CONTROL, REFUSALS

router = APIRouter(prefix="/api/v1", tags=["报告与考评"], responses=REFUSALS)
YearKey = Annotated[str, Path(pattern=r"^\d{4}$", max_length=4, description="年度，如 2026")]
UnitQuery = Annotated[str | None, Query(max_length=40, pattern=NO_CONTROL, description="单位；承办单位不填即本单位")]
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get(
    "/reports/annual/{year}/contributions", summary="年考评逐件贡献（供单位复算）", response_model=Contributions,
    responses={200: {"content": {"text/csv": {}, XLSX: {}}}},
)  # fmt: skip
def read_contributions(
    year: YearKey, request: Request, office: OfficeOf,
    caller: Annotated[Caller, Depends(AllowDocument(Verb.INDICATOR_READ))],
    unit: UnitQuery = None,
    form: Annotated[
        Literal["json", "csv", "xlsx"] | None,
        Query(alias="format", description="不填：浏览器打开的是 xlsx，程序得到 json"),
    ] = None,
) -> Contributions | Response:  # fmt: skip
    """What every work order brought to a unit's score, what was left out and why, and the totals; a unit sees its own."""
    form = form or ("xlsx" if opened_in_browser(request) else "json")
    code = _unit_of(unit, caller, office)
    period = queries.period_of(Span.YEAR, year, issuing.cuts_of(office.settings))
    found = contributions.account_of(office, period, code)
    name = f"contributions-{year}-{code}.{form}"
    if form != "json":
        with office.database.write() as session:
            record(session, note_of(caller, Access.EXPORT, name))
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        lines = contributions.csv_lines(contributions.told(office, found, caller))
        return StreamingResponse(lines, media_type=CSV, headers=disposition)
    kept = contributions.bounded(contributions.told(office, found, caller))
    if form == "xlsx":
        return Response(contributions.workbook(kept), media_type=XLSX, headers=disposition)
    shown = [ContributionLine.model_validate(line) for line in kept]
    return Contributions(period=year, unit=code, least=office.desk.rulebook.assessment.least, lines=shown)


def _unit_of(unit: str | None, caller: Caller, office: Office) -> str:
    """Return whose account is asked for.

    Raises:
        ForbiddenError: a unit asks for another's.
        InvalidInputError: the hotline names no unit, or none that is known.
    """
    own = caller.unit if caller.rows(Verb.INDICATOR_READ) is Rows.OWN_UNIT else ""
    if unit is None:
        if not own:
            message = "请写明单位（unit）"
            raise InvalidInputError(message, faults=(FieldFault("?unit", message),))
        return own
    code = find_unit(unit, office.desk.rulebook, "?unit").code
    if own and code != own:
        raise ForbiddenError("只能查看本单位的逐件贡献")
    return code
