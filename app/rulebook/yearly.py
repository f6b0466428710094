"""Reads the State Council's yearly notice on days off (关于…年部分节假日安排的通知) into a calendar file. Pure.

What the notice says is checked against itself before anything is believed: 共几天 against the days counted, 周几 against
the calendar, make-up days against weekends.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta

import yaml

from app.rulebook.shapes import CalendarYear, HolidaySpan

ITEM = re.compile(r"^[一二三四五六七八九十]+、\s*(?P<name>[^：:]{2,12})[：:](?P<rest>.+)$")
DAY = re.compile(r"(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})日")
RANGE_END = re.compile(r"\s*(?:（[^）]*）|\([^)]*\))?\s*(?:至|—|-|～)\s*(?:(?P<month>\d{1,2})月)?(?P<day>\d{1,2})日")
COUNT = re.compile(r"共(\d{1,3})天|放假(\d{1,3})天")
SAID_WEEKDAY = re.compile(DAY.pattern + r"（[^）]*?(?:周|星期)(?P<weekday>[一二三四五六日])[^）]*）")
WEEKDAYS = "一二三四五六日"
SATURDAY = 5


class YearlyError(ValueError):
    """The notice contradicts itself or cannot be read; the text says where."""


def read_year(text: str, year: int, source: str, office: CalendarYear) -> CalendarYear:
    """Return a year's calendar from the notice's text.

    Args:
        text: the notice, one festival a line (一、元旦：…).
        year: which year it is for.
        source: title and date of the notice.
        office: the year whose office hours hold on.

    Raises:
        YearlyError: no festival was found, or the notice contradicts itself.
    """
    items = (match for line in text.splitlines() if (match := ITEM.match(line.strip())))
    spans = tuple(span for match in items for span in _span(match["name"].strip(), match["rest"], year))
    if not spans:
        raise YearlyError("没有读到“一、元旦：…”这样的条目，请确认是节假日安排通知的正文")
    return CalendarYear(year=year, source=source, office=office.office, holidays=spans)


def _span(name: str, rest: str, year: int) -> Iterator[HolidaySpan]:
    if "放假" not in rest:
        return
    _check_weekdays(name, rest, year)
    days = tuple(_days_off(name, rest.partition("放假")[0], year))
    said = COUNT.search(rest)
    if said and int(said[1] or said[2]) != len(days):
        raise YearlyError(f"{name}：通知说 {said[1] or said[2]} 天，读到 {len(days)} 天（{days[0]} 至 {days[-1]}）")
    make_up = tuple(_date(match, year) for part in rest.split("。") if "上班" in part for match in DAY.finditer(part))
    for day in make_up:
        if day.weekday() < SATURDAY:
            raise YearlyError(f"{name}：{day} 不是周末，不会是调休上班日")
    yield HolidaySpan(name=name, days_off=days, make_up=make_up)


def _check_weekdays(name: str, rest: str, year: int) -> None:
    for match in SAID_WEEKDAY.finditer(rest):
        day = _date(match, year)
        if WEEKDAYS[day.weekday()] != match["weekday"]:
            raise YearlyError(
                f"{name}：{day} 是周{WEEKDAYS[day.weekday()]}，通知写作周{match['weekday']}，请核对年份和文字"
            )


def _days_off(name: str, said: str, year: int) -> Iterator[date]:
    begin = DAY.search(said)
    if begin is None:
        raise YearlyError(f"{name}：没有读到放假日期")
    first = _date(begin, year)
    end = RANGE_END.match(said, begin.end())
    last = _day(first.year, int(end["month"] or first.month), int(end["day"]), end.group()) if end else first
    if last < first:
        last = _day(last.year + 1, last.month, last.day, said)
    yield from (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))


def _date(match: re.Match[str], year: int) -> date:
    return _day(int(match["year"] or year), int(match["month"]), int(match["day"]), match.group())


def _day(year: int, month: int, day: int, said: str) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        raise YearlyError(f"没有这一天：{said.strip()}") from error


def year_yaml(calendar: CalendarYear) -> str:
    """Return a year's calendar as the file of routing_rules/calendar/ that holds it."""
    office = calendar.office
    content = {
        "year": calendar.year,
        "source": calendar.source,
        "office": {
            "windows": [
                {"opens": f"{window.opens:%H:%M}", "closes": f"{window.closes:%H:%M}"} for window in office.windows
            ],
            "source": office.source,
        },
        "holidays": [
            {
                "name": span.name,
                "days_off": list(span.days_off),
                **({"make_up": list(span.make_up)} if span.make_up else {}),
            }
            for span in calendar.holidays
        ],
    }
    head = f"# {calendar.year} 年工作日历：由通知导入，法定节假日、调休上班日与办公时间（沿用上一年，变了请改）。\n"
    return head + yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)
