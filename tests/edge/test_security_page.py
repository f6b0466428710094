"""The page on security claims only what is there: every test, setting and page that it names exists."""

import re

import pytest

from app.settings import HOME, Settings

PAGE = (HOME / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    written = "\n".join(path.read_text(encoding="utf-8") for path in (HOME / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)", written, re.MULTILINE))
    assert len(named) > 60
    assert named <= there, named - there


def test_every_threat_has_a_control_and_a_proof() -> None:
    table = PAGE.partition("## 威胁、控制、证明")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25
    for threat, control, proof in rows:
        assert threat.strip()
        assert control.strip()
        assert re.search(r"`test_\w+`", proof), threat


@pytest.mark.parametrize("risk", [f"API{number}" for number in range(1, 11)])
def test_every_risk_of_the_top_ten_is_answered(risk: str) -> None:
    assert re.search(rf"（[^）]*{risk}\b[^）]*）", PAGE)


def test_every_setting_and_page_it_names_exists() -> None:
    settings = {f"HOTLINE_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"`(HOTLINE_\w+)`", PAGE)) <= settings
    for page in re.findall(r"\]\((\w+\.md)\)", PAGE):
        assert (HOME / "docs" / page).exists()
