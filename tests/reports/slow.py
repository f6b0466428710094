"""Every indicator a second time, one case after the other, from the definitions of the notice's reports; slow and plain.

Each twin yields the cases of a period: whose it is and whether it hits. A rate is hits over cases, a count the cases.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.reports.periods import Period
from tests.reports.slow_world import CLOSE, CONTACT, REWORK, SIGN, Matter, Share, Voice, World

# Whose a case is, and what it adds to the numerator: nothing, one, or half of one.
Cases = Iterator[tuple[str, float]]
Twin = Callable[[World, Period], Cases]
MONTH = timedelta(days=30)
GOOD, FAIR = {"非常满意", "满意"}, {"非常满意", "满意", "基本满意"}
TWINS: dict[str, Twin] = {}


@dataclass(frozen=True)
class Sum:
    """Hits and bases of the city and, by code, of each unit; "" is what no unit has."""

    hits: dict[str, float]
    bases: Counter[str]

    def of_city(self) -> tuple[int, float]:
        return self.bases.total(), sum(self.hits.values())

    def of(self, unit: str) -> tuple[int, float]:
        return self.bases[unit], self.hits[unit]


def slow_sum(code: str, world: World, period: Period) -> Sum:
    """Count an indicator's cases one by one."""
    hits: dict[str, float] = defaultdict(float)
    bases: Counter[str] = Counter()
    for unit, hit in TWINS[code](world, period):
        bases[unit] += 1
        hits[unit] += hit
    return Sum(hits, bases)


def twin(code: str) -> Callable[[Twin], Twin]:
    def enter(function: Twin) -> Twin:
        assert code not in TWINS
        TWINS[code] = function
        return function

    return enter


def within(period: Period, at: datetime | None) -> bool:
    return at is not None and period.begins <= at < period.ends


def in_time(done: datetime | None, due: datetime | None) -> bool:
    return done is not None and due is not None and done <= due


def of_matters(code: str, when: Callable[[Matter], datetime | None], counts: Callable[[Matter], bool],
               hit: Callable[[Matter], bool]) -> None:  # fmt: skip
    """Enter the twin of an indicator on work orders."""

    @twin(code)
    def cases(world: World, period: Period) -> Cases:
        for each in world.matters.values():
            if within(period, when(each)) and counts(each):
                yield each.lead, hit(each)


def of_shares(code: str, when: Callable[[Share], datetime | None], counts: Callable[[Matter, Share], bool],
              hit: Callable[[World, Matter, Share], bool]) -> None:  # fmt: skip
    """Enter the twin of an indicator on units' parts."""

    @twin(code)
    def cases(world: World, period: Period) -> Cases:
        for matter, share in world.shares():
            if within(period, when(share)) and counts(matter, share):
                yield share.unit, hit(world, matter, share)


def own(matter: Matter) -> bool:
    """What an enterprise submitted; a split's children are the hotline's doing."""
    return matter.parent is None


def to_be_sent(matter: Matter) -> bool:
    """What was sent to a unit or still waits for it; what needed no unit (直办、告知、撤回) did not have to be sent."""
    return own(matter) and (matter.sent is not None or matter.waits)


of_matters("received", lambda m: m.accepted, own, lambda _: True)
of_matters("direct_rate", lambda m: m.accepted, own, lambda m: m.direct)
of_matters("dispatch_timely", lambda m: m.send_by, to_be_sent, lambda m: in_time(m.sent, m.send_by))
of_matters(
    "first_hit", lambda m: m.sent, lambda _: True,
    lambda m: m.returns == 0 and sum(s.role == "lead" and s.rework == 0 for s in m.shares) == 1,
)  # fmt: skip
of_matters("answered", lambda m: m.answered, lambda _: True, lambda _: True)
of_matters("clean_answer_rate", lambda m: m.answered, lambda m: m.lead != "", lambda m: m.sent_back == 0)
of_matters("rework_rate", lambda m: m.answered, lambda _: True, lambda m: m.reworks > 0)
of_matters("callback_coverage", lambda m: m.call_due, lambda _: True, lambda m: m.calls > 0)
of_matters("participation_rate", lambda m: m.call_due, lambda _: True, lambda m: m.grades > 0)


def first_lead(_: Matter, share: Share) -> bool:
    return share.role == "lead" and share.rework == 0


def a_part(_: Matter, share: Share) -> bool:
    return share.rework == 0


def owes(share: Share, step: str, *, done: bool) -> bool:
    """Whether a step counts for the unit: never after a granted return, and where it was taken away only if it was late."""
    return share.phase != "returned" and (done or share.ended is None or step in share.late)


def owes_answer(matter: Matter, share: Share, due: datetime | None, step: str = CLOSE) -> bool:
    # Handed in in time and not reviewed: nobody knows yet whether it passes.
    unjudged = matter.answered is None and in_time(share.replied, due)
    return owes(share, step, done=share.replied is not None) and not unjudged


def on_time_base(matter: Matter, share: Share) -> bool:
    running = share.phase != "suspended" or CLOSE in share.late
    return first_lead(matter, share) and owes_answer(matter, share, share.due) and running


def contact_base(matter: Matter, share: Share) -> bool:
    tried = bool(share.reached or share.diligent)
    return first_lead(matter, share) and owes(share, CONTACT, done=tried)


def reached_in_time(share: Share) -> bool:
    return any(in_time(at, share.dues[CONTACT]) for at in share.reached)


def rework_base(matter: Matter, share: Share) -> bool:
    newest = share.rework == matter.reworks
    unjudged = newest and matter.under_review and in_time(share.replied, share.due)
    return (
        share.role == "lead"
        and share.rework > 0
        and owes(share, REWORK, done=share.replied is not None)
        and not unjudged
    )


def support_base(_: Matter, share: Share) -> bool:
    excused = share.phase == "excused" and CLOSE not in share.late
    return share.role == "support" and owes(share, CLOSE, done=share.replied is not None) and not excused


of_shares("dispatched", lambda s: s.sent, first_lead, lambda *_: True)
of_shares(
    "sign_timely", lambda s: s.dues.get(SIGN), lambda _, s: owes(s, SIGN, done=s.signed is not None),
    lambda _w, _m, s: in_time(s.signed, s.dues[SIGN]),
)  # fmt: skip
of_shares("response_rate", lambda s: s.dues.get(CONTACT), contact_base, lambda _w, _m, s: reached_in_time(s))
of_shares(
    "diligent_rate", lambda s: s.dues.get(CONTACT), contact_base,
    lambda _w, _m, s: not reached_in_time(s) and any(in_time(at, s.dues[CONTACT]) for at in s.diligent),
)  # fmt: skip
of_shares("on_time_rate", lambda s: s.due, on_time_base, lambda _w, _m, s: in_time(s.replied, s.due))
of_shares("overdue_rate", lambda s: s.due, on_time_base, lambda _w, _m, s: not in_time(s.replied, s.due))
of_shares(
    "original_on_time_rate", lambda s: s.first_due,
    lambda m, s: first_lead(m, s) and owes_answer(m, s, s.first_due), lambda _w, _m, s: in_time(s.replied, s.first_due),
)  # fmt: skip
of_shares("rework_on_time_rate", lambda s: s.due, rework_base, lambda _w, _m, s: in_time(s.replied, s.due))
of_shares("support_on_time_rate", lambda s: s.due, support_base, lambda _w, _m, s: in_time(s.replied, s.due))
of_shares("return_rate", lambda s: s.sent, a_part, lambda _w, _m, s: s.phase == "returned")
of_shares("return_request_rate", lambda s: s.sent, a_part, lambda w, m, s: bool(w.wished(m, s, "退单")))
of_shares("improper_return_of_parts", lambda s: s.sent, a_part, lambda w, m, s: "不予" in w.wished(m, s, "退单"))
of_shares("extension_rate", lambda s: s.sent, first_lead, lambda w, m, s: "准予" in w.wished(m, s, "延期"))


@twin("closing_rate")
def closing(world: World, period: Period) -> Cases:
    """In hand when the period began, or sent in it; what was taken away is nobody's to finish."""
    for matter, share in world.shares():
        open_then = share.replied is None or share.replied >= period.begins
        mine = first_lead(matter, share) and share.phase not in {"returned", "recalled"}
        if mine and share.sent < period.ends and open_then:
            yield share.unit, within(period, share.replied) and matter.answered is not None


def still_open(world: World, period: Period) -> Iterator[Share]:
    for matter, share in world.shares():
        unanswered = share.replied is None or share.replied >= period.ends
        kept = share.ended is None or share.ended >= period.ends
        if first_lead(matter, share) and share.sent < period.ends and unanswered and kept:
            yield share


@twin("in_hand")
def in_hand(world: World, period: Period) -> Cases:
    """In hand at the cut-off."""
    for share in still_open(world, period):
        yield share.unit, True


@twin("overdue_open")
def overdue_open(world: World, period: Period) -> Cases:
    """In hand and late at the cut-off."""
    for share in still_open(world, period):
        if share.due and share.due < period.ends:
            yield share.unit, True


@twin("improper_return_rate")
def improper_returns(world: World, period: Period) -> Cases:
    """Of the returns ruled on, those refused."""
    for wish in world.wishes:
        if wish.kind == "退单" and wish.status in {"准予", "不予"} and within(period, wish.decided):
            yield wish.unit, wish.status == "不予"


@twin("supervision_rate")
def presses(world: World, period: Period) -> Cases:
    """Of the work orders whose 督办 was due, those replied to in time and found done."""
    for press in world.presses:
        if within(period, press.due) and press.status in {"已发", "已回复", "已办结"}:
            yield press.unit, press.result == "落实" and in_time(press.replied, press.due)


@twin("red_cards")
def red_cards(world: World, period: Period) -> Cases:
    """Red cards on what in the end was late when it was carded."""
    for card in world.cards:
        late = card.share.due is not None and card.share.due < card.made
        if card.level == "红牌" and within(period, card.made) and late:
            yield card.share.unit, True


@twin("red_orders")
def red_orders(world: World, period: Period) -> Cases:
    """Work orders under a 督办 of level 红牌 that went out and was not cancelled."""
    for press in world.presses:
        if press.level == "红牌" and within(period, press.issued) and press.status in {"已发", "已回复", "已办结"}:
            yield press.unit, True


def last_words(world: World, period: Period, said: Callable[[Voice], str]) -> Iterator[Voice]:
    """Yield each work order's last callback of a period in which the enterprise said something of the kind."""
    found: dict[int, Voice] = {}
    for voice in sorted(world.voices, key=lambda each: (each.at, each.order)):
        if within(period, voice.at) and voice.reached and said(voice):
            found[voice.matter.id] = voice
    yield from found.values()


def of_voices(code: str, said: Callable[[Voice], str], good: set[str]) -> None:
    """Enter the twin of an indicator on callbacks."""

    @twin(code)
    def cases(world: World, period: Period) -> Cases:
        for voice in last_words(world, period, said):
            yield voice.matter.lead, said(voice) in good


@twin("widely_solved_rate")
def widely_solved(world: World, period: Period) -> Cases:
    """What was partly solved counts half."""
    for voice in last_words(world, period, lambda each: each.solved):
        yield voice.matter.lead, {"已解决": 1.0, "部分解决": 0.5}.get(voice.solved, 0.0)


of_voices("solved_rate", lambda v: v.solved, {"已解决"})
of_voices("partly_solved_rate", lambda v: v.solved, {"部分解决"})
of_voices("satisfied_rate", lambda v: v.grade, FAIR)
of_voices("strictly_satisfied_rate", lambda v: v.grade, GOOD)


@twin("first_satisfied_rate")
def first_grades(world: World, period: Period) -> Cases:
    """Grades of the first callback, before any rework."""
    for voice in world.voices:
        if within(period, voice.at) and voice.reached and voice.grade and voice.rework == 0:
            yield voice.matter.lead, voice.grade in FAIR


def same_matter(world: World, one: Matter) -> Iterator[Matter]:
    """Yield what else the same enterprise submitted under the same 归口标签."""
    for other in world.matters.values():
        alike = one.enterprise != "" and (one.enterprise, one.tag) == (other.enterprise, other.tag)
        if alike and other is not one and own(other):
            yield other


@twin("repeat_rate")
def repeats(world: World, period: Period) -> Cases:
    """What the same enterprise had raised within 30 days before."""
    for one in world.matters.values():
        if own(one) and within(period, one.accepted):
            earlier = (other.accepted for other in same_matter(world, one))
            yield one.lead, any(timedelta() <= one.accepted - at <= MONTH for at in earlier)


@twin("once_rate")
def at_once(world: World, period: Period) -> Cases:
    """Answered 30 days before the cut-off, neither reworked nor raised again within 30 days."""
    for one in world.matters.values():
        if one.answered and within(period, one.answered) and one.answered < period.ends - MONTH:
            later = (other.accepted for other in same_matter(world, one))
            again = any(timedelta() < at - one.answered <= MONTH for at in later)
            yield one.lead, one.reworks == 0 and not again
