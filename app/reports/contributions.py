"""A unit's year, case by case: what each work order brought to its score, so that the unit can recompute it by hand.

得分 = 100 × Σ 实际权重 × 分子 ÷ 分母 − 扣分 + 加分 (routing_rules/assessment.yaml, 包府发〔2024〕40号第31项). Every counted case
is a line, so are the cases left out, each with the reason, and every finding with its rule; the totals follow from the lines
alone. Counted as things stand now: where the frozen report says something else, the last line tells.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import xlsxwriter
from sqlalchemy import ColumnElement, case, exists, select, true

from app.accounts.access import Caller, Verb
from app.errors import InvalidInputError, NotFoundError
from app.reports import issuing
from app.reports.annual import BONUS, findings, settled
from app.reports.catalogue import BY_CODE
from app.reports.counting import ripe, whole
from app.reports.figures import Maker
from app.reports.indicators import rows_of, unit_of
from app.reports.periods import Period, Span
from app.reports.render import BOM, safe
from app.reports.scoring import EXCLUDED, UPHELD, Part, Score, cents, score, tallies
from app.reports.tables import AssessmentMark, Report
from app.rulebook.assessment import Weight
from app.tickets.office import Office
from app.tickets.queries import ordinary, visible
from app.tickets.tables import Ticket

HEADER = ("类别", "项目", "指标", "工单", "计入分母", "计入分子", "权重", "实际权重", "得分", "说明")
COUNTED, LEFT_OUT, DEDUCTED, ADDED, SUBTOTAL, TOTAL = "计件", "不计", "扣分", "加分", "小计", "合计"
GONE = "（已不在本单位）"
NOTHING = "—"
MOST_LINES = 50_000
CHUNK = 1000
FINE = Decimal("0.0001")


@dataclass(frozen=True)
class Line:
    """One line of the file, in the order of HEADER.

    Attributes:
        base, hit: what it adds to denominator and numerator; of a subtotal, their sums.
        points: what it brings to the score; of a counted case rounded to four places, so its sum is the subtotal's only nearly.
    """

    sort: str
    item: str
    indicator: str = ""
    number: str = ""
    base: int = 0
    hit: int | float = 0
    weight: str = ""
    share: str = ""
    points: str = ""
    why: str = ""


@dataclass(frozen=True)
class Account:
    """A unit's score of a year with all that it is made of.

    Attributes:
        settled: deductions, bonus and the final score, as in the report's figures.
        frozen: what the newest report says of the unit.
    """

    unit: str
    period: Period
    score: Score
    settled: dict[str, Any]
    frozen: dict[str, Any]
    revision: int


def account(maker: Maker, period: Period, unit: str, report: Report) -> Account:
    """Return a unit's account of a year.

    Raises:
        NotFoundError: the year's report has nothing of the unit.
    """
    frozen = json.loads(report.figures)["scores"].get(unit)
    if frozen is None:
        raise NotFoundError("本期考评没有这个单位的数据")
    found = score(maker.rulebook.assessment, tallies(maker, period).get(unit, {}))
    return Account(
        unit, period, found, settled(maker, period, unit, cents(found.total)), frozen, report.revision
    )  # fmt: skip


def lines(maker: Maker, found: Account, caller: Caller | None) -> Iterator[Line]:
    """Yield the file's lines, item by item; work orders the caller may not see count, but are not named.

    Args:
        maker: what figures are made with; its session must stay open.
        found: the unit's account.
        caller: who reads; None: the machine's own operator, who sees every number.
    """
    for weight in maker.rulebook.assessment.weights:
        part = found.score.parts[weight.code]
        yield from _cases(maker, found, weight, part, caller)
        yield _subtotal(maker, weight, part)
    yield from _findings(maker, found)
    yield from _totals(found)


def _cases(maker: Maker, found: Account, weight: Weight, part: Part, caller: Caller | None) -> Iterator[Line]:
    indicator = BY_CODE[weight.indicator]
    marked = exists().where(
        AssessmentMark.ticket_id == Ticket.id, AssessmentMark.kind == EXCLUDED, AssessmentMark.status == UPHELD
    )
    seen = visible(caller, Verb.TICKET_READ) if caller else true()
    flags = (indicator.halves(found.period), _flag(marked), _flag(seen))
    statement = select(Ticket.number, Ticket.kind, Ticket.tag, *flags).select_from(rows_of(indicator.grain))
    mine = (
        indicator.within(found.period),
        ripe(indicator, found.period),
        ordinary(),
        unit_of(indicator.grain) == found.unit,
    )
    rows: Any = maker.session.execute(statement.where(*mine).order_by(Ticket.id).execution_options(yield_per=CHUNK))
    share = "" if part.share is None else _fine(part.share)
    for number, kind, tag, halves, is_marked, is_seen in rows:
        hit = whole(halves)
        why = _why_left_out(weight, kind, tag, marked=bool(is_marked))
        yield Line(
            LEFT_OUT if why else COUNTED, weight.name, indicator.name, number if is_seen else GONE, int(not why),
            0 if why else hit, str(weight.weight), "" if why else share,
            "" if why else _worth(weight, part, hit), why,
        )  # fmt: skip


def _flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _why_left_out(weight: Weight, kind: str, tag: str, *, marked: bool) -> str:
    """Return why a case does not count for a weight; empty: it does. The same conditions as `scoring.left_out`."""
    if marked:
        return "经两人认定剔除（含申诉成立）"
    if kind in weight.without_types:
        return f"{kind}不计入本项（{weight.basis}）"
    prefix = next((prefix for prefix in weight.without_tags if tag.startswith(prefix)), "")
    return f"{prefix}类标签不计入本项（{weight.basis}）" if prefix else ""


def _worth(weight: Weight, part: Part, hit: float) -> str:
    if part.share is None:
        return ""
    good = Decimal(1 - hit if weight.inverted else hit)
    return _fine(100 * part.share * good / part.tally.base)


def _fine(number: Decimal) -> str:
    return str(number.quantize(FINE, ROUND_HALF_UP))


def _subtotal(maker: Maker, weight: Weight, part: Part) -> Line:
    least = maker.rulebook.assessment.least
    formula = "100×实际权重×" + ("（1－分子÷分母）" if weight.inverted else "分子÷分母")
    why = f"不足{least}件，本项不计，权重按比例摊给其余各项" if part.share is None else formula
    share = NOTHING if part.share is None else _fine(part.share)
    return Line(
        SUBTOTAL, weight.name, BY_CODE[weight.indicator].name, "", part.tally.base, part.tally.hit, str(weight.weight),
        share, cents(part.points) or NOTHING, why,
    )  # fmt: skip


def _findings(maker: Maker, found: Account) -> Iterator[Line]:
    rules = maker.rulebook.assessment
    marks = findings(maker, found.period, found.unit)
    numbers = _numbers(maker, [ident for rows in marks.values() for ident, _ in rows])
    for rule in rules.deductions:
        rows = marks.get(rule.finding, [])
        for ident, _ in rows:
            why = f"每件{rule.points}分{'，一票否决' if rule.veto else ''}（{rule.basis}）"
            yield Line(DEDUCTED, rule.finding, number=numbers.get(ident, ""), points=f"-{cents(rule.points)}", why=why)
        over = rule.points * len(rows) - rule.cap if rule.cap is not None else Decimal(0)
        if over > 0:
            yield Line(DEDUCTED, rule.finding, points=str(cents(over)), why=f"全年至多扣{rule.cap}分，多扣的退回")
    given = marks.get(BONUS, [])
    for ident, points in given:
        yield Line(ADDED, BONUS, number=numbers.get(ident, ""), points=str(cents(points)), why="经两人认定")
    over = sum((points for _, points in given), Decimal(0)) - rules.bonus_cap
    if over > 0:
        yield Line(ADDED, BONUS, points=f"-{cents(over)}", why=f"加分至多{rules.bonus_cap}分")


def _numbers(maker: Maker, marks: list[int]) -> dict[int, str]:
    """Return which ordinary work order each finding is about."""
    statement = select(AssessmentMark.id, Ticket.number).join(Ticket, Ticket.id == AssessmentMark.ticket_id)
    rows: Any = maker.session.execute(statement.where(AssessmentMark.id.in_(marks), ordinary()))
    return dict(tuple(row) for row in rows)


def _totals(found: Account) -> Iterator[Line]:
    taken = sum((Decimal(line["points"]) for line in found.settled["deductions"]), Decimal(0))
    total = cents(found.score.total)
    yield Line(TOTAL, "得分", points=total or NOTHING, why="各项得分之和（先求和，再四舍五入到两位）")
    yield Line(TOTAL, "扣分", points=str(cents(taken)), why="扣到 0 分为止")
    yield Line(TOTAL, "加分", points=found.settled["bonus"])
    same = (found.frozen["score"], found.frozen["final"]) == (total, found.settled["final"])
    told = f"与第{found.revision}版报告一致" if same else (
        f"第{found.revision}版报告为{found.frozen['final'] or NOTHING}，生成以后数据有变，可请督办更正报告"
    )  # fmt: skip
    yield Line(TOTAL, "最终得分", points=found.settled["final"] or NOTHING, why=f"得分－扣分＋加分；{told}")


def account_of(office: Office, period: Period, unit: str) -> Account:
    """Return a unit's account of a year whose report was made.

    Raises:
        NotFoundError: there is no report of that year, or it has nothing of the unit.
    """
    with office.database.read() as session:
        report = issuing.newest(session, Span.YEAR, period.key)
        if report is None:
            raise NotFoundError(f"{period.title}年考评还没有生成")
        return account(issuing.maker_of(session, office.desk, office.settings), period, unit, report)


def told(office: Office, found: Account, caller: Caller | None) -> Iterator[Line]:
    """Yield an account's lines from a session of their own, which stays open until the last one is read."""
    with office.database.read() as session:
        maker = issuing.maker_of(session, office.desk, office.settings)
        yield from lines(maker, found, caller)


def csv_lines(found: Iterator[Line]) -> Iterator[str]:
    """Yield the file as CSV text with a BOM, a piece for every line; no cell is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    out.write(BOM)
    writer.writerow(HEADER)
    for line in found:
        writer.writerow([safe(str(cell)) for cell in astuple(line)])
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def bounded(found: Iterator[Line]) -> list[Line]:
    """Return lines as a list.

    Raises:
        InvalidInputError: there are more than a workbook or an answer should hold; CSV has no such bound.
    """
    kept: list[Line] = []
    for line in found:
        if len(kept) == MOST_LINES:
            raise InvalidInputError(f"超过 {MOST_LINES} 行，请用 format=csv（逐行输出，不限行数）")
        kept.append(line)
    return kept


def workbook(found: list[Line]) -> bytes:
    """Return the file as a workbook of one sheet, numbers as numbers, texts never as formulas."""
    out = io.BytesIO()
    options = {"in_memory": True, "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, options)
    page = book.add_worksheet("逐件贡献")
    page.set_column(0, len(HEADER) - 1, 16)
    for column, name in enumerate(HEADER):
        page.write_string(0, column, name)
    for row, line in enumerate(found, 1):
        for column, cell in enumerate(astuple(line)):
            if isinstance(cell, int | float):
                page.write_number(row, column, cell)
            else:
                page.write_string(row, column, cell)
    book.close()
    return out.getvalue()
