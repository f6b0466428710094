"""The one transition table of a work order, with the reason beside each edge. Pure.

集中受理 → 按责转办 → 限时处办 → 跟踪督办 → 办结反馈（包府发〔2024〕40号第30项）。
"""

from dataclasses import dataclass
from enum import StrEnum

from app.errors import ConflictError


class State(StrEnum):
    """Where a work order is; the value is stored, the label is shown."""

    TRIAGE = "triage"
    AWAITING_INFO = "awaiting_info"
    SPECIAL = "special"
    AWAITING_SIGN = "awaiting_sign"
    IN_PROGRESS = "in_progress"
    RETURN_REVIEW = "return_review"
    ARBITRATION = "arbitration"
    SUSPENDED = "suspended"
    SPLIT = "split"
    MERGED = "merged"
    AWAITING_REVIEW = "awaiting_review"
    AWAITING_CALLBACK = "awaiting_callback"
    REASSESSMENT = "reassessment"
    CLOSED = "closed"
    ARCHIVED = "archived"
    TOLD = "told"
    WITHDRAWN = "withdrawn"
    INVALID = "invalid"

    @property
    def label(self) -> str:
        """The state's Chinese name."""
        return _LABELS[self]

    @property
    def is_open(self) -> bool:
        """Whether somebody still owes something."""
        return self not in ENDED


_LABELS = {
    State.TRIAGE: "待派单",
    State.AWAITING_INFO: "待补充",
    State.SPECIAL: "专办件",
    State.AWAITING_SIGN: "待签收",
    State.IN_PROGRESS: "办理中",
    State.RETURN_REVIEW: "异议审核中",
    State.ARBITRATION: "裁定中",
    State.SUSPENDED: "挂起",
    State.SPLIT: "已拆分",
    State.MERGED: "已并案",
    State.AWAITING_REVIEW: "待审核",
    State.AWAITING_CALLBACK: "待回访",
    State.REASSESSMENT: "待复核",
    State.CLOSED: "已办结",
    State.ARCHIVED: "已归档",
    State.TOLD: "已告知途径",
    State.WITHDRAWN: "已撤回",
    State.INVALID: "无效",
}
ENDED = frozenset({State.CLOSED, State.ARCHIVED, State.TOLD, State.WITHDRAWN, State.INVALID})


class Move(StrEnum):
    """What moves a work order; supporters' signing, objecting and replying move only their own part."""

    DISPATCH = "dispatch"
    TELL = "tell"
    MAKE_SPECIAL = "make_special"
    RETRIAGE = "retriage"
    ASK_INFO = "ask_info"
    SUPPLEMENT = "supplement"
    ANSWER = "answer"
    MERGE = "merge"
    UNMERGE = "unmerge"
    FOLLOW_MAIN = "follow_main"
    SPLIT = "split"
    JOIN = "join"
    WITHDRAW = "withdraw"
    INVALIDATE = "invalidate"
    RESTORE = "restore"
    SIGN = "sign"
    HAND_OVER = "hand_over"
    OBJECT = "object"
    OBJECT_AGAIN = "object_again"
    KEEP = "keep"
    UPHOLD = "uphold"
    SUSPEND = "suspend"
    RESUME = "resume"
    REPLY = "reply"
    SEND_BACK = "send_back"
    APPROVE = "approve"
    CLOSE = "close"
    REASSESS = "reassess"
    REWORK = "rework"
    ARCHIVE = "archive"

    @property
    def label(self) -> str:
        """The move's Chinese name."""
        return _MOVE_LABELS[self]


_MOVE_LABELS = {
    Move.DISPATCH: "派单",
    Move.TELL: "告知途径",
    Move.MAKE_SPECIAL: "转专办件",
    Move.RETRIAGE: "退回待派单",
    Move.ASK_INFO: "请企业补充",
    Move.SUPPLEMENT: "补充材料",
    Move.ANSWER: "直办办结",
    Move.MERGE: "并案",
    Move.UNMERGE: "撤销并案",
    Move.FOLLOW_MAIN: "随主件转回访",
    Move.SPLIT: "拆分",
    Move.JOIN: "子件全部办结",
    Move.WITHDRAW: "撤回",
    Move.INVALIDATE: "认定无效",
    Move.RESTORE: "恢复",
    Move.SIGN: "签收",
    Move.HAND_OVER: "移交承接单位",
    Move.OBJECT: "提出退单",
    Move.OBJECT_AGAIN: "再次提出退单",
    Move.KEEP: "退单不予采纳",
    Move.UPHOLD: "准予退单",
    Move.SUSPEND: "挂起",
    Move.RESUME: "恢复办理",
    Move.REPLY: "答复",
    Move.SEND_BACK: "审核退回",
    Move.APPROVE: "审核通过",
    Move.CLOSE: "办结",
    Move.REASSESS: "转复核",
    Move.REWORK: "重办",
    Move.ARCHIVE: "归档",
}


@dataclass(frozen=True)
class Edge:
    """Where a move leads, and why the edge exists."""

    to: State
    reason: str


TRANSITIONS: dict[tuple[State, Move], Edge] = {
    # 集中受理
    (State.TRIAGE, Move.DISPATCH): Edge(State.AWAITING_SIGN, "拿不准的由人决定后派出"),
    (State.TRIAGE, Move.TELL): Edge(State.TOLD, "人工认定属诉讼、仲裁、复议、信访等法定途径"),
    (State.TRIAGE, Move.MAKE_SPECIAL): Edge(State.SPECIAL, "被反映单位无可回避的上级或监督单位"),
    (State.TRIAGE, Move.ASK_INFO): Edge(State.AWAITING_INFO, "缺少关键信息派不出，等企业补充"),
    (State.TRIAGE, Move.ANSWER): Edge(State.AWAITING_CALLBACK, "在线解答或三方通话当场办结，仍要回访"),
    (State.TRIAGE, Move.MERGE): Edge(State.MERGED, "与在办工单是同一事项"),
    (State.TRIAGE, Move.SPLIT): Edge(State.SPLIT, "一件含几个事项，拆分子件各自转办"),
    (State.TRIAGE, Move.WITHDRAW): Edge(State.WITHDRAWN, "企业主动撤回诉求"),
    (State.TRIAGE, Move.INVALIDATE): Edge(State.INVALID, "骚扰、空白或测试，不属诉求"),
    (State.AWAITING_INFO, Move.SUPPLEMENT): Edge(State.TRIAGE, "补充后重新判断"),
    (State.AWAITING_INFO, Move.WITHDRAW): Edge(State.WITHDRAWN, "企业主动撤回诉求"),
    (State.AWAITING_INFO, Move.INVALIDATE): Edge(State.INVALID, "逾期不补充且无从办理"),
    (State.TOLD, Move.DISPATCH): Edge(State.AWAITING_SIGN, "告知后发现属行政职责的，更正后照常派出"),
    (State.TOLD, Move.RETRIAGE): Edge(State.TRIAGE, "告知后更正，一时派不出的，回到待派单"),
    (State.TOLD, Move.MAKE_SPECIAL): Edge(State.SPECIAL, "告知后更正，须由专人办理的"),
    (State.SPECIAL, Move.TELL): Edge(State.TOLD, "专办人员认定属法定途径的"),
    (State.SPECIAL, Move.RETRIAGE): Edge(State.TRIAGE, "专办人员更正后一时派不出的，仍由该专办人员继续"),
    (State.SPECIAL, Move.DISPATCH): Edge(State.AWAITING_SIGN, "专办人员核清后可以交可靠单位办理"),
    (State.SPECIAL, Move.ANSWER): Edge(State.AWAITING_CALLBACK, "专办人员直接办结，仍要回访"),
    (State.WITHDRAWN, Move.RESTORE): Edge(State.TRIAGE, "企业改变主意，或撤回登记有误"),
    (State.INVALID, Move.RESTORE): Edge(State.TRIAGE, "无效认定有误"),
    (State.MERGED, Move.UNMERGE): Edge(State.TRIAGE, "查明不是同一事项，撤销并案"),
    (State.MERGED, Move.FOLLOW_MAIN): Edge(State.AWAITING_CALLBACK, "主件审核通过，并入的各件各自回访"),
    (State.MERGED, Move.WITHDRAW): Edge(State.WITHDRAWN, "企业主动撤回诉求"),
    (State.SPLIT, Move.JOIN): Edge(State.CLOSED, "子件全部办结，母件随之办结"),
    # 按责转办
    (State.AWAITING_SIGN, Move.SIGN): Edge(State.IN_PROGRESS, "主办单位签收，或逾期由系统代签并记超时"),
    (State.AWAITING_SIGN, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，未签收件随职责移交"),
    (State.AWAITING_SIGN, Move.RETRIAGE): Edge(State.TRIAGE, "承办或承接单位正是被反映单位，退回重派"),
    (State.AWAITING_SIGN, Move.OBJECT): Edge(State.RETURN_REVIEW, "主办单位认为不属本单位职责"),
    (State.AWAITING_SIGN, Move.OBJECT_AGAIN): Edge(State.ARBITRATION, "已退过一次，再退须裁定"),
    (State.AWAITING_SIGN, Move.MERGE): Edge(State.MERGED, "派出后发现与在办工单是同一事项"),
    (State.AWAITING_SIGN, Move.SPLIT): Edge(State.SPLIT, "派出后发现须几家分办"),
    (State.AWAITING_SIGN, Move.WITHDRAW): Edge(State.WITHDRAWN, "企业主动撤回诉求"),
    (State.IN_PROGRESS, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，在办件移交后由承接单位重新签收"),
    (State.IN_PROGRESS, Move.RETRIAGE): Edge(State.TRIAGE, "承办或承接单位正是被反映单位，退回重派"),
    (State.IN_PROGRESS, Move.OBJECT): Edge(State.RETURN_REVIEW, "签收后、退单时限内认为不属本单位职责"),
    (State.IN_PROGRESS, Move.OBJECT_AGAIN): Edge(State.ARBITRATION, "已退过一次，再退须裁定"),
    (State.IN_PROGRESS, Move.MERGE): Edge(State.MERGED, "办理中发现与在办工单是同一事项"),
    (State.IN_PROGRESS, Move.SPLIT): Edge(State.SPLIT, "办理中发现须几家分办"),
    (State.IN_PROGRESS, Move.WITHDRAW): Edge(State.WITHDRAWN, "企业主动撤回诉求"),
    (State.RETURN_REVIEW, Move.KEEP): Edge(State.IN_PROGRESS, "退单不予采纳或单位撤回退单，原单位继续办理"),
    (State.RETURN_REVIEW, Move.UPHOLD): Edge(State.TRIAGE, "准予退单，带着经过重新派单"),
    (State.RETURN_REVIEW, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，由承接单位重新判断"),
    (State.ARBITRATION, Move.KEEP): Edge(State.IN_PROGRESS, "裁定由该单位办理，或单位撤回退单"),
    (State.ARBITRATION, Move.UPHOLD): Edge(State.TRIAGE, "裁定另行指定，随即派给指定单位"),
    (State.ARBITRATION, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，由承接单位重新判断"),
    # 限时处办
    (State.IN_PROGRESS, Move.SUSPEND): Edge(State.SUSPENDED, "客观原因经批准暂停计时，有截止日"),
    (State.SUSPENDED, Move.RESUME): Edge(State.IN_PROGRESS, "原因消除，或到期自动恢复"),
    (State.SUSPENDED, Move.WITHDRAW): Edge(State.WITHDRAWN, "企业主动撤回诉求"),
    (State.SUSPENDED, Move.HAND_OVER): Edge(State.AWAITING_SIGN, "机构改革，移交后由承接单位重新签收"),
    (State.IN_PROGRESS, Move.REPLY): Edge(State.AWAITING_REVIEW, "主办单位提交答复，由热线审核"),
    # 办结反馈
    (State.AWAITING_REVIEW, Move.SEND_BACK): Edge(State.IN_PROGRESS, "答复不合格，退回补正，时限照旧"),
    (State.AWAITING_REVIEW, Move.APPROVE): Edge(State.AWAITING_CALLBACK, "答复合格，回访企业"),
    (State.AWAITING_CALLBACK, Move.CLOSE): Edge(State.CLOSED, "企业认可，或已按规定多次回访未接通"),
    (State.AWAITING_CALLBACK, Move.REASSESS): Edge(State.REASSESSMENT, "企业认为没有解决或不满意，由审核员复核"),
    (State.REASSESSMENT, Move.REWORK): Edge(State.IN_PROGRESS, "企业的意见合理，责成重办"),
    (State.REASSESSMENT, Move.CLOSE): Edge(State.CLOSED, "已尽力办理，余下诉求不合理或须另走途径"),
    (State.CLOSED, Move.REWORK): Edge(State.IN_PROGRESS, "归档前企业再次反映且合理"),
    (State.CLOSED, Move.ARCHIVE): Edge(State.ARCHIVED, "异议期已过，锁定归档"),
}


def step(state: State, move: Move) -> State:
    """Return the state a move leads to.

    Raises:
        ConflictError: the table has no such edge; the message says what is possible instead.
    """
    edge = TRANSITIONS.get((state, move))
    if edge is None:
        raise refused(state, move.label)
    return edge.to


def refused(state: State, wanted: str) -> ConflictError:
    """Return the refusal of something a state does not allow, with what it does allow."""
    possible = "、".join(move.label for origin, move in TRANSITIONS if origin is state) or "查询"
    return ConflictError(f"工单当前为“{state.label}”，不能{wanted}；目前可以：{possible}", code="illegal-transition")


def states_before(*moves: Move) -> frozenset[State]:
    """Return the states from which any of some moves is possible."""
    return frozenset(state for state, move in TRANSITIONS if move in moves)


NEXT_STEPS = {
    State.TRIAGE: "由派单员确认承办单位后派出",
    State.AWAITING_INFO: "由企业补充材料，补齐后重新判断",
    State.SPECIAL: "由指定督办人员专人办理",
    State.AWAITING_SIGN: "由主办单位签收，并按时限联系企业",
    State.IN_PROGRESS: "由主办单位办理并答复",
    State.RETURN_REVIEW: "由热线审核退单：准予则重新派单，不予采纳则原单位继续办理",
    State.ARBITRATION: "由派单督办会同市委编办、市司法局裁定，指定后不再退单",
    State.SUSPENDED: "等候客观原因消除，到期自动恢复计时",
    State.SPLIT: "各子件分别办理，全部办结后母件办结",
    State.MERGED: "随主件办理，主件审核通过后单独回访",
    State.AWAITING_REVIEW: "由热线审核答复，审核通过后回访企业",
    State.AWAITING_CALLBACK: "由回访员回访企业，核实是否解决、是否满意",
    State.REASSESSMENT: "由审核员复核企业意见，合理的责成重办",
    State.CLOSED: "已办结，异议期过后归档",
    State.ARCHIVED: "已归档，不再变动",
    State.TOLD: "已告知法定途径，不再派单",
    State.WITHDRAWN: "企业已撤回",
    State.INVALID: "已认定无效，不再办理",
}


def diagram() -> str:
    """Return the table as a Mermaid state diagram, for the documents."""
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f'    state "{state.label}" as {state.value}' for state in State]
    lines += [f"    [*] --> {state.value}" for state in (State.TRIAGE, State.AWAITING_SIGN, State.TOLD, State.SPECIAL)]
    lines += [f"    {origin.value} --> {edge.to.value}: {move.label}" for (origin, move), edge in TRANSITIONS.items()]
    lines += [f"    {state.value} --> [*]" for state in State if state in ENDED]
    return "\n".join(lines)


def table() -> str:
    """Return the table as a Markdown table: from, move, to, why."""
    rows = (
        f"| {origin.label} | {move.label} | {edge.to.label} | {edge.reason} |"
        for (origin, move), edge in TRANSITIONS.items()
    )
    return "\n".join(["| 从 | 动作 | 到 | 理由 |", "|---|---|---|---|", *rows])
