"""同类多发: appeals of one period that tell of the same matter, found by their texts' signatures."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.classify.similar import Signature, likeness, unpack
from app.reports.periods import Period
from app.rulebook.clusters import ClusterRules
from app.tickets.queries import ordinary
from app.tickets.tables import Ticket, TicketParty, TicketSignature


@dataclass(frozen=True)
class Appeal:
    """One appeal as clustering sees it; the enterprise only as a keyed hash."""

    id: int
    number: str
    tag: str
    unit: str
    enterprise: str
    signature: Signature


def clusters(session: Session, period: Period, rules: ClusterRules) -> list[list[Appeal]]:
    """Return groups of appeals by several enterprises about one matter, largest first."""
    return gather(list(_appeals(session, period)), rules)


def gather(found: Sequence[Appeal], rules: ClusterRules) -> list[list[Appeal]]:
    """Return the groups among appeals that are large enough to be shown, largest first. Pure.

    Each group is gathered around the appeal that most others are like, so that a chain of half-likenesses makes no group.
    """
    appeals = {appeal.id: appeal for appeal in found}
    likes: dict[int, set[int]] = defaultdict(set)
    for left, right in _pairs(appeals, rules):
        likes[left].add(right)
        likes[right].add(left)
    groups = []
    while likes:
        centre = max(likes, key=lambda ident: (len(likes[ident]), -ident))
        members = sorted({centre, *likes.pop(centre)})
        if len(members) < rules.fewest:
            break
        for member in members:
            likes.pop(member, None)
        for others in likes.values():
            others.difference_update(members)
        group = [appeals[member] for member in members]
        if len({appeal.enterprise or appeal.number for appeal in group}) >= rules.fewest_enterprises:
            groups.append(group)
    return sorted(groups, key=lambda group: (-len(group), group[0].number))


def _appeals(session: Session, period: Period) -> Iterator[Appeal]:
    statement = (
        select(
            Ticket.id, Ticket.number, Ticket.tag, Ticket.lead_unit, TicketParty.enterprise_group, TicketSignature.packed
        )
        .join(TicketSignature, TicketSignature.ticket_id == Ticket.id)
        .join(TicketParty, TicketParty.ticket_id == Ticket.id)
        .where(Ticket.accepted_at >= period.begins, Ticket.accepted_at < period.ends, Ticket.parent_id.is_(None))
        .where(ordinary())
        .order_by(Ticket.id)
    )
    for ident, number, tag, unit, enterprise, packed in session.execute(statement):
        yield Appeal(ident, number, tag, unit or "", enterprise, unpack(packed))


def _pairs(appeals: dict[int, Appeal], rules: ClusterRules) -> Iterator[tuple[int, int]]:
    holders: dict[int, list[int]] = defaultdict(list)
    for appeal in appeals.values():
        for term in appeal.signature.keys:
            holders[term].append(appeal.id)
    for appeal in appeals.values():
        shared: Counter[int] = Counter()
        for term in appeal.signature.keys:
            if len(holders[term]) <= rules.common:
                shared.update(other for other in holders[term] if other > appeal.id)
        for other, count in shared.items():
            if count >= rules.shared_keys and likeness(appeal.signature, appeals[other].signature) >= rules.like:
                yield appeal.id, other
