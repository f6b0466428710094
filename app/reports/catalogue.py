"""The catalogue of indicators, each declared once (domain practice of 12345 hotlines; formulas in docs/reports.md).

Who is counted: first contact, 按时办结, 解决率 and 满意率 for the lead unit only, supporters for their own opinion's time. A
split ticket counts once in volume, its children wherever parts and outcomes are counted; merged duplicates count in
volume and have one outcome each. 按时 is judged by the first submission that passed review, rework apart. A part that was
taken from a unit (退单准予、收回、移交) counts only where it was late before.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, or_, select, true, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.database import Later
from app.reminders.cards import RED
from app.reminders.tables import Card
from app.reports.indicators import Grain, Indicator, Sense
from app.reports.periods import Period
from app.rulebook.shapes import LimitStep
from app.rulebook.supervision import Level
from app.supervision.course import DONE
from app.supervision.tables import CONCLUDED, ISSUED, REPLIED, SupervisionOrder
from app.tickets.life_tables import CallbackAttempt, DirectAnswer, UnitRequest
from app.tickets.lifecycle import State
from app.tickets.standing import DILIGENT, REACHED, Phase
from app.tickets.tables import Dispatch, Ticket, TicketEvent, TicketParty

SATISFIED_STRICTLY = ("非常满意", "满意")
SATISFIED = (*SATISFIED_STRICTLY, "基本满意")
RIPE_DAYS = 30
RIPE = timedelta(days=RIPE_DAYS)
RIPE_SECONDS = RIPE_DAYS * 86400
NATIONAL_OPINIONS = "国办函〔2025〕66号；国办发〔2020〕53号"
BEIJING = "北京市接诉即办工作条例第三十二条（三率）"
NATIONAL_GRADES = "GB/T 39735-2020（五级评价）"
PRACTICE = "各地12345热线通报通行口径"
NOTICE = "包府发〔2024〕40号第30、138项"


def _always(_: Period) -> ColumnElement[bool]:
    return true()


def _own(_: Period) -> ColumnElement[bool]:
    """What an enterprise submitted: children of a split are the hotline's own doing."""
    return Ticket.parent_id.is_(None)


def _late(step: LimitStep) -> ColumnElement[bool]:
    return Dispatch.late.like(f"%{step.value}%")


def _kept(step: LimitStep) -> ColumnElement[bool]:
    """What is still the unit's, was finished by it, or had run late before it was taken away."""
    return and_(
        Dispatch.state != Phase.RETURNED.value,
        or_(Dispatch.replied_at.is_not(None), Dispatch.ended_at.is_(None), _late(step)),
    )


def _lead(_: Period) -> ColumnElement[bool]:
    return and_(Dispatch.role == "lead", Dispatch.rework == 0)


def _part(_: Period) -> ColumnElement[bool]:
    return and_(Dispatch.role.in_(("lead", "support")), Dispatch.rework == 0)


def _signing(_: Period) -> ColumnElement[bool]:
    over = or_(Dispatch.signed_at.is_not(None), Dispatch.ended_at.is_(None), _late(LimitStep.SIGN))
    return and_(Dispatch.state != Phase.RETURNED.value, over)


def _contact(period: Period) -> ColumnElement[bool]:
    owed = or_(Dispatch.contacted_at.is_not(None), Dispatch.ended_at.is_(None), _late(LimitStep.FIRST_CONTACT))
    return and_(_lead(period), Dispatch.state != Phase.RETURNED.value, owed)


def _by(done: InstrumentedAttribute[object], due: InstrumentedAttribute[object]) -> ColumnElement[bool]:
    return and_(done.is_not(None), done <= due)


def _judged(due: InstrumentedAttribute[object]) -> ColumnElement[bool]:
    """Leave out what was submitted in time and waits for its review: nobody knows yet whether it passes."""
    return not_(and_(_by(Dispatch.replied_at, due), _unanswered()))


def _unanswered() -> ColumnElement[bool]:
    # A set asked once; the whole table of work orders need not be joined for it.
    ticket = aliased(Ticket)
    return Dispatch.ticket_id.in_(select(ticket.id).where(ticket.answered_at.is_(None)))


def _answering(period: Period) -> ColumnElement[bool]:
    # A pause asked for when it was late already hides nothing.
    running = or_(Dispatch.state != Phase.SUSPENDED.value, _late(LimitStep.CLOSING))
    return and_(_lead(period), _kept(LimitStep.CLOSING), running, _judged(Dispatch.due_at))


def _answering_originally(period: Period) -> ColumnElement[bool]:
    return and_(_lead(period), _kept(LimitStep.CLOSING), _judged(Dispatch.original_due_at))


def _reworking(_: Period) -> ColumnElement[bool]:
    # A rework's own submission has passed once another callback is due or the ticket is closed again.
    ticket = aliased(Ticket)
    reviewed = select(ticket.id, ticket.reworks).where(ticket.state == State.AWAITING_REVIEW.value)
    newest = tuple_(Dispatch.ticket_id, Dispatch.rework).in_(reviewed)
    waits = and_(_by(Dispatch.replied_at, Dispatch.due_at), newest)
    return and_(Dispatch.role == "lead", Dispatch.rework > 0, _kept(LimitStep.REWORK), not_(waits))


def _supporting(_: Period) -> ColumnElement[bool]:
    dropped = and_(Dispatch.state == Phase.EXCUSED.value, not_(_late(LimitStep.CLOSING)))
    return and_(Dispatch.role == "support", Dispatch.rework == 0, _kept(LimitStep.CLOSING), not_(dropped))


TAKEN_AWAY = (Phase.RETURNED.value, Phase.RECALLED.value, Phase.HANDED_OVER.value)


def _in_hand(period: Period) -> ColumnElement[bool]:
    """In hand when the period began, or sent in it; what was taken from the unit is nobody's to finish."""
    open_then = or_(Dispatch.replied_at.is_(None), Dispatch.replied_at >= period.begins)
    return and_(_lead(period), Dispatch.state.not_in(TAKEN_AWAY), Dispatch.dispatched_at < period.ends, open_then)


def _perhaps_in_hand(period: Period) -> ColumnElement[bool]:
    """What an index finds of the parts that may have been in hand in a period: few, even after ten years."""
    kept = or_(Dispatch.ended_at.is_(None), Dispatch.ended_at >= period.begins)
    open_then = or_(Dispatch.replied_at >= period.begins, and_(Dispatch.replied_at.is_(None), kept))
    return and_(open_then, Dispatch.dispatched_at < period.ends)


def _finished(period: Period) -> ColumnElement[bool]:
    inside = and_(Dispatch.replied_at >= period.begins, Dispatch.replied_at < period.ends)
    return and_(inside, not_(_unanswered()))


def _requested(kind: str, *statuses: str) -> ColumnElement[bool]:
    of_part = [UnitRequest.dispatch_id == Dispatch.id, UnitRequest.kind == kind]
    return exists().where(*of_part, *([UnitRequest.status.in_(statuses)] if statuses else []))


def _leads() -> ColumnElement[int]:
    part = aliased(Dispatch)
    mine = (part.ticket_id == Ticket.id, part.role == "lead", part.rework == 0, part.state != Phase.HANDED_OVER.value)
    return select(func.count()).select_from(part).where(*mine).scalar_subquery()


def _to_be_sent(period: Period) -> ColumnElement[bool]:
    return and_(_own(period), or_(Ticket.dispatched_at.is_not(None), Ticket.state == State.TRIAGE.value))


def _same_matter(mine: type[Ticket], other: type[Ticket], period: Period) -> Select[int]:
    """Return the appeals with which the same enterprise had raised, or raised again, the same matter (归口标签) around a period.

    A join of two bounded sets, asked once: a question put for every appeal would take minutes for a year.
    """
    my_party, their_party = aliased(TicketParty), aliased(TicketParty)
    return (
        select(mine.id)
        .join(my_party, my_party.ticket_id == mine.id)
        .join(
            their_party,
            and_(their_party.enterprise_group == my_party.enterprise_group, their_party.enterprise_group != ""),
        )
        .join(other, other.id == their_party.ticket_id)
        .where(
            other.id != mine.id, other.tag == mine.tag, other.parent_id.is_(None), other.special_supervisor.is_(None),
            other.state != State.SPECIAL.value,
            other.accepted_at >= period.begins - RIPE, other.accepted_at < period.ends + RIPE,
        )
    )  # fmt: skip


def _repeats(period: Period) -> ColumnElement[bool]:
    mine, other = aliased(Ticket), aliased(Ticket)
    inside = and_(mine.accepted_at >= period.begins, mine.accepted_at < period.ends)
    recent = and_(other.accepted_at <= mine.accepted_at, Later(other.accepted_at, RIPE_SECONDS) >= mine.accepted_at)
    return Ticket.id.in_(_same_matter(mine, other, period).where(inside, recent))


def _at_once(period: Period) -> ColumnElement[bool]:
    mine, other = aliased(Ticket), aliased(Ticket)
    inside = and_(mine.answered_at >= period.begins, mine.answered_at < period.ends)
    soon = and_(other.accepted_at > mine.answered_at, other.accepted_at <= Later(mine.answered_at, RIPE_SECONDS))
    again = Ticket.id.in_(_same_matter(mine, other, period).where(inside, soon))
    return and_(Ticket.reworks == 0, not_(again))


def _called(*, graded: bool = False) -> ColumnElement[bool]:
    """Whether the callback that was due last was begun; or brought a grade (接通而拒评的不算有效评价)."""
    attempt = aliased(CallbackAttempt)
    settled = (State.AWAITING_CALLBACK, State.REASSESSMENT, State.CLOSED, State.ARCHIVED)
    newest = or_(
        attempt.rework == Ticket.reworks,
        and_(Ticket.state.not_in([state.value for state in settled]), attempt.rework == Ticket.reworks - 1),
    )
    said = [attempt.grade != ""] if graded else []
    return exists().where(attempt.ticket_id == Ticket.id, newest, *said)


def _last_word(period: Period, said: str) -> ColumnElement[bool]:
    """The last callback of the period in which the enterprise said something of the kind; one voice per ticket."""
    later = aliased(CallbackAttempt)
    mine, theirs = getattr(CallbackAttempt, said), getattr(later, said)
    follows = or_(
        later.at > CallbackAttempt.at, and_(later.at == CallbackAttempt.at, later.id > CallbackAttempt.id)
    )  # fmt: skip
    superseded = exists().where(
        later.ticket_id == CallbackAttempt.ticket_id, theirs != "", follows, later.at < period.ends
    )
    return and_(CallbackAttempt.outcome == "接通", mine != "", not_(superseded))


def _solved_said(period: Period) -> ColumnElement[bool]:
    return _last_word(period, "solved")


def _graded(period: Period) -> ColumnElement[bool]:
    return _last_word(period, "grade")


def _graded_first(_: Period) -> ColumnElement[bool]:
    return and_(CallbackAttempt.outcome == "接通", CallbackAttempt.grade != "", CallbackAttempt.rework == 0)


def _ruled_return(_: Period) -> ColumnElement[bool]:
    return and_(UnitRequest.kind == "退单", UnitRequest.status.in_(("准予", "不予")))


def _sent_back() -> ColumnElement[bool]:
    mine = (TicketEvent.ticket_month == Ticket.month, TicketEvent.ticket_id == Ticket.id)
    return exists().where(*mine, TicketEvent.kind == "sent_back")


def _still_open(period: Period) -> ColumnElement[bool]:
    """In hand at the cut-off, whatever has happened since."""
    unanswered = or_(Dispatch.replied_at.is_(None), Dispatch.replied_at >= period.ends)
    kept = or_(Dispatch.ended_at.is_(None), Dispatch.ended_at >= period.ends)
    return and_(_lead(period), Dispatch.dispatched_at < period.ends, unanswered, kept)


def _judged_orders(_: Period) -> ColumnElement[bool]:
    """Orders that went out; an answer in time that nobody has judged yet is neither a hit nor the unit's miss."""
    waits = and_(SupervisionOrder.status == REPLIED, _by(SupervisionOrder.replied_at, SupervisionOrder.due_at))
    return and_(SupervisionOrder.status.in_((ISSUED, REPLIED, CONCLUDED)), ~waits)


def _red_cards(period: Period) -> ColumnElement[bool]:
    return and_(Card.level == RED, Card.made_at >= period.begins, Card.made_at < period.ends)


def _deserved(_: Period) -> ColumnElement[bool]:
    """Not where the time was moved past the card afterwards; a granted return is asked for long before anything is overdue."""
    return Dispatch.due_at < Card.made_at


def _red_orders(period: Period) -> ColumnElement[bool]:
    # A reply is due after the order went out: what an index on due times finds holds every one of the period.
    sent = SupervisionOrder.issued_at
    return and_(SupervisionOrder.due_at >= period.begins, sent >= period.begins, sent < period.ends)


def _sent_in_red(_: Period) -> ColumnElement[bool]:
    out = SupervisionOrder.status.in_((ISSUED, REPLIED, CONCLUDED))
    return and_(SupervisionOrder.level == Level.RED.value, out)


INDICATORS: tuple[Indicator, ...] = (
    Indicator(
        "received", "受理量", Grain.TICKET, "期内受理的工单（拆分子件不另计，并案件计入）", "", Ticket.accepted_at, _own,
        None, PRACTICE,
    ),
    Indicator(
        "direct_rate", "直办率", Grain.TICKET, "在线解答、三方通话当场办结", "期内受理", Ticket.accepted_at, _own,
        lambda _: exists().where(DirectAnswer.ticket_id == Ticket.id), NOTICE, Sense.HIGH,
    ),
    Indicator(
        "repeat_rate", "重复诉求率", Grain.TICKET, "前30日内同一企业反映过同一归口标签的", "期内受理", Ticket.accepted_at, _own,
        _repeats, PRACTICE, Sense.LOW,
    ),
    Indicator(
        "dispatch_timely", "派单及时率", Grain.TICKET, "在首次派单时限内派出", "首次派单截止在期内、应派的工单",
        Ticket.dispatch_due_at, _to_be_sent, lambda _: _by(Ticket.dispatched_at, Ticket.dispatch_due_at),
        "北京市接诉即办工作条例第十一条", Sense.HIGH,
    ),
    Indicator(
        "first_hit", "一次派准率", Grain.TICKET, "首派单位即承办到底（未退单、未改派）", "期内首次派出的工单", Ticket.dispatched_at,
        _always, lambda _: and_(Ticket.returns == 0, _leads() == 1), NATIONAL_OPINIONS, Sense.HIGH,
    ),
    Indicator(
        "dispatched", "派单量", Grain.PART, "期内派出的主办承办件（重办不另计）", "", Dispatch.dispatched_at, _lead, None, PRACTICE,
    ),
    Indicator(
        "sign_timely", "签收及时率", Grain.PART, "在签收时限内签收（系统代签不算）", "签收截止在期内的承办件（准予退单的除外）",
        Dispatch.sign_due_at, _signing, lambda _: _by(Dispatch.signed_at, Dispatch.sign_due_at), PRACTICE, Sense.HIGH,
    ),
    Indicator(
        "response_rate", "响应率", Grain.PART, "时限内联系上企业并有凭证", "首次联系截止在期内的主办承办件", Dispatch.contact_due_at,
        _contact,
        lambda _: and_(_by(Dispatch.contacted_at, Dispatch.contact_due_at), Dispatch.contact_kind == REACHED),
        BEIJING, Sense.HIGH,
    ),
    Indicator(
        "diligent_rate", "已尽责联系率", Grain.PART, "时限内两个以上时段联系三次未接通", "首次联系截止在期内的主办承办件",
        Dispatch.contact_due_at, _contact,
        lambda _: and_(_by(Dispatch.contacted_at, Dispatch.contact_due_at), Dispatch.contact_kind == DILIGENT), PRACTICE,
    ),
    Indicator(
        "on_time_rate", "按时办结率", Grain.PART, "审核通过的首次提交不晚于最终截止",
        "最终截止在期内的主办承办件（待审核、未超期而挂起的不计）",
        Dispatch.due_at, _answering, lambda _: _by(Dispatch.replied_at, Dispatch.due_at), BEIJING, Sense.HIGH,
    ),
    Indicator(
        "overdue_rate", "超期率", Grain.PART, "超期办结和到期未办结", "最终截止在期内的主办承办件（待审核、未超期而挂起的不计）",
        Dispatch.due_at, _answering, lambda _: not_(_by(Dispatch.replied_at, Dispatch.due_at)), PRACTICE, Sense.LOW,
    ),
    Indicator(
        "original_on_time_rate", "原时限按时办结率", Grain.PART, "审核通过的首次提交不晚于原截止（延期、挂起不计）",
        "原截止在期内的主办承办件",
        Dispatch.original_due_at, _answering_originally,
        lambda _: _by(Dispatch.replied_at, Dispatch.original_due_at), PRACTICE, Sense.HIGH,
    ),
    Indicator(
        "rework_on_time_rate", "重办按时率", Grain.PART, "重办提交不晚于重办截止", "重办截止在期内的主办承办件", Dispatch.due_at,
        _reworking, lambda _: _by(Dispatch.replied_at, Dispatch.due_at), PRACTICE, Sense.HIGH,
    ),
    Indicator(
        "support_on_time_rate", "协办按时率", Grain.PART, "协办意见不晚于截止", "截止在期内的协办承办件（到期前主办免等的除外）",
        Dispatch.due_at, _supporting, lambda _: _by(Dispatch.replied_at, Dispatch.due_at),
        "北京市接诉即办工作条例第十四条", Sense.HIGH,
    ),
    Indicator(
        "closing_rate", "办结率", Grain.PART, "期内办结", "期初在办＋期内新派的主办承办件（被收回、退单的不计）", None, _in_hand,
        _finished, PRACTICE, Sense.HIGH, reach=_perhaps_in_hand,
    ),
    Indicator(
        "return_rate", "退单率", Grain.PART, "获准退回", "期内派出的承办件", Dispatch.dispatched_at, _part,
        lambda _: Dispatch.state == Phase.RETURNED.value, NATIONAL_OPINIONS, Sense.LOW,
    ),
    Indicator(
        "return_request_rate", "退单申请率", Grain.PART, "提出过退单", "期内派出的承办件", Dispatch.dispatched_at, _part,
        lambda _: _requested("退单"), PRACTICE,
    ),
    Indicator(
        "extension_rate", "延期率", Grain.PART, "获准延期", "期内派出的主办承办件", Dispatch.dispatched_at, _lead,
        lambda _: _requested("延期", "准予"), PRACTICE,
    ),
    Indicator(
        "improper_return_rate", "不当退单率", Grain.REQUEST, "未予采纳", "期内裁决的退单申请", UnitRequest.decided_at,
        _ruled_return, lambda _: UnitRequest.status == "不予", "国办发〔2020〕53号（不当退单问责）", Sense.LOW,
    ),
    Indicator(
        "improper_return_of_parts", "不当退单占比", Grain.PART, "退单申请未予采纳", "期内派出的承办件", Dispatch.dispatched_at, _part,
        lambda _: _requested("退单", "不予"), "年考评口径：以派单量为分母", Sense.LOW,
    ),
    Indicator(
        "callback_coverage", "回访覆盖率", Grain.TICKET, "已发起回访", "回访截止在期内的工单", Ticket.callback_due_at, _always,
        lambda _: _called(), NOTICE, Sense.HIGH,
    ),
    Indicator(
        "participation_rate", "参评率", Grain.TICKET, "回访接通并评价", "回访截止在期内的工单", Ticket.callback_due_at, _always,
        lambda _: _called(graded=True), PRACTICE, Sense.HIGH,
    ),
    Indicator(
        "solved_rate", "解决率", Grain.CALLBACK, "企业答“已解决”", "期内回访中企业作答的工单（一件以期内最后一次为准）", CallbackAttempt.at,
        _solved_said, lambda _: CallbackAttempt.solved == "已解决", BEIJING, Sense.HIGH,
    ),
    Indicator(
        "widely_solved_rate", "解决率（宽口径）", Grain.CALLBACK, "企业答“已解决”，“部分解决”按半件计",
        "期内回访中企业作答的工单（一件以期内最后一次为准）", CallbackAttempt.at, _solved_said,
        lambda _: CallbackAttempt.solved == "已解决", "宽口径，列在解决率之后供参看，不用于考评", Sense.HIGH,
        half=lambda _: CallbackAttempt.solved == "部分解决",
    ),
    Indicator(
        "partly_solved_rate", "部分解决率", Grain.CALLBACK, "企业答“部分解决”", "期内回访中企业作答的工单（一件以期内最后一次为准）",
        CallbackAttempt.at, _solved_said, lambda _: CallbackAttempt.solved == "部分解决", PRACTICE,
    ),
    Indicator(
        "satisfied_rate", "满意率", Grain.CALLBACK, "非常满意、满意、基本满意",
        "期内回访的有效评价（一件以期内最后一次为准；未接通、拒评不算满意）",
        CallbackAttempt.at, _graded, lambda _: CallbackAttempt.grade.in_(SATISFIED), NATIONAL_GRADES, Sense.HIGH,
    ),
    Indicator(
        "strictly_satisfied_rate", "满意率（严口径）", Grain.CALLBACK, "非常满意、满意", "期内回访的有效评价", CallbackAttempt.at, _graded,
        lambda _: CallbackAttempt.grade.in_(SATISFIED_STRICTLY), NATIONAL_GRADES, Sense.HIGH,
    ),
    Indicator(
        "first_satisfied_rate", "首次满意率", Grain.CALLBACK, "非常满意、满意、基本满意", "期内首次办结后（未重办）的有效评价",
        CallbackAttempt.at,
        _graded_first, lambda _: CallbackAttempt.grade.in_(SATISFIED), NATIONAL_GRADES, Sense.HIGH,
    ),
    Indicator(
        "answered", "首次办结量", Grain.TICKET, "期内首次办结（答复审核通过或直办）的工单", "", Ticket.answered_at, _always, None, PRACTICE,
    ),
    Indicator(
        "clean_answer_rate", "一次过审率", Grain.TICKET, "答复未被审核退回", "期内首次办结的派出工单", Ticket.answered_at,
        lambda _: Ticket.lead_unit.is_not(None), lambda _: not_(_sent_back()), PRACTICE, Sense.HIGH,
    ),
    Indicator(
        "in_hand", "期末在办", Grain.PART, "期末在手的主办承办件", "", None, _still_open, None, PRACTICE,
        reach=_perhaps_in_hand,
    ),
    Indicator(
        "overdue_open", "期末超期未办结", Grain.PART, "期末在手、最终截止已过的主办承办件", "", None,
        lambda period: and_(_still_open(period), Dispatch.due_at < period.ends), None, PRACTICE, Sense.LOW,
        reach=_perhaps_in_hand,
    ),
    Indicator(
        "rework_rate", "重办率", Grain.TICKET, "被退回重办过（一件计一次）", "期内首次办结的工单", Ticket.answered_at, _always,
        lambda _: Ticket.reworks > 0, PRACTICE, Sense.LOW,
    ),
    Indicator(
        "supervision_rate", "督办办结率", Grain.ORDER, "期限内回复并认定落实",
        "回复期限在期内的督办件（拟发、撤销的，期限内已回复、督办人员还没认定的不计）", SupervisionOrder.due_at, _judged_orders,
        lambda _: and_(SupervisionOrder.result == DONE, _by(SupervisionOrder.replied_at, SupervisionOrder.due_at)),
        "包府发〔2024〕40号第31项", Sense.HIGH,
    ),
    Indicator(
        "red_cards", "红牌", Grain.CARD, "期内发出的红牌（截止后来改到发牌之后的不计）", "", None, _deserved, None,
        "山东省级热线办法（2017）：超期首个工作日红牌", Sense.LOW, reach=_red_cards,
    ),
    Indicator(
        "red_orders", "红牌督办件", Grain.ORDER, "期内发出的红牌督办单所列工单（拟发、撤销的不计）", "", None, _sent_in_red, None,
        "包府发〔2024〕40号第31项", Sense.LOW, reach=_red_orders,
    ),
    Indicator(
        "once_rate", "一次办结率", Grain.TICKET, "首次办结后未重办、30日内同一企业未再反映同一事项", "期内首次办结、观察期满30日的工单",
        Ticket.answered_at, _always, _at_once, PRACTICE, Sense.HIGH, RIPE_DAYS,
    ),
)  # fmt: skip

BY_CODE = {indicator.code: indicator for indicator in INDICATORS}
