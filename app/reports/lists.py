"""The lists of work orders a report names: overdue, enterprises that call again, suggestions, gaps, cases to tell of.

Work orders are named by number; no enterprise and no text of a caller comes into a report by itself, and no 专办件.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.clock import spoken
from app.database import Later
from app.reports.catalogue import BY_CODE
from app.reports.clusters import clusters
from app.reports.figures import Maker
from app.reports.indicators import rows_of
from app.reports.periods import Period
from app.reports.tables import AssessmentAppeal, Report
from app.rulebook.clusters import ClusterRules
from app.tickets.life_tables import UnitRequest
from app.tickets.queries import ordinary
from app.tickets.tables import Dispatch, Ticket, TicketParty

SHOWN = 20
CASES = 5
OFTEN = 3
RECENT = timedelta(days=30)
SECRET = ("隐名", "匿名")
# Ordered by the bare column, the database would walk ten years of due times to find the few that are still open.
LONGEST_DUE = Later(Dispatch.due_at, 0)
GOOD = ("非常满意", "满意")


def _accepted(period: Period) -> ColumnElement[bool]:
    return and_(_submitted(period.begins, period.ends), ordinary())


def _submitted(begins: datetime, ends: datetime) -> ColumnElement[bool]:
    return and_(Ticket.accepted_at >= begins, Ticket.accepted_at < ends, Ticket.parent_id.is_(None))


def overdue(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the longest overdue parts at the cut-off, oldest first."""
    indicator = BY_CODE["overdue_open"]
    columns = (Ticket.number, Dispatch.unit, Dispatch.due_at, Ticket.tag)
    statement = select(*columns).select_from(rows_of(indicator.grain)).where(indicator.counted(period), ordinary())
    found = session.execute(statement.order_by(LONGEST_DUE, Ticket.id).limit(SHOWN))
    return [{"number": n, "unit": unit, "due": spoken(due), "tag": tag} for n, unit, due, tag in found if due]


def repeaters(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the work orders of enterprises that appealed three times or more within 30 days, lately in this period."""
    since = period.ends - RECENT
    recent = (_submitted(since, period.ends), ordinary())
    open_names = (TicketParty.enterprise_group != "", Ticket.confidentiality.not_in(SECRET))
    often = (
        select(TicketParty.enterprise_group)
        .join(Ticket, Ticket.id == TicketParty.ticket_id)
        .where(*recent, *open_names)
        .group_by(TicketParty.enterprise_group)
        .having(func.count() >= OFTEN, func.max(Ticket.accepted_at) >= period.begins)
    )
    statement = (
        select(TicketParty.enterprise_group, Ticket.number, Ticket.tag)
        .join(Ticket, Ticket.id == TicketParty.ticket_id)
        .where(*recent, *open_names, TicketParty.enterprise_group.in_(often))
        .order_by(Ticket.id)
    )
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for enterprise, number, tag in session.execute(statement):
        groups[enterprise].append((number, tag))
    found: list[dict[str, Any]] = [
        {"numbers": [number for number, _ in rows], "tags": sorted({tag for _, tag in rows if tag}), "n": len(rows)}
        for rows in groups.values()
    ]
    return sorted(found, key=lambda row: (-row["n"], row["numbers"][0]))[:SHOWN]


def suggestions(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the suggestions (建议) enterprises made: measure 29 asks for 涉企政策意见建议 to be gathered."""
    statement = select(Ticket.number, Ticket.tag, Ticket.lead_unit).where(_accepted(period), Ticket.kind == "建议")
    found = session.execute(statement.order_by(Ticket.id).limit(5 * SHOWN))
    return [{"number": number, "tag": tag, "unit": unit or ""} for number, tag, unit in found]


def gaps(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the appeals for which the mapping from matters to units has no clause, by tag."""
    statement = select(Ticket.tag, Ticket.number).where(_accepted(period), Ticket.gap.is_(True)).order_by(Ticket.id)
    groups: dict[str, list[str]] = defaultdict(list)
    for tag, number in session.execute(statement):
        groups[tag].append(number)
    rows: list[dict[str, Any]] = [
        {"tag": tag, "n": len(numbers), "numbers": numbers[:SHOWN]} for tag, numbers in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row["n"], row["tag"]))


def bounced(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return what came back from units: returns ruled on in the period, by tag and unit, most first."""
    statement = (
        select(UnitRequest.status, Ticket.tag, Dispatch.unit, func.count())
        .join(Dispatch, Dispatch.id == UnitRequest.dispatch_id)
        .join(Ticket, Ticket.id == UnitRequest.ticket_id)
        .where(UnitRequest.kind == "退单", UnitRequest.status.in_(("准予", "不予")), ordinary())
        .where(UnitRequest.decided_at >= period.begins, UnitRequest.decided_at < period.ends)
        .group_by(UnitRequest.status, Ticket.tag, Dispatch.unit)
    )
    rows: list[dict[str, Any]] = [
        {"status": s, "tag": tag, "unit": unit, "n": n} for s, tag, unit, n in session.execute(statement)
    ]
    return sorted(rows, key=lambda row: (-row["n"], row["tag"], row["unit"], row["status"]))[:SHOWN]


def cases(session: Session, period: Period) -> list[dict[str, Any]]:
    """Propose work orders worth telling of: solved in time at the first go and praised, each of another matter.

    Only proposals for a person to read; never 举报, never 隐名 or 匿名, never a 专办件.
    """
    late = exists().where(Dispatch.ticket_id == Ticket.id, Dispatch.late != "")
    statement = select(Ticket.number, Ticket.tag, Ticket.lead_unit, Ticket.final_grade).where(
        Ticket.closed_at >= period.begins, Ticket.closed_at < period.ends, Ticket.kind != "举报",
        Ticket.confidentiality.not_in(SECRET), ordinary(), Ticket.solved == "已解决",
        Ticket.final_grade.in_(GOOD), Ticket.reworks == 0, Ticket.lead_unit.is_not(None), ~late,
    )  # fmt: skip
    best = statement.order_by(Ticket.final_grade == "满意", Ticket.returns.desc(), Ticket.id)
    found: dict[str, dict[str, Any]] = {}
    for number, tag, unit, grade in session.execute(best.limit(20 * CASES)):
        found.setdefault(tag, {"number": number, "tag": tag, "unit": unit, "grade": grade})
    return list(found.values())[:CASES]


def alike(session: Session, period: Period, rules: ClusterRules) -> list[dict[str, Any]]:
    """Return groups of appeals that tell of the same matter, as topics to confer on (会商)."""
    found = []
    for group in clusters(session, period, rules)[:SHOWN]:
        tags = [appeal.tag for appeal in group]
        units = sorted({appeal.unit for appeal in group if appeal.unit})
        enterprises = {appeal.enterprise or appeal.number for appeal in group}
        found.append(
            {
                "n": len(group), "enterprises": len(enterprises), "tag": max(sorted(set(tags)), key=tags.count),
                "units": units, "numbers": [appeal.number for appeal in group][:SHOWN],
            }
        )  # fmt: skip
    return found


def named_late(maker: Maker, period: Period) -> list[dict[str, Any]]:
    """Return what a bulletin names: parts overdue or unsatisfied after rework at the cut-off, with unit and number."""
    indicator = BY_CODE["overdue_open"]
    again = and_(
        Ticket.closed_at >= period.begins, Ticket.closed_at < period.ends, Ticket.reworks > 0,
        Ticket.final_grade.in_(("不满意", "非常不满意")), Dispatch.role == "lead", Dispatch.rework == Ticket.reworks,
    )  # fmt: skip
    columns = (Dispatch.unit, Dispatch.due_at, Ticket.id, Ticket.number, Ticket.final_grade)
    found: set[tuple[Any, ...]] = set()
    # Two questions that indexes answer; joined by OR they would be one that reads every part there ever was.
    for condition in (indicator.counted(period), again):
        rows = select(*columns).select_from(rows_of(indicator.grain)).where(ordinary(), condition)
        ordered = rows.order_by(LONGEST_DUE, Ticket.id).limit(5 * SHOWN)
        found.update(tuple(row) for row in maker.session.execute(ordered))
    return [
        {
            "number": number, "unit": unit, "due": spoken(due) if due else "",
            "problem": "重办后仍不满意" if grade in ("不满意", "非常不满意") else "超期未办结",
        }
        for unit, due, _, number, grade in sorted(found, key=lambda row: (row[0], str(row[1] or ""), row[2]))[: 5 * SHOWN]
    ]  # fmt: skip


def corrections(session: Session, period: Period) -> list[dict[str, Any]]:
    """Return the appeals upheld in a period, as the bulletin names them (更正)."""
    upheld = (
        AssessmentAppeal.status == "成立", AssessmentAppeal.decided_at >= period.begins,
        AssessmentAppeal.decided_at < period.ends, or_(AssessmentAppeal.ticket_id.is_(None), ordinary()),
    )  # fmt: skip
    statement = (
        select(AssessmentAppeal.unit, AssessmentAppeal.indicator, Report.period, Ticket.number)
        .join(Report, Report.id == AssessmentAppeal.report_id)
        .outerjoin(Ticket, Ticket.id == AssessmentAppeal.ticket_id)
        .where(*upheld)
        .order_by(AssessmentAppeal.id)
    )
    return [
        {"unit": unit, "indicator": indicator, "report": found, "number": number or ""}
        for unit, indicator, found, number in session.execute(statement)
    ]
