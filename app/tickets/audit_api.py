"""The record of access over HTTP, for the auditor only; every reading of it is itself recorded."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel

from app.accounts.access import ROLE_LABELS, Caller, Verb
from app.accounts.api import Allow
from app.accounts.audit import Access, LogFilter, note_of, read_log, record
from app.accounts.tables import AccessEntry
from app.paging import PAGE_DEFAULT, PAGE_MAX
from app.tickets.masking import mask_text
from app.web import NO_CONTROL, PROBLEM, STATUS_TITLES, database_of

EARLIEST_YEAR, LATEST_YEAR = 2000, 2999


def _within_reach(moment: datetime) -> datetime:
    """Refuse moments that no database can hold once they are turned into UTC."""
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise ValueError(f"时间须在 {EARLIEST_YEAR} 年至 {LATEST_YEAR} 年之间")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": STATUS_TITLES[status], "content": {PROBLEM: {}}} for status in (401, 403, 422, 503)
}
router = APIRouter(prefix="/api/v1", tags=["审计"], responses=REFUSALS)


class EntryView(BaseModel):
    """One access: who, what, which ticket or row, when, why."""

    seq: int
    at: datetime
    who: str
    role: str
    role_label: str
    verb: str
    label: str
    subject: str
    fields: list[str]
    reason: str
    hash: str


class LogPage(BaseModel):
    """A page of the record, the newest first."""

    items: list[EntryView]
    next_cursor: str | None


def _view(row: AccessEntry) -> EntryView:
    labels = {role.value: label for role, label in ROLE_LABELS.items()}
    return EntryView(
        seq=row.seq, at=row.at, who=row.who, role=row.role, role_label=labels.get(row.role, ""), verb=row.verb,
        label=Access(row.verb).label, subject=row.subject, fields=row.fields.split(",") if row.fields else [],
        reason=row.reason, hash=row.hash,
    )  # fmt: skip


@router.get("/audit/log", summary="访问记录（审计）")
def read_access_log(
    request: Request, caller: Annotated[Caller, Depends(Allow(Verb.AUDIT_READ))],
    who: Annotated[str | None, Query(max_length=32, pattern=NO_CONTROL, description="谁，如 staff:3")] = None,
    verb: Annotated[Access | None, Query(description="哪类操作")] = None,
    subject: Annotated[str | None, Query(max_length=64, pattern=NO_CONTROL, description="工单编号等")] = None,
    since: Moment | None = None, until: Moment | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
) -> LogPage:  # fmt: skip
    """Who unmasked, exported, signed in or read 专办件 and this record, with reasons; the newest first."""
    asked = LogFilter(who, verb, subject, since, until)
    with database_of(request).write() as session:
        page = read_log(session, asked, cursor, limit)
        record(session, note_of(caller, Access.AUDIT_READ, "access_log", _told(asked)))
    return LogPage(items=[_view(row) for row in page.rows], next_cursor=page.next_cursor)


def _told(asked: LogFilter) -> str:
    """Return the filters of a reading as they are recorded: masked like every reason, for the record is never erased."""
    given = {name: mask_text(str(value)) for name, value in vars(asked).items() if value is not None}
    return "，".join(f"{name}={value}" for name, value in given.items())
