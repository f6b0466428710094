"""Reminders over HTTP: cards, digests, calls about urgent work orders."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query

from app import clock
from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.errors import ForbiddenError
from app.paging import PAGE_DEFAULT
from app.reminders import duty, queries
from app.reminders.schemas import CallForm, CardPage, DigestView, DutyCallView
from app.tickets.api import OfficeOf
from app.tickets.intake import find_unit
from app.tickets.tables import Ticket
from app.web import REFUSALS, Cursor, Limit, UnitQuery

router = APIRouter(prefix="/api/v1", tags=["提醒"], responses=REFUSALS)


def _unit_code(unit: str | None, caller: Caller, office: OfficeOf) -> str | None:
    """Return the code of a named unit; a unit's people may name only their own."""
    code = find_unit(unit, office.desk.rulebook, "?unit").code if unit else None
    if caller.role.of_unit and code not in {None, caller.unit}:
        raise ForbiddenError("只能查看本单位的提醒")
    return code


@router.get("/cards", summary="黄牌红牌")
def list_cards(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.CARD_READ))],
    unit: Annotated[UnitQuery, Query(description="只看一个单位")] = None,
    level: Literal["黄牌", "红牌"] | None = None,
    day: Annotated[date | None, Query(description="哪一个工作日")] = None,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> CardPage:  # fmt: skip
    """Cards, the newest first: yellow ones warn and are never scored, red ones mean that a time has passed."""
    wanted = queries.CardFilter(_unit_code(unit, caller, office), level, day)
    with office.database.read() as session:
        return queries.card_page(queries.cards(session, caller, wanted, cursor, limit), office.desk.rulebook)


@router.get("/digests", summary="日提醒")
def list_digests(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.DIGEST_READ))],
    day: Annotated[date | None, Query(description="哪一天；不填为今天")] = None,
    unit: Annotated[UnitQuery, Query(description="只看一个单位")] = None,
) -> list[DigestView]:  # fmt: skip
    """A day's digests as they were sent: a unit's own; the desk's and every unit's for those who watch them."""
    code = _unit_code(unit, caller, office)
    with office.database.read() as session:
        return queries.digests(session, caller, day or clock.today(), code, office.desk.rulebook)


@router.get("/duty-calls", summary="值班电话")
def list_calls(
    office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.DUTY_CALL_READ))],
    waiting: Annotated[bool, Query(description="只看待拨的")] = True,
) -> list[DutyCallView]:  # fmt: skip
    """Calls about urgent work orders: whom to call next, or what was called."""
    with office.database.read() as session:
        return queries.calls(session, caller, office.desk.rulebook, waiting=waiting)


@router.post("/duty-calls/{call}/record", summary="登记值班电话")
def record_call(
    call: Annotated[int, Path(ge=1, le=2**62)], form: CallForm, office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.DUTY_CALL_RECORD))],
) -> DutyCallView:  # fmt: skip
    """Put on record what came of a call; one that reached nobody leads to the next step."""
    with office.database.write() as session:
        done = duty.record(session, call, form, caller)
        return queries.call_view(done, session.get_one(Ticket, done.ticket_id), office.desk.rulebook)
