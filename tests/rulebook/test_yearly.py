"""The yearly notice on days off: read, checked against itself, and as good as the file made by hand."""

from datetime import date
from pathlib import Path

import pytest

from app.cli import rules as rules_cli
from app.errors import InvalidInputError
from app.rulebook.loader import load_rulebook
from app.rulebook.yearly import YearlyError, read_year, year_yaml
from tests.rules import copied, shipped

# The arrangement of 2026 (国务院办公厅, 2025-11-04), in our own short form of the same pattern.
NOTICE_2026 = """一、元旦：1月1日（周四）至3日（周六）放假调休，共3天。1月4日（周日）上班。
二、春节：2月15日（农历腊月二十八、周日）至23日（农历正月初七、周一）放假调休，共9天。2月14日（周六）、2月28日（周六）上班。
三、清明节：4月4日（周六）至6日（周一）放假，共3天。
四、劳动节：5月1日（周五）至5日（周二）放假调休，共5天。5月9日（周六）上班。
五、端午节：6月19日（周五）至21日（周日）放假，共3天。
六、中秋节：9月25日（周五）至27日（周日）放假，共3天。
七、国庆节：10月1日（周四）至7日（周三）放假调休，共7天。9月20日（周日）、10月10日（周六）上班。
"""


def test_the_notice_of_2026_gives_the_file_that_was_made_by_hand() -> None:
    by_hand = next(year for year in shipped().years if year.year == 2026)
    read = read_year(NOTICE_2026, 2026, by_hand.source, by_hand)
    assert {span.name: (span.days_off, span.make_up) for span in read.holidays} == {
        span.name: (span.days_off, span.make_up) for span in by_hand.holidays
    }


def test_a_span_over_the_turn_of_a_month_and_a_single_day() -> None:
    text = "一、元旦：1月1日（周三）放假1天，不调休。\n二、春节：1月28日（周二）至2月4日（周二）放假调休，共8天。1月26日（周日）上班。"
    spans = read_year(text, 2025, "试", shipped().years[0]).holidays
    assert [len(span.days_off) for span in spans] == [1, 8]
    assert spans[1].days_off[-1] == date(2025, 2, 4)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("共3天", "共4天", "4 天，读到 3 天"),
        ("1月1日（周四）", "1月1日（周五）", "是周四"),
        ("1月4日（周日）上班", "1月5日上班", "不是周末"),
        ("5月1日（周五）至5日（周二）", "5月1日至35日", "没有这一天"),
    ],
)
def test_a_notice_that_contradicts_itself_is_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(YearlyError, match=told):
        read_year(NOTICE_2026.replace(old, new, 1), 2026, "试", shipped().years[0])


def test_some_other_text_is_refused() -> None:
    with pytest.raises(YearlyError, match="没有读到"):
        read_year("关于做好高温作业劳动保护的通知", 2026, "试", shipped().years[0])


def test_the_command_writes_a_year_once(tmp_path: Path) -> None:
    rules = copied(tmp_path)
    notice = tmp_path / "notice.txt"
    notice.write_text("一、元旦：1月1日（周五）至3日（周日）放假，共3天。", encoding="utf-8")
    rules_cli.import_calendar(notice, 2027, "试用通知", rules)
    assert [year.year for year in load_rulebook(rules).years] == [2025, 2026, 2027]
    assert "试用通知" in year_yaml(load_rulebook(rules).years[-1])
    with pytest.raises(InvalidInputError, match="已存在"):
        rules_cli.import_calendar(notice, 2027, "试用通知", rules)
