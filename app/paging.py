"""Keyset paging: a cursor holds the sort values of the last row, so pages stay whole while rows are added."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import FieldFault, InvalidInputError

PAGE_DEFAULT = 20
PAGE_MAX = 100
CURSOR_MAX_CHARS = 500

Row = TypeVar("Row")
Sortable = str | int | None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows and the cursor of the next one (None: this is the last)."""

    rows: list[Row]
    next_cursor: str | None


def encode_cursor(values: list[Sortable]) -> str:
    """Return an opaque cursor for the sort values of a page's last row."""
    raw = json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(cursor: str, kinds: tuple[type, ...]) -> list[Sortable]:
    """Return the sort values of a cursor.

    Args:
        cursor: as given out with an earlier page.
        kinds: the expected type of each value; None is allowed for every one but the last.

    Raises:
        InvalidInputError: the cursor was not made by this service for this list.
    """
    refusal = InvalidInputError(
        "翻页游标无效，请从第一页重新查询", faults=(FieldFault("?cursor", "不是本接口给出的游标"),)
    )
    if len(cursor) > CURSOR_MAX_CHARS or not cursor.isascii():
        raise refusal
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise refusal from error
    if not isinstance(values, list) or len(values) != len(kinds):
        raise refusal
    # The last is always the row's id, which every row has.
    if values[-1] is None:
        raise refusal
    for value, kind in zip(values, kinds, strict=True):
        if value is not None and type(value) is not kind:
            raise refusal
        if (isinstance(value, int) and abs(value) > 2**63 - 1) or (isinstance(value, str) and "\x00" in value):
            raise refusal
    return values


def cut(rows: list[Row], limit: int, cursor_of: Callable[[Row], list[Sortable]]) -> Page[Row]:
    """Make a page from `limit + 1` fetched rows."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], encode_cursor(cursor_of(rows[limit - 1])))
