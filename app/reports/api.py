"""Indicators, reports and assessment over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import select

from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.accounts.audit import Access, note_of, record
from app.accounts.browser import AllowDocument, opened_in_browser
from app.errors import NotFoundError
from app.reports import assessing, issuing, queries, render
from app.reports.catalogue import BY_CODE, INDICATORS
from app.reports.forms import AnswerForm, AppealForm, CheckForm, DecideForm, MarkForm, ProseForm
from app.reports.periods import Span
from app.reports.schemas import (
    AppealView,
    BehindPage,
    CheckView,
    IndicatorView,
    MarkView,
    OwnFigures,
    ProseView,
    ReportLine,
    ReportView,
)
from app.reports.tables import AssessmentAppeal, AssessmentMark, ReportCheck
from app.tickets.api import OfficeOf
from app.tickets.intake import find_unit
from app.web import NO_CONTROL, REFUSALS

router = APIRouter(prefix="/api/v1", tags=["报告与考评"], responses=REFUSALS)
PeriodKey = Annotated[
    str, Path(max_length=10, pattern=r"^(latest|\d{4}(-W?\d{2})?)$", description="如 2026-W47、2026-10、2026、latest")
]
Issued = Annotated[Literal["monthly", "annual"], Path()]
Ident = Annotated[int, Path(ge=1, le=2**62)]
AxisQuery = Annotated[str | None, Query(max_length=40, pattern=NO_CONTROL)]
FILES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "csv": "text/csv; charset=utf-8",
}
SHOWN = 200


@router.get("/indicators", summary="指标说明")
def list_indicators(_: Annotated[Caller, Depends(Allow(Verb.INDICATOR_READ))]) -> list[IndicatorView]:
    """Every indicator with its definition, declared once."""
    return [
        IndicatorView(
            code=each.code, name=each.name, grain=each.grain.value, numerator=each.numerator, denominator=each.denominator,
            source=each.source, sense=each.sense.value, ripe_days=each.ripe_days,
        )
        for each in INDICATORS
    ]  # fmt: skip


@router.get("/indicators/{code}/tickets", summary="指标展开到工单")
def tickets_behind(
    code: Annotated[str, Path(max_length=32, pattern=r"^[a-z_]+$")], office: OfficeOf,
    caller: Annotated[Caller, Depends(AllowDocument(Verb.INDICATOR_READ))], span: Span,
    period: Annotated[str, Query(max_length=10, pattern=NO_CONTROL)], part: Literal["base", "hit", "miss"] = "base",
    unit: AxisQuery = None, type_: Annotated[str | None, Query(alias="type", max_length=4, pattern=NO_CONTROL)] = None,
    channel: AxisQuery = None, district: AxisQuery = None, tag: AxisQuery = None,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> BehindPage:  # fmt: skip
    """The work orders behind a figure: its base, its hits, or what missed; as they stand now, the report is frozen."""
    indicator = BY_CODE.get(code)
    if indicator is None:
        raise NotFoundError(f"没有指标“{code}”")
    found = queries.period_of(span, period, issuing.cuts_of(office.settings))
    axes = {"unit": unit, "type": type_, "channel": channel, "district": district, "tag": tag}
    with office.database.read() as session:
        return queries.behind(session, indicator, found, part, caller, {k: v for k, v in axes.items() if v}, after)


@router.get("/reports", summary="报告列表")
def list_reports(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.REPORT_READ))], span: Span | None = None
) -> list[ReportLine]:
    """The newest reports; a unit sees what was published."""
    with office.database.read() as session:
        return queries.listed(session, caller, span)


@router.get(
    "/reports/{span}/{period}", summary="报告（json、html、xlsx、docx、csv）", response_model=ReportView,
    responses={200: {"content": {"text/html": {}, **{kind: {} for kind in FILES.values()}}}},
)  # fmt: skip
def read_report(
    span: Span, period: PeriodKey, request: Request, office: OfficeOf,
    caller: Annotated[Caller, Depends(AllowDocument(Verb.REPORT_READ))],
    form: Annotated[
        Literal["json", "html", "xlsx", "docx", "csv"] | None,
        Query(alias="format", description="不填：浏览器打开的是 html，程序得到 json"),
    ] = None,
    revision: Annotated[int | None, Query(ge=0, le=10_000)] = None,
) -> ReportView | Response:  # fmt: skip
    """A report in one of its forms, all of them from the frozen figures."""
    form = form or ("html" if opened_in_browser(request) else "json")
    with office.database.read() as session:
        report = queries.one(session, span, period, caller, revision)
        if form == "json":
            return queries.view_of(session, report)
        sheet = queries.sheet_of(session, report)
    if form == "html":
        policy = {"Content-Security-Policy": render.PAGE_POLICY}
        return Response(render.html(sheet, report.sha256), media_type="text/html; charset=utf-8", headers=policy)
    content = render.as_file(sheet, form)
    name = f"{report.kind}-{report.period}-{report.revision}.{form}"
    with office.database.write() as session:
        record(session, note_of(caller, Access.EXPORT, name))
    return Response(
        content, media_type=FILES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )  # fmt: skip


@router.post("/reports/{span}/{period}/correct", summary="更正（重算为新的一版）")
def correct(
    span: Span, period: PeriodKey, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.REPORT_WRITE))]
) -> ReportLine:
    """Count a period anew; where anything differs, freeze it as a further revision that names the differences."""
    found = queries.period_of(span, period, issuing.cuts_of(office.settings))
    with office.database.read() as session:
        text = issuing.build(issuing.maker_of(session, office.desk, office.settings), found)
    with office.database.write() as session:
        issuing.locked(session, span, found.key)
        return queries.line_of(issuing.keep(session, found, text, office.desk, caller.reference))


@router.post("/reports/{span}/{period}/prose", summary="撰写报告文字")
def write_prose(
    span: Span, period: PeriodKey, form: ProseForm, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.REPORT_WRITE))],
) -> ProseView:  # fmt: skip
    """Write a section's prose beside the frozen figures; every version is kept."""
    with office.database.write() as session:
        row = issuing.write_prose(session, issuing.locked(session, span, period), form, caller)
        return ProseView(section=row.section, version=row.version, text=row.text, written_at=row.written_at)


@router.get("/reports/{span}/{period}/own", summary="本单位数据（核对用）")
def own_figures(
    span: Issued, period: PeriodKey, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.REPORT_CHECK))]
) -> OwnFigures:
    """A unit's own rows, also of a draft it is asked to check."""
    with office.database.read() as session:
        found = issuing.newest(session, Span(span), period)
        if found is None:
            raise NotFoundError(f"{period} 还没有生成")
        return queries.own(found, caller)


@router.post("/reports/{span}/{period}/check", summary="核对本单位数据")
def check(
    span: Issued, period: PeriodKey, form: CheckForm, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.REPORT_CHECK))],
) -> CheckView:  # fmt: skip
    """Say whether the unit agrees with its own figures."""
    with office.database.write() as session:
        return _check_view(issuing.say(session, issuing.locked(session, Span(span), period), form, caller))


def _check_view(row: ReportCheck) -> CheckView:
    return CheckView(
        unit=row.unit, agrees=row.agrees, opinion=row.opinion, said_at=row.said_at, answer=row.answer,
        answered_at=row.answered_at,
    )  # fmt: skip


@router.get("/reports/{span}/{period}/checks", summary="各单位核对情况")
def list_checks(
    span: Issued, period: PeriodKey, office: OfficeOf, _: Annotated[Caller, Depends(Allow(Verb.REPORT_WRITE))]
) -> list[CheckView]:
    """What the units said of their figures."""
    with office.database.read() as session:
        report = issuing.newest(session, Span(span), period)
        if report is None:
            raise NotFoundError(f"{period} 还没有生成")
        rows = session.scalars(select(ReportCheck).where(ReportCheck.report_id == report.id).order_by(ReportCheck.unit))
        return [_check_view(row) for row in rows]


@router.post("/reports/{span}/{period}/checks/{unit}/answer", summary="答复核对异议")
def answer_check(
    span: Issued, period: PeriodKey, unit: Annotated[str, Path(max_length=40, pattern=NO_CONTROL)], form: AnswerForm,
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.REPORT_WRITE))],
) -> CheckView:  # fmt: skip
    """Answer a unit's objection; without that nothing is signed."""
    code = find_unit(unit, office.desk.rulebook).code
    with office.database.write() as session:
        report = issuing.locked(session, Span(span), period)
        return _check_view(issuing.answer(session, report, code, form, caller))


@router.post("/reports/{span}/{period}/sign", summary="签发")
def sign(
    span: Issued, period: PeriodKey, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.REPORT_SIGN))]
) -> ReportLine:
    """Sign a report, once the units had their time and every objection is answered."""
    with office.database.write() as session:
        return queries.line_of(issuing.sign(session, issuing.locked(session, Span(span), period), caller))


@router.post("/reports/{span}/{period}/publish", summary="编号发布")
def publish(
    span: Issued, period: PeriodKey, office: OfficeOf, _: Annotated[Caller, Depends(Allow(Verb.REPORT_WRITE))]
) -> ReportLine:
    """Number a signed report and send it to every unit."""
    with office.database.write() as session:
        return queries.line_of(issuing.publish(session, issuing.locked(session, Span(span), period), office.desk))


@router.get("/assessment/marks", summary="考评认定")
def list_marks(office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.MARK_READ))]) -> list[MarkView]:
    """Findings, newest first; a unit sees its own."""
    with office.database.read() as session:
        rows = (
            select(AssessmentMark).where(assessing.of_caller(caller, AssessmentMark)).order_by(AssessmentMark.id.desc())
        )
        return [queries.mark_view(session, mark) for mark in session.scalars(rows.limit(SHOWN))]


@router.post("/assessment/marks", summary="提议认定")
def propose_mark(
    form: MarkForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.MARK_PROPOSE))]
) -> MarkView:
    """Propose a finding; it counts once another person has approved it."""
    with office.database.write() as session:
        return queries.mark_view(session, assessing.propose(session, form, caller, office.desk.rulebook))


@router.post("/assessment/marks/{ident}/decide", summary="审定认定")
def decide_mark(
    ident: Ident, form: DecideForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.MARK_DECIDE))]
) -> MarkView:
    """Approve or refuse a finding; never one's own."""
    with office.database.write() as session:
        return queries.mark_view(session, assessing.decide(session, ident, form, caller))


@router.get("/assessment/appeals", summary="考核申诉")
def list_appeals(office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.MARK_READ))]) -> list[AppealView]:
    """Appeals, newest first; a unit sees its own."""
    with office.database.read() as session:
        mine = assessing.of_caller(caller, AssessmentAppeal)
        rows = select(AssessmentAppeal).where(mine).order_by(AssessmentAppeal.id.desc()).limit(SHOWN)
        return [queries.appeal_view(session, row) for row in session.scalars(rows)]


@router.post("/assessment/appeals", summary="提出考核申诉")
def make_appeal(
    form: AppealForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.APPEAL_MAKE))]
) -> AppealView:
    """Appeal against a published figure, within five working days."""
    with office.database.write() as session:
        return queries.appeal_view(session, assessing.appeal(session, form, caller, office.desk))


@router.post("/assessment/appeals/{ident}/decide", summary="裁定考核申诉")
def rule_appeal(
    ident: Ident, form: DecideForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.MARK_DECIDE))]
) -> AppealView:
    """Decide an appeal; never whoever judged the same matter first."""
    with office.database.write() as session:
        return queries.appeal_view(session, assessing.rule_appeal(session, ident, form, caller))
