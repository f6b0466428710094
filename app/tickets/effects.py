"""What each kind of event does to a work order: the effects that the fold applies, in the order of a work order's life. Pure."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from app.rulebook.shapes import LimitStep
from app.tickets.lifecycle import State
from app.tickets.standing import Fact, Part, Phase, Standing


def moment(text: str) -> datetime:
    """Return a payload's time."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _moments(found: dict[str, str]) -> dict[str, datetime]:
    return {step: moment(text) for step, text in found.items()}


def _find(standing: Standing, unit: str) -> Part:
    part = standing.part_of(unit)
    if part is None:
        raise KeyError(unit)
    return part


def _end(part: Part, phase: Phase, at: datetime) -> None:
    if part.suspended_at:
        _end_pause(part, at)
    part.phase, part.ended_at = phase, at


def _end_pause(part: Part, at: datetime) -> None:
    if part.suspended_at:
        part.paused += at - part.suspended_at
    part.suspended_at = part.resumes_at = None


def _recall(standing: Standing, fact: Fact, phase: Phase = Phase.RECALLED) -> None:
    """End every open part; each of them was named in the event and told."""
    for part in standing.parts:
        if part.is_open or part.phase is Phase.INFORMED:
            _end(part, phase, fact.at)
    standing.desk.clear()


def _on_accepted(standing: Standing, fact: Fact) -> None:
    standing.accepted_at, standing.kind, standing.urgent = fact.at, fact.payload["type"], fact.payload["urgent"]
    if fact.payload.get("due"):
        standing.due_at = standing.original_due_at = moment(fact.payload["due"])
    if fact.payload.get("began"):
        # A child of a split: the enterprise has waited since the parent came in.
        standing.accepted_at = moment(fact.payload["began"])


def _on_triaged(standing: Standing, fact: Fact) -> None:
    standing.state = State.TRIAGE
    _recall(standing, fact)
    standing.lead_unit = None
    _wait_for_dispatch(standing, fact)


def _wait_for_dispatch(standing: Standing, fact: Fact) -> None:
    due = moment(fact.payload["due"])
    standing.desk[LimitStep.FIRST_DISPATCH.value] = due
    standing.dispatch_due = standing.dispatch_due or due


def _on_special(standing: Standing, fact: Fact) -> None:
    standing.state = State.SPECIAL
    _wait_for_dispatch(standing, fact)


def _stopping(state: State, closing: str) -> Callable[[Standing, Fact], None]:
    def stop(standing: Standing, fact: Fact) -> None:
        _recall(standing, fact)
        standing.state, standing.closing = state, closing
        standing.closed_at = standing.closed_at or fact.at

    return stop


def _on_dispatched(standing: Standing, fact: Fact) -> None:
    payload, dues = fact.payload, _moments(fact.payload["dues"])
    standing.state, standing.lead_unit, standing.closed_at, standing.closing = (
        State.AWAITING_SIGN, payload["lead"], None, "",
    )  # fmt: skip
    standing.desk.clear()
    standing.dispatched_at = standing.dispatched_at or fact.at
    standing.dispatch_due = standing.dispatch_due or fact.at
    if standing.due_at is None:
        standing.due_at = standing.original_due_at = dues[LimitStep.CLOSING.value]
        standing.provisional = bool(payload["provisional"])
    _add_part(standing, fact, payload["lead"], "lead", dues)
    for unit in payload["supporters"]:
        _add_part(standing, fact, unit, "support", dues)
    for unit in payload["informed"]:
        _add_part(standing, fact, unit, "informed", {}).phase = Phase.INFORMED


def _add_part(standing: Standing, fact: Fact, unit: str, role: str, dues: dict[str, datetime]) -> Part:
    part = Part(unit, fact.payload["round"], role, Phase.AWAITING_SIGN, fact.at, dict(dues))
    part.original_due_at = part.due_at
    standing.parts.append(part)
    return part


def _on_supported(standing: Standing, fact: Fact) -> None:
    for unit in fact.payload["units"]:
        _add_part(standing, fact, unit, "support", _moments(fact.payload["dues"]))


def _on_signed(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    part.signed_at, part.phase = fact.at, Phase.IN_PROGRESS
    if part.role == "lead":
        standing.state = State.IN_PROGRESS


def _on_contacted(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    if fact.payload["counts"]:
        part.contact(moment(fact.payload["at"]), reached=fact.payload["reached"])


def _on_interim(standing: Standing, fact: Fact) -> None:
    part, step = _find(standing, fact.payload["unit"]), LimitStep.INTERIM_REPLY.value
    part.dues.pop(step, None)
    if fact.payload["next"]:
        part.dues[step] = moment(fact.payload["next"])


def _on_replied(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    part.phase, part.replied_at = Phase.REPLIED, fact.at
    if fact.payload["way"]:
        part.contact(moment(fact.payload["contacted"]), reached=True)
    part.contacted_at = part.contacted_at or moment(fact.payload["contacted"])
    _drop_desk(standing, part.unit)
    for unit in fact.payload["excused"]:
        _end(_find(standing, unit), Phase.EXCUSED, fact.at)
    for key, due in fact.payload["promises"].items():
        standing.promises[int(key)] = moment(due)
    if part.role == "lead":
        standing.state = State.AWAITING_REVIEW
        standing.desk = {LimitStep.REVIEW.value: moment(fact.payload["review_due"])}


def _on_objected(standing: Standing, fact: Fact) -> None:
    payload = fact.payload
    part = _find(standing, payload["unit"])
    part.phase, part.signed_at = Phase.RETURNING, part.signed_at or fact.at
    standing.desk[f"{payload['step']}:{part.unit}"] = moment(payload["due"])
    if part.role == "lead":
        standing.state = State.ARBITRATION if payload["step"] == LimitStep.ARBITRATION.value else State.RETURN_REVIEW
        standing.ruling_due = moment(payload["due"])


def _drop_desk(standing: Standing, unit: str, *steps: str) -> None:
    """Drop what the hotline owed a unit: some steps, or all of it where the unit's part has ended."""
    dropped = {f"{step}:{unit}" for step in steps} or {key for key in standing.desk if key.endswith(f":{unit}")}
    standing.desk = {key: due for key, due in standing.desk.items() if key not in dropped}


def _on_return_kept(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    part.phase, part.no_return = Phase.IN_PROGRESS, part.no_return or fact.payload["final"]
    _drop_desk(standing, part.unit, LimitStep.RETURN_RULING.value, LimitStep.ARBITRATION.value)
    if part.role == "lead":
        standing.state = State.IN_PROGRESS
        standing.appointed = standing.appointed or fact.payload["final"]


def _on_return_upheld(standing: Standing, fact: Fact) -> None:
    payload = fact.payload
    part = _find(standing, payload["unit"])
    _drop_desk(standing, part.unit)
    _end(part, Phase.RETURNED, fact.at)
    if part.role != "lead":
        return
    standing.returns += 1
    standing.appointed = standing.appointed or payload["final"]
    _recall(standing, fact)
    standing.state, standing.lead_unit = State.TRIAGE, None
    standing.desk[LimitStep.FIRST_DISPATCH.value] = moment(payload["due"])


def _on_asked(standing: Standing, fact: Fact) -> None:
    standing.desk[f"{fact.payload['step']}:{fact.payload['unit']}"] = moment(fact.payload["due"])


def _on_extended(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    _drop_desk(standing, part.unit, LimitStep.EXTENSION_RULING.value)
    part.extended += 1
    part.extended_days += fact.payload["days"]
    _move_due(standing, part, moment(fact.payload["until"]))
    if part.role == "lead":
        standing.extensions += 1


def _move_due(standing: Standing, part: Part, due: datetime) -> None:
    """Give a part another time to answer; the lead's first handling carries the enterprise's due time with it."""
    step = LimitStep.REWORK.value if part.rework else LimitStep.CLOSING.value
    part.dues[step] = due
    part.given = True
    if part.role == "lead" and not part.rework:
        standing.due_at = due


def _on_asked_in_vain(standing: Standing, fact: Fact) -> None:
    _drop_desk(standing, fact.payload["unit"], fact.payload["step"])


def _on_suspended(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    _drop_desk(standing, part.unit, LimitStep.SUSPENSION_RULING.value)
    part.phase, part.suspended_at, part.resumes_at = Phase.SUSPENDED, fact.at, moment(fact.payload["until"])
    if part.role == "lead":
        standing.state = State.SUSPENDED


def _on_resumed(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    _end_pause(part, fact.at)
    part.phase = Phase.IN_PROGRESS
    part.dues.update(_moments(fact.payload["dues"]))
    part.given = True
    if part.role == "lead":
        standing.state = State.IN_PROGRESS
        if part.due_at and not part.rework:
            standing.due_at = part.due_at


def _on_sent_back(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    part.phase, part.replied_at = Phase.IN_PROGRESS, None
    standing.state = State.IN_PROGRESS
    standing.desk.clear()


def _on_approved(standing: Standing, fact: Fact) -> None:
    lead = standing.lead()
    standing.closing = fact.payload["closing"]
    standing.answered_at = standing.answered_at or (lead.replied_at if lead else None)
    _wait_for_callback(standing, fact)


def _wait_for_callback(standing: Standing, fact: Fact) -> None:
    standing.state, standing.callback_due = State.AWAITING_CALLBACK, moment(fact.payload["due"])
    standing.desk = {LimitStep.CALLBACK.value: standing.callback_due}


def _on_called(standing: Standing, fact: Fact) -> None:
    payload = fact.payload
    if payload["grade"]:
        standing.first_grade = standing.first_grade or payload["grade"]
        standing.final_grade = payload["grade"]
    standing.solved = payload["solved"] or standing.solved
    if payload["then"] == "reassess":
        standing.state = State.REASSESSMENT
        standing.desk = {LimitStep.REASSESSMENT.value: moment(payload["due"])}


def _on_closed(standing: Standing, fact: Fact) -> None:
    standing.state, standing.closed_at = State.CLOSED, fact.at
    standing.closing = fact.payload["closing"] or standing.closing
    standing.desk.clear()


def _on_rework(standing: Standing, fact: Fact) -> None:
    payload, dues = fact.payload, _moments(fact.payload["dues"])
    standing.state, standing.closed_at, standing.lead_unit = State.IN_PROGRESS, None, payload["lead"]
    standing.reworks += 1
    standing.desk.clear()
    for role, units in (("lead", [payload["lead"]]), ("support", payload["supporters"])):
        for unit in units:
            part = _add_part(standing, fact, unit, role, dues)
            part.phase, part.signed_at, part.contacted_at = Phase.IN_PROGRESS, fact.at, fact.at
            part.rework = standing.reworks


def _on_archived(standing: Standing, _: Fact) -> None:
    standing.state = State.ARCHIVED


def _on_info_asked(standing: Standing, fact: Fact) -> None:
    standing.state = State.AWAITING_INFO
    standing.desk = {LimitStep.SUPPLEMENT.value: moment(fact.payload["until"])}


def _on_waiting_again(standing: Standing, fact: Fact) -> None:
    standing.state, standing.main, standing.closed_at, standing.closing = State.TRIAGE, "", None, ""
    standing.desk = {LimitStep.FIRST_DISPATCH.value: moment(fact.payload["due"])}
    if standing.dispatched_at is None:
        # The dispatcher's time begins when the enterprise has given what was missing.
        standing.dispatch_due = moment(fact.payload["due"])


def _on_answered(standing: Standing, fact: Fact) -> None:
    standing.closing, standing.answered_at = "直办", standing.answered_at or fact.at
    _wait_for_callback(standing, fact)


def _on_merged(standing: Standing, fact: Fact) -> None:
    _recall(standing, fact)
    standing.state, standing.main = State.MERGED, fact.payload["main"]


def _on_main_settled(standing: Standing, fact: Fact) -> None:
    standing.closing, standing.answered_at = fact.payload["closing"], standing.answered_at or fact.at
    _wait_for_callback(standing, fact)


def _on_split(standing: Standing, fact: Fact) -> None:
    _recall(standing, fact)
    standing.state, standing.children = State.SPLIT, tuple(fact.payload["children"])


def _on_handed_over(standing: Standing, fact: Fact) -> None:
    """Give a ceased unit's part to its successor; the enterprise's clock runs on, only 签收 is counted anew."""
    payload = fact.payload
    old = _find(standing, payload["from"])
    if not payload["to"]:
        _end(old, Phase.HANDED_OVER, fact.at)
        return
    existing = standing.part_of(payload["to"])
    dues = {**old.dues, **_moments(payload["dues"])}
    _drop_desk(standing, old.unit)
    _end(old, Phase.HANDED_OVER, fact.at)
    if existing and existing.is_open and old.role != "lead":
        return
    if existing and existing.is_open:
        _end(existing, Phase.HANDED_OVER, fact.at)
    new = Part(payload["to"], payload["round"], old.role, Phase.AWAITING_SIGN, fact.at, dues)
    new.original_due_at, new.rework, new.given = old.original_due_at, old.rework, old.given
    new.extended, new.extended_days = old.extended, old.extended_days
    standing.parts.append(new)
    if old.role == "lead":
        standing.state, standing.lead_unit = State.AWAITING_SIGN, new.unit


def _on_hard_proposed(standing: Standing, _: Fact) -> None:
    standing.hardness = standing.hardness or "proposed"


def _on_conferred(standing: Standing, fact: Fact) -> None:
    standing.hardness = "ruled"
    lead = standing.lead()
    if fact.payload["due"] and lead:
        _move_due(standing, lead, moment(fact.payload["due"]))


def _on_statute(standing: Standing, fact: Fact) -> None:
    lead = standing.lead()
    standing.statute = fact.payload["covers"]
    if lead:
        _move_due(standing, lead, moment(fact.payload["due"]))


def _on_reclassified(standing: Standing, fact: Fact) -> None:
    payload = fact.payload
    standing.kind, standing.urgent = payload["type"], payload["urgent"]
    _take_dues(standing, payload)


def _take_dues(standing: Standing, payload: dict[str, Any]) -> None:
    """Take due times that were computed anew: of units, of the enterprise, of the hotline."""
    for unit, dues in payload["dues"].items():
        part = _find(standing, unit)
        part.dues = {step: due for step, due in part.dues.items() if dues.get(step, "") is not None}
        part.dues.update(_moments({step: due for step, due in dues.items() if due}))
    if payload["due"]:
        standing.due_at = moment(payload["due"])
    for step, due in payload["desk"].items():
        standing.desk[step] = moment(due)


def _on_recalculated(standing: Standing, fact: Fact) -> None:
    standing.provisional = fact.payload["provisional"]
    if fact.payload["original"]:
        standing.original_due_at = moment(fact.payload["original"])
    _take_dues(standing, fact.payload)


def _on_assigned(standing: Standing, fact: Fact) -> None:
    part = _find(standing, fact.payload["unit"])
    part.handler, part.deputy = fact.payload["handler"], fact.payload["deputy"]


def _on_promise_settled(standing: Standing, fact: Fact) -> None:
    standing.promises.pop(fact.payload["promise"], None)


def _on_corrected(standing: Standing, fact: Fact) -> None:
    standing.kind, standing.urgent = fact.payload["type"], fact.payload["urgent"]


EFFECTS: dict[str, Callable[[Standing, Fact], None]] = {
    "accepted": _on_accepted,
    "triaged": _on_triaged,
    "retriaged": _on_triaged,
    "made_special": _on_special,
    "told": _stopping(State.TOLD, "告知途径"),
    "corrected": _on_corrected,
    "info_asked": _on_info_asked,
    "supplemented": _on_waiting_again,
    "answered": _on_answered,
    "merged": _on_merged,
    "unmerged": _on_waiting_again,
    "main_settled": _on_main_settled,
    "split": _on_split,
    "withdrawn": _stopping(State.WITHDRAWN, "撤诉"),
    "invalidated": _stopping(State.INVALID, "无效"),
    "restored": _on_waiting_again,
    "dispatched": _on_dispatched,
    "supported": _on_supported,
    "signed": _on_signed,
    "handed_over": _on_handed_over,
    "objected": _on_objected,
    "return_kept": _on_return_kept,
    "return_upheld": _on_return_upheld,
    "contacted": _on_contacted,
    "interim_replied": _on_interim,
    "replied": _on_replied,
    "extension_asked": _on_asked,
    "extended": _on_extended,
    "extension_refused": _on_asked_in_vain,
    "suspension_asked": _on_asked,
    "suspended": _on_suspended,
    "suspension_refused": _on_asked_in_vain,
    "resumed": _on_resumed,
    "assigned": _on_assigned,
    "sent_back": _on_sent_back,
    "approved": _on_approved,
    "called": _on_called,
    "closed": _on_closed,
    "rework_ordered": _on_rework,
    "archived": _on_archived,
    "promise_settled": _on_promise_settled,
    "hard_proposed": _on_hard_proposed,
    "conferred": _on_conferred,
    "statute_started": _on_statute,
    "reclassified": _on_reclassified,
    "recalculated": _on_recalculated,
}
