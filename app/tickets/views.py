"""Turns judgements and rows into what callers are told. Pure: rows in, views out; masks what must not be seen."""

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import islice

from app import clock
from app.routing.engine import Assignment, Evidence
from app.rulebook.shapes import ANY_DISTRICT, Rulebook, Tag
from app.sla.calendar import Reach, Slice, WorkingCalendar
from app.sla.timer import Due
from app.tickets.forms import OverrideForm
from app.tickets.intake import Judged, handling_of
from app.tickets.life_schemas import ExplainView, SliceView
from app.tickets.lifecycle import NEXT_STEPS, State
from app.tickets.schemas import (
    AssignmentView,
    CandidateView,
    DueView,
    EvidenceView,
    Judgement,
    OverrideView,
    PartView,
    PlaceView,
    ReasonView,
    Submitted,
    TagView,
    TermView,
    UnitView,
)
from app.tickets.tables import Dispatch, Ticket

RUNNERS_UP = 3
EVENT_LABELS = {
    "accepted": "受理",
    "judged": "判断",
    "triaged": "转人工派单",
    "dispatched": "派单",
    "told": "告知途径",
    "made_special": "转专办件",
    "corrected": "更正",
    "reclassified": "重新认定",
    "recalculated": "期限重算",
    "statute_started": "启用法定时限",
    "info_asked": "请企业补充",
    "supplemented": "补充材料",
    "answered": "直办办结",
    "merged": "并案",
    "unmerged": "撤销并案",
    "main_settled": "随主件转回访",
    "split": "拆分",
    "withdrawn": "撤回",
    "invalidated": "认定无效",
    "restored": "恢复",
    "supported": "增加协办",
    "signed": "签收",
    "assigned": "分派经办人",
    "contacted": "联系企业",
    "anonymised": "到期清除个人信息和内容",
    "text_reviewed": "审定转办文本",
    "contact_viewed": "查看完整信息",
    "interim_replied": "阶段答复",
    "replied": "答复",
    "objected": "提出退单",
    "return_kept": "退单未采纳",
    "return_upheld": "准予退单",
    "extension_asked": "申请延期",
    "extended": "准予延期",
    "extension_refused": "不予延期",
    "suspension_asked": "申请挂起",
    "suspended": "挂起",
    "suspension_refused": "不予挂起",
    "resumed": "恢复办理",
    "sent_back": "审核退回",
    "approved": "审核通过",
    "called": "回访",
    "closed": "办结",
    "rework_ordered": "责成重办",
    "promise_settled": "承诺登记",
    "archived": "归档",
    "urged": "催办",
    "hard_proposed": "提请会商",
    "conferred": "会商",
    "handed_over": "移交承接单位",
    "retriaged": "退回待派单",
    "alarmed": "紧急件待派告警",
    "supervised": "督办",
}


def unit_view(code: str, rulebook: Rulebook) -> UnitView:
    """Return a unit by code and short name; a code the rulebook has lost keeps its code as name."""
    unit = rulebook.unit_by_code.get(code)
    return UnitView(code=code, name=unit.short if unit else code)


def tag_view(tag: Tag) -> TagView:
    """Return a tag."""
    return TagView(code=tag.code, name=tag.name, group=tag.group_name, definition=tag.definition)


def evidence_view(evidence: Evidence) -> EvidenceView:
    """Return a clause."""
    return EvidenceView(
        document=evidence.document, measure=evidence.measure, role=evidence.role, matter=evidence.matter,
        status=evidence.status,
    )  # fmt: skip


def assignment_view(assignment: Assignment, rulebook: Rulebook) -> AssignmentView:
    """Return a unit with its clauses."""
    return AssignmentView(
        unit=unit_view(assignment.unit, rulebook), evidence=[evidence_view(item) for item in assignment.evidence]
    )


def due_view(due: Due) -> DueView:
    """Return a due time with its rule."""
    return DueView(
        step=due.step.value, due_at=due.due_at, limit=due.limit_text, rule=due.rule_code, basis=due.basis,
        basis_kind=due.basis_kind, provisional=due.provisional,
    )  # fmt: skip


def judgement_view(judged: Judged, rulebook: Rulebook, model_version: str, override: OverrideForm | None) -> Judgement:
    """Return a judgement as it is answered and stored."""
    decision, prediction = judged.decision, judged.prediction
    from_model = judged.tag_source == "模型" and prediction is not None
    return Judgement(
        decision="auto" if judged.is_auto else "triage",
        handling=handling_of(judged),
        type=judged.kind,
        type_source=judged.kind_source,
        urgent=judged.urgent,
        urgent_source=judged.urgent_source,
        confidentiality=judged.confidentiality,
        tag=tag_view(judged.tag) if judged.tag else None,
        tag_source=judged.tag_source,
        lead=assignment_view(decision.lead, rulebook) if decision and decision.lead else None,
        supporters=[assignment_view(item, rulebook) for item in decision.supporters] if decision else [],
        informed=[unit_view(code, rulebook) for code in decision.informed] if decision else [],
        avoided=[unit_view(code, rulebook) for code in decision.avoided] if decision else [],
        told=decision.told if decision else "",
        confidence=round(prediction.confidence, 4) if from_model and prediction else None,
        margin=round(prediction.margin, 4) if from_model and prediction else None,
        terms=_terms(judged),
        runners_up=_runners_up(judged, rulebook),
        place=_place(judged, rulebook),
        due=[due_view(due) for due in judged.dues],
        gap=bool(decision and decision.gap),
        reasons=[ReasonView(code=reason.code, message=reason.message) for reason in judged.reasons],
        notes=list(judged.notes),
        override=_override(judged, override, rulebook),
        rulebook_version=rulebook.version,
        model_version=model_version,
    )


def without_words(judgement: Judgement) -> Judgement:
    """Return a judgement without the caller's own words in it, for whoever is not to read a veiled text."""
    place = judgement.place.model_copy(update={"words": []})
    return judgement.model_copy(update={"terms": [], "place": place})


def _terms(judged: Judged) -> list[TermView]:
    if judged.prediction is None:
        return []
    return [TermView(term=term.term, weight=round(term.weight, 3)) for term in judged.prediction.terms]


def _runners_up(judged: Judged, rulebook: Rulebook) -> list[CandidateView]:
    """Return the best other answers; where a person must choose, the model's own first is among them."""
    if judged.prediction is None:
        return []
    chosen = judged.tag.code if judged.tag and judged.is_auto else ""
    others = (
        (item, tag)
        for item in judged.prediction.candidates
        if (tag := rulebook.tag_by_code.get(item.tag)) and item.tag != chosen
    )
    return [
        CandidateView(
            tag=item.tag, tag_name=tag.name, unit=rulebook.short(tag.lead), confidence=round(item.confidence, 4)
        )
        for item, tag in islice(others, RUNNERS_UP)
    ]


def _place(judged: Judged, rulebook: Rulebook) -> PlaceView:
    district = rulebook.district_by_code.get(judged.place.district or "")
    return PlaceView(
        district=district.code if district else None, name=district.name if district else "",
        source=judged.place_source, words=list(judged.place.names),
    )  # fmt: skip


def _override(judged: Judged, override: OverrideForm | None, rulebook: Rulebook) -> OverrideView | None:
    if override is None:
        return None
    model = rulebook.tag_by_code.get(judged.prediction.tag) if judged.prediction else None
    return OverrideView(
        tag=override.tag, unit=override.unit, urgent=override.urgent,
        model_tag=model.code if model else None,
        model_unit=rulebook.short(model.lead) if model else None,
        model_urgent=judged.prediction.urgent if judged.prediction else None,
    )  # fmt: skip


def submitted_view(number: str, accepted_at: datetime, judgement: Judgement, enquiry_code: str) -> Submitted:
    """Return the answer to a submission; a function of the stored judgement, so a repeated post gets the same."""
    state = state_at_intake(judgement)
    return Submitted(
        number=number, state=state.value, state_label=state.label, accepted_at=accepted_at, next=NEXT_STEPS[state],
        enquiry_code=enquiry_code, judgement=judgement,
    )  # fmt: skip


def state_at_intake(judgement: Judgement) -> State:
    """Return the state a ticket was born in."""
    if judgement.decision == "triage":
        return State.TRIAGE
    states = {
        "told": State.TOLD, "special": State.SPECIAL, "dispatch": State.AWAITING_SIGN, "answered": State.AWAITING_CALLBACK,
    }  # fmt: skip
    return states[judgement.handling]


PART_STATES = {
    "awaiting_sign": "待签收",
    "in_progress": "办理中",
    "returning": "异议审核中",
    "suspended": "挂起",
    "replied": "已答复",
    "excused": "未等意见",
    "returned": "已退回",
    "recalled": "已收回",
    "handed_over": "已移交",
    "informed": "知悉",
}
PART_ROLES = {"lead": "主办", "support": "协办", "informed": "知悉"}


def part_view(part: Dispatch, rulebook: Rulebook) -> PartView:
    """Return one unit's part."""
    return PartView(
        unit=unit_view(part.unit, rulebook), role=PART_ROLES[part.role], round=part.round,
        state=PART_STATES[part.state], since=part.dispatched_at,
        evidence=[EvidenceView(**item) for item in json.loads(part.evidence)],
        due=[DueView(**item) for item in json.loads(part.dues)],
        signed_at=part.signed_at, contacted_at=part.contacted_at, contact_kind=part.contact_kind,
        replied_at=part.replied_at, rework=part.rework,
        late=part.late.split(",") if part.late else [], next_step=part.next_step, next_due_at=part.next_due_at,
    )  # fmt: skip


def holder_of(ticket: Ticket, supervisor: str, rulebook: Rulebook) -> str:
    """Return who has the ticket now."""
    state = State(ticket.state)
    if state is State.TOLD:
        return "无（已告知法定途径）"
    if not state.is_open:
        return f"无（{state.label}）"
    if state in WITH_LEAD:
        return unit_view(ticket.lead_unit or "", rulebook).name
    return f"指定督办人员{supervisor}" if state is State.SPECIAL else ELSEWHERE.get(state, HOTLINE_NAME)


HOTLINE_NAME = "12345热线营商环境专席"
WITH_LEAD = (State.AWAITING_SIGN, State.IN_PROGRESS, State.RETURN_REVIEW, State.ARBITRATION, State.SUSPENDED)
ELSEWHERE = {
    State.AWAITING_INFO: "企业（待补充材料）",
    State.SPLIT: "各子件承办单位",
    State.MERGED: "随主件办理",
}


def explain(judgement: Judgement, rulebook: Rulebook) -> list[str]:
    """Return why the ticket went where it went, in plain Chinese sentences."""
    lines = [_explain_tag(judgement)]
    if judgement.terms and judgement.tag_source == "模型":
        lines.append("主要依据的词语：" + "、".join(term.term for term in judgement.terms[:6]))
    lines.extend(_explain_lead(judgement))
    lines.extend(f"协办：{item.unit.name}（{_clause(item.evidence)}）" for item in judgement.supporters)
    if judgement.avoided:
        lines.append("按回避规定不得转给：" + "、".join(unit.name for unit in judgement.avoided[:6]))
    if judgement.informed:
        lines.append("同时告知上级：" + "、".join(unit.name for unit in judgement.informed))
    lines.extend(f"需人工判断：{reason.message}" for reason in judgement.reasons)
    lines.extend(f"{due.step}时限 {due.limit}，{_until(due)}（{_basis(due)}）" for due in judgement.due)
    lines.extend(judgement.notes)
    if judgement.runners_up:
        others = (f"{item.tag_name}→{item.unit}（{item.confidence:.0%}）" for item in judgement.runners_up)
        lines.append("其他可能：" + "；".join(others))
    lines.append(f"规则版本 {rulebook_note(judgement, rulebook)}，模型版本 {judgement.model_version}")
    return lines


def _explain_tag(judgement: Judgement) -> str:
    if judgement.tag is None:
        return "没有归口标签：分类模型不可用，待人工选择"
    sure = f"，责任单位把握 {judgement.confidence:.0%}" if judgement.confidence is not None else ""
    return f"归口标签 {judgement.tag.code} {judgement.tag.name}（{judgement.tag_source}{sure}）：{judgement.tag.definition}"


def _explain_lead(judgement: Judgement) -> Iterable[str]:
    if judgement.handling == "told":
        yield f"不派单，告知途径：{judgement.told}"
    elif judgement.lead:
        yield f"主办：{judgement.lead.unit.name}（{_clause(judgement.lead.evidence)}）"
    else:
        yield f"主办：待定（{ANY_DISTRICT}或人工指定）"


def _clause(evidence: list[EvidenceView]) -> str:
    parts = []
    for item in evidence[:3]:
        where = f"{item.document}第{item.measure}项{item.role}" if item.measure else item.document
        parts.append(f"{where}：{item.matter}" if item.matter else where)
    return "；".join(parts)


def _basis(due: DueView) -> str:
    return due.basis if due.basis.startswith(due.basis_kind) else f"{due.basis_kind}：{due.basis}"


def _until(due: DueView) -> str:
    return f"至 {clock.spoken(due.due_at)}" + ("（暂定：该年日历未发布）" if due.provisional else "")


def rulebook_note(judgement: Judgement, rulebook: Rulebook) -> str:
    """Return the judging version, and whether the rules have moved on since."""
    same = judgement.rulebook_version == rulebook.version
    return judgement.rulebook_version + ("" if same else f"（现行 {rulebook.version}）")


def explain_view(start: datetime, end: Reach, calendar: WorkingCalendar) -> ExplainView:
    """Return how a limit was counted, with the days between that did not count."""
    counted = {item.day: item for item in end.slices}
    first, last = clock.local(start).date(), max(counted, default=clock.local(start).date())
    days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
    return ExplainView(start=start, due_at=end.due, slices=[_slice(day, counted.get(day), calendar) for day in days])


def _slice(day: date, item: Slice | None, calendar: WorkingCalendar) -> SliceView:
    minutes = int(item.time.total_seconds() // 60) if item and item.time else None
    return SliceView(day=day, counted=item.counted.value if item else "不计", minutes=minutes, why=calendar.why(day))
