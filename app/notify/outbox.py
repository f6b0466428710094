"""Writes notices into the outbox, inside the transaction that causes them.

One row for the installation's own webhook, one for every address that wants the audience's notices of the kind, and a
message in the inbox of everybody who is to know, with an address or without.
"""

import json
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import put
from app.notify.audiences import ENTERPRISE, EVERYTHING, told
from app.notify.tables import InboxMessage, Outbox, Subscription
from app.notify.words import SMS_TEXTS, link_of, title_of

WEBHOOK, SMS = "webhook", "sms"
Notice = tuple[str, dict[str, Any]]


def enqueue(session: Session, at: datetime, notices: list[Notice], *, hidden: bool = False) -> None:
    """Add notices (kind, payload of references) that leave once the transaction has committed, and lie in inboxes then.

    Args:
        session: the transaction that causes them.
        at: when they came about.
        notices: kinds and payloads.
        hidden: whether they are about a 专办件, of which no desk of the hotline is told.
    """
    if not notices:
        return
    wanted = select(Subscription.id, Subscription.audience, Subscription.channel, Subscription.kinds)
    subscriptions = session.execute(wanted.where(Subscription.active.is_(True)).order_by(Subscription.id)).all()
    rows, messages = [], []
    for kind, payload in notices:
        text = json.dumps(payload, ensure_ascii=False, sort_keys=True)
        row = {
            "kind": kind, "payload": text, "channel": WEBHOOK, "subscription_id": None,
            "urgent": bool(payload.get("urgent")), "created_at": at, "next_attempt_at": at, "attempts": 0,
        }  # fmt: skip
        rows.append(row)
        named = list(told(kind, payload, hidden=hidden))
        audiences = {EVERYTHING, *named} | ({ENTERPRISE} if kind.startswith(f"{ENTERPRISE}.") else set())
        rows += [
            row | {"channel": channel, "subscription_id": ident}
            for ident, audience, channel, kinds in subscriptions
            if audience in audiences and wants(kinds, kind) and (channel != SMS or kind in SMS_TEXTS)
        ]
        if "audience" not in payload:
            messages += [_message(audience, kind, payload, at) for audience in named]
    put(session, Outbox, rows)
    put(session, InboxMessage, messages)


def _message(audience: str, kind: str, payload: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "audience": audience, "kind": kind, "title": title_of(kind, payload)[:200], "lines": "[]",
        "link": link_of(payload), "urgent": bool(payload.get("urgent")), "key": None, "created_at": at,
    }  # fmt: skip


def wants(kinds: str, kind: str) -> bool:
    """Whether a list of patterns (`reminder.*,ticket.dispatched`) covers a kind."""
    return any(fnmatchcase(kind, pattern) for pattern in kinds.split(","))
