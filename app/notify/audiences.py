"""Who is told of what: for every kind the unit it names, or the desks of the hotline that have the next step.

Whoever is told finds it in the inbox; who has also named an address gets it there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

EVERYTHING = "all"
ENTERPRISE = "enterprise"
UNIT = "unit"
OPERATOR, DISPATCHER, REVIEWER = "desk:operator", "desk:dispatcher", "desk:reviewer"
SUPERVISOR, LEADER = "desk:supervisor", "desk:leader"

AUDIENCES: Mapping[str, tuple[str, ...]] = {
    "ticket.dispatched": (UNIT,),
    "ticket.informed": (UNIT,),
    "ticket.unsigned": (UNIT, SUPERVISOR),
    "ticket.sent_back": (UNIT,),
    "ticket.rework": (UNIT,),
    "ticket.urged": (UNIT,),
    "ticket.recalled": (UNIT,),
    "ticket.return_ruled": (UNIT,),
    "ticket.arbitrated": (UNIT,),
    "ticket.conferred": (UNIT,),
    "ticket.objected": (DISPATCHER, SUPERVISOR),
    "ticket.replied": (REVIEWER,),
    "ticket.excused": (UNIT,),
    "ticket.resumed": (UNIT,),
    "ticket.urgent_triage_overdue": (DISPATCHER, SUPERVISOR),
    "report.made": (SUPERVISOR,),
    "report.check_asked": (UNIT,),
    "report.check_answered": (UNIT,),
    "report.published": (UNIT,),
    "assessment.found": (UNIT,),
    "assessment.appealed": (SUPERVISOR, LEADER),
    "assessment.appeal_decided": (UNIT,),
}


def told(kind: str, payload: Mapping[str, Any], *, hidden: bool) -> Iterator[str]:
    """Name the inboxes a notice belongs to; a message names its own (several with commas).

    Args:
        kind: what the notice is about; one that the table does not know is for the unit it names.
        payload: its references.
        hidden: whether it is about a 专办件, of which no desk is told.
    """
    if "audience" in payload:
        yield from str(payload["audience"]).split(",")
        return
    for audience in AUDIENCES.get(kind, (UNIT,)):
        if audience != UNIT:
            if not hidden:
                yield audience
        elif payload.get("unit"):
            yield f"unit:{payload['unit']}"
