"""judge(): classify + route + limits, before anything touches the database. Pure.

受理一件诉求时的判断：归口标签、主办与协办、依据、时限，以及拿不准时交给人的理由。
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from app import clock
from app.classify.predict import Classifier, Prediction
from app.classify.similar import SignatureMaker
from app.errors import FieldFault, InvalidInputError
from app.routing.accused import (
    Accused,
    AccusedFinder,
    complains_of_unnamed_body,
    speaks_of_conduct,
)
from app.routing.engine import (
    Assignment,
    Decision,
    Evidence,
    Facts,
    Outcome,
    Reason,
    decide,
    evidence_for,
    forbidden_units,
    guarded,
)
from app.routing.places import PlaceFinder, PlaceFinding
from app.rulebook.shapes import LimitStep, Rulebook, Tag, Unit
from app.sla.calendar import WorkingCalendar
from app.sla.limits import LimitCase, require
from app.sla.timer import Due, dispatch_dues, due, first_dispatch_due, limit_text
from app.tickets.forms import ArrearsForm, PreviewForm, TicketForm
from app.tickets.lifecycle import State
from app.tickets.veiling import PUBLIC, know_places

DEFAULT_KIND = "求助"
REPORT_KIND = "举报"
# How its author is kept who has chosen nothing else.
REPORT_VEIL = "隐名"
NO_MODEL = "无模型"


@dataclass(frozen=True)
class Desk:
    """What intake judges with, loaded once per process; `classifier` and `signatures` are None while no model can be loaded."""

    rulebook: Rulebook
    classifier: Classifier | None
    calendar: WorkingCalendar
    places: PlaceFinder
    accused: AccusedFinder
    signatures: SignatureMaker | None
    own_hours: Mapping[str, WorkingCalendar]

    def calendar_of(self, unit: str) -> WorkingCalendar:
        """Return the calendar by which a unit's time is counted: the city's, or with hours of its own."""
        return self.own_hours.get(unit, self.calendar)


def make_desk(rulebook: Rulebook, classifier: Classifier | None) -> Desk:
    """Return a desk for a rulebook and a model."""
    know_places(rulebook)
    signatures = SignatureMaker(classifier) if classifier else None
    calendar = WorkingCalendar(rulebook.years)
    own = {unit.code: WorkingCalendar(rulebook.years, unit.office) for unit in rulebook.units if unit.office}
    return Desk(rulebook, classifier, calendar, PlaceFinder(rulebook), AccusedFinder(rulebook), signatures, own)


@dataclass(frozen=True)
class Judged:
    """Everything judged of one appeal.

    Attributes:
        tag: None when no model is loaded and nobody named one.
        tag_source, kind_source, urgent_source: 模型, 人工, 表单 or 默认.
        decision: None when there is no tag.
        notes: what the dispatcher and the unit should know besides.
        dues: for a dispatched appeal what the units owe; for triage and 专办件 the hotline's own dispatch limit.
    """

    prediction: Prediction | None
    tag: Tag | None
    tag_source: str
    kind: str
    kind_source: str
    urgent: bool
    urgent_source: str
    confidentiality: str
    place: PlaceFinding
    place_source: str
    accused: tuple[Accused, ...]
    facts: Facts | None
    decision: Decision | None
    reasons: tuple[Reason, ...]
    state: State
    dues: tuple[Due, ...]
    notes: tuple[str, ...]

    @property
    def is_auto(self) -> bool:
        """Whether no person has to decide."""
        return self.state is not State.TRIAGE


def judge(
    form: PreviewForm, desk: Desk, at: datetime, *, accepted_at: datetime | None = None, accused_cleared: bool = False
) -> Judged:
    """Return the judgement of an appeal at a moment.

    Args:
        form: the appeal; an override in it counts as a person's word.
        desk: rules and model.
        at: moment of judgement, from which a dispatched unit's limits run.
        accepted_at: moment of acceptance, from which the hotline's own limit runs; left out: `at`.
        accused_cleared: a person has established that units named in the text are not complained of.

    Raises:
        InvalidInputError: the district, tag or unit named in the form does not exist, or may not get this appeal.
    """
    text = f"{form.title}\n{form.content}"
    prediction = desk.classifier.predict(form.title, form.content) if desk.classifier else None
    tag, tag_source = _tag(form, prediction, desk.rulebook)
    kind, kind_source = _kind(form, prediction)
    urgent, urgent_source = _urgent(form, prediction)
    confidentiality = form.confidentiality or (REPORT_VEIL if kind == REPORT_KIND else PUBLIC)
    place, place_source = _place(form, text, desk)
    accused = _accused(form, text, desk, cleared=accused_cleared)
    decision = facts = None
    if tag:
        facts = Facts(
            tag.code, kind, confidentiality != "公开", place.district, place.rivals, accused, speaks_of_conduct(text),
            clock.local(at).date(),
        )  # fmt: skip
        decision = _with_named_unit(form, decide(facts, desk.rulebook), tag, facts, desk.rulebook)
    reasons = tuple(_reasons(form, prediction, tag_source, decision, facts, desk, cleared=accused_cleared))
    answered = isinstance(form, TicketForm) and form.answered is not None
    state = State.AWAITING_CALLBACK if answered else _state(decision, reasons)
    case = LimitCase(kind, urgent, tag=tag.code if tag else "")
    lead = decision.lead.unit if decision and decision.lead else ""
    notes = tuple(_notes(decision, tag, place, desk.rulebook))
    return Judged(
        prediction, tag, tag_source, kind, kind_source, urgent, urgent_source, confidentiality, place, place_source,
        accused, facts, decision, reasons, state, _dues(state, case, lead, at, accepted_at or at, desk), notes,
    )  # fmt: skip


def _tag(form: PreviewForm, prediction: Prediction | None, rulebook: Rulebook) -> tuple[Tag | None, str]:
    if form.override and form.override.tag:
        tag = rulebook.tag_by_code.get(form.override.tag)
        if tag is None:
            raise _refusal("/override/tag", f"没有代码为 {form.override.tag} 的归口标签")
        return tag, "人工"
    fact = _arrears_fact(form.arrears)
    if fact in rulebook.tag_by_form_fact:
        return rulebook.tag_by_form_fact[fact], "表单"
    return (rulebook.tag_by_code[prediction.tag], "模型") if prediction else (None, NO_MODEL)


def _arrears_fact(arrears: ArrearsForm | None) -> str:
    """Return the fact of an arrears form that settles the tag.

    保障中小企业款项支付条例: wages are not 账款 and belong to 劳动监察; what a court already has is not taken up.
    """
    if arrears is None:
        return ""
    if arrears.about_wages:
        return "账款-涉工资"
    return "账款-已诉讼仲裁" if arrears.in_court else f"账款-{arrears.debtor_kind}"


def _kind(form: PreviewForm, prediction: Prediction | None) -> tuple[str, str]:
    if form.type:
        return form.type, "表单"
    return (prediction.kind, "模型") if prediction else (DEFAULT_KIND, "默认")


def _urgent(form: PreviewForm, prediction: Prediction | None) -> tuple[bool, str]:
    if form.override and form.override.urgent is not None:
        return form.override.urgent, "人工"
    if form.urgent:
        return True, "表单"
    return (prediction.urgent, "模型") if prediction else (False, "默认")


def _place(form: PreviewForm, text: str, desk: Desk) -> tuple[PlaceFinding, str]:
    found = desk.places.find(text)
    if form.district:
        code = find_district(form.district, desk.rulebook)
        return PlaceFinding(code, (form.district,), (), found.out_of_town), "表单"
    return found, "正文" if found.district else "未知"


def find_district(name: str, rulebook: Rulebook) -> str:
    """Return the region code of a district given by code, name or alias, or by a 乡级 place or park inside it.

    Raises:
        InvalidInputError: there is no such district.
    """
    for district in rulebook.districts:
        places = {name for place in district.places for name in (place.name, *place.aliases)}
        if name in {district.code, district.name, district.short, *district.aliases, *places}:
            return district.code
    raise _refusal(
        "/district", f"没有名为“{name}”的旗县区，可填 " + "、".join(item.short for item in rulebook.districts)
    )


def find_unit(name: str, rulebook: Rulebook, pointer: str = "/unit", day: date | None = None) -> Unit:
    """Return the dispatchable unit given by code, name or alias; with a day, whoever holds its duties on that day.

    Raises:
        InvalidInputError: there is no such unit, or it cannot be dispatched to.
    """
    unit = rulebook.unit_by_code.get(name) or rulebook.unit_by_name.get(name)
    if unit is None:
        raise _refusal(pointer, f"没有名为“{name}”的单位，请用 /api/v1/units 中的名称")
    if day:
        unit = rulebook.current_unit(unit.code, day)
    if not unit.dispatchable or (day and not unit.valid_on(day)):
        raise _refusal(pointer, f"{unit.short}不接收工单，请改派其他单位或告知途径")
    return unit


def _refusal(pointer: str, message: str) -> InvalidInputError:
    return InvalidInputError(message, faults=(FieldFault(pointer, message),))


def _accused(form: PreviewForm, text: str, desk: Desk, *, cleared: bool) -> tuple[Accused, ...]:
    debtor = form.arrears.debtor_name if form.arrears else ""
    in_fields = (*desk.accused.in_field(form.complained_of), *desk.accused.in_field(debtor))
    in_text = (item for item in desk.accused.in_text(text) if item.certain or not cleared)
    found: dict[tuple[str, bool], Accused] = {}
    for item in (*in_fields, *in_text):
        found.setdefault((item.unit, item.below), item)
    return tuple(found.values())


def _with_named_unit(form: PreviewForm, decision: Decision, tag: Tag, facts: Facts, rulebook: Rulebook) -> Decision:
    """Put the unit a person named in the lead's place, unless the appeal may never go there."""
    if form.override is None or form.override.unit is None:
        return decision
    unit = find_unit(form.override.unit, rulebook, "/override/unit", facts.day)
    return appoint(unit.code, decision, tag, facts, rulebook, "/override/unit")


def appoint(unit: str, decision: Decision, tag: Tag, facts: Facts, rulebook: Rulebook, pointer: str) -> Decision:
    """Return a decision whose lead is the unit a person named.

    Raises:
        InvalidInputError: the appeal complains of that unit, or of one above it.
    """
    if guarded(facts, tag) and unit in forbidden_units(facts.accused, rulebook):
        raise _refusal(pointer, f"{rulebook.short(unit)}是（或可能是）被反映对象或其下属，按回避规定不能转给它")
    lead = Assignment(unit, named_evidence(tag, unit, facts.day, rulebook))
    supporters = tuple(item for item in decision.supporters if item.unit != unit)
    return Decision(
        Outcome.DISPATCH, lead, supporters, decision.informed if decision.lead and decision.lead.unit == unit else (),
        decision.avoided, "", decision.gap, (), decision.notes,
    )  # fmt: skip


def named_evidence(tag: Tag, unit: str, day: date, rulebook: Rulebook) -> tuple[Evidence, ...]:
    """Return the clauses for a unit that a person chose: the tag's own where they name it, else the person's word."""
    named = unit == tag.lead or unit in tag.support or (tag.by_place and unit in rulebook.district_by_unit)
    clauses = tuple(item for item in evidence_for(tag, unit, day, rulebook) if named or item.measure is not None)
    return clauses or (Evidence("人工指定", None, "依据", "由热线人员指定承办单位，理由见工单记录"),)


def _reasons(
    form: PreviewForm, prediction: Prediction | None, tag_source: str, decision: Decision | None,
    facts: Facts | None, desk: Desk, *, cleared: bool,
) -> Iterator[Reason]:  # fmt: skip
    if decision is None or facts is None:
        yield Reason("no-model", "分类模型不可用，请人工选择归口标签")
        return
    if tag_source == "模型" and prediction and not prediction.certain and not (form.override and form.override.unit):
        yield Reason("low-confidence", f"模型把握不足（{prediction.confidence:.0%}），请在前几个候选中选定")
    yield from decision.reasons
    if not cleared:
        yield from _unnamed_accused(form, decision, facts, desk)


def _unnamed_accused(form: PreviewForm, decision: Decision, facts: Facts, desk: Desk) -> Iterator[Reason]:
    """Yield doubt about an accused body that nobody can identify from names alone: 有疑问的不得转给被反映单位."""
    rulebook = desk.rulebook
    tag = rulebook.tag_by_code[facts.tag]
    if not (guarded(facts, tag) or facts.speaks_of_conduct):
        return
    if desk.accused.has_unknown_body(form.complained_of):
        yield Reason("accused-unknown", "表单所填被反映单位不在单位名录中，请人工确认后再派，避免转给被反映单位")
    elif _may_be_the_lead(form, decision, rulebook):
        lead = rulebook.short(decision.lead.unit) if decision.lead else ""
        yield Reason(
            "accused-generic", f"诉求像是反映机关执法或作风，但没有写明单位，可能就是拟主办的{lead}，请人工确认后再派"
        )


def _may_be_the_lead(form: PreviewForm, decision: Decision, rulebook: Rulebook) -> bool:
    if decision.lead is None or decision.lead.unit == rulebook.avoidance.law_supervision:
        return False
    moved = decision.lead.evidence[0].document == rulebook.avoidance.basis
    return not moved and complains_of_unnamed_body(f"{form.title}\n{form.content}")


def _notes(decision: Decision | None, tag: Tag | None, place: PlaceFinding, rulebook: Rulebook) -> Iterator[str]:
    if decision:
        yield from decision.notes
    if place.out_of_town and not place.names:
        yield f"正文提到外地（{'、'.join(place.out_of_town)}），请核实是否属本市事项"
    if tag and tag.statutory_limit:
        rule = next(limit for limit in rulebook.limits if limit.covers == tag.statutory_limit)
        yield f"法定时限：{limit_text(rule)}，自{rule.start}起算（{rule.basis}）。{rule.note}"


def _state(decision: Decision | None, reasons: tuple[Reason, ...]) -> State:
    if decision is None or reasons:
        return State.TRIAGE
    outcomes = {Outcome.TOLD: State.TOLD, Outcome.SPECIAL: State.SPECIAL, Outcome.DISPATCH: State.AWAITING_SIGN}
    return outcomes[decision.outcome]


def _dues(state: State, case: LimitCase, lead: str, at: datetime, accepted_at: datetime, desk: Desk) -> tuple[Due, ...]:
    if state is State.TOLD:
        return ()
    if state is State.AWAITING_CALLBACK:
        rule = require(desk.rulebook.limits, LimitStep.CALLBACK, case, clock.local(at).date())
        return (due(rule, at, desk.calendar),)
    if state is State.AWAITING_SIGN:
        return dispatch_dues(desk.rulebook, desk.calendar_of(lead), case, at)
    return (first_dispatch_due(desk.rulebook, desk.calendar, case, accepted_at),)


Handling = Literal["dispatch", "told", "special", "answered"]


def handling_of(judged: Judged) -> Handling:
    """Return what becomes of the appeal as the API words it."""
    if judged.state is State.AWAITING_CALLBACK:
        return "answered"
    outcome = judged.decision.outcome if judged.decision else Outcome.DISPATCH
    names: dict[Outcome, Handling] = {
        Outcome.TOLD: "told", Outcome.SPECIAL: "special", Outcome.DISPATCH: "dispatch",
    }  # fmt: skip
    return names[outcome]
