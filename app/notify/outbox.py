"""Writes notices into the outbox, inside the transaction that causes them.

One row for the installation's own webhook, and one for every address that wants the audience's notices of the kind.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import put
from app.notify.tables import Outbox, Subscription
from app.notify.words import SMS_TEXTS

EVERYTHING = "all"
ENTERPRISE = "enterprise"
WEBHOOK, SMS = "webhook", "sms"
Notice = tuple[str, dict[str, Any]]


def enqueue(session: Session, at: datetime, notices: list[Notice]) -> None:
    """Add notices (kind, payload of references) that leave once the transaction has committed."""
    if not notices:
        return
    wanted = select(Subscription.id, Subscription.audience, Subscription.channel, Subscription.kinds)
    subscriptions = session.execute(wanted.where(Subscription.active.is_(True)).order_by(Subscription.id)).all()
    rows = []
    for kind, payload in notices:
        text = json.dumps(payload, ensure_ascii=False, sort_keys=True)
        row = {
            "kind": kind, "payload": text, "channel": WEBHOOK, "subscription_id": None,
            "urgent": bool(payload.get("urgent")), "created_at": at, "next_attempt_at": at, "attempts": 0,
        }  # fmt: skip
        rows.append(row)
        audiences = set(_audiences(kind, payload))
        rows += [
            row | {"channel": channel, "subscription_id": ident}
            for ident, audience, channel, kinds in subscriptions
            if audience in audiences and wants(kinds, kind) and (channel != SMS or kind in SMS_TEXTS)
        ]
    put(session, Outbox, rows)


def _audiences(kind: str, payload: dict[str, Any]) -> Iterator[str]:
    yield EVERYTHING
    if "audience" in payload:
        yield str(payload["audience"])
    elif "unit" in payload:
        yield f"unit:{payload['unit']}"
    if kind.startswith(f"{ENTERPRISE}."):
        yield ENTERPRISE


def wants(kinds: str, kind: str) -> bool:
    """Whether a list of patterns (`reminder.*,ticket.dispatched`) covers a kind."""
    return any(fnmatchcase(kind, pattern) for pattern in kinds.split(","))
