"""Never to the accused: golden cases, a text read end to end, and the laws over any facts."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.routing.accused import Accused, AccusedFinder, speaks_of_conduct
from app.routing.engine import Decision, Facts, Outcome, decide, forbidden_units, guarded
from app.rulebook.shapes import Handling, Rulebook
from tests.rules import accused, changed, code, facts, shipped, with_units

BOOK = shipped()
CASES = yaml.safe_load((Path(__file__).parent / "data" / "avoidance.yaml").read_text(encoding="utf-8"))
LAW_SUPERVISION = "BT-SFJ"
# Tags whose responsible unit stands two steps below the top.
DEEP = [tag for tag in BOOK.tags if not tag.by_place and BOOK.unit_by_code[tag.lead].superior not in {"", "BT-ZFB"}]

lawful = settings(derandomize=True, deadline=None, max_examples=300)
kinds = st.sampled_from(["咨询", "求助", "投诉", "举报", "建议"])
districts = st.sampled_from([None, *BOOK.district_by_code])
days = st.sampled_from([date(2025, 6, 1), date(2026, 8, 1)])
units = st.sampled_from([unit.code for unit in BOOK.units])
bodies = st.builds(Accused, units, st.just("某单位"), st.booleans(), st.booleans(), st.just("正文"))


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Draw facts, mostly such that the accused have to do with the responsible unit."""
    tag, district = draw(st.sampled_from(BOOK.tags) | st.sampled_from(DEEP)), draw(districts)
    lead = BOOK.district_by_code[district or "150203"].unit if tag.by_place else tag.lead
    near = [lead, *tag.support, *upwards(lead), LAW_SUPERVISION]
    close = st.builds(Accused, st.sampled_from(near), st.just("某单位"), st.booleans(), st.booleans(), st.just("字段"))
    whom = tuple(draw(st.lists(close | bodies, max_size=4)))
    rivals = () if district else draw(st.sampled_from([(), ("150203", "150204")]))
    return Facts(
        tag.code, draw(kinds), draw(st.booleans()), district, rivals, whom, draw(st.booleans()), draw(days)
    )  # fmt: skip


def upwards(unit: str) -> list[str]:
    """Return all units above one, read off the rules."""
    superior = BOOK.unit_by_code[unit].superior
    return [superior, *upwards(superior)] if superior else []


def actors(decision: Decision) -> set[str]:
    """Return every unit that is asked to act."""
    return {item.unit for item in (decision.lead, *decision.supporters) if item}


def responsible(given_facts: Facts) -> str | None:
    """Return the unit that must act by tag and place alone."""
    tag = BOOK.tag_by_code[given_facts.tag]
    district = BOOK.district_by_code.get(given_facts.district or "")
    return (district.unit if district else None) if tag.by_place else tag.lead


def case_facts(case: dict[str, Any]) -> Facts:
    """Return the facts of a golden case."""
    return facts(
        case["tag"], case.get("kind", "举报"), confidential=case.get("confidential", False),
        speaks_of_conduct=case.get("conduct", False), district=case.get("district"),
        accused=tuple(accused(name) for name in case["accused"]),
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_golden_case_of_avoidance(case: dict[str, Any]) -> None:
    decision = decide(case_facts(case), BOOK)
    assert decision.outcome == case.get("outcome", "dispatch")
    assert (decision.lead.unit if decision.lead else "") == code(case["lead"])
    assert [item.unit for item in decision.supporters] == [code(name) for name in case.get("support", [])]
    assert decision.informed == tuple(code(name) for name in case.get("informed", []))
    assert [reason.code for reason in decision.reasons] == [reason for reason in [case.get("reason")] if reason]


def test_the_golden_cases_are_many_and_each_is_its_own() -> None:
    assert len(CASES) >= 25
    assert len({case_facts(case) for case in CASES}) == len({case["case"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("1401", "城管局的执法人员收钱才让摆摊，张口就要红包"),
        ("0401", "我去市住建局办施工许可，窗口一个姓李的跟我要好处费，不给就说材料不齐"),
        ("0301", "注册地址变更跑了三次。市场监管局那边有人暗示要送红包"),
    ],
)
def test_a_complaint_of_bribes_never_lands_on_the_desk_it_names(tag: str, text: str) -> None:
    whom = AccusedFinder(BOOK).in_text(text)
    assert [item.unit for item in whom] == [BOOK.tag_by_code[tag].lead]
    decision = decide(facts(tag, accused=whom, speaks_of_conduct=speaks_of_conduct(text)), BOOK)
    assert BOOK.tag_by_code[tag].lead not in actors(decision)


def test_a_doubt_tells_the_dispatcher_which_name_is_meant() -> None:
    (reason,) = decide(facts("1401", "举报", accused=(accused("?市城管局"),)), BOOK).reasons
    assert (reason.code, "正文提到市城管局" in reason.message) == ("accused-doubt", True)


def test_an_appeal_turned_away_from_its_unit_says_so_and_cites_the_law() -> None:
    decision = decide(facts("1401", "举报", accused=(accused("市城管局"),)), BOOK)
    assert decision.lead is not None
    assert decision.lead.evidence[0].document == BOOK.avoidance.basis
    assert "按回避规定不转市城管局，改由市政府办公室办理" in decision.notes
    assert "BT-CGJ" in decision.avoided


def test_the_supervisor_of_enforcement_is_cited_with_the_measure_that_names_it() -> None:
    decision = decide(facts("0605", "举报", accused=(accused("市税务局"),)), BOOK)
    assert decision.lead is not None
    assert [(item.measure, item.role) for item in decision.lead.evidence] == [(None, "依据"), (125, "牵头")]


def test_a_special_ticket_says_why_nobody_gets_it() -> None:
    decision = decide(facts("1401", "举报", accused=(accused("市政府办公室"),)), BOOK)
    assert decision.notes == (BOOK.avoidance.special_reason,)
    assert {"BT-ZFB", "BT-CGJ", LAW_SUPERVISION} <= set(decision.avoided)


def test_a_superior_that_takes_no_orders_is_passed_over() -> None:
    book = with_units(BT_ZFB={"dispatchable": False})
    decision = decide(facts("1401", "举报", accused=(accused("市城管局"),)), book)
    assert actors(decision) == {LAW_SUPERVISION}


def test_the_accused_reach_all_the_way_down() -> None:
    below = forbidden_units([accused("市政府办公室")], BOOK)
    assert {"BT-ZFB", "BT-FGW", "BT-GDGS", "BT-RLJT", "BT-150203"} <= below
    assert not {"BT-SWJ", "BT-HG", "BT-JWJW"} & below
    assert forbidden_units([accused("下:市政府办公室")], BOOK) == frozenset()


def test_units_above_each_other_in_a_ring_end_the_climb() -> None:
    book = with_units(BT_ZFB={"superior": "BT-CGJ"})
    assert "BT-CGJ" in forbidden_units([accused("市政府办公室")], book)


@lawful
@given(any_facts())
def test_law_a_guarded_appeal_reaches_no_accused_and_nothing_under_one(drawn: Facts) -> None:
    assume(guarded(drawn, BOOK.tag_by_code[drawn.tag]))
    decision = decide(drawn, BOOK)
    targets = {item.unit for item in drawn.accused if not item.below}
    assert [unit for unit in actors(decision) if targets & {unit, *upwards(unit)}] == []
    assert not actors(decision) & forbidden_units(drawn.accused, BOOK)
    assert decision.informed == ()


@lawful
@given(any_facts(), kinds)
def test_law_reports_conduct_confidence_and_doubt_are_guarded(drawn: Facts, kind: str) -> None:
    tag = BOOK.tag_by_code[drawn.tag]
    plain = replace(drawn, kind=kind, confidential=False, speaks_of_conduct=False)
    assert guarded(plain, tag) is (kind == "举报" or tag.concerns_conduct)
    assert guarded(replace(plain, confidential=True), tag)
    if any(item.certain for item in drawn.accused):
        assert guarded(replace(plain, speaks_of_conduct=True), tag)


@lawful
@given(any_facts(), st.sampled_from(["咨询", "求助", "投诉", "建议"]))
def test_law_a_plain_appeal_goes_to_the_responsible_unit_and_informs_its_superior(drawn: Facts, kind: str) -> None:
    tag = BOOK.tag_by_code[drawn.tag]
    lead = responsible(drawn)
    assume(lead and tag.handling is Handling.DISPATCH and not tag.concerns_conduct)
    assert lead is not None
    decision = decide(replace(drawn, kind=kind, confidential=False, speaks_of_conduct=False), BOOK)
    assert decision.lead is not None
    assert (decision.lead.unit, decision.avoided) == (lead, ())
    surely = any(item.unit == lead and item.certain and not item.below for item in drawn.accused)
    assert decision.informed == (tuple(upwards(lead)[:1]) if surely else ())


@lawful
@given(any_facts())
def test_law_a_clean_responsible_unit_keeps_its_appeal(drawn: Facts) -> None:
    lead, decision = responsible(drawn), decide(drawn, BOOK)
    assume(lead and decision.outcome is not Outcome.TOLD and lead not in forbidden_units(drawn.accused, BOOK))
    assert decision.lead is not None
    assert (decision.lead.unit, decision.reasons) == (lead, ())


@lawful
@given(any_facts())
def test_law_no_unit_acts_without_evidence_and_none_twice(drawn: Facts) -> None:
    decision = decide(drawn, BOOK)
    items = [item for item in (decision.lead, *decision.supporters) if item]
    assert all(item.evidence for item in items)
    assert len(items) == len({item.unit for item in items})
    assert all(BOOK.unit_by_code[item.unit].dispatchable for item in items)


@lawful
@given(any_facts())
def test_law_what_goes_to_nobody_is_told_special_or_waits_for_a_person(drawn: Facts) -> None:
    decision = decide(drawn, BOOK)
    told = BOOK.tag_by_code[drawn.tag].handling is Handling.TOLD
    assert (decision.outcome is Outcome.TOLD) is told
    if told or decision.outcome is Outcome.SPECIAL:
        assert actors(decision) == set()
    elif decision.lead is None:
        assert [reason.code for reason in decision.reasons] == ["place-ambiguous" if drawn.rivals else "place-unknown"]


@lawful
@given(any_facts())
def test_law_special_where_the_unit_all_above_it_and_the_supervisor_are_barred_and_nowhere_else(drawn: Facts) -> None:
    tag, lead = BOOK.tag_by_code[drawn.tag], responsible(drawn)
    safe = {unit for unit in upwards(lead) if BOOK.unit_by_code[unit].dispatchable} if lead else {"nobody knows"}
    targets = {*safe, LAW_SUPERVISION, *([lead] if lead else [])}
    moved = guarded(drawn, tag) and tag.handling is Handling.DISPATCH
    nobody_left = moved and targets <= forbidden_units(drawn.accused, BOOK)
    assert (decide(drawn, BOOK).outcome is Outcome.SPECIAL) is nobody_left


@lawful
@given(any_facts())
def test_law_an_unsure_accusation_that_moves_the_appeal_asks_a_person(drawn: Facts) -> None:
    tag, lead = BOOK.tag_by_code[drawn.tag], responsible(drawn)
    assume(lead and tag.handling is Handling.DISPATCH and guarded(drawn, tag))
    sure = lead in forbidden_units(drawn.accused, BOOK, certain_only=True)
    unsure = lead in forbidden_units(drawn.accused, BOOK) and not sure
    assert [reason.code for reason in decide(drawn, BOOK).reasons] == (["accused-doubt"] if unsure else [])


@lawful
@given(any_facts(), st.randoms(use_true_random=False))
def test_law_the_same_facts_give_the_same_decision_in_whatever_order_the_accused_come(drawn: Facts, dice: Any) -> None:
    fresh: Rulebook = changed(BOOK, version=BOOK.version)
    decision = decide(drawn, BOOK)
    assert decide(drawn, fresh) == decision
    shuffled = list(drawn.accused)
    dice.shuffle(shuffled)
    assert decide(replace(drawn, accused=tuple(shuffled)), BOOK) == decision
