"""What differs between two rulebooks: added, removed and changed rules, field by field. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.rulebook.rule import Rule
from app.rulebook.shapes import Rulebook


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: 措施, 单位, 标签, 时限, 日历, 区域, 公文 or 回避.
        key: number, code or year.
        field: name of the changed field; empty when the whole rule came or went.
    """

    kind: str
    key: str
    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """Return the difference as one line."""
        if self.field:
            return f"改 {self.kind} {self.key} {self.field}：{self.before} → {self.after}"
        return f"{'增' if self.before is None else '删'} {self.kind} {self.key}"


def differences(before: Rulebook, after: Rulebook) -> list[Difference]:
    """Return every difference; none between rulebooks of the same version."""
    return list(_differences(before, after)) if before.version != after.version else []


def _differences(before: Rulebook, after: Rulebook) -> Iterator[Difference]:
    yield from _fields("公文", before.notice.number, before.notice, after.notice)
    yield from _fields("城市", before.city.code, before.city, after.city)
    if before.out_of_town != after.out_of_town:
        yield Difference("外地", "名称", "out_of_town", before.out_of_town, after.out_of_town)
    yield from _fields("回避", "规定", before.avoidance, after.avoidance)
    for kind, key, attribute in (
        ("措施", "number", "measures"),
        ("单位", "code", "units"),
        ("泛指单位", "name", "groups"),
        ("标签", "code", "tags"),
        ("时限", "code", "limits"),
        ("区域", "code", "districts"),
        ("日历", "year", "years"),
    ):
        yield from _lists(kind, key, getattr(before, attribute), getattr(after, attribute))


def _lists(kind: str, key: str, before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[Difference]:
    old, new = _named(key, before), _named(key, after)
    for name in sorted({*old, *new}):
        if name not in new:
            yield Difference(kind, name, "", old[name], None)
        elif name not in old:
            yield Difference(kind, name, "", None, new[name])
        else:
            yield from _fields(kind, name, old[name], new[name])


def _named(key: str, rules: Sequence[Rule]) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for rule in rules:
        name = str(getattr(rule, key))
        found[f"{name}@{getattr(rule, 'valid_from', '')}" if name in found else name] = rule
    return found


def _fields(kind: str, key: str, before: Rule, after: Rule) -> Iterator[Difference]:
    for field in type(before).model_fields:
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            yield Difference(kind, key, field, old, new)
