"""红牌 of a period, as the bulletin names them: cards for what ran over its time, and 督办单 of that level that went out.

What became of each is what the rows say when the bulletin is made, of that only what happened before the cut-off. A bulletin
made late therefore differs from one made in time where a reply given in time was sent back after the cut-off: the row keeps no
reply that was sent back, and it says unanswered.
Numbers, steps and times only: what a supervisor wrote, titles and enterprises come into no bulletin by themselves, and that
holds for 公开, 隐名 and 匿名 alike. No yellow card (never named or scored), no 专办件.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from app.clock import spoken
from app.reminders.tables import Card
from app.reports.catalogue import BY_CODE
from app.reports.figures import Figures, Maker
from app.reports.indicators import Indicator, rows_of
from app.reports.layout import Table, words
from app.reports.periods import Period
from app.reports.showing import shown, was
from app.rulebook.shapes import Rulebook
from app.supervision.tables import SupervisionOrder, SupervisionTicket
from app.tickets.queries import ordinary
from app.tickets.standing import Phase
from app.tickets.tables import Dispatch, Ticket

CARDS, ORDERS = "red_cards", "red_orders"
# A table of more rows is read by nobody; the counts beside it are whole and open to the rest.
LISTED = 100
BY_HAND = "人工发起"
GONE = {Phase.EXCUSED.value: "主办不再等待", Phase.RECALLED.value: "已收回", Phase.HANDED_OVER.value: "已移交"}


def given(maker: Maker, period: Period) -> list[dict[str, Any]]:
    """Return every 红牌 given in a period by unit and time; of either kind the first hundred, what was due first first."""
    rows = [*_cards(maker, period), *_orders(maker, period)]
    return sorted(rows, key=lambda row: (row["unit"], row["on"], row["number"], row["reason"]))


def _of(indicator: Indicator, period: Period, *columns: Any) -> Select[Any]:
    return select(*columns).select_from(rows_of(indicator.grain)).where(indicator.counted(period), ordinary())


def _cards(maker: Maker, period: Period) -> list[dict[str, Any]]:
    statement = _of(
        BY_CODE[CARDS], period, Card.unit, Ticket.number, Card.kind, Card.made_at, Card.due_at, Dispatch.replied_at,
        Dispatch.ended_at, Dispatch.state,
    )  # fmt: skip
    found = maker.session.execute(statement.order_by(Card.due_at, Card.id).limit(LISTED))
    return [
        {
            "unit": unit, "number": number, "reason": f"{kind}超期", "on": spoken(made_at), "due": spoken(due_at),
            "outcome": _answered(replied_at, ended_at, state, period),
        }
        for unit, number, kind, made_at, due_at, replied_at, ended_at, state in found
    ]  # fmt: skip


def _answered(replied_at: datetime | None, ended_at: datetime | None, state: str, period: Period) -> str:
    if replied_at and replied_at < period.ends:
        return f"{spoken(replied_at)} 答复"
    gone = GONE.get(state) if ended_at and ended_at < period.ends else None
    return gone or "期末未答复"


def _orders(maker: Maker, period: Period) -> list[dict[str, Any]]:
    statement = _of(BY_CODE[ORDERS], period, SupervisionOrder, Ticket.number)
    ordered = statement.order_by(SupervisionOrder.due_at, SupervisionTicket.id).limit(LISTED)
    return [
        {
            "unit": order.unit, "number": number, "reason": f"{order.way}督办（{_cause(order, maker.rulebook)}）",
            "on": spoken(order.issued_at), "due": spoken(order.due_at), "outcome": _concluded(order, period),
        }
        for order, number in maker.session.execute(ordered)
    ]  # fmt: skip


def _cause(order: SupervisionOrder, rulebook: Rulebook) -> str:
    """Return why an order was raised; by its code where the rules have dropped the rule."""
    if not order.rule:
        return BY_HAND
    return next((rule.cause.value for rule in rulebook.supervision.rules if rule.code == order.rule), order.rule)


def _concluded(order: SupervisionOrder, period: Period) -> str:
    if order.concluded_at and order.concluded_at < period.ends:
        return order.result
    if order.replied_at and order.replied_at < period.ends:
        return "已回复，待认定"
    return "逾期未回复" if order.due_at and order.due_at < period.ends else "未到回复期限"


def tables(figures: Figures) -> tuple[Table, ...]:
    """Return how many 红牌 each unit was given, and which; nothing where there were none.

    Bulletins frozen before 红牌 were counted have no list of them.
    """
    if not figures.get("red"):
        return ()
    units = tuple(
        (words(was(figures, {"unit": unit})), shown(row[CARDS], CARDS), shown(row[ORDERS], ORDERS))
        for unit, row in figures["units"].items()
        if row[CARDS]["base"] or row[ORDERS]["base"]
    )
    whole = tuple(figures["headline"][code]["now"] for code in (CARDS, ORDERS))
    units = (*units, (words("合计"), shown(whole[0], CARDS), shown(whole[1], ORDERS)))
    total, listed = sum(each["base"] for each in whole), len(figures["red"])
    rest = "" if listed == total else f"，列出截止最早的{listed}项，其余点开上表件数查看"
    rows = tuple(
        (
            words(was(figures, row)), words(row["number"], f"/api/v1/tickets/{row['number']}"), words(row["reason"]),
            words(row["due"]), words(row["on"]), words(row["outcome"]),
        )
        for row in figures["red"]
    )  # fmt: skip
    return (
        Table("各单位红牌", ("单位", "红牌", "红牌督办件"), units),
        Table(
            f"期内发出的红牌（共{total}项{rest}）", ("单位", "工单", "事由", "截止时间", "发出时间", "期末结果"), rows
        ),
    )
