"""decide(): from facts and rulebook to the responsible unit with its evidence. Pure: the same facts, the same decision.

按责转办（包府发〔2024〕40号第30项）; the accused rule: 信访工作条例第三十条 and docs/decisions/0003.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from app.routing.accused import Accused
from app.rulebook.loader import measure_leads, measure_supporters, named_lead
from app.rulebook.shapes import BY_PLACE, Handling, Rulebook, Tag

REPORT_TYPE = "举报"


class Outcome(StrEnum):
    """What becomes of the appeal."""

    DISPATCH = "dispatch"
    TOLD = "told"
    SPECIAL = "special"


@dataclass(frozen=True)
class Facts:
    """What the engine judges by.

    Attributes:
        tag: 归口标签 code.
        kind: one of 咨询 求助 投诉 举报 建议.
        confidential: 隐名 or 匿名.
        district: region code of the matter's place, if known.
        rivals: region codes when the text names several districts equally.
        accused: whom the appeal complains of.
        speaks_of_conduct: words of misconduct in the text.
        day: the day of judgement, for the validity of units and notice.
    """

    tag: str
    kind: str
    confidential: bool
    district: str | None
    rivals: tuple[str, ...]
    accused: tuple[Accused, ...]
    speaks_of_conduct: bool
    day: date


@dataclass(frozen=True)
class Evidence:
    """Why a unit: a clause of the notice, or a law or duty.

    Attributes:
        document: the notice's number, or the law's name.
        measure: number of the measure; None for a law or duty.
        role: 牵头, 配合 or 依据.
        matter: what the clause is about; empty for the law or duty a tag rests on.
        status: the sentence that must stand beside a lapsed or replaced notice; else empty.
    """

    document: str
    measure: int | None
    role: str
    matter: str
    status: str = ""


@dataclass(frozen=True)
class Assignment:
    """One unit that is to act, and why."""

    unit: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Reason:
    """Why a person must decide; `code` is stable, `message` is for the dispatcher."""

    code: str
    message: str


@dataclass(frozen=True)
class Decision:
    """The engine's answer.

    Attributes:
        lead: None where nothing is dispatched (told, special, unknown place).
        informed: units told without being asked to act (the superior of a complained-of responsible unit).
        avoided: codes of units that may not get this appeal.
        gap: whether no measure covers the matter, so that it goes by duty.
    """

    outcome: Outcome
    lead: Assignment | None
    supporters: tuple[Assignment, ...]
    informed: tuple[str, ...]
    avoided: tuple[str, ...]
    told: str
    gap: bool
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]

    @property
    def needs_review(self) -> bool:
        """Whether a person must decide."""
        return bool(self.reasons)


def decide(facts: Facts, rulebook: Rulebook) -> Decision:
    """Return who is responsible for an appeal, with the evidence.

    Raises:
        KeyError: the rulebook has no such tag.
    """
    tag = rulebook.tag_by_code[facts.tag]
    if tag.handling is Handling.TOLD:
        return _told(tag, facts, rulebook)
    lead = _responsible(tag, facts, rulebook)
    if lead is None:
        return _place_unknown(tag, facts, rulebook)
    if guarded(facts, tag):
        return _guarded(tag, lead, facts, rulebook)
    informed = tuple(dict.fromkeys(_informed(lead, facts.accused, facts.day, rulebook)))
    supporters = _supporters(tag, lead, facts, rulebook, frozenset())
    return _dispatch(tag, lead, supporters, facts, rulebook, informed=informed)


def guarded(facts: Facts, tag: Tag) -> bool:
    """Whether the appeal may never reach whom it complains of.

    举报, complaints of enforcement, conduct or integrity, every 隐名/匿名 ticket, and doubt: a body is complained of in
    words of misconduct though the tag is about something else. A plain complaint of delay or non-payment is not guarded:
    it goes to the unit that must act.
    """
    doubt = facts.speaks_of_conduct and bool(facts.accused)
    return facts.kind == REPORT_TYPE or tag.concerns_conduct or facts.confidential or doubt


def forbidden_units(accused: Iterable[Accused], rulebook: Rulebook, *, certain_only: bool = False) -> frozenset[str]:
    """Return the codes of units that are accused or stand under an accused unit."""
    named = [item.unit for item in accused if not item.below and (item.certain or not certain_only)]
    targets = {code for unit in named for code in (unit, *_successors(unit, rulebook))}
    return frozenset(unit.code for unit in rulebook.units if targets & set(_upwards(unit.code, rulebook)))


def _successors(code: str, rulebook: Rulebook) -> Iterator[str]:
    """Yield the units that took over from a unit: after a merger they stand for the accused."""
    seen = {code}
    while (code := rulebook.unit_by_code[code].successor) and code not in seen:
        seen.add(code)
        yield code


def _upwards(code: str, rulebook: Rulebook) -> Iterator[str]:
    """Yield a unit and all above it."""
    seen: set[str] = set()
    while code and code not in seen:
        yield code
        seen.add(code)
        code = rulebook.unit_by_code[code].superior


def _told(tag: Tag, facts: Facts, rulebook: Rulebook) -> Decision:
    avoided = tuple(sorted(forbidden_units(facts.accused, rulebook)))
    return Decision(
        Outcome.TOLD, None, (), (), avoided, tag.told, gap=not named_lead(rulebook, tag), reasons=(),
        notes=_notes(tag, facts, rulebook),
    )  # fmt: skip


def _responsible(tag: Tag, facts: Facts, rulebook: Rulebook) -> str | None:
    if not tag.by_place:
        return rulebook.current_unit(tag.lead, facts.day).code
    district = rulebook.district_by_code.get(facts.district or "")
    return rulebook.current_unit(district.unit, facts.day).code if district else None


def _place_unknown(tag: Tag, facts: Facts, rulebook: Rulebook) -> Decision:
    if facts.rivals:
        names = "、".join(rulebook.district_by_code[code].name for code in facts.rivals)
        reason = Reason("place-ambiguous", f"正文提到多个旗县区（{names}），请确认事项发生地")
    else:
        reason = Reason("place-unknown", "本标签按属地转办，但诉求没有说明事项发生在哪个旗县区")
    return Decision(
        Outcome.DISPATCH, None, (), (), tuple(sorted(forbidden_units(facts.accused, rulebook))), "",
        gap=not named_lead(rulebook, tag), reasons=(reason,), notes=_notes(tag, facts, rulebook),
    )  # fmt: skip


def _guarded(tag: Tag, lead: str, facts: Facts, rulebook: Rulebook) -> Decision:
    """Keep the appeal from the accused: the responsible unit if it is clean, else a safe target, else 专办件."""
    forbidden = forbidden_units(facts.accused, rulebook)
    supporters = _supporters(tag, lead, facts, rulebook, forbidden)
    if lead not in forbidden:
        return _dispatch(tag, lead, supporters, facts, rulebook, avoided=forbidden)
    reasons = _doubt(lead, facts, rulebook)
    target = _safe_target(lead, forbidden, facts.day, rulebook)
    if target is None:
        return Decision(
            Outcome.SPECIAL, None, (), (), tuple(sorted(forbidden)), "", gap=False, reasons=reasons,
            notes=(rulebook.avoidance.special_reason,),
        )  # fmt: skip
    note = f"按回避规定不转{rulebook.short(lead)}，改由{rulebook.short(target.unit)}办理"
    clean = tuple(item for item in supporters if item.unit != target.unit)
    return replace(
        _dispatch(tag, lead, clean, facts, rulebook, avoided=forbidden, extra_note=note), lead=target, reasons=reasons
    )


def _doubt(lead: str, facts: Facts, rulebook: Rulebook) -> tuple[Reason, ...]:
    """Return why a person must look: the responsible unit is named, but not clearly as the accused."""
    if lead in forbidden_units(facts.accused, rulebook, certain_only=True):
        return ()
    organs = "、".join(dict.fromkeys(item.organ for item in facts.accused if not item.below))
    return (Reason("accused-doubt", f"正文提到{organs}，是否为被反映对象不明，请人工确认；确认前不得转给该单位"),)


def _safe_target(lead: str, forbidden: frozenset[str], day: date, rulebook: Rulebook) -> Assignment | None:
    """Return the first safe target: up from the accused level by level, then the unit that supervises enforcement."""
    rule = rulebook.avoidance
    above = [(code, rule.superior_reason) for code in _upwards(lead, rulebook) if code != lead]
    for code, reason in (*above, (rule.law_supervision, rule.law_supervision_reason)):
        unit = rulebook.current_unit(code, day) if code else None
        if unit and unit.dispatchable and unit.code not in forbidden:
            return Assignment(unit.code, tuple(_safe_evidence(unit.code, reason, day, rulebook)))
    return None


def _safe_evidence(target: str, reason: str, day: date, rulebook: Rulebook) -> Iterator[Evidence]:
    rule = rulebook.avoidance
    yield Evidence(rule.basis, None, "依据", reason)
    if target == rule.law_supervision:
        yield from (_clause(number, "牵头", day, rulebook) for number in rule.law_supervision_measures)


def _informed(lead: str, accused: tuple[Accused, ...], day: date, rulebook: Rulebook) -> Iterator[str]:
    """Yield the superior of a responsible unit that is itself complained of (plain delay or non-payment)."""
    if any(item.unit == lead and not item.below and item.certain for item in accused):
        superior = rulebook.unit_by_code[lead].superior
        if superior:
            yield rulebook.current_unit(superior, day).code


def _supporters(
    tag: Tag, lead: str, facts: Facts, rulebook: Rulebook, forbidden: frozenset[str]
) -> tuple[Assignment, ...]:
    codes: list[str] = []
    for name in tag.support:
        code = name
        if name == BY_PLACE:
            district = rulebook.district_by_code.get(facts.district or "")
            code = district.unit if district else ""
        if code:
            codes.append(rulebook.current_unit(code, facts.day).code)
    kept = [code for code in dict.fromkeys(codes) if code != lead and code not in forbidden]
    return tuple(Assignment(code, evidence_for(tag, code, facts.day, rulebook)) for code in kept)


def _dispatch(
    tag: Tag, lead: str, supporters: tuple[Assignment, ...], facts: Facts, rulebook: Rulebook, *,
    informed: tuple[str, ...] = (), avoided: Iterable[str] = (), extra_note: str = "",
) -> Decision:  # fmt: skip
    notes = (*_notes(tag, facts, rulebook), *([extra_note] if extra_note else []))
    return Decision(
        Outcome.DISPATCH, Assignment(lead, evidence_for(tag, lead, facts.day, rulebook)), supporters, informed,
        tuple(sorted(avoided)), "", not named_lead(rulebook, tag), (), notes,
    )  # fmt: skip


def evidence_for(tag: Tag, unit: str, day: date, rulebook: Rulebook) -> tuple[Evidence, ...]:
    """Return the clauses that make a unit act on a tag: measures it leads, then those it supports, then law or duty."""
    roles = [(number, _role(unit, number, rulebook)) for number in tag.measures]
    found = [_clause(number, role, day, rulebook) for number, role in roles if role]
    found.sort(key=lambda item: item.role != "牵头")
    if found and (found[0].role == "牵头" or not tag.basis):
        return tuple(found)
    basis = tag.basis or f"职责：{rulebook.unit_by_code[unit].duties}"
    return (Evidence(basis, None, "依据", ""), *found)


def _clause(number: int, role: str, day: date, rulebook: Rulebook) -> Evidence:
    notice = rulebook.notice
    return Evidence(notice.number, number, role, rulebook.measure_by_number[number].matter, notice.status_line(day))


def _role(unit: str, number: int, rulebook: Rulebook) -> str:
    if unit in measure_leads(rulebook, number):
        return "牵头"
    return "配合" if unit in measure_supporters(rulebook, number) else ""


def _notes(tag: Tag, facts: Facts, rulebook: Rulebook) -> tuple[str, ...]:
    notes = []
    if not named_lead(rulebook, tag):
        notes.append(f"{rulebook.notice.number}没有措施写明该事项的牵头单位，按法定职责转办（映射缺口）")
    status = rulebook.notice.status_line(facts.day)
    if status and tag.measures:
        notes.append(status)
    return tuple(notes)
