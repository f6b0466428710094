"""Writes notices into the outbox, inside the transaction that causes them."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.notify.tables import Outbox


def enqueue(session: Session, at: datetime, notices: list[tuple[str, dict[str, Any]]]) -> None:
    """Add notices (kind, payload of references) that leave once the transaction has committed."""
    if not notices:
        return
    rows = [
        {
            "kind": kind,
            "payload": json.dumps(payload, ensure_ascii=False, sort_keys=True),
            "created_at": at,
            "next_attempt_at": at,
            "attempts": 0,
        }
        for kind, payload in notices
    ]
    session.execute(insert(Outbox), rows)
