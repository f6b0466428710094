"""decide() over every tag of the shipped rules: the lead, its evidence, the place, the validity of units and notice."""

from datetime import date
from typing import Any

import pytest

from app.routing.engine import Assignment, Evidence, Outcome, Reason, decide
from app.rulebook.shapes import Handling, Tag
from tests.rules import accused, changed, facts, named_by, shipped, with_units

BOOK = shipped()
DISPATCHED = [tag for tag in BOOK.tags if tag.handling is Handling.DISPATCH]
TOLD = [tag for tag in BOOK.tags if tag.handling is Handling.TOLD]
BY_PLACE = [tag for tag in DISPATCHED if tag.by_place]
IN_FORCE, LAPSED = date(2026, 5, 28), date(2026, 5, 29)
LAST, AFTER = date(2026, 6, 30), date(2026, 7, 1)
ENDED: dict[str, Any] = {"valid_to": LAST}


def tag_id(tag: Tag) -> str:
    """Name a case by its tag."""
    return f"{tag.code}{tag.name}"


def named_in(tag: Tag, role: str) -> set[str]:
    """Return every unit that a measure of a tag names in a role."""
    return {unit for number in tag.measures for unit in named_by(BOOK.measure_by_number[number], role, BOOK)}


def is_gap(tag: Tag) -> bool:
    """Whether no measure of a tag names its lead (by place: any district) as 牵头单位."""
    leads = named_in(tag, "牵头")
    return not (leads & set(BOOK.district_by_unit) if tag.by_place else tag.lead in leads)


def is_true(evidence: Evidence, tag: Tag, unit: str) -> bool:
    """Whether a piece of evidence is borne out by the rules."""
    if evidence.measure is None:
        return evidence.role == "依据" and evidence.document in {tag.basis, f"职责：{BOOK.unit_by_code[unit].duties}"}
    measure = BOOK.measure_by_number[evidence.measure]
    cited = evidence.measure in tag.measures and evidence.document == BOOK.notice.number
    return cited and evidence.matter == measure.matter and unit in named_by(measure, evidence.role, BOOK)


def lead_of(tag: str, day: date = IN_FORCE, **units: dict[str, Any]) -> str:
    """Return the lead of a plain appeal under rules whose units are changed."""
    lead = decide(facts(tag, district="150203", day=day), with_units(**units)).lead
    assert lead is not None
    assert lead.evidence
    return lead.unit


@pytest.mark.parametrize("tag", TOLD, ids=tag_id)
def test_a_tag_of_another_way_is_told_and_goes_to_nobody(tag: Tag) -> None:
    decision = decide(facts(tag.code, district="150204"), BOOK)
    assert (decision.outcome, decision.told) == (Outcome.TOLD, tag.told)
    assert (decision.lead, decision.supporters, decision.informed, decision.needs_review) == (None, (), (), False)
    assert decision.gap is is_gap(tag)


@pytest.mark.parametrize("tag", DISPATCHED, ids=tag_id)
def test_a_tag_goes_to_its_lead_or_the_districts_government_with_its_supporters(tag: Tag) -> None:
    for district in BOOK.districts:
        decision = decide(facts(tag.code, district=district.code), BOOK)
        lead = district.unit if tag.by_place else tag.lead
        assert decision.outcome is Outcome.DISPATCH
        assert decision.lead is not None
        assert decision.lead.unit == lead
        assert [item.unit for item in decision.supporters] == [unit for unit in tag.support if unit != lead]
        assert (decision.informed, decision.avoided, decision.told, decision.needs_review) == ((), (), "", False)


@pytest.mark.parametrize("tag", DISPATCHED, ids=tag_id)
def test_every_assignment_rests_on_evidence_that_the_rules_bear_out(tag: Tag) -> None:
    for district in BOOK.districts:
        decision = decide(facts(tag.code, district=district.code), BOOK)
        assert decision.lead is not None
        for item in (decision.lead, *decision.supporters):
            assert item.evidence
            assert [piece for piece in item.evidence if not is_true(piece, tag, item.unit)] == []


@pytest.mark.parametrize("tag", DISPATCHED, ids=tag_id)
def test_the_lead_cites_all_measures_that_name_it_and_a_gap_is_told(tag: Tag) -> None:
    decision = decide(facts(tag.code, district="150204"), BOOK)
    assert decision.lead is not None
    unit, measures = decision.lead.unit, BOOK.measure_by_number
    leads = [number for number in tag.measures if unit in named_by(measures[number], "牵头", BOOK)]
    assert [item.measure for item in decision.lead.evidence if item.role == "牵头"] == leads
    assert decision.gap is is_gap(tag)
    assert any("映射缺口" in note for note in decision.notes) is decision.gap
    if decision.gap:
        assert decision.lead.evidence[0] == Evidence(tag.basis, None, "依据", "")


@pytest.mark.parametrize("tag", BY_PLACE, ids=tag_id)
@pytest.mark.parametrize("district", [None, "150299"])
def test_a_tag_by_place_without_a_place_waits_for_a_person(tag: Tag, district: str | None) -> None:
    decision = decide(facts(tag.code, district=district), BOOK)
    assert (decision.outcome, decision.lead, decision.supporters) == (Outcome.DISPATCH, None, ())
    assert [reason.code for reason in decision.reasons] == ["place-unknown"]
    assert decision.gap is is_gap(tag)


@pytest.mark.parametrize("tag", BY_PLACE, ids=tag_id)
def test_a_tag_by_place_with_rival_places_names_them_to_a_person(tag: Tag) -> None:
    decision = decide(facts(tag.code, rivals=("150204", "150203")), BOOK)
    assert decision.lead is None
    message = "正文提到多个旗县区（青山区、昆都仑区），请确认事项发生地"
    assert decision.reasons == (Reason("place-ambiguous", message),)


def test_a_place_settled_by_the_form_outweighs_rivals_in_the_text() -> None:
    decision = decide(facts("0104", district="150207", rivals=("150204", "150203")), BOOK)
    assert decision.lead is not None
    assert (decision.lead.unit, decision.reasons) == ("BT-150207", ())


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(KeyError, match="9999"):
        decide(facts("9999"), BOOK)


@pytest.mark.parametrize(("day", "lapsed"), [(IN_FORCE, False), (LAPSED, True)])
def test_a_citation_of_the_notice_says_when_it_has_lapsed(day: date, lapsed: bool) -> None:
    decision = decide(facts("0106", day=day), BOOK)
    assert decision.lead is not None
    line = BOOK.notice.status_line(day)
    assert {item.status for item in decision.lead.evidence} == {line}
    assert ("已届满" in line, line in decision.notes) == (lapsed, lapsed)


def test_a_tag_that_cites_no_measure_says_nothing_of_the_notices_validity() -> None:
    decision = decide(facts("0103", day=LAPSED), BOOK)
    assert [note for note in decision.notes if "届满" in note] == []


def test_a_measure_that_the_lead_only_supports_stands_behind_the_law() -> None:
    """0101: 市工信局 acts by statute; the measures it supports are told after the law."""
    decision = decide(facts("0101"), BOOK)
    assert decision.lead is not None
    first, *others = decision.lead.evidence
    assert (first.measure, first.document) == (None, BOOK.tag_by_code["0101"].basis)
    assert {item.role for item in others} <= {"配合"}


def test_measures_a_unit_leads_are_cited_before_those_it_supports() -> None:
    """市发改委 supports measure 1 and leads measure 33, whatever the order a tag gives them in."""
    tag = BOOK.tag_by_code["0306"].model_copy(update={"measures": (1, 33)})
    lead = decide(facts("0306"), changed(BOOK, tags=(tag,))).lead
    assert lead is not None
    assert [(item.measure, item.role) for item in lead.evidence] == [(33, "牵头"), (1, "配合")]


def test_a_supporter_by_place_is_the_districts_government() -> None:
    tag = BOOK.tag_by_code["1401"].model_copy(update={"support": ("按属地", "BT-GAJ")})
    book = changed(BOOK, tags=(tag,))
    at_home = decide(facts("1401", district="150203"), book)
    nowhere = decide(facts("1401"), book)
    assert [item.unit for item in at_home.supporters] == ["BT-150203", "BT-GAJ"]
    assert [item.unit for item in nowhere.supporters] == ["BT-GAJ"]


def test_a_tag_goes_to_the_successor_from_the_day_after_its_leads_last() -> None:
    ended = ENDED | {"successor": "BT-ZJJ"}
    assert [lead_of("1401", day, BT_CGJ=ended) for day in (LAST, AFTER)] == ["BT-CGJ", "BT-ZJJ"]


def test_a_tag_by_place_goes_to_the_successor_of_the_districts_government() -> None:
    assert lead_of("0104", AFTER, BT_150203=ENDED | {"successor": "BT-150204"}) == "BT-150204"


def test_a_chain_of_successors_is_followed_to_its_end() -> None:
    first, second = ENDED | {"successor": "BT-ZJJ"}, ENDED | {"successor": "BT-ZRZY"}
    assert lead_of("1401", AFTER, BT_CGJ=first, BT_ZJJ=second) == "BT-ZRZY"


def test_a_supporter_that_ended_is_followed_and_never_doubles_the_lead() -> None:
    follow = with_units(BT_CZJ=ENDED | {"successor": "BT-FGW"})
    merge = with_units(BT_CZJ=ENDED | {"successor": "BT-GXJ"})
    supporters = [decide(facts("0101", day=AFTER), book).supporters for book in (follow, merge)]
    assert [[item.unit for item in found] for found in supporters] == [["BT-FGW"], []]
    assert all(item.evidence for item in supporters[0])


def test_the_informed_superior_is_the_one_that_exists() -> None:
    book = with_units(BT_ZFB=ENDED | {"successor": "BT-FGW"})
    complaint = facts("1401", accused=(accused("市城管局"),), day=AFTER)
    assert decide(complaint, book).informed == ("BT-FGW",)


def test_the_safe_target_is_the_one_that_exists() -> None:
    book = with_units(BT_ZFB=ENDED | {"successor": "BT-XFJ"})
    lead = decide(facts("1401", "举报", accused=(accused("市城管局"),), day=AFTER), book).lead
    assert isinstance(lead, Assignment)
    assert lead.unit == "BT-XFJ"


def test_the_successor_of_the_accused_does_not_get_the_report_against_it() -> None:
    """The merged unit has the accused's people: 市城管局 is reported after it went into 市住建局."""
    book = with_units(BT_CGJ=ENDED | {"successor": "BT-ZJJ"})
    lead = decide(facts("1401", "举报", accused=(accused("市城管局"),), day=AFTER), book).lead
    assert isinstance(lead, Assignment)
    assert lead.unit == "BT-ZFB"
