"""What each cause of supervision.yaml looks for among the parts, as conditions; asked when proposing and again when sending."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from app import clock
from app.rulebook.shapes import LimitStep
from app.rulebook.supervision import Cause, SupervisionRule, Way
from app.supervision.tables import ISSUED, SupervisionOrder, SupervisionTicket
from app.tickets.intake import Desk
from app.tickets.life_tables import Reply
from app.tickets.lifecycle import ENDED, State
from app.tickets.queries import ordinary
from app.tickets.standing import OPEN_PHASES, Phase
from app.tickets.tables import Dispatch, Ticket, TicketParty

REPEAT_DAYS = 30
RUNNING = (Phase.AWAITING_SIGN.value, Phase.IN_PROGRESS.value)
OF_NO_APPEAL = (State.WITHDRAWN.value, State.INVALID.value)
OPEN_PARTS = tuple(phase.value for phase in OPEN_PHASES)
OVER = tuple(state.value for state in ENDED)
OPEN_NAME = "公开"
SHARING = ("lead", "support")
Looks = Callable[[SupervisionRule, "Days"], list[ColumnElement[bool]]]


@dataclass(frozen=True)
class Days:
    """The moments the rules speak of."""

    now: datetime
    today: datetime
    tomorrow_ends: datetime
    desk: Desk

    def overdue_since(self, working_days: int) -> datetime:
        """Return before which moment a due time must lie to be so many working days overdue today."""
        if not working_days:
            return self.now
        day = clock.local(self.now).date()
        while working_days:
            day -= timedelta(days=1)
            working_days -= self.desk.calendar.is_working_day(day)
        return datetime.combine(day + timedelta(days=1), time(), clock.SHANGHAI)


def days_of(desk: Desk) -> Days:
    """Return the moments as they are now."""
    now = clock.now()
    today = clock.local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    following = next(
        day for ahead in range(1, 40) if desk.calendar.is_working_day((day := today + timedelta(ahead)).date())
    )
    return Days(now, today, following + timedelta(days=1), desk)


def holds(rule: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    """Return the conditions on Dispatch and Ticket under which a rule is about a part."""
    return _LOOKS[rule.cause](rule, days)


def _in_hand() -> list[ColumnElement[bool]]:
    return [Dispatch.state.in_(RUNNING), Dispatch.role.in_(SHARING)]


def _unsigned(_: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    late = or_(
        and_(Dispatch.signed_at.is_(None), Dispatch.sign_due_at < days.now),
        Dispatch.late.like(f"%{LimitStep.SIGN.value}%"),
    )
    return [*_in_hand(), late]


def _silent(_: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    said = exists().where(Reply.dispatch_id == Dispatch.id)
    return [
        *_in_hand(), Dispatch.role == "lead", Dispatch.contacted_at.is_(None), ~said, Dispatch.dispatched_at < days.today,
        Dispatch.due_at > days.now, Dispatch.due_at <= days.tomorrow_ends,
    ]  # fmt: skip


def _overdue(rule: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    return [*_in_hand(), Dispatch.due_at <= days.overdue_since(rule.working_days)]


def _unsatisfied(_: SupervisionRule, __: Days) -> list[ColumnElement[bool]]:
    """A rework whose callback was again a complaint: the newest lead part of what waits to be judged once more."""
    newer = aliased(Dispatch)
    last = ~exists().where(newer.ticket_id == Dispatch.ticket_id, newer.role == "lead", newer.id > Dispatch.id)
    return [Ticket.state == State.REASSESSMENT.value, Ticket.reworks > 0, Dispatch.role == "lead", last]


def _repeated(rule: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    """Appeals of one enterprise about one matter, made openly: put beside them, a 隐名 or 匿名 one would have its name back.

    Nor a 专办件: the order would tell the unit that an enterprise it knows has gone further.
    """
    this, other, mine, theirs = aliased(Ticket), aliased(Ticket), aliased(TicketParty), aliased(TicketParty)
    since = days.now - timedelta(days=REPEAT_DAYS)
    # A set asked once; put for every part in hand, the question took two seconds.
    often = (
        select(this.id)
        .join(mine, mine.ticket_id == this.id)
        .join(theirs, and_(theirs.enterprise_group == mine.enterprise_group, theirs.enterprise_group != ""))
        .join(other, other.id == theirs.ticket_id)
        .where(
            this.accepted_at > since, this.confidentiality == OPEN_NAME, ordinary(this),
            other.tag == this.tag, other.parent_id.is_(None), other.accepted_at > since,
            other.state.not_in(OF_NO_APPEAL), other.confidentiality == OPEN_NAME, ordinary(other),
        )
        .group_by(this.id)
        .having(func.count() >= rule.times)
    )  # fmt: skip
    return [*_in_hand(), Dispatch.role == "lead", Ticket.id.in_(often)]


def _unanswered(_: SupervisionRule, days: Days) -> list[ColumnElement[bool]]:
    """A written order without a reply in time, whatever else the unit has submitted on the work order meanwhile."""
    silent = (
        select(SupervisionTicket.id)
        .join(SupervisionOrder, SupervisionOrder.id == SupervisionTicket.order_id)
        .where(
            SupervisionTicket.dispatch_id == Dispatch.id, SupervisionOrder.way == Way.WRITING.value,
            SupervisionOrder.status == ISSUED, SupervisionOrder.due_at < days.now,
        )
    )  # fmt: skip
    return [Ticket.state.not_in(OVER), Dispatch.role.in_(SHARING), silent.exists()]


_LOOKS: dict[Cause, Looks] = {
    Cause.UNSIGNED: _unsigned,
    Cause.SILENT: _silent,
    Cause.OVERDUE: _overdue,
    Cause.UNSATISFIED: _unsatisfied,
    Cause.REPEATED: _repeated,
    Cause.UNANSWERED: _unanswered,
}
