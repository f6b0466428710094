"""What touches who the caller is, over HTTP: the text units read of a veiled caller, and looking at what is masked."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.tickets import reviewed_text, unmasking
from app.tickets.schemas import TicketView, UnmaskedView
from app.tickets.verb_forms import ReviewedTextForm, UnmaskForm
from app.tickets.verbs_api import At
from app.web import PROBLEM, REFUSALS

router = APIRouter(prefix="/api/v1", tags=["办理"], responses=REFUSALS)


@router.post("/tickets/{number}/reviewed-text", summary="审定转办文本（隐名、匿名件）")
def set_reviewed_text(
    at: At, form: ReviewedTextForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_REVIEW_TEXT))]
) -> TicketView:
    """Set what units read in place of the masked text; refused while it still holds what identifies the caller."""
    sealer = at.office.sealer
    return at.done(caller, lambda session, act: reviewed_text.set_reviewed_text(session, act, form, sealer))


@router.post(
    "/tickets/{number}/unmask",
    summary="查看完整信息（写理由、留痕、限次）",
    responses={429: {"description": "请求过于频繁", "content": {PROBLEM: {}}}},
)
def unmask(at: At, form: UnmaskForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_UNMASK))]) -> UnmaskedView:
    """Show named fields in full; who looked, at what and why is recorded, and so many looks an hour are given."""
    per_hour = at.office.settings.unmask_per_hour
    with at.office.database.write() as session:
        return unmasking.unmask(session, at.act(caller), form, at.office.sealer, per_hour)
