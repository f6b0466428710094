"""Garbage in: a clear refusal out. Forms over HTTP, notices, calendars and rules through the importers and the command."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from app.cli.rules import app as rules_command
from app.rulebook.export import kept_matters, measures_yaml, texts_yaml
from app.rulebook.importer import read_notice
from app.rulebook.loader import RulebookError, load_rulebook
from app.rulebook.shapes import Rulebook
from app.rulebook.yearly import YearlyError, read_year, year_yaml
from app.settings import HOME
from tests.builders import Hotline, ticket_form
from tests.edge.conftest import Opened

LAW = settings(
    max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
RULES = HOME / "routing_rules"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
# Whole sentences of a form's fields with one of them replaced by anything at all.
NAMES = (
    *ticket_form(),
    "district",
    "urgent",
    "confidentiality",
    "arrears",
    "answered",
    "attachments",
    "external_number",
)
NOTICE_BITS = st.sampled_from(
    ["一、", "（一）", "1．", "12.", "（牵头单位：", "配合单位：", "完成时限：", "；", "、", "，", "。", "）", "市发改委", "各旗县区", "等部门",
     "2030年2月30日", "2030年6月底", "9999年99月", "长期坚持", "立行立改", "\n", "]", "[", "{a: b}", "#", "[/red]", "：", "\u2028", "\x85", "0"]
)  # fmt: skip
CALENDAR_BITS = st.sampled_from(
    ["一、", "元旦", "春节", "：", "2月29日", "13月40日", "1月1日", "12月31日", "至", "（周四）", "（星期日）", "放假", "共3天", "共" + "9" * 5000 + "天",
     "9999年", "0000年", "上班", "。", "调休", "，", "\n", "2027年"]
)  # fmt: skip


@pytest.fixture
def asked(opened: Opened) -> Hotline:
    """An application that may be asked as often as one likes."""
    return opened(rate_per_minute=0)


def assert_answered(hotline: Hotline, form: Any, place: str) -> None:
    """A form is taken, or refused with a problem that names what is wrong."""
    content = json.dumps(form).encode()
    headers = hotline.headers("operator", {"content-type": "application/json"})
    answer = hotline.client.post(f"/api/v1{place}", content=content, headers=headers)
    assert answer.status_code in {200, 201, 413, 422}, (form, answer.text)
    if answer.status_code > 201:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@pytest.mark.parametrize("place", ["/tickets", "/tickets/preview"])
def test_any_json_at_intake_is_taken_or_refused_with_a_reason(asked: Hotline, place: str) -> None:
    @LAW
    @given(JSON)
    def tried(form: Any) -> None:
        assert_answered(asked, form, place)

    tried()


def test_a_form_with_any_field_replaced_is_taken_or_refused_with_a_reason(asked: Hotline) -> None:
    @LAW
    @given(st.sampled_from(NAMES), JSON)
    def tried(name: str, value: Any) -> None:
        assert_answered(asked, {**ticket_form(), name: value}, "/tickets")

    tried()


def test_a_form_with_any_text_is_taken_or_refused_with_a_reason(asked: Hotline) -> None:
    texts = st.text(max_size=120)

    @LAW
    @given(texts, texts, texts, texts)
    def tried(title: str, content: str, name: str, whom: str) -> None:
        body = {
            "title": title,
            "content": content,
            "enterprise": {"name": name},
            "complained_of": whom,
            "override": None,
        }
        assert_answered(asked, {**ticket_form(), **body}, "/tickets")

    tried()


@LAW
@given(st.lists(NOTICE_BITS, max_size=40).map("".join) | st.text(max_size=200))
def test_any_text_as_a_notice_is_read_and_written_as_the_same(text: str) -> None:
    imported = read_notice(text)
    written = yaml.safe_load(measures_yaml(imported, {}))["measures"] or []
    assert [item["number"] for item in written] == [measure.number for measure in imported.measures]
    for item, measure in zip(written, imported.measures, strict=True):
        assert (item["lead"], item.get("support", [])) == (measure.lead, measure.support)
        assert set(item) <= {
            "number", "part", "section", "matter", "appealable", "lead", "lead_groups", "support", "support_groups",
            "deadline", "standing", "immediate",
        }  # fmt: skip
    yaml.safe_load(texts_yaml(imported))


@LAW
@given(
    text=st.lists(CALENDAR_BITS, max_size=30).map("".join) | st.text(max_size=200), year=st.sampled_from([2027, 2100])
)
def test_any_text_as_a_days_off_notice_is_read_or_refused(rulebook: Rulebook, text: str, year: int) -> None:
    with suppress(YearlyError):
        yaml.safe_load(year_yaml(read_year(text, year, "通知", rulebook.years[-1])))


@pytest.mark.parametrize("file", ["notice.yaml", "supervision.yaml"])
@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0\0\0", b"\xff\xfe\x00", b"null", b"[]", b"- a\n- b", b"a: b: c", b"'", b"[" * 60_000,
        b"[" * 60_000 + b"]" * 60_000, b"? [a]\n: b", b"a: &x [1]\nb: *x", b"!!python/object/apply:os.system ['true']",
        b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", b"number: " + b"9" * 9000,
    ],
)  # fmt: skip
def test_garbage_in_a_rule_file_is_told_with_the_file(tmp_path: Path, file: str, content: bytes) -> None:
    rules = Path(shutil.copytree(RULES, tmp_path / "rules"))
    (rules / file).write_bytes(content)
    with pytest.raises(RulebookError) as told:
        load_rulebook(rules)
    assert any(fault.file == file for fault in told.value.faults)


@pytest.mark.parametrize(
    "content", ["[", "measures: 3", "measures: [1]", "- a", "a: &x 1\nb: *x", "[" * 60_000, "measures: [{}]"]
)
def test_a_measures_file_to_keep_that_is_none_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "measures.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RulebookError, match="不是措施文件"):
        kept_matters(path)


def test_a_unit_name_from_a_notice_cannot_become_a_field() -> None:
    notice = "1．便利企业。（牵头单位：市发改委], appealable: false, x: [y；完成时限：长期坚持）"
    item = yaml.safe_load(measures_yaml(read_notice(notice), {}))["measures"][0]
    assert item["appealable"] is True
    assert "x" not in item


def test_brackets_of_a_notice_are_no_markup_of_the_command(tmp_path: Path) -> None:
    notice = tmp_path / "notice.txt"
    notice.write_text("1．便利企业。（牵头单位：市发改委；完成时限：[/red][link=x]）", encoding="utf-8")
    ended = CliRunner().invoke(rules_command, ["import", str(notice), "--out", str(tmp_path / "out")])
    assert (ended.exit_code, isinstance(ended.exception, SystemExit)) == (1, True)
    assert "[/red][link=x]" in ended.stdout.replace("\n", "")


def test_a_calendar_that_does_not_fit_leaves_nothing_behind(tmp_path: Path, rulebook: Rulebook) -> None:
    rules = Path(shutil.copytree(RULES, tmp_path / "rules"))
    before = {path.name for path in (rules / "calendar").iterdir()}
    notice = tmp_path / "notice.txt"
    notice.write_text("一、元旦：2031年1月1日放假1天。", encoding="utf-8")
    arguments = ["import-calendar", str(notice), "--year", "2099", "--source", "通知", "--dir", str(rules)]
    ended = CliRunner().invoke(rules_command, arguments)
    assert isinstance(ended.exception, RulebookError)
    assert {path.name for path in (rules / "calendar").iterdir()} == before
