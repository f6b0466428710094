"""年考评: scores that a unit can recompute by hand, deductions and bonus by approved findings, signs of gaming."""

from collections import defaultdict
from decimal import Decimal

from sqlalchemy import func, select

from app.reports.catalogue import BY_CODE
from app.reports.counting import of, tally
from app.reports.figures import Figures, Maker, breakdowns, by_unit, head, headline, value
from app.reports.gaming import signs
from app.reports.layout import Section, Sheet, Table, count, words
from app.reports.monthly import MAIN
from app.reports.periods import Period, Span, parse
from app.reports.scoring import EXCLUDED, UPHELD, cents, ranked, scores
from app.reports.showing import (
    TREND,
    UNIT_COLUMNS,
    indicator_table,
    name_of,
    numbered,
    rank_tables,
    share_table,
    shown,
    trend_charts,
    unit_table,
)
from app.reports.tables import AssessmentMark
from app.reports.times import handling

BONUS = "加分"
ZERO, FULL = Decimal(0), Decimal(100)
MONTHS = range(1, 13)


def build(maker: Maker, period: Period) -> Figures:
    """Return the year's figures and scores."""
    rules = maker.rulebook.assessment
    found = scores(maker, period)
    found = {unit: row | settled(maker, period, unit, row["score"]) for unit, row in found.items()}
    return head(maker, period) | {
        "headline": headline(maker, period),
        "by": breakdowns(maker, period),
        "units": by_unit(maker, period, UNIT_COLUMNS),
        "months": [_month(maker, f"{period.key}-{month:02d}") for month in MONTHS],
        "scores": found,
        "ranks": ranked(rules, found, "final"),
        "weights": [
            {"code": each.code, "name": each.name, "weight": str(each.weight), "inverted": each.inverted,
             "indicator": each.indicator, "without_types": list(each.without_types),
             "without_tags": list(each.without_tags), "basis": each.basis}
            for each in rules.weights
        ],
        "excluded": _excluded(maker, period),
        "signs": signs(maker.session, period),
        "times": handling(maker.session, period, maker.calendar),
        "least": rules.least,
    }  # fmt: skip


def _month(maker: Maker, key: str) -> Figures:
    month = parse(Span.MONTH, key, maker.cuts)
    codes = ("received", *TREND)
    counted = tally(maker.session, [BY_CODE[code] for code in codes], month)
    return {"period": key, **{code: value(code, of(counted, code), month) for code in codes}}


def settled(maker: Maker, period: Period, unit: str, score: str | None) -> Figures:
    """Return what findings take from a score and add to it, and what remains; never below 0 or above 100 plus bonus."""
    rules = maker.rulebook.assessment
    found = findings(maker, period, unit)
    lines, taken = [], ZERO
    for deduction in rules.deductions:
        number = len(found.get(deduction.finding, []))
        lost = deduction.points * number
        lost = min(lost, deduction.cap) if deduction.cap is not None else lost
        taken += lost
        if number:
            lines.append(
                {"finding": deduction.finding, "n": number, "points": cents(lost), "veto": deduction.veto,
                 "marks": [mark for mark, _ in found[deduction.finding]]}
            )  # fmt: skip
    bonus = min(sum((points for _, points in found.get(BONUS, [])), ZERO), rules.bonus_cap)
    final = None if score is None else max(Decimal(score) - taken, ZERO) + bonus
    return {
        "deductions": lines,
        "bonus": cents(bonus),
        "final": cents(final),
        "veto": any(line["veto"] for line in lines),
    }


def findings(maker: Maker, period: Period, unit: str) -> dict[str, list[tuple[int, Decimal]]]:
    """Return what two persons found of a unit in a period, by kind: each finding's id and, of 加分, its points."""
    statement = select(AssessmentMark).where(
        AssessmentMark.unit == unit, AssessmentMark.status == UPHELD, AssessmentMark.kind != EXCLUDED,
        AssessmentMark.decided_at >= period.begins, AssessmentMark.decided_at < period.ends,
    )  # fmt: skip
    found: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    for mark in maker.session.scalars(statement.order_by(AssessmentMark.id)):
        found[mark.kind].append((mark.id, mark.points or ZERO))
    return found


def _excluded(maker: Maker, period: Period) -> Figures:
    """Return how many work orders two people excluded (不合理剔除率 must be published)."""
    marks = (
        AssessmentMark.kind == EXCLUDED, AssessmentMark.status == UPHELD, AssessmentMark.decided_at >= period.begins,
        AssessmentMark.decided_at < period.ends,
    )  # fmt: skip
    number = maker.session.scalars(select(func.count(AssessmentMark.ticket_id.distinct())).where(*marks)).one()
    return {"n": number, "of": of(maker.whole(period), "answered").base}


def sheet(figures: Figures) -> Sheet:
    """Return the year as it is shown."""
    sections = numbered(
        (
            _rules(figures),
            _ranks(figures),
            _whole(figures),
            _parts(figures),
            _deductions(figures),
            _signs(figures),
            _annex(figures),
        )
    )
    return Sheet(
        title="包头市12345营商环境专席企业诉求办理年度考评",
        subtitle=f"{figures['title']}（{figures['begins']} 至 {figures['cut_off']}，数据截至期末）",
        sections=sections,
        addressee="各旗县区人民政府，稀土高新区管委会，市直各有关单位：",
        notes=(
            "得分＝100×Σ（权重×指标）－扣分＋加分；某项不足起评件数的，权重按比例摊给其余各项。",
            "超期只在“按时办结”一项计分，不另扣分；解决率、满意率不计举报、建议和执法监督类，咨询不计解决率。",
            "每项都可展开到工单，单位可据此自行复算；有异议的在公布后5个工作日内提出申诉。",
            "各单位数之和与全市数一致；没有单位的（未派单、直办）单列一行。",
        ),
    )


def _rules(figures: Figures) -> Section:
    rows = tuple(
        (words(each["name"]), words(each["weight"]), words(BY_CODE[each["indicator"]].name + ("（取1减）" if each["inverted"] else "")),
         words("、".join([*each["without_types"], *(f"{prefix}类标签" for prefix in each["without_tags"])]) or "—"), words(each["basis"]))
        for each in figures["weights"]
    )  # fmt: skip
    gone = figures["excluded"]
    text = f"每项不足{figures['least']}件的不计该项。本年度经两人认定剔除{gone['n']}件（首次办结{gone['of']}件）。"
    return Section("rules", "计分办法", (text,), (Table("权重", ("项目", "权重", "指标", "不计入", "依据"), rows),))


def _ranks(figures: Figures) -> Section:
    return Section("ranks", "考评结果", (), rank_tables(figures, "最终得分"))


def _whole(figures: Figures) -> Section:
    charts = trend_charts(figures["months"], tuple(f"{int(row['period'][-2:])}月" for row in figures["months"]), "各月")
    shares = [share_table(figures, "type", "诉求类型"), share_table(figures, "tag", "归口标签前20位", 20)]
    return Section("whole", "全年情况", (), (indicator_table(figures, MAIN), *shares), charts)


def _parts(figures: Figures) -> Section:
    rows = []
    for unit, found in figures["scores"].items():
        for weight in figures["weights"]:
            part = found["parts"][weight["code"]]
            rows.append(
                (words(name_of(figures, "unit", unit)), words(weight["name"]), shown(part, weight["indicator"]), count(part["hit"]),
                 count(part["base"]), words(part["share"] or "摊给其余"), words(part["points"] or "—"))
            )  # fmt: skip
    header = ("单位", "项目", "指标", "分子", "分母", "实际权重", "得分")
    return Section("parts", "得分构成", (), (Table("各单位各项得分", header, tuple(rows)),))


def _deductions(figures: Figures) -> Section:
    rows = tuple(
        (words(name_of(figures, "unit", unit)), words(line["finding"]), count(line["n"]), words(line["points"]),
         words("一票否决" if line["veto"] else "—"))
        for unit, found in figures["scores"].items() for line in found["deductions"]
    )  # fmt: skip
    bonus = tuple(
        (words(name_of(figures, "unit", unit)), words(found["bonus"]))
        for unit, found in figures["scores"].items()
        if Decimal(found["bonus"])
    )
    tables = [Table("扣分", ("单位", "事由", "件数", "扣分", "说明"), rows)] if rows else []
    tables += [Table("加分", ("单位", "加分"), bonus)] if bonus else []
    return Section("deductions", "扣分与加分", () if tables else ("本年度没有扣分、加分。",), tuple(tables))


def _signs(figures: Figures) -> Section:
    rows = tuple(
        (
            words(name_of(figures, "unit", sign["unit"])),
            words(sign["sign"]),
            count(sign["n"]),
            words("、".join(sign["numbers"])),
        )
        for sign in figures["signs"]
    )
    if not rows:
        return Section("signs", "需要核实的迹象", ("没有发现临期突击办结、雷同答复、期末集中退单的迹象。",))
    return Section(
        "signs",
        "需要核实的迹象",
        ("以下只是提示，须核实后方可认定。",),
        (Table("迹象", ("单位", "迹象", "件数", "工单"), rows),),
    )


def _annex(figures: Figures) -> Section:
    return Section("annex", "附件", (), (unit_table(figures, caption="各单位全年办理情况"),))
