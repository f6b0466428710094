"""Which time limit holds for a case: the narrowest rule of routing_rules/limits.yaml that is valid on the day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from app.rulebook.shapes import LimitRule, LimitStep


class LimitMissingError(LookupError):
    """A step that must have a time limit has none: the rules leave a gap on that day."""

    def __init__(self, step: LimitStep, day: date) -> None:
        super().__init__(f"{day} 没有适用的{step}时限，请补充 limits.yaml")
        self.step = step
        self.day = day


@dataclass(frozen=True, slots=True)
class LimitCase:
    """What of a ticket bears on its limits.

    Attributes:
        type: 咨询, 求助, 投诉, 举报 or 建议.
        urgent: whether it is 紧急 (counted 7×24).
        hard: whether a 会商 has ruled it 疑难; nothing else makes a case hard.
        covers: name of the statutory limit (拖欠账款 …) that has begun to run. Set it only once the law's own start has
            come (for arrears: the handling department received the transferred papers); an ordinary call about the same
            matter keeps the city's limit.
        tag: code of its 归口标签.
    """

    type: str
    urgent: bool
    hard: bool = False
    covers: str = ""
    tag: str = ""


def select(limits: Iterable[LimitRule], step: LimitStep, case: LimitCase, day: date) -> LimitRule | None:
    """Return the narrowest rule for a step of a case on a Baotou date, or None when no rule fits.

    Narrower is, in this order: a statutory limit (法定从其规定), one for hard cases, one for certain tags, one for fewer
    types, one that names the urgency. Of two equally narrow rules the one valid from a later day holds, whatever their file order.
    """
    fitting = (rule for rule in limits if rule.step == step and _valid_on(rule, day) and _fits(rule, case))
    return max(fitting, key=_narrowness, default=None)


def require(limits: Iterable[LimitRule], step: LimitStep, case: LimitCase, day: date) -> LimitRule:
    """Return what `select` finds.

    Raises:
        LimitMissingError: no rule fits; a step without a limit would be a ticket nobody watches.
    """
    rule = select(limits, step, case, day)
    if rule is None:
        raise LimitMissingError(step, day)
    return rule


def _valid_on(rule: LimitRule, day: date) -> bool:
    return rule.valid_from <= day and (rule.valid_to is None or day <= rule.valid_to)


def _fits(rule: LimitRule, case: LimitCase) -> bool:
    return (
        (not rule.types or case.type in rule.types)
        and (not rule.tags or case.tag in rule.tags)
        and rule.urgent in {None, case.urgent}
        and (case.hard or not rule.hard)
        and rule.covers in {"", case.covers}
    )


def _narrowness(rule: LimitRule) -> tuple[bool, bool, bool, bool, int, bool, date, str]:
    """Order rules from wide to narrow; the code comes last so that the choice never hangs on the order of the file."""
    return (
        bool(rule.covers),
        rule.hard,
        bool(rule.tags),
        bool(rule.types),
        -len(rule.types),
        rule.urgent is not None,
        rule.valid_from,
        rule.code,
    )
