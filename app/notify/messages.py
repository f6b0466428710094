"""Messages to people: what a unit or a desk of the hotline is told, in words, in its inbox and at the addresses it named."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.notify.outbox import enqueue
from app.notify.tables import InboxMessage


@dataclass(frozen=True)
class Message:
    """What somebody is told. Numbers, counts and labels only: no personal data, nothing a caller wrote.

    Attributes:
        kind: what it is about (reminder.digest …).
        link: where it can be looked into, from the service's root.
        urgent: whether it goes out at all hours.
        key: names it among an audience's messages; telling the same twice is telling it once.
    """

    kind: str
    title: str
    lines: tuple[str, ...]
    link: str
    urgent: bool = False
    key: str = ""


def tell(session: Session, at: datetime, audience: str, message: Message) -> None:
    """Tell an audience (`unit:<code>` or `desk:<role>`, several with commas) in the caller's transaction.

    It lies in their inboxes and leaves for their addresses after the commit.
    """
    if not lay(session, at, audience, message):
        return
    payload = {
        "audience": audience, "title": message.title, "lines": list(message.lines), "link": message.link,
        "urgent": message.urgent,
    }  # fmt: skip
    enqueue(session, at, [(message.kind, payload)])


def lay(session: Session, at: datetime, audience: str, message: Message) -> bool:
    """Lay a message into inboxes only (also `staff:<id>`); nothing leaves the service. Whether it was new."""
    known = select(InboxMessage.id).where(InboxMessage.audience == audience, InboxMessage.key == message.key)
    if message.key and session.scalar(known) is not None:
        return False
    lines = json.dumps(list(message.lines), ensure_ascii=False)
    session.add_all(
        InboxMessage(
            audience=each,
            kind=message.kind,
            title=message.title[:200],
            lines=lines,
            link=message.link,
            urgent=message.urgent,
            key=message.key or None,
            created_at=at,
        )
        for each in audience.split(",")
    )
    return True
