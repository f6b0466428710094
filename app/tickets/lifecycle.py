"""The one transition table of a work order, with the reason beside each edge. Pure.

集中受理 → 按责转办 → 限时处办 → 跟踪督办 → 办结反馈（包府发〔2024〕40号第30项）。
"""

from dataclasses import dataclass
from enum import StrEnum

from app.errors import ConflictError


class State(StrEnum):
    """Where a work order is; the value is stored, the label is shown."""

    TRIAGE = "triage"
    AWAITING_SIGN = "awaiting_sign"
    IN_PROGRESS = "in_progress"
    AWAITING_REVIEW = "awaiting_review"
    TOLD = "told"
    SPECIAL = "special"

    @property
    def label(self) -> str:
        """The state's Chinese name."""
        return _LABELS[self]

    @property
    def is_open(self) -> bool:
        """Whether somebody still owes something."""
        return self is not State.TOLD


_LABELS = {
    State.TRIAGE: "待派单",
    State.AWAITING_SIGN: "待签收",
    State.IN_PROGRESS: "办理中",
    State.AWAITING_REVIEW: "待审核",
    State.TOLD: "已告知途径",
    State.SPECIAL: "专办件",
}


class Move(StrEnum):
    """What moves a work order; supporters' signing and replying move only their own dispatch."""

    DISPATCH = "dispatch"
    TELL = "tell"
    MAKE_SPECIAL = "make_special"
    SIGN = "sign"
    REPLY = "reply"
    HAND_OVER = "hand_over"
    RETRIAGE = "retriage"

    @property
    def label(self) -> str:
        """The move's Chinese name."""
        return _MOVE_LABELS[self]


_MOVE_LABELS = {
    Move.DISPATCH: "派单",
    Move.TELL: "告知途径",
    Move.MAKE_SPECIAL: "转专办件",
    Move.SIGN: "签收",
    Move.REPLY: "答复",
    Move.HAND_OVER: "移交承接单位",
    Move.RETRIAGE: "退回待派单",
}


@dataclass(frozen=True)
class Edge:
    """Where a move leads, and why the edge exists."""

    to: State
    reason: str


TRANSITIONS: dict[tuple[State, Move], Edge] = {
    (State.TRIAGE, Move.DISPATCH): Edge(State.AWAITING_SIGN, "拿不准的由人决定后派出"),
    (State.TRIAGE, Move.TELL): Edge(State.TOLD, "人工认定属诉讼、仲裁、复议、信访等法定途径"),
    (State.TRIAGE, Move.MAKE_SPECIAL): Edge(State.SPECIAL, "被反映单位无可回避的上级或监督单位"),
    (State.TOLD, Move.DISPATCH): Edge(State.AWAITING_SIGN, "告知后发现属行政职责的，更正后照常派出"),
    (State.TOLD, Move.RETRIAGE): Edge(State.TRIAGE, "告知后更正，一时派不出的，回到待派单"),
    (State.TOLD, Move.MAKE_SPECIAL): Edge(State.SPECIAL, "告知后更正，须由专人办理的"),
    (State.SPECIAL, Move.TELL): Edge(State.TOLD, "专办人员认定属法定途径的"),
    (State.SPECIAL, Move.RETRIAGE): Edge(State.TRIAGE, "专办人员更正后一时派不出的，仍由该专办人员继续"),
    (State.SPECIAL, Move.DISPATCH): Edge(State.AWAITING_SIGN, "专办人员核清后可以交可靠单位办理"),
    (State.AWAITING_SIGN, Move.SIGN): Edge(State.IN_PROGRESS, "主办单位签收"),
    (State.AWAITING_SIGN, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，未签收件随职责移交"),
    (State.IN_PROGRESS, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，在办件移交后由承接单位重新签收"),
    (State.AWAITING_SIGN, Move.RETRIAGE): Edge(State.TRIAGE, "承接单位正是被反映单位，退回重派"),
    (State.IN_PROGRESS, Move.RETRIAGE): Edge(State.TRIAGE, "承接单位正是被反映单位，退回重派"),
    (State.IN_PROGRESS, Move.REPLY): Edge(State.AWAITING_REVIEW, "主办单位提交答复，由热线审核"),
}


def step(state: State, move: Move) -> State:
    """Return the state a move leads to.

    Raises:
        ConflictError: the table has no such edge; the message says what is possible instead.
    """
    edge = TRANSITIONS.get((state, move))
    if edge is None:
        possible = "、".join(other.label for origin, other in TRANSITIONS if origin is state) or "查询"
        raise ConflictError(
            f"工单当前为“{state.label}”，不能{move.label}；目前可以：{possible}", code="illegal-transition"
        )
    return edge.to


NEXT_STEPS = {
    State.TRIAGE: "由派单员确认承办单位后派出",
    State.AWAITING_SIGN: "由主办单位签收，并按时限联系企业",
    State.IN_PROGRESS: "由主办单位办理并答复",
    State.AWAITING_REVIEW: "由热线审核答复，审核通过后回访企业",
    State.TOLD: "已告知法定途径，不再派单",
    State.SPECIAL: "由指定督办人员专人办理",
}
