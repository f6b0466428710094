"""A report's course: made and frozen, checked by the units, signed, numbered, sent; corrected by a further revision only.

月通报 and 年考评: 核对中 → 待签发 → 已签发 → 已发布. 周分析 is the hotline's own paper and is ready when it is made.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller
from app.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from app.notify.outbox import enqueue
from app.reports import annual, monthly, weekly
from app.reports.figures import Figures, Maker, canonical, sha256
from app.reports.forms import AnswerForm, CheckForm, ProseForm
from app.reports.layout import Sheet
from app.reports.periods import CutOffs, Period, Span
from app.reports.tables import Report, ReportCheck, ReportProse
from app.rulebook.shapes import LimitStep
from app.settings import Settings
from app.sla.limits import LimitCase, require
from app.sla.timer import due
from app.tickets.intake import Desk

CHECKING, SIGNED, PUBLISHED, READY = "核对中", "已签发", "已发布", "已生成"
CHECK_DAYS = 2
CHANGES_KEPT = 2000
NUMBER_TRIES = 5


@dataclass(frozen=True)
class Kind:
    """One kind of report.

    Attributes:
        issued: whether it is checked, signed and published.
    """

    span: Span
    label: str
    build: Callable[[Maker, Period], Figures]
    sheet: Callable[[Figures], Sheet]
    issued: bool


KINDS = {
    Span.WEEK: Kind(Span.WEEK, "周分析", weekly.build, weekly.sheet, issued=False),
    Span.MONTH: Kind(Span.MONTH, "月通报", monthly.build, monthly.sheet, issued=True),
    Span.YEAR: Kind(Span.YEAR, "年考评", annual.build, annual.sheet, issued=True),
}


def cuts_of(settings: Settings) -> CutOffs:
    """Return where this installation cuts its periods."""
    return CutOffs(
        settings.report_week_day, settings.report_week_hour, settings.report_month_day, settings.report_month_hour
    )


def maker_of(session: Session, desk: Desk, settings: Settings) -> Maker:
    """Return what figures are made with."""
    return Maker(session, desk.rulebook, desk.calendar, cuts_of(settings))


def build(maker: Maker, period: Period) -> str:
    """Return the figures of a period as the text that is frozen.

    Raises:
        ConflictError: the period has not come to its cut-off.
    """
    if period.ends > clock.now():
        raise ConflictError(f"{period.title}截止于 {clock.spoken(period.ends)}，到时才能生成")
    return canonical(KINDS[period.span].build(maker, period))


def keep(session: Session, period: Period, text: str, desk: Desk, by: str) -> Report:
    """Freeze figures as the next revision of a period and tell whoever waits for them.

    Raises:
        ConflictError: they are the same as the newest revision's.
    """
    last = newest(session, period.span, period.key)
    if last and last.sha256 == sha256(text):
        raise ConflictError(f"重算结果与第{last.revision}版相同，无需更正", code="nothing-changed")
    kind, now = KINDS[period.span], clock.now()
    report = Report(
        kind=period.span.value, period=period.key, revision=last.revision + 1 if last else 0,
        status=CHECKING if kind.issued else READY, begins_at=period.begins, ends_at=period.ends, figures=text,
        sha256=sha256(text), changes=json.dumps(list(_changes(last, text)), ensure_ascii=False), made_at=now, made_by=by,
        check_until=_check_until(period.span, desk, now) if kind.issued else None,
    )  # fmt: skip
    session.add(report)
    session.flush()
    if last and last.status == CHECKING:
        _carry_checks(session, last, report)
    facts = {"kind": report.kind, "period": report.period, "revision": report.revision}
    enqueue(session, now, [("report.made", facts)])
    if report.check_until:
        asked = sorted(unit for unit in json.loads(text)["units"] if unit)
        until = report.check_until.isoformat()
        enqueue(session, now, [("report.check_asked", {**facts, "unit": unit, "until": until}) for unit in asked])
    return report


def _carry_checks(session: Session, draft: Report, corrected: Report) -> None:
    """Carry what units said of a draft over to its correction: no objection is lost by counting anew.

    Every objection stands, with its answer where it has one; a consent stands where the unit's figures are the same.
    """
    rows = [_rows_of(report) for report in (draft, corrected)]
    for check in session.scalars(select(ReportCheck).where(ReportCheck.report_id == draft.id).order_by(ReportCheck.id)):
        if check.agrees and not _alike(rows[0].get(check.unit), rows[1].get(check.unit)):
            continue
        session.add(
            ReportCheck(
                report_id=corrected.id, unit=check.unit, agrees=check.agrees, opinion=check.opinion, said_by=check.said_by,
                said_at=check.said_at, answer=check.answer, answered_by=check.answered_by, answered_at=check.answered_at,
            )
        )  # fmt: skip
    session.flush()


def _alike(before: tuple[Any, Any] | None, after: tuple[Any, Any] | None) -> bool:
    """Whether a unit's figures and score are the same; by the indicators both have, for a release may declare further ones."""
    if before is None or after is None:
        return before is after
    (row, score), (other, other_score) = before, after
    return score == other_score and all(row[code] == other[code] for code in row.keys() & other.keys())


def _rows_of(report: Report) -> dict[str, tuple[Any, Any]]:
    """Return what a report says of each unit: its figures and, where there is one, its score."""
    figures = json.loads(report.figures)
    return {unit: (row, figures.get("scores", {}).get(unit)) for unit, row in figures["units"].items()}


def _check_until(span: Span, desk: Desk, now: datetime) -> datetime:
    """Return until when units can check: two working days; a year's scores are shown for the appeal's five first (公示)."""
    if span is Span.YEAR:
        rule = require(desk.rulebook.limits, LimitStep.APPEAL, LimitCase("投诉", urgent=False), clock.local(now).date())
        return due(rule, now, desk.calendar).due_at
    return desk.calendar.add_working_days(now, CHECK_DAYS).due


def _changes(last: Report | None, text: str) -> Iterator[dict[str, Any]]:
    """Yield what differs from the revision before, figure by figure."""
    if last is None:
        return
    before, after = _flat(json.loads(last.figures)), _flat(json.loads(text))
    for index, path in enumerate(sorted(path for path in {*before, *after} if before.get(path) != after.get(path))):
        if index >= CHANGES_KEPT:
            return
        yield {"path": path, "before": before.get(path), "after": after.get(path)}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [
            (f"{path}.{key}" if path else key, item) for key, item in value.items() if key not in {"link", "names"}
        ]
    elif isinstance(value, list):
        items = [(f"{path}.{index}", item) for index, item in enumerate(value)]
    else:
        return {path: value}
    return {name: found for key, item in items for name, found in _flat(item, key).items()}


def newest(session: Session, span: Span, key: str) -> Report | None:
    """Return the newest revision of a period."""
    mine = (Report.kind == span.value, Report.period == key)
    return session.scalars(select(Report).where(*mine).order_by(Report.revision.desc()).limit(1)).one_or_none()


def locked(session: Session, span: Span, key: str) -> Report:
    """Return the newest revision of a period, locked.

    Raises:
        NotFoundError: there is none yet.
    """
    found = newest(session, span, key)
    if found is None:
        raise NotFoundError(f"{KINDS[span].label} {key} 还没有生成")
    return session.scalars(select(Report).where(Report.id == found.id).with_for_update()).one()


def write_prose(session: Session, report: Report, form: ProseForm, caller: Caller) -> ReportProse:
    """Keep what the supervisor wrote for a section, as a further version beside the frozen figures.

    Raises:
        ConflictError: the report is signed; what was signed is not rewritten.
        InvalidInputError: it has no such section.
    """
    _not_signed(report)
    sections = {section.code for section in KINDS[Span(report.kind)].sheet(json.loads(report.figures)).sections}
    if form.section not in sections:
        raise InvalidInputError(f"没有这一部分：{form.section}；有：{'、'.join(sorted(sections))}")
    mine = (ReportProse.report_id == report.id, ReportProse.section == form.section)
    last = session.scalars(select(func.max(ReportProse.version)).where(*mine)).one() or 0
    row = ReportProse(
        report_id=report.id, section=form.section, version=last + 1, text=form.text, written_by=caller.reference,
        written_at=clock.now(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _not_signed(report: Report) -> None:
    if report.status in {SIGNED, PUBLISHED}:
        raise ConflictError("已签发的不再改写；数据有误的请更正（生成新的一版）")


def prose_of(session: Session, report: Report) -> dict[str, str]:
    """Return the newest prose of each section; a correction takes over what was written for the revision before."""
    mine = select(Report.id).where(
        Report.kind == report.kind, Report.period == report.period, Report.revision <= report.revision
    )
    rows = session.scalars(
        select(ReportProse).where(ReportProse.report_id.in_(mine)).order_by(ReportProse.report_id, ReportProse.version)
    )
    return {row.section: row.text for row in rows}


def say(session: Session, report: Report, form: CheckForm, caller: Caller) -> ReportCheck:
    """Record what a unit says of its own figures; a second word replaces the first until it is answered.

    Raises:
        ConflictError: the time for checking is over.
        ForbiddenError: the report has nothing of the unit.
    """
    if report.status != CHECKING or report.check_until is None or report.check_until < clock.now():
        raise ConflictError("核对期已过；公布后5个工作日内仍可申诉")
    if caller.unit not in json.loads(report.figures)["units"]:
        raise ForbiddenError("本期没有贵单位的数据")
    mine = (ReportCheck.report_id == report.id, ReportCheck.unit == caller.unit)
    row = session.scalars(select(ReportCheck).where(*mine).with_for_update()).one_or_none()
    if row is None:
        row = ReportCheck(report_id=report.id, unit=caller.unit, answer="")
        session.add(row)
    row.agrees, row.opinion, row.said_by, row.said_at = form.agrees, form.opinion, caller.reference, clock.now()
    row.answer, row.answered_by, row.answered_at = "", None, None
    session.flush()
    return row


def answer(session: Session, report: Report, unit: str, form: AnswerForm, caller: Caller) -> ReportCheck:
    """Answer a unit's objection.

    Raises:
        NotFoundError: the unit has not objected.
    """
    mine = (ReportCheck.report_id == report.id, ReportCheck.unit == unit, ReportCheck.agrees.is_(False))
    row = session.scalars(select(ReportCheck).where(*mine).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError("该单位没有提出异议")
    row.answer, row.answered_by, row.answered_at = form.answer, caller.reference, clock.now()
    facts = {"kind": report.kind, "period": report.period, "unit": unit}
    enqueue(session, clock.now(), [("report.check_answered", facts)])
    return row


def sign(session: Session, report: Report, caller: Caller) -> Report:
    """Sign a report (签发): once the units had their time or have all spoken, and every objection is answered.

    Raises:
        ConflictError: it is not to be signed, or not yet; the message says what is missing.
    """
    if report.status != CHECKING:
        raise ConflictError(f"当前为“{report.status}”，不能签发")
    checks = session.scalars(select(ReportCheck).where(ReportCheck.report_id == report.id)).all()
    spoken = {check.unit for check in checks}
    silent = {unit for unit in json.loads(report.figures)["units"] if unit} - spoken
    if silent and report.check_until and report.check_until > clock.now():
        raise ConflictError(f"核对期到 {clock.spoken(report.check_until)}，还有{len(silent)}个单位没有核对")
    open_ones = sorted(check.unit for check in checks if not check.agrees and not check.answer)
    if open_ones:
        raise ConflictError("还有异议没有答复：" + "、".join(open_ones))
    report.status, report.signed_by, report.signed_at = SIGNED, caller.reference, clock.now()
    return report


def publish(session: Session, report: Report, desk: Desk) -> Report:
    """Number a signed report and send it to every unit.

    Raises:
        ConflictError: it is not signed, or rests on a calendar year that was not imported.
    """
    if report.status != SIGNED:
        raise ConflictError(f"当前为“{report.status}”，签发后才能发布")
    days = (clock.local(report.begins_at).date(), clock.local(report.ends_at - timedelta(microseconds=1)).date())
    if not all(desk.calendar.covers(day) for day in days):
        raise ConflictError("这一期所在年份的工作日历没有导入，期限都是暂定的，不能发布")
    now = clock.now()
    _number(session, report, clock.local(now).year)
    report.status, report.published_at = PUBLISHED, now
    facts = {"kind": report.kind, "period": report.period, "revision": report.revision, "number": number_of(report)}
    units = sorted(unit.code for unit in desk.rulebook.units if unit.dispatchable and unit.valid_on(clock.today()))
    enqueue(session, now, [("report.published", {**facts, "unit": unit}) for unit in units])
    session.flush()
    return report


def _number(session: Session, report: Report, year: int) -> None:
    """Give a report the next number of its kind and year; whoever publishes another at the same moment gets the one after.

    Raises:
        ConflictError: others took every number that was tried.
    """
    newest_serial = select(func.max(Report.serial)).where(Report.kind == report.kind, Report.year == year)
    for _ in range(NUMBER_TRIES):
        try:
            with session.begin_nested():
                report.year, report.serial = year, (session.scalars(newest_serial).one() or 0) + 1
                session.flush()
        except IntegrityError:
            # The other has it by now: only its commit lets this one know.
            continue
        return
    raise ConflictError("几份报告正在同时编号，请稍后再发布", code="number-taken")


def number_of(report: Report) -> str:
    """Return the official number (文号) of a published report."""
    return f"包热线{KINDS[Span(report.kind)].label[-2:]}〔{report.year}〕{report.serial}号" if report.serial else ""
