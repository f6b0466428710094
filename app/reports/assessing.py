"""Findings that bear on an assessment, and appeals against it: always two persons, always with a reason, always in time."""

from sqlalchemy import ColumnElement, exists, select, true
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Rows, Verb
from app.errors import ConflictError, FieldFault, ForbiddenError, InvalidInputError, NotFoundError
from app.notify.outbox import enqueue
from app.reports.catalogue import BY_CODE
from app.reports.forms import AppealForm, DecideForm, MarkForm
from app.reports.issuing import KINDS, PUBLISHED
from app.reports.periods import Span
from app.reports.scoring import EXCLUDED, UPHELD
from app.reports.tables import AssessmentAppeal, AssessmentMark, Report
from app.rulebook.shapes import LimitStep, Rulebook
from app.sla.limits import LimitCase, require
from app.sla.timer import due
from app.tickets.intake import Desk, find_unit
from app.tickets.queries import visible
from app.tickets.tables import Dispatch, Ticket

PROPOSED, REFUSED, WITHDRAWN = "待定", "不予", "撤销"
WAITING, GRANTED, DENIED = "待裁", "成立", "驳回"


def propose(session: Session, form: MarkForm, caller: Caller, rulebook: Rulebook) -> AssessmentMark:
    """Propose a finding; another person decides.

    Raises:
        InvalidInputError: the unit never had the work order.
        NotFoundError: there is no such work order, or the caller may not know of it.
        ConflictError: the same was proposed or found before.
    """
    unit = find_unit(form.unit, rulebook, "/unit", clock.today()).code
    ticket = _ticket(session, form.ticket, unit, caller, Verb.TICKET_READ)
    if ticket is not None:
        same = (AssessmentMark.ticket_id == ticket, AssessmentMark.unit == unit, AssessmentMark.kind == form.kind)
        if session.scalars(
            select(AssessmentMark.id).where(*same, AssessmentMark.status.in_((PROPOSED, UPHELD)))
        ).first():
            raise ConflictError(f"这件工单已有“{form.kind}”的认定或提议")
    mark = AssessmentMark(
        kind=form.kind, unit=unit, ticket_id=ticket, points=form.points, reason=form.reason, status=PROPOSED,
        proposed_by=caller.reference, proposed_at=clock.now(), opinion="",
    )  # fmt: skip
    session.add(mark)
    session.flush()
    return mark


def _ticket(session: Session, number: str | None, unit: str, caller: Caller, verb: Verb) -> int | None:
    if number is None:
        return None
    found = session.scalar(select(Ticket.id).where(Ticket.number == number, visible(caller, verb)))
    if found is None:
        raise NotFoundError(f"没有工单 {number}，或您无权查看")
    had = exists().where(Dispatch.ticket_id == found, Dispatch.unit == unit, Dispatch.role != "informed")
    if not session.scalar(select(had)):
        message = "该单位没有承办过这件工单"
        raise InvalidInputError(message, faults=(FieldFault("/ticket", message),))
    return found


def decide(session: Session, ident: int, form: DecideForm, caller: Caller) -> AssessmentMark:
    """Approve or refuse a proposed finding.

    Raises:
        NotFoundError: there is none.
        ConflictError: it is decided already.
        ForbiddenError: the caller proposed it.
    """
    mark = session.scalars(select(AssessmentMark).where(AssessmentMark.id == ident).with_for_update()).one_or_none()
    if mark is None:
        raise NotFoundError("没有这条认定")
    if mark.status != PROPOSED:
        raise ConflictError(f"这条认定已是“{mark.status}”")
    if mark.proposed_by == caller.reference:
        raise ForbiddenError("提议人不能自己认定，须由另一人决定")
    mark.status, mark.opinion = UPHELD if form.uphold else REFUSED, form.opinion
    mark.decided_by, mark.decided_at = caller.reference, clock.now()
    if form.uphold:
        enqueue(session, clock.now(), [("assessment.found", {"mark": mark.id, "unit": mark.unit, "kind": mark.kind})])
    return mark


def appeal(session: Session, form: AppealForm, caller: Caller, desk: Desk) -> AssessmentAppeal:
    """Take a unit's appeal against a figure of a published report, within five working days of its publication.

    Raises:
        NotFoundError: nothing of the kind was published, or the unit never had the work order.
        ConflictError: the time is over, or the same appeal waits already.
        InvalidInputError: there is no such indicator.
    """
    span, _, period = form.report.partition("/")
    mine = (Report.kind == span, Report.period == period, Report.status == PUBLISHED)
    report = session.scalars(select(Report).where(*mine).order_by(Report.revision.desc()).limit(1)).one_or_none()
    if report is None or report.published_at is None:
        raise NotFoundError(f"{KINDS[Span(span)].label} {period} 还没有发布")
    if form.indicator not in BY_CODE:
        message = f"没有指标“{form.indicator}”，见 GET /api/v1/indicators"
        raise InvalidInputError(message, faults=(FieldFault("/indicator", message),))
    rule = require(desk.rulebook.limits, LimitStep.APPEAL, LimitCase("投诉", urgent=False), clock.today())
    until = due(rule, report.published_at, desk.calendar).due_at
    if clock.now() > until:
        raise ConflictError(f"申诉期已于 {clock.spoken(until)} 届满")
    ticket = _ticket(session, form.ticket, caller.unit, caller, Verb.TICKET_READ)
    same = (
        AssessmentAppeal.report_id == report.id, AssessmentAppeal.unit == caller.unit,
        AssessmentAppeal.indicator == form.indicator, AssessmentAppeal.status == WAITING,
        AssessmentAppeal.ticket_id == ticket if ticket else AssessmentAppeal.ticket_id.is_(None),
    )  # fmt: skip
    if session.scalars(select(AssessmentAppeal.id).where(*same)).first():
        raise ConflictError("同一申诉正在裁定，不必重复提出")
    row = AssessmentAppeal(
        unit=caller.unit, ticket_id=ticket, report_id=report.id, indicator=form.indicator, reason=form.reason, status=WAITING,
        made_by=caller.reference, made_at=clock.now(), due_at=due(rule, clock.now(), desk.calendar).due_at, opinion="",
    )  # fmt: skip
    session.add(row)
    session.flush()
    enqueue(session, clock.now(), [("assessment.appealed", {"appeal": row.id, "unit": row.unit})])
    return row


def rule_appeal(session: Session, ident: int, form: DecideForm, caller: Caller) -> AssessmentAppeal:
    """Decide an appeal; where it is upheld the findings on its work order fall, or it is left out of the assessment.

    The bulletin of the month names what was upheld (更正).

    Raises:
        NotFoundError: there is none.
        ConflictError: it is decided already.
        ForbiddenError: the caller judged the same matter before.
    """
    row = session.scalars(select(AssessmentAppeal).where(AssessmentAppeal.id == ident).with_for_update()).one_or_none()
    if row is None:
        raise NotFoundError("没有这件申诉")
    if row.status != WAITING:
        raise ConflictError(f"这件申诉已裁定“{row.status}”")
    report = session.get_one(Report, row.report_id)
    marks = list(_marks_on(session, row))
    judges = {report.signed_by, *(mark.decided_by for mark in marks), *(mark.proposed_by for mark in marks)}
    if caller.reference in judges:
        raise ForbiddenError("原签发人、认定人不能裁定这件申诉，须由另一人裁定")
    row.status, row.opinion = GRANTED if form.uphold else DENIED, form.opinion
    row.decided_by, row.decided_at = caller.reference, clock.now()
    if form.uphold:
        _put_right(session, row, marks, caller)
    enqueue(session, clock.now(), [("assessment.appeal_decided", {"appeal": row.id, "unit": row.unit})])
    return row


def _marks_on(session: Session, row: AssessmentAppeal) -> list[AssessmentMark]:
    if row.ticket_id is None:
        return []
    mine = (AssessmentMark.ticket_id == row.ticket_id, AssessmentMark.unit == row.unit, AssessmentMark.status == UPHELD)
    return list(session.scalars(select(AssessmentMark).where(*mine, AssessmentMark.kind != EXCLUDED).with_for_update()))


def _put_right(session: Session, row: AssessmentAppeal, marks: list[AssessmentMark], caller: Caller) -> None:
    for mark in marks:
        mark.status = WITHDRAWN
    if row.ticket_id is None or marks:
        return
    session.add(
        AssessmentMark(
            kind=EXCLUDED, unit=row.unit, ticket_id=row.ticket_id, reason=f"申诉成立：{row.indicator}", status=UPHELD,
            proposed_by=row.made_by, proposed_at=row.made_at, decided_by=caller.reference, decided_at=clock.now(),
            opinion=row.opinion,
        )
    )  # fmt: skip


def of_caller(caller: Caller, table: type[AssessmentMark] | type[AssessmentAppeal]) -> ColumnElement[bool]:
    """Return the condition of the rows a caller may read: a unit its own only."""
    return table.unit == caller.unit if caller.rows(Verb.MARK_READ) is Rows.OWN_UNIT else true()
