"""Random histories of legal and illegal verbs on both databases; after each step the laws of clocks and states hold."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Role
from app.errors import HotlineError
from app.tickets import clocks, dispatching, handling, hard, receiving, returning, reviewing, timekeeping, upkeep
from app.tickets import verb_forms as forms
from app.tickets.acts import Act, facts_of, load_events
from app.tickets.fold import fold
from app.tickets.forms import DirectAnswerForm, DispatchForm
from app.tickets.life_tables import Promise
from app.tickets.lifecycle import TRANSITIONS, State
from app.tickets.office import Office
from app.tickets.standing import Holder, Standing, late_at
from app.tickets.tables import Ticket
from tests.builders import Hotline, ticket_form
from tests.rules import code

LAW = settings(
    max_examples=120, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
BEGIN = datetime(2026, 9, 24, 1, 7, tzinfo=UTC)  # the Thursday before 中秋, with 国庆 and two make-up days ahead
UNITS = ("市工信局", "市财政局", "市住建局", "昆都仑区政府")
LONG = "经核实，学校已与我单位约定分两期付清货款，首期本周到账，企业经办人知晓并同意。"
REASON = {"reason": "按规定办理"}
CLAUSE = "市机构编制文件第三条"
ATTACHED = [{"name": "证明.pdf"}]

Verb = Callable[[Session, Act, "World"], Any]


@dataclass
class World:
    """One ticket and everybody who may act on it."""

    office: Office
    number: str
    moment: datetime
    elapsed: timedelta = timedelta()
    late: set[tuple[str, int, str]] = field(default_factory=set)
    overdue: datetime | None = None

    @property
    def desk(self) -> Any:
        return self.office.desk

    def day(self, ahead: int) -> str:
        return str(clock.local(self.moment).date() + timedelta(days=ahead))


def person(role: Role, unit: str = "") -> Caller:
    return Caller("staff", 1 + list(Role).index(role), role.label, role, code(unit))


HOTLINE_PEOPLE = [
    person(role) for role in (Role.OPERATOR, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.CALLBACK)
]
UNIT_PEOPLE = [person(Role.UNIT_HANDLER, unit) for unit in UNITS]
BY = {person(role).role: person(role) for role in Role if not role.of_unit}


def answered(world: World, **but: Any) -> forms.AnswerForm:
    contact = {"at": world.moment, "way": "电话"}
    return forms.AnswerForm(
        **{"result": "已解决", "content": LONG, "contact": contact, "without_opinions": "意见不影响结论", **but}
    )


def objection(reason: str, suggested: str | None) -> forms.ObjectionForm:
    return forms.ObjectionForm(
        reason=reason, clause=CLAUSE, suggested=suggested, explanation="本单位三定没有这项职责，应由建议单位办理。"
    )


def called(world: World, **but: Any) -> forms.CallbackForm:
    return forms.CallbackForm(at=world.moment, **{"outcome": "接通", "solved": "已解决", "grade": "满意", **but})


def conference(world: World) -> forms.ConferenceForm:
    step = {"unit": "市工信局", "what": "牵头协调", "due_on": world.day(3)}
    return forms.ConferenceForm(
        held_at=world.moment, participants=("市工信局", "市财政局"), conclusion="由市工信局牵头，两家十日内共同办结。",
        lead="市工信局", steps=(step,), due_on=world.day(20),
    )  # fmt: skip


def promise_of(session: Session) -> int:
    return session.scalars(select(Promise.id).order_by(Promise.id.desc())).first() or 1


UNIT_VERBS: dict[str, Verb] = {
    "sign": lambda s, a, w: handling.sign(s, a),
    "contact": lambda s, a, w: handling.contact(
        s, a, forms.ContactAttemptForm(at=w.moment, reached=False), w.office.sealer
    ),
    "interim": lambda s, a, w: handling.interim(s, a, forms.InterimForm(content=LONG), w.desk),
    "answer": lambda s, a, w: handling.answer(s, a, answered(w), w.desk),
    "promise": lambda s, a, w: handling.answer(
        s, a, answered(w, result="未解决-客观", plan="资金到位后付清", planned_on=w.day(4)), w.desk
    ),
    "object": lambda s, a, w: returning.object_to(s, a, objection("职责不符", "市住建局"), w.desk),
    "object to law": lambda s, a, w: returning.object_to(s, a, objection("法定途径", None), w.desk),
    "take back": lambda s, a, w: returning.take_back(s, a, forms.ReasonForm(**REASON)),
    "extend": lambda s, a, w: timekeeping.ask_extension(s, a, forms.ExtensionForm(days=3, **REASON), w.desk),
    "suspend": lambda s, a, w: timekeeping.ask_suspension(
        s,
        a,
        forms.SuspensionForm(
            reason="检验检测鉴定", explanation="送检测机构检测，需要等候报告。", until=w.day(9), evidence=ATTACHED
        ),
        w.desk,
    ),
    "resume": lambda s, a, w: timekeeping.resume(s, a, forms.ReasonForm(**REASON), w.desk),
}
HOTLINE_VERBS: dict[str, Verb] = {
    "dispatch": lambda s, a, w: dispatching.dispatch(s, a, DispatchForm(tag="0101", unit="市工信局", accused_cleared=True, **REASON), w.desk),
    "support": lambda s, a, w: dispatching.support(s, a, forms.SupportForm(units=("昆都仑区政府",), **REASON), w.desk),
    "urgent": lambda s, a, w: dispatching.reclassify(s, a, forms.ReclassifyForm(urgent=True, **REASON), w.desk),
    "consult": lambda s, a, w: dispatching.reclassify(s, a, forms.ReclassifyForm(type="咨询", urgent=False, **REASON), w.desk),
    "statute": lambda s, a, w: dispatching.start_statute(s, a, forms.StatuteForm(started_at=w.moment, **REASON), w.desk),
    "ask info": lambda s, a, w: receiving.ask_info(s, a, forms.InfoForm(wanted="请补合同"), w.desk),
    "supplement": lambda s, a, w: receiving.supplement(s, a, forms.SupplementForm(content="合同已补，在昆区。"), w.desk),
    "answer directly": lambda s, a, w: receiving.answer_directly(s, a, DirectAnswerForm(way="在线解答", content=LONG), w.desk),
    "withdraw": lambda s, a, w: receiving.withdraw(s, a, forms.ReasonForm(**REASON)),
    "invalidate": lambda s, a, w: receiving.invalidate(s, a, forms.ReasonForm(**REASON)),
    "restore": lambda s, a, w: receiving.restore(s, a, forms.ReasonForm(**REASON), w.desk),
    "split": lambda s, a, w: receiving.split(
        s, a, forms.SplitForm(children=({"content": "货款没付", "tag": "0101"}, {"content": "合同有争议", "tag": "2405"}), **REASON), w.desk
    ),
    "keep": lambda s, a, w: returning.rule(s, a, forms.RulingForm(uphold=False, opinion="属于本单位职责"), w.desk),
    "uphold": lambda s, a, w: returning.rule(s, a, forms.RulingForm(uphold=True, opinion="确非本单位职责"), w.desk),
    "uphold to": lambda s, a, w: returning.rule(s, a, forms.RulingForm(uphold=True, unit="市住建局", opinion="改由住建"), w.desk),
    "arbitrate": lambda s, a, w: returning.arbitrate(
        s, a, forms.ArbitrationForm(unit="市财政局", participants=("市委编办", "市司法局"), clause=CLAUSE, opinion="指定财政"), w.desk
    ),
    "grant time": lambda s, a, w: timekeeping.rule_extension(s, a, forms.DecisionForm(grant=True, opinion="理由充分"), w.desk, ""),
    "refuse time": lambda s, a, w: timekeeping.rule_extension(s, a, forms.DecisionForm(grant=False, opinion="理由不足"), w.desk, ""),
    "grant pause": lambda s, a, w: timekeeping.rule_suspension(s, a, forms.DecisionForm(grant=True, opinion="理由充分"), ""),
    "send back": lambda s, a, w: reviewing.review(s, a, forms.ReviewForm(approve=False, opinion="没有说清付款日"), w.desk),
    "approve": lambda s, a, w: reviewing.review(
        s, a, forms.ReviewForm(approve=True, opinion="可以", despite_checks="要点已答"), w.desk
    ),
    "content": lambda s, a, w: reviewing.callback(s, a, called(w), w.desk),
    "unhappy": lambda s, a, w: reviewing.callback(s, a, called(w, solved="未解决", grade="不满意"), w.desk),
    "no answer": lambda s, a, w: reviewing.callback(s, a, called(w, outcome="未接通", solved=None, grade=None), w.desk),
    "rework": lambda s, a, w: reviewing.reassess(s, a, forms.ReassessForm(rework=True, opinion="企业说得对"), w.desk),
    "no rework": lambda s, a, w: reviewing.reassess(
        s, a, forms.ReassessForm(rework=False, finding="客观条件限制", opinion="已尽力"), w.desk
    ),
    "archive": lambda s, a, w: reviewing.archive(s, a),
    "urge": lambda s, a, w: reviewing.urge(s, a, forms.ReasonForm(**REASON), 4),
    "hard": lambda s, a, w: hard.propose_hard(s, a, forms.ReasonForm(**REASON)),
    "confer": lambda s, a, w: hard.confer(s, a, conference(w), w.desk),
    "promise kept": lambda s, a, w: reviewing.settle_promise(
        s, a, promise_of(s), forms.PromiseResultForm(kept=True, remark="已经付清")
    ),
}  # fmt: skip

# What people would do in a state; every fourth step is anything at all, by anybody.
LIKELY: dict[State, list[str]] = {
    State.TRIAGE: ["dispatch", "dispatch", "dispatch", "ask info", "answer directly", "withdraw", "invalidate"],
    State.AWAITING_INFO: ["supplement", "supplement", "withdraw"],
    State.AWAITING_SIGN: ["sign", "sign", "object", "object to law", "object", "uphold to", "support", "worker"],
    State.IN_PROGRESS: [
        "contact", "interim", "answer", "answer", "promise", "object", "extend", "grant time", "refuse time", "suspend",
        "grant pause", "grant pause", "support", "urgent", "consult", "statute", "confer", "hard", "urge", "worker",
    ],
    State.RETURN_REVIEW: ["keep", "uphold", "uphold to", "uphold to", "take back"],
    State.ARBITRATION: ["arbitrate", "arbitrate", "take back"],
    State.SUSPENDED: ["resume", "worker", "withdraw", "urge"],
    State.AWAITING_REVIEW: ["approve", "approve", "send back"],
    State.AWAITING_CALLBACK: ["content", "unhappy", "unhappy", "no answer"],
    State.REASSESSMENT: ["rework", "rework", "no rework"],
    State.CLOSED: ["archive", "rework", "promise kept"],
    State.WITHDRAWN: ["restore"],
    State.INVALID: ["restore"],
    State.SPLIT: ["worker"],
}  # fmt: skip
PENDING = {"挂起审批": ["grant pause"], "延期审批": ["grant time", "grant time", "refuse time"]}
ANYTHING = [*UNIT_VERBS, *HOTLINE_VERBS, "worker"]
STEPS = st.tuples(
    st.integers(0, 10_000), st.integers(0, 3), st.sampled_from([0, 3, 40, 40, 200, 200, 600, 1440, 4 * 1440, 9 * 1440])
)


@pytest.fixture
def waiting(hotline: Hotline, office: Office) -> Callable[[], World]:
    """Makes fresh tickets at the beginning of the history; people are known by their foreign keys."""
    with time_machine.travel(BEGIN, tick=False):
        for role in HOTLINE_PEOPLE:
            hotline.token(role.role.value)

    def make() -> World:
        with time_machine.travel(BEGIN, tick=False):
            # Tokens outlive no history: each example signs in at the beginning.
            headers = hotline.headers("operator")
            made = hotline.client.post("/api/v1/tickets", json=ticket_form(), headers=headers)
            assert made.status_code == 201, made.text
            return World(office, made.json()["number"], BEGIN)

    return make


@LAW
@given(steps=st.lists(STEPS, min_size=6, max_size=28))
def test_no_history_breaks_a_law(waiting: Callable[[], World], steps: list[tuple[int, int, int]]) -> None:
    world = waiting()
    for choice, chance, minutes in steps:
        world.moment += timedelta(minutes=minutes)
        with time_machine.travel(world.moment, tick=False):
            act_in(world, *chosen(world, choice, likely=chance > 0))
            laws_hold(world)


def chosen(world: World, choice: int, *, likely: bool) -> tuple[str, Caller | None]:
    """Return what is done and by whom: as a rule what people would do in the ticket's state."""
    with world.office.database.read() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == world.number)).one()
    verbs = LIKELY.get(State(ticket.state), ANYTHING) if likely else ANYTHING
    if likely and ticket.returns and ticket.state == State.AWAITING_SIGN.value:
        verbs = ["object", "object", "sign"]
    if likely and choice % 2:
        verbs = PENDING.get(ticket.desk_step or "", verbs)
    verb = verbs[choice % len(verbs)]
    if verb == "worker":
        return verb, None
    if verb in UNIT_VERBS:
        lead = [Caller("staff", 1, "经办", Role.UNIT_HANDLER, ticket.lead_unit or "")]
        return verb, (lead if likely else UNIT_PEOPLE)[choice % (1 if likely else len(UNIT_PEOPLE))]
    return verb, BY[Role.SUPERVISOR] if likely else HOTLINE_PEOPLE[choice % len(HOTLINE_PEOPLE)]


def act_in(world: World, verb: str, caller: Caller | None) -> None:
    """Do one thing; a refusal must be a clear one and must leave nothing behind."""
    database = world.office.database
    if caller is None:
        upkeep.sign_for_the_silent(database)
        upkeep.resume_suspended(database, world.desk)
        upkeep.join_parents(database)
        upkeep.propose_hard_cases(database)
        return
    does = UNIT_VERBS.get(verb) or HOTLINE_VERBS[verb]
    refusal: HotlineError | None = None
    try:
        with database.write() as session:
            does(session, Act(world.number, caller), world)
    except HotlineError as error:
        refusal = error
    assert refusal is None or refusal.status in {403, 404, 409, 422}, refusal
    assert refusal is None or any("一" <= char <= "鿿" for char in refusal.message)


def laws_hold(world: World) -> None:
    with world.office.database.read() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == world.number)).one()
        assert list(clocks.differences(session, ticket)) == []
        events = load_events(session, ticket)
    standing = late_at(fold(facts_of(events)), world.moment)
    states_follow_the_table(events)
    stretches_tile_the_clock(standing, world)
    nothing_late_is_forgotten(standing, world)
    somebody_owes_something(standing)
    nothing_is_owed_to_a_part_that_ended(standing)
    due_times_lie_in_office_hours(standing, world)


def states_follow_the_table(events: list[Any]) -> None:
    seen = fold(facts_of(events[:2])).state
    for count in range(3, len(events) + 1):
        now = fold(facts_of(events[:count])).state
        reached = {edge.to for (origin, _), edge in TRANSITIONS.items() if origin is seen}
        assert now is seen or now in reached, (seen, events[count - 1].kind, now)
        seen = now


def stretches_tile_the_clock(standing: Standing, world: World) -> None:
    """Holding + unowned + paused = total; no gap, no overlap, nothing negative; the enterprise's clock never goes back."""
    stretches = standing.until(world.moment)
    at = standing.accepted_at
    for item in stretches:
        assert item.begin == at
        assert item.end > item.begin
        at = item.end
    end = standing.closed_at or world.moment
    assert at == end or not stretches
    total = end - standing.accepted_at
    assert sum((item.end - item.begin for item in stretches), timedelta()) == total
    assert total >= world.elapsed
    world.elapsed = total
    assert all(part.held(world.moment) >= timedelta() for part in standing.parts)
    assert all(item.unit for item in stretches if item.holder is Holder.UNIT)


def nothing_late_is_forgotten(standing: Standing, world: World) -> None:
    late = {(part.unit, part.round, step) for part in standing.parts for step in part.late}
    assert world.late <= late
    assert world.overdue is None or standing.overdue_at == world.overdue
    assert standing.overdue_at is None or standing.overdue_by
    world.late, world.overdue = late, standing.overdue_at


def somebody_owes_something(standing: Standing) -> None:
    """No limbo: an open ticket always has a next step with a time, save one that waits for its children or main."""
    if standing.state.is_open and standing.state not in {State.SPLIT, State.MERGED}:
        assert standing.next() is not None, standing.state


def nothing_is_owed_to_a_part_that_ended(standing: Standing) -> None:
    """What the hotline owes a unit goes with the unit's part."""
    open_units = {part.unit for part in standing.open_parts()}
    assert {key.partition(":")[2] for key in standing.desk if ":" in key} <= open_units


def due_times_lie_in_office_hours(standing: Standing, world: World) -> None:
    """A limit in working time never ends while the offices are closed."""
    if standing.urgent:
        return
    for part in standing.open_parts():
        signing = part.dues.get("签收")
        if signing and not part.late:
            windows = world.desk.calendar.windows(clock.local(signing).date())
            assert any(opens <= signing <= closes for opens, closes in windows), (part, signing)
