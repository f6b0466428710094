"""周分析: the week's figures, and how they are shown (包府发〔2024〕40号第31项；sections as real weekly bulletins have them)."""

from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.reports import lists
from app.reports.catalogue import BY_CODE
from app.reports.counting import shares
from app.reports.figures import Figures, Maker, breakdowns, by_unit, head, headline, weeks_known
from app.reports.layout import Chart, ChartKind, Section, Sheet, Table, change, count, words
from app.reports.periods import Period, Span
from app.reports.rising import WEEKS, rises
from app.reports.showing import (
    UNIT_COLUMNS,
    indicator_table,
    name_of,
    numbered,
    share_table,
    ticket_list,
    unit_table,
    was,
)
from app.reports.times import handling

TOP_TAGS = 10
RATES = (
    "direct_rate", "dispatch_timely", "first_hit", "sign_timely", "response_rate", "on_time_rate", "closing_rate",
    "return_rate", "callback_coverage", "solved_rate", "widely_solved_rate", "satisfied_rate", "repeat_rate",
)  # fmt: skip
WEAK = Decimal(90)
ENOUGH = 10


def build(maker: Maker, period: Period) -> Figures:
    """Return the week's figures."""
    session = maker.session
    return head(maker, period) | {
        "headline": headline(maker, period),
        "by": breakdowns(maker, period),
        "units": by_unit(maker, period, UNIT_COLUMNS),
        "times": handling(session, period, maker.calendar),
        "rising": _rising(maker, period),
        "alike": lists.alike(session, period, maker.rulebook.clusters),
        "overdue": lists.overdue(session, period),
        "bounced": lists.bounced(session, period),
        "repeaters": lists.repeaters(session, period),
        "suggestions": lists.suggestions(session, period),
        "gaps": lists.gaps(session, period),
        "cases": lists.cases(session, period),
    }


def _rising(maker: Maker, period: Period) -> list[Figures]:
    weeks = weeks_known(maker.session, period, WEEKS)
    earlier = Period(period.begins - timedelta(weeks=weeks), period.begins, Span.WEEK, period.key)
    received = BY_CODE["received"]
    found = []
    now = shares(maker.session, received, period)
    then = shares(maker.session, received, earlier) if weeks else {}
    for axis in ("tag", "district"):
        counts = [{key: number for key, number in each.get(axis, {}).items() if key} for each in (now, then)]
        found += [{"axis": axis, **_plain(asdict(rise))} for rise in rises(counts[0], counts[1], weeks)]
    return found


def _plain(rise: dict[str, Any]) -> dict[str, Any]:
    return rise | {"chance": f"{rise['chance']:.4f}"}


def sheet(figures: Figures) -> Sheet:
    """Return the week as it is shown."""
    sections = numbered(
        (_overview(figures), _kinds(figures), _hot(figures), _alike(figures), _late(figures), _again(figures),
         _policy(figures), _cases(figures), _advice(figures))
    )  # fmt: skip
    return Sheet(
        title="包头市12345营商环境专席周分析",
        subtitle=f"{figures['title']}（{figures['begins']} 至 {figures['cut_off']}，数据截至期末）",
        sections=sections,
        notes=(
            "环比为与上一周比较，同比为与上年同一周比较；比率变化以百分点计；分母为0的写“—”。",
            "各单位数之和与全市数一致；没有单位的（未派单、直办）单列一行。",
            "“苗头”按前几周来件数检验，偶然达到该数量的可能性很小的才列出，不按涨幅排列。",
        ),
    )


def _overview(figures: Figures) -> Section:
    received, dispatched = (figures["headline"][code] for code in ("received", "dispatched"))
    now, then, ago = (received[each]["base"] for each in ("now", "before", "year_before"))
    text = (
        f"本周受理企业诉求{now}件，日均{Decimal(now) / 7:.1f}件，环比{change(now, then)}，同比{change(now, ago)}；"
        f"派出主办承办件{dispatched['now']['base']}件，期末在办{figures['headline']['in_hand']['now']['base']}件，"
        f"其中超期未办结{figures['headline']['overdue_open']['now']['base']}件。"
    )
    spent = figures["times"]["handling"]
    if spent["n"]:
        mean, middle, most = (spent["working_days"][key] for key in ("mean", "p50", "p90"))
        text += f"办结{spent['n']}件，平均办理{mean}个工作日（中位{middle}，九成在{most}以内）。"
    return Section("overview", "受理概况", (text,), (indicator_table(figures, RATES),))


def _kinds(figures: Figures) -> Section:
    tables = [share_table(figures, axis, title) for axis, title in (("type", "诉求类型"), ("channel", "受理渠道"))]
    tables.append(share_table(figures, "district", "事项发生地"))
    tables.append(share_table(figures, "tag", f"归口标签前{TOP_TAGS}位", TOP_TAGS))
    top = [row for row in figures["by"]["tag"] if row["key"]][:TOP_TAGS]
    series = tuple(
        (name, tuple(Decimal(row[key]) for row in top)) for name, key in (("本周", "now"), ("上周", "before"))
    )
    chart = Chart(
        ChartKind.BARS, "归口标签前十位", tuple(name_of(figures, "tag", row["key"]) for row in top), series
    )  # fmt: skip
    return Section("kinds", "诉求分类", (), tuple(tables), (chart,) if top else ())


def _hot(figures: Figures) -> Section:
    found = figures["rising"]
    if not found:
        return Section("rising", "苗头", ("本周没有明显增多的事项（按前几周来件数检验）。",))
    rows = tuple(
        (
            words(name_of(figures, item["axis"], item["key"])), count(item["now"]), words(str(item["expected"])),
            words(item["chance"]),
        )
        for item in found
    )  # fmt: skip
    return Section("rising", "苗头", (), (Table("明显增多的事项", ("事项", "本周", "前几周周均", "偶然可能性"), rows),))


def _alike(figures: Figures) -> Section:
    found = figures["alike"]
    if not found:
        return Section("alike", "同类多发", ("本周没有多家企业反映同一事项、达到件数的情况。",))
    paragraphs = tuple(
        f"{index}.“{name_of(figures, 'tag', item['tag'])}”{item['n']}件，涉及{item['enterprises']}家企业，"
        f"承办单位：{'、'.join(name_of(figures, 'unit', unit) for unit in item['units']) or '待派单'}，"
        f"建议作为会商议题。工单：{'、'.join(item['numbers'])}。"
        for index, item in enumerate(found, 1)
    )
    return Section("alike", "同类多发", paragraphs)


def _late(figures: Figures) -> Section:
    bounced = tuple(
        (words(name_of(figures, "unit", row["unit"])), words(name_of(figures, "tag", row["tag"])),
         words({"准予": "准予退单", "不予": "未予采纳"}[row["status"]]), count(row["n"]))
        for row in figures["bounced"]
    )  # fmt: skip
    tables = [unit_table(figures)]
    if figures["overdue"]:
        tables.append(ticket_list(figures, "超期未办结（最早的在前）", figures["overdue"], ("due", "截止时间")))
    if bounced:
        tables.append(Table("期内裁决的退单", ("单位", "归口标签", "结果", "件数"), bounced))
    return Section("late", "超期与退单", (), tuple(tables))


def _again(figures: Figures) -> Section:
    found = figures["repeaters"]
    if not found:
        return Section("again", "反复来诉的企业", ("近30日没有反映三次以上的企业。",))
    rows = tuple(
        (count(item["n"]), words("、".join(name_of(figures, "tag", tag) for tag in item["tags"])),
         words("、".join(item["numbers"])))
        for item in found
    )  # fmt: skip
    table = Table("近30日反映三次以上的企业（隐名、匿名件不列）", ("件数", "事项", "工单"), rows)
    return Section("again", "反复来诉的企业", (), (table,))


def _policy(figures: Figures) -> Section:
    given, gaps = figures["suggestions"], figures["gaps"]
    paragraphs = [f"本周收到企业意见建议{len(given)}条。" if given else "本周没有收到意见建议。"]
    tables = [ticket_list(figures, "意见建议", given)] if given else []
    if gaps:
        paragraphs.append("下列事项没有措施条款可依，建议补充派单目录：")
        rows = tuple(
            (words(name_of(figures, "tag", row["tag"])), count(row["n"]), words("、".join(row["numbers"])))
            for row in gaps
        )
        tables.append(Table("映射缺口", ("归口标签", "件数", "工单"), rows))
    return Section("policy", "政策建议与映射缺口", tuple(paragraphs), tuple(tables))


def _cases(figures: Figures) -> Section:
    if not figures["cases"]:
        return Section("cases", "拟推荐案例", ("本周没有符合条件的案例。",))
    table = ticket_list(figures, "拟推荐案例（须人工审阅后方可使用）", figures["cases"], ("grade", "评价"))
    return Section("cases", "拟推荐案例", (), (table,))


def _advice(figures: Figures) -> Section:
    found = [f"{index}.{line}" for index, line in enumerate(advice(figures), 1)]
    return Section("advice", "工作建议", tuple(found) or ("本周运行平稳，没有需要专门提出的建议。",))


def advice(figures: Figures) -> list[str]:
    """Return what the figures themselves advise; the supervisor adds to it in prose."""
    found = []
    late = figures["headline"]["overdue_open"]["now"]["base"]
    if late:
        first = figures["overdue"][0]
        found.append(
            f"对超期未办结的{late}件逐件督办，最早的一件{first['number']}（{was(figures, first)}）截止于{first['due']}。"
        )
    for unit, row in figures["units"].items():
        rate = row["on_time_rate"]
        if unit and rate["base"] >= ENOUGH and Decimal(rate["percent"]) < WEAK:
            found.append(
                f"{name_of(figures, 'unit', unit)}按时办结率{rate['percent']}%（{rate['base']}件），建议约谈了解原因。"
            )
    found += [
        f"“{name_of(figures, 'tag', item['tag'])}”同类多发{item['n']}件，建议提请会商。"
        for item in figures["alike"][:3]
    ]
    if figures["gaps"]:
        found.append(f"{sum(row['n'] for row in figures['gaps'])}件没有措施条款可依，建议补充派单目录。")
    refused = sum(row["n"] for row in figures["bounced"] if row["status"] == "不予")
    if refused:
        found.append(f"本周{refused}件退单申请未予采纳，建议向有关单位通报职责依据。")
    return found
