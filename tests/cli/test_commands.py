"""The hotline command as a person runs it: rules, staff, keys, migrate, doctor, replay."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from app.settings import HOME
from tests.builders import Hotline
from tests.command import Ran, hotline_command

Run = Callable[..., Ran]
NOTICE = """测府发〔2030〕1号
一、第一部分
（一）第一节
1．便利企业办事。（牵头单位：市发改委、工信局；完成时限：2030年6月底，长期坚持）
2．没有责任单位的一项。
"""


@pytest.fixture
def run(fresh_sqlite: str, tmp_path: Path, small_models_dir: Path) -> Run:
    """Run `hotline …` against a fresh SQLite database."""
    environment = {
        **os.environ, "HOTLINE_DATABASE_URL": fresh_sqlite, "HOTLINE_VAR_DIR": str(tmp_path / "var"),
        "HOTLINE_MODELS_DIR": str(small_models_dir), "COLUMNS": "200",
    }  # fmt: skip

    def call(*arguments: str, **settings: str) -> Ran:
        return hotline_command(arguments, environment | settings)

    return call


def test_help_explains_every_command(run: Run) -> None:
    told = run("--help").stdout
    for command in ("serve", "worker", "rules", "classify", "staff", "demo", "doctor", "migrate", "keys", "corpus"):
        assert command in told
    assert "replay" in run("rules", "--help").stdout


def test_rules_check_says_version_and_the_lapsed_notice(run: Run) -> None:
    checked = run("rules", "check")
    assert checked.returncode == 0
    assert "措施 138 项" in checked.stdout
    assert "lapsed" in checked.stdout


def test_rules_check_names_file_and_line_of_each_fault(run: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(HOME / "routing_rules", rules)
    path = rules / "units.yaml"
    text = path.read_text(encoding="utf-8").replace("superior: BT-ZFB", "superior: BT-NOBODY", 1)
    path.write_text(text, encoding="utf-8")
    line = text[: text.index("BT-NOBODY")].count("\n") + 1
    checked = run("rules", "check", "--dir", str(rules))
    assert checked.returncode == 1
    assert f"units.yaml:{line} " in checked.stderr


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("62", "牵头：市财政局"), ("0101", "保障中小企业款项支付条例"), ("机关事业单位拖欠账款", "主办：市工信局"),
        ("市监局", "上一级：市政府办公室"), ("tag", "2806"),
    ],
)  # fmt: skip
def test_rules_show(run: Run, what: str, expected: str) -> None:
    assert expected in run("rules", "show", what).stdout


def test_rules_show_and_find_what_is_not_there(run: Run) -> None:
    missing = run("rules", "show", "9999")
    assert (missing.returncode, "没有编号或名称" in missing.stderr) == (1, True)
    assert "共 0 处" in run("rules", "find", "火星移民").stdout
    assert "0101" in run("rules", "find", "欠货款").stdout


def test_rules_diff(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(HOME / "routing_rules", other)
    path = other / "limits.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("code: sign-urgent, step: 签收, urgent: true, amount: 30",
                    "code: sign-urgent, step: 签收, urgent: true, amount: 45"), encoding="utf-8")  # fmt: skip
    assert "共 0 处不同" in run("rules", "diff", str(HOME / "routing_rules"), str(HOME / "routing_rules")).stdout
    told = run("rules", "diff", str(HOME / "routing_rules"), str(other)).stdout
    assert "改 时限 sign-urgent amount：30 → 45" in told
    assert "共 1 处不同" in told


def test_rules_import_writes_what_it_read_and_tells_what_it_could_not(run: Run, tmp_path: Path) -> None:
    notice, out = tmp_path / "notice.txt", tmp_path / "out"
    notice.write_text(NOTICE, encoding="utf-8")
    done = run("rules", "import", str(notice), "--out", str(out))
    measures = yaml.safe_load((out / "measures.yaml").read_text(encoding="utf-8"))["measures"]
    assert done.returncode == 1
    assert "第 5 行：第2项没有“（牵头单位：…）”" in done.stdout
    assert [(item["number"], item["lead"]) for item in measures] == [(1, ["市发改委", "市工信局"])]
    assert "便利企业办事" in (out / "texts.yaml").read_text(encoding="utf-8")


def test_staff_and_keys_come_and_go(run: Run) -> None:
    assert "密码：" in run("staff", "add", "zhang", "--role", "operator").stdout
    assert run("staff", "add", "zhang", "--role", "operator").returncode == 1
    assert "须指定承办单位" in run("staff", "add", "li", "--role", "unit_handler").stderr
    assert run("staff", "add", "li", "--role", "unit_handler", "--unit", "工信局").returncode == 0
    assert "BT-GXJ" in run("staff", "list").stdout
    run("staff", "revoke", "zhang")
    assert "停用" in run("staff", "list").stdout
    assert "hlk_" in run("keys", "add", "蒙企通对接", "--channel", "蒙企通", "--scope", "ticket.submit").stdout
    assert "旧密钥用到" in run("keys", "rotate-api", "蒙企通对接", "--hours", "48").stdout
    assert [word in run("keys", "list").stdout for word in ("└ 旧密钥", "ticket.submit", "未用过")] == [True] * 3
    assert "最长 730 天" in run("keys", "add", "太久", "--channel", "蒙企通", "--days", "999").stderr
    run("keys", "revoke", "蒙企通对接")
    assert "已收回" in run("keys", "list").stdout


def test_a_password_is_set_anew_or_typed_by_its_person(run: Run) -> None:
    first = run("staff", "add", "zhang", "--role", "operator").stdout
    again = run("staff", "reset-password", "zhang").stdout
    assert ("首次登录须修改" in first, "首次登录须修改" in again, first == again) == (True, True, False)
    assert "没有登录名" in run("staff", "reset-password", "nobody").stderr
    assert "完整" in run("audit", "verify").stdout


def test_init_makes_first_accounts_once(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'fresh.sqlite3'}"
    first, second = run("init", HOTLINE_DATABASE_URL=url), run("init", HOTLINE_DATABASE_URL=url)
    assert "supervisor" in first.stdout
    assert "只显示这一次" in first.stdout
    assert (second.returncode, "supervisor" in second.stdout) == (0, False)


def test_doctor_says_what_is_wrong_and_how_to_mend_it(run: Run, tmp_path: Path) -> None:
    told = run("doctor")
    assert told.returncode == 0
    assert "hotline staff add" in told.stdout
    empty = run("doctor", HOTLINE_DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert (empty.returncode, "hotline migrate" in empty.stdout) == (1, True)


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("HOTLINE_ENVIRONMENT", "production", "HOTLINE_DATA_KEY"),
        ("HOTLINE_DATA_KEY", "c2hvcnQ=", "32 个随机字节"),
        ("HOTLINE_PORT", "99999", "HOTLINE_PORT"),
        ("HOTLINE_RULES_DIR", "/nowhere", "文件不存在"),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_clear_line(run: Run, setting: str, value: str, told: str) -> None:
    refused = run("serve", "--port", "0", **{setting: value})
    assert refused.returncode == 1
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_outdated_schema_stops_the_start(run: Run, tmp_path: Path) -> None:
    refused = run("serve", HOTLINE_DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert (refused.returncode, "hotline migrate" in refused.stderr) == (1, True)


def test_replay_tells_which_open_tickets_would_move(hotline: Hotline, tmp_path: Path, run: Run) -> None:
    number = hotline.submit(override={"tag": "0601", "reason": "办税"})["number"]
    hotline.submit()
    url = hotline.database.url.render_as_string(hide_password=False)
    same = run("rules", "replay", str(HOME / "routing_rules"), HOTLINE_DATABASE_URL=url)
    other = tmp_path / "other"
    shutil.copytree(HOME / "routing_rules", other)
    path = next((other / "tags").glob("06-*.yaml"))
    text = path.read_text(encoding="utf-8")
    head, _, tail = text.partition('- code: "0601"')
    basis = "lead: 市财政局\n    basis: 试行调整"
    path.write_text(head + '- code: "0601"' + tail.replace("lead: 市税务局", basis, 1), encoding="utf-8")
    moved = run("rules", "replay", str(other), HOTLINE_DATABASE_URL=url)
    assert "共 0 件" in same.stdout
    assert "共 1 件" in moved.stdout
    assert number in moved.stdout


def test_audit_verifies_exports_and_checks(run: Run, tmp_path: Path) -> None:
    assert run("audit", "verify").returncode == 0
    short = run("audit", "export", str(tmp_path / "out"), "--reason", "查")
    assert (short.returncode, "至少 5 个字" in short.stderr) == (1, True)
    assert run("audit", "export", str(tmp_path / "out"), "--reason", "季度审计留存").returncode == 0
    assert "完整" in run("audit", "import-check", str(tmp_path / "out")).stdout
    (log,) = (tmp_path / "out").glob("access_log-*.jsonl")
    log.write_text(log.read_text(encoding="utf-8").replace("季度", "年度"), encoding="utf-8")
    checked = run("audit", "import-check", str(tmp_path / "out"))
    assert (checked.returncode, log.name in checked.stdout) == (1, True)


def test_audit_verify_ends_with_one_where_a_link_is_broken(run: Run, fresh_sqlite: str, tmp_path: Path) -> None:
    run("audit", "export", str(tmp_path / "out"), "--reason", "季度审计留存")
    with sqlite3.connect(fresh_sqlite.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE access_log SET who = 'cli:other'")
    verified = run("audit", "verify")
    assert verified.returncode == 1
    assert "访问记录第 1 条：内容被改动" in verified.stdout


def test_keys_rotate_needs_the_old_key_and_verifies(run: Run) -> None:
    new, old = run("keys", "new-data-key").stdout.strip(), run("keys", "new-data-key").stdout.strip()
    rotated = run("keys", "rotate", HOTLINE_DATA_KEY=new, HOTLINE_OLD_DATA_KEYS=old, HOTLINE_SEALING_CIPHER="sm4")
    assert (rotated.returncode, "核验通过" in rotated.stdout, "sm4:" in rotated.stdout) == (0, True, True)
    bad = run("keys", "rotate", HOTLINE_DATA_KEY=new, HOTLINE_OLD_DATA_KEYS="不是密钥")
    assert (bad.returncode, "HOTLINE_OLD_DATA_KEYS" in bad.stderr) == (1, True)


def test_retention_wants_exactly_one_choice_and_says_what_it_did(run: Run) -> None:
    assert run("retention").returncode == 1
    assert "共 0 件" in run("retention", "--dry-run").stdout
    assert "已清除 0 件" in run("retention", "--apply").stdout
