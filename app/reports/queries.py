"""Reads of reports: the newest a caller may see, lists, a unit's own rows, the work orders behind a figure."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.accounts.access import Caller, Rows, Verb
from app.clock import local
from app.errors import FieldFault, ForbiddenError, InvalidInputError, NotFoundError
from app.reports.counting import AXES, tickets
from app.reports.figures import Figures
from app.reports.indicators import Indicator, unit_of
from app.reports.issuing import KINDS, PUBLISHED, number_of, prose_of
from app.reports.layout import Section, Sheet
from app.reports.periods import CutOffs, Period, PeriodError, Span, parse
from app.reports.schemas import AppealView, BehindPage, MarkView, OwnFigures, ReportLine, ReportView
from app.reports.tables import AssessmentAppeal, AssessmentMark, Report
from app.tickets.queries import visible
from app.tickets.tables import Ticket

PAGE = 100
LATEST = "latest"


def period_of(span: Span, key: str, cuts: CutOffs) -> Period:
    """Return a named period.

    Raises:
        InvalidInputError: the name is none.
    """
    try:
        return parse(span, key, cuts)
    except PeriodError as error:
        raise InvalidInputError(str(error), faults=(FieldFault("path:period", str(error)),)) from error


def one(session: Session, span: Span, key: str, caller: Caller, revision: int | None = None) -> Report:
    """Return a report: the named revision or the newest one; a unit sees what was published.

    Raises:
        NotFoundError: there is none the caller may see.
        ForbiddenError: the kind is the hotline's own paper.
    """
    conditions: list[ColumnElement[bool]] = [Report.kind == span.value]
    if key != LATEST:
        conditions.append(Report.period == key)
    if revision is not None:
        conditions.append(Report.revision == revision)
    if caller.rows(Verb.REPORT_READ) is Rows.OWN_UNIT:
        if not KINDS[span].issued:
            raise ForbiddenError("周分析供热线内部使用")
        conditions.append(Report.status == PUBLISHED)
    newest = select(Report).where(*conditions).order_by(Report.ends_at.desc(), Report.revision.desc()).limit(1)
    found = session.scalars(newest).one_or_none()
    if found is None:
        named = KINDS[span].label if key == LATEST else f"{KINDS[span].label} {key}"
        raise NotFoundError(f"没有{named}，或还没有发布")
    return found


def line_of(report: Report) -> ReportLine:
    """Return a revision as it is listed."""
    return ReportLine(
        kind=report.kind, label=KINDS[Span(report.kind)].label, period=report.period, revision=report.revision,
        status=report.status, number=number_of(report), cut_off=report.ends_at, sha256=report.sha256, made_at=report.made_at,
        check_until=report.check_until, signed_at=report.signed_at, published_at=report.published_at,
    )  # fmt: skip


def listed(session: Session, caller: Caller, span: Span | None) -> list[ReportLine]:
    """Return the newest reports, newest first."""
    conditions: list[ColumnElement[bool]] = [Report.kind == span.value] if span else []
    if caller.rows(Verb.REPORT_READ) is Rows.OWN_UNIT:
        conditions.append(Report.status == PUBLISHED)
    statement = select(Report).where(*conditions).order_by(Report.ends_at.desc(), Report.kind, Report.revision.desc())
    return [line_of(report) for report in session.scalars(statement.limit(PAGE))]


def view_of(session: Session, report: Report) -> ReportView:
    """Return a report with everything that belongs to it."""
    return ReportView(
        **line_of(report).model_dump(), figures=shown_figures(report), prose=prose_of(session, report),
        changes=json.loads(report.changes),
    )  # fmt: skip


def shown_figures(report: Report) -> Figures:
    """Return the frozen figures; what was published goes without the cases that were only proposed to its author.

    A case is published by whoever has read it, as prose; never by itself.
    """
    figures: Figures = json.loads(report.figures)
    return figures | {"cases": []} if report.status == PUBLISHED else figures


def sheet_of(session: Session, report: Report) -> Sheet:
    """Return a report as it is shown: frozen figures, and the supervisor's prose in its sections."""
    sheet = KINDS[Span(report.kind)].sheet(shown_figures(report))
    prose = prose_of(session, report)
    sections = tuple(_with_prose(section, prose.get(section.code, "")) for section in sheet.sections)
    revision = f"　第{report.revision}次更正" if report.revision else ""
    return replace(
        sheet,
        sections=sections,
        number=number_of(report),
        day=_chinese_day(report.published_at) if report.published_at else "",
        subtitle=f"{sheet.subtitle}{revision}　{report.status}",
    )


def _chinese_day(moment: datetime) -> str:
    day = local(moment).date()
    return f"{day.year}年{day.month}月{day.day}日"


def _with_prose(section: Section, text: str) -> Section:
    return replace(section, paragraphs=(*section.paragraphs, *([text] if text else [])))


def own(report: Report, caller: Caller) -> OwnFigures:
    """Return a unit's own rows.

    Raises:
        NotFoundError: the report has nothing of it.
    """
    figures = json.loads(report.figures)
    if caller.unit not in figures["units"]:
        raise NotFoundError("本期没有贵单位的数据")
    return OwnFigures(
        period=report.period, revision=report.revision, status=report.status, check_until=report.check_until,
        figures=figures["units"][caller.unit], score=figures.get("scores", {}).get(caller.unit),
    )  # fmt: skip


def behind(
    session: Session, indicator: Indicator, period: Period, part: str, caller: Caller, axes: dict[str, str], after: int
) -> BehindPage:
    """Return the work orders behind a figure, by id; a unit sees its own share only."""
    also: list[ColumnElement[bool]] = [AXES[axis] == key for axis, key in axes.items() if axis != "unit"]
    unit = caller.unit if caller.rows(Verb.INDICATOR_READ) is Rows.OWN_UNIT else axes.get("unit")
    if unit:
        also.append(unit_of(indicator.grain) == unit)
    every = tickets(indicator, period, part, *also)
    seen = every.where(visible(caller, Verb.TICKET_READ))
    total, shown = (session.scalars(select(func.count()).select_from(each.subquery())).one() for each in (every, seen))
    rows: list[Any] = list(session.execute(seen.where(Ticket.id > after).order_by(Ticket.id).limit(PAGE + 1)))
    return BehindPage(
        indicator=indicator.code, name=indicator.name, period=period.key, cut_off=period.ends, part=part,
        tickets=[number for number, _ in rows[:PAGE]], total=total, hidden=total - shown,
        next_after=rows[PAGE - 1][1] if len(rows) > PAGE else None,
    )  # fmt: skip


def mark_view(session: Session, mark: AssessmentMark) -> MarkView:
    """Return a finding as it is shown."""
    return MarkView(
        id=mark.id, kind=mark.kind, unit=mark.unit, ticket=_number(session, mark.ticket_id), points=str(mark.points or ""),
        reason=mark.reason, status=mark.status, proposed_at=mark.proposed_at, decided_at=mark.decided_at, opinion=mark.opinion,
    )  # fmt: skip


def appeal_view(session: Session, row: AssessmentAppeal) -> AppealView:
    """Return an appeal as it is shown."""
    report = session.get_one(Report, row.report_id)
    return AppealView(
        id=row.id, unit=row.unit, ticket=_number(session, row.ticket_id), report=f"{report.kind}/{report.period}",
        indicator=row.indicator, reason=row.reason, status=row.status, made_at=row.made_at, due_at=row.due_at,
        decided_at=row.decided_at, opinion=row.opinion,
    )  # fmt: skip


def _number(session: Session, ticket_id: int | None) -> str:
    return session.get_one(Ticket, ticket_id).number if ticket_id else ""
