"""月通报: the month's figures and the eight sections of a bulletin (包府发〔2024〕40号第31项；各地通报通行体例)."""

from collections import Counter, defaultdict

from sqlalchemy import select

from app.reports import lists, red
from app.reports.catalogue import BY_CODE
from app.reports.counting import of, tally
from app.reports.figures import Figures, Maker, breakdowns, by_unit, head, headline, value
from app.reports.layout import Cell, Section, Sheet, Table, change, count, points, words
from app.reports.periods import Period, before
from app.reports.scoring import ranked, scores
from app.reports.showing import (
    TREND,
    UNIT_COLUMNS,
    indicator_table,
    name_of,
    number_of,
    numbered,
    rank_tables,
    share_table,
    ticket_list,
    trend_charts,
    unit_table,
    was,
)
from app.reports.times import handling
from app.tickets.queries import ordinary
from app.tickets.tables import Ticket

MONTHS_SHOWN = 6
HOT = 10
MAIN = (
    "received", "dispatched", "direct_rate", "dispatch_timely", "first_hit", "sign_timely", "response_rate", "diligent_rate",
    "on_time_rate", "original_on_time_rate", "overdue_rate", "closing_rate", "rework_on_time_rate", "support_on_time_rate",
    "return_rate", "return_request_rate", "improper_return_rate", "extension_rate", "callback_coverage",
    "participation_rate", "solved_rate", "widely_solved_rate", "partly_solved_rate", "satisfied_rate", "strictly_satisfied_rate",
    "first_satisfied_rate", "clean_answer_rate", "rework_rate", "repeat_rate", "supervision_rate", "red_cards",
    "red_orders", "once_rate",
)  # fmt: skip


def build(maker: Maker, period: Period) -> Figures:
    """Return the month's figures."""
    found = scores(maker, period)
    earlier = before(period, maker.cuts)
    return head(maker, period) | {
        "headline": headline(maker, period),
        # What was first answered a month earlier has had its 30 days by now.
        "once_before": {
            "title": earlier.title,
            **value("once_rate", of(maker.whole(earlier), "once_rate"), earlier),
        },
        "by": breakdowns(maker, period),
        "hot": _hot_units(maker, period),
        "units": by_unit(maker, period, UNIT_COLUMNS),
        "scores": found,
        "ranks": ranked(maker.rulebook.assessment, found),
        "times": handling(maker.session, period, maker.calendar),
        "trend": _trend(maker, period),
        "red": red.given(maker, period),
        "named": lists.named_late(maker, period),
        "bounced": lists.bounced(maker.session, period),
        "corrections": lists.corrections(maker.session, period),
        "cases": lists.cases(maker.session, period),
        "least": maker.rulebook.assessment.least,
    }


def _trend(maker: Maker, period: Period) -> list[Figures]:
    months = [period]
    while len(months) < MONTHS_SHOWN:
        months.insert(0, before(months[0], maker.cuts))
    codes = ("received", *TREND)
    found = []
    for month in months:
        counted = tally(maker.session, [BY_CODE[code] for code in codes], month)
        found.append({"period": month.key, **{code: value(code, of(counted, code), month) for code in codes}})
    return found


def _hot_units(maker: Maker, period: Period) -> dict[str, dict[str, int]]:
    """Return how many appeals of each tag each unit leads."""
    rows = select(Ticket.tag, Ticket.lead_unit).where(
        Ticket.accepted_at >= period.begins, Ticket.accepted_at < period.ends, Ticket.parent_id.is_(None), ordinary()
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for tag, unit in maker.session.execute(rows):
        found[tag][unit or ""] += 1
    return {tag: dict(sorted(units.items())) for tag, units in sorted(found.items())}


def sheet(figures: Figures) -> Sheet:
    """Return the month as it is shown: the bulletin's sections, the annexes last."""
    sections = numbered(
        (_whole(figures), _kinds(figures), _units(figures), _hot(figures), _problems(figures), _cases(figures),
         Section("demands", "下步要求"), _annex(figures))
    )  # fmt: skip
    return Sheet(
        title="包头市12345营商环境专席企业诉求办理情况月通报",
        subtitle=f"{figures['title']}（{figures['begins']} 至 {figures['cut_off']}，数据截至期末）",
        sections=sections,
        addressee="各旗县区人民政府，稀土高新区管委会，市直各有关单位：",
        notes=(
            "环比为与上一期比较，同比为与上年同期比较；比率变化以百分点计，保留两位小数；分母为0的写“—”。",
            "首次联系、按时办结、解决率、满意率只计主办单位；协办单位只计协办意见是否按时。",
            f"只在组内排名；期内派单不足{figures['least']}件的不排名。黄牌不点名、不计分。",
            "各单位数之和与全市数一致；没有单位的（未派单、直办）单列一行。",
        ),
    )


def _whole(figures: Figures) -> Section:
    line = figures["headline"]
    received = line["received"]
    now, then, ago = (received[each]["base"] for each in ("now", "before", "year_before"))
    text = (
        f"{figures['title']}受理企业诉求{now}件，环比{change(now, then)}，同比{change(now, ago)}；"
        f"派出{line['dispatched']['now']['base']}件，{_said(figures, 'sign_timely')}，{_said(figures, 'on_time_rate')}，"
        f"{_said(figures, 'response_rate')}，{_said(figures, 'solved_rate')}，{_said(figures, 'satisfied_rate')}。"
    )
    once = figures["once_before"]
    ripe = (
        f"一次办结率需观察30日，{once['title']}首次办结的为{once['percent'] or '—'}%（{once['base']}件）。"
        if once["base"]
        else ""
    )
    charts = trend_charts(figures["trend"], tuple(row["period"] for row in figures["trend"]), "近六期")
    paragraphs = tuple(each for each in (text, ripe) if each)
    return Section("whole", "总体情况", paragraphs, (indicator_table(figures, MAIN),), charts)


def _said(figures: Figures, code: str) -> str:
    now, then = figures["headline"][code]["now"], figures["headline"][code]["before"]
    if now["percent"] is None:
        return f"{BY_CODE[code].name}无可计件"
    moved = points(number_of(now), number_of(then))
    return f"{BY_CODE[code].name}{now['percent']}%（{now['hit']}/{now['base']}，环比{moved}）"


def _kinds(figures: Figures) -> Section:
    tables = tuple(
        share_table(figures, axis, title)
        for axis, title in (("type", "诉求类型"), ("channel", "受理渠道"), ("district", "事项发生地"))
    )
    return Section("kinds", "分类与渠道", (), tables)


def _units(figures: Figures) -> Section:
    text = "各单位明细见附件；综合得分按年考评权重计算，不含扣分加分。"
    return Section("units", "各地区各部门办理情况", (text,), rank_tables(figures, "综合得分"))


def _hot(figures: Figures) -> Section:
    rows = []
    for row in [each for each in figures["by"]["tag"] if each["key"] and each["now"]][:HOT]:
        units = Counter(figures["hot"].get(row["key"], {})).most_common(3)
        rows.append(
            (
                words(name_of(figures, "tag", row["key"])), count(row["now"], row["link"]), words(change(row["now"], row["before"])),
                words("、".join(f"{name_of(figures, 'unit', unit)}{n}件" for unit, n in units)),
            )
        )  # fmt: skip
    return Section(
        "hot",
        "热点诉求",
        (),
        (Table("归口标签前十位及主要承办单位", ("归口标签", "件数", "环比", "主要承办"), tuple(rows)),),
    )


def _problems(figures: Figures) -> Section:
    tables = [*red.tables(figures)]
    if figures["named"]:
        tables.append(_named(figures))
    refused = tuple(
        (words(was(figures, row)), words(name_of(figures, "tag", row["tag"])), count(row["n"]))
        for row in figures["bounced"] if row["status"] == "不予"
    )  # fmt: skip
    if refused:
        tables.append(Table("退单未予采纳", ("单位", "归口标签", "件数"), refused))
    if figures["corrections"]:
        rows = tuple(
            (
                words(was(figures, row)),
                words(row["report"]),
                words(BY_CODE[row["indicator"]].name),
                words(row["number"] or "—"),
            )
            for row in figures["corrections"]
        )
        tables.append(Table("更正（申诉成立）", ("单位", "原期次", "指标", "工单"), rows))
    text = () if tables else ("本期没有红牌、超期未办结、重办后仍不满意和不当退单的问题。",)
    return Section("problems", "问题通报", text, tuple(tables))


def _named(figures: Figures) -> Table:
    cells: tuple[tuple[Cell, ...], ...] = tuple(
        (
            words(was(figures, row)),
            words(row["number"], f"/api/v1/tickets/{row['number']}"),
            words(row["problem"]),
            words(row["due"]),
        )
        for row in figures["named"]
    )
    return Table("期末超期未办结和重办后仍不满意", ("单位", "工单", "问题", "截止时间"), cells)


def _cases(figures: Figures) -> Section:
    if not figures["cases"]:
        return Section("cases", "典型案例")
    table = ticket_list(figures, "拟推荐案例（须人工审阅后方可使用）", figures["cases"], ("grade", "评价"))
    return Section("cases", "典型案例", (), (table,))


def _annex(figures: Figures) -> Section:
    spent = figures["times"]
    rows = tuple(
        (
            words(name_of(figures, "unit", unit)), count(found["n"]),
            *(words(found[each][key] or "—") for each in ("working_days", "days") for key in ("mean", "p50", "p90")),
        )
        for unit, found in spent["units"].items()
    )  # fmt: skip
    header = ("单位", "办结", "平均工作日", "中位工作日", "九成工作日", "平均自然日", "中位自然日", "九成自然日")
    tables = (
        unit_table(figures, caption="附件1 各单位办理情况"),
        Table("附件2 各单位办理时长（派单至办结，挂起不计）", header, rows),
    )
    return Section("annex", "附件", (), tables)
