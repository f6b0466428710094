"""Kept lists over HTTP: `/views`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from app.accounts.access import Caller, Verb
from app.accounts.api import Allow
from app.errors import ForbiddenError
from app.tickets import saved
from app.tickets.api import OfficeOf
from app.tickets.saved import ViewForm, ViewLine
from app.tickets.saved_tables import SavedView
from app.tickets.sealed import read_json
from app.web import REFUSALS

router = APIRouter(prefix="/api/v1", tags=["工单"], responses=REFUSALS)


def _line(view: SavedView) -> ViewLine:
    return ViewLine(id=view.id, name=view.name, page=view.page, params=read_json(view.params, {}))


def _person(caller: Caller) -> Caller:
    if caller.kind != "staff":
        raise ForbiddenError("密钥不保存清单；请以人员身份登录")
    return caller


@router.get("/views", summary="我保存的清单")
def list_views(office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.VIEW_KEEP))]) -> list[ViewLine]:
    """The lists a person keeps, by name."""
    with office.database.read() as session:
        return [_line(view) for view in saved.kept(session, _person(caller))]


@router.post("/views", summary="保存清单")
def keep_view(form: ViewForm, office: OfficeOf, caller: Annotated[Caller, Depends(Allow(Verb.VIEW_KEEP))]) -> ViewLine:
    """Keep a list with its filters and order under a name; the same name again replaces it."""
    with office.database.write() as session:
        return _line(saved.keep(session, _person(caller), form))


@router.delete("/views/{view}", summary="删去清单", status_code=204)
def drop_view(
    view: Annotated[int, Path(ge=1, le=2**62)], office: OfficeOf,
    caller: Annotated[Caller, Depends(Allow(Verb.VIEW_KEEP))],
) -> Response:  # fmt: skip
    """Drop a list of one's own."""
    with office.database.write() as session:
        saved.drop(session, _person(caller), view)
    return Response(status_code=204)
