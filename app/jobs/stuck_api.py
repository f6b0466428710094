"""What goes no further by itself, over HTTP: work orders and notices, and the jobs, of which the work orders' room knows nothing."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends

from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.jobs.catalogue import make_runner
from app.jobs.standing import lost
from app.tickets.api import OfficeOf
from app.tickets.assembly import stuck_view
from app.tickets.list_schemas import JobView, StuckView
from app.tickets.stuck import STUCK_SHOWN, stuck
from app.web import REFUSALS

router = APIRouter(prefix="/api/v1", tags=["工单"], responses=REFUSALS)


@router.get("/stuck", summary="卡住清单")
def list_stuck(office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.OVERDUE_READ))]) -> StuckView:
    """What goes no further by itself: nobody has it in time, no measure covers it, its notice was given up, its job is lost.

    A job is lost that failed, whose process died, or that nobody began an hour after it was due.
    """
    with office.database.read() as session:
        jobs = [JobView(**asdict(each)) for each in lost(session, make_runner(office).jobs)[:STUCK_SHOWN]]
        return stuck_view(stuck(session, caller), jobs, office.desk.rulebook)
