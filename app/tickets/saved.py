"""Lists with their filters and order that a person keeps under a name: 我的待办、举报超期 …"""

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller
from app.errors import ConflictError, FieldFault, InvalidInputError, NotFoundError
from app.tickets.forms import Clean, Form, not_blank
from app.tickets.saved_tables import SavedView
from app.tickets.submission import upsert_for

MOST_VIEWS = 50
# The filters and orders each list knows; a view that names another would fail when it is opened.
KNOWN = {
    "tickets": {
        "state", "tag", "unit", "urgent", "channel", "external_number", "type", "district", "hardness", "reworked",
        "returned", "updated_since", "limit",
    },
    "queue": {"unit", "state", "tag", "due_before", "urgent", "role", "updated_since", "order", "counts", "limit"},
    "overdue": {"unit", "limit"},
    "due-soon": {"hours", "unit", "limit"},
    "desk": {"step", "limit"},
    "triage": {"limit"},
    "search": {"q", "limit"},
}  # fmt: skip
Name = Annotated[str, Field(max_length=30), Clean, AfterValidator(not_blank)]


class ViewForm(Form):
    """A list to keep: which, with which filters and order.

    Attributes:
        page: tickets, queue, overdue, due-soon, desk, triage or search.
    """

    name: Name
    page: Annotated[str, Field(max_length=12)]
    params: dict[str, Annotated[str, Field(max_length=100), Clean]] = Field(default_factory=dict, max_length=20)


class ViewLine(BaseModel):
    """A kept list."""

    id: int
    name: str
    page: str
    params: dict[str, str]


def keep(session: Session, caller: Caller, form: ViewForm) -> SavedView:
    """Keep a list under a name; the same name again replaces it.

    Raises:
        InvalidInputError: there is no such list, or it knows no such filter.
        ConflictError: the person keeps too many.
    """
    if form.page not in KNOWN:
        message = "没有这个清单，可填 " + "、".join(KNOWN)
        raise InvalidInputError(message, faults=(FieldFault("/page", message),))
    unknown = [name for name in form.params if name not in KNOWN[form.page]]
    if unknown:
        faults = tuple(FieldFault(f"/params/{name}", f"{form.page} 没有这个筛选项") for name in unknown)
        raise InvalidInputError(f"{form.page} 没有这些筛选项：" + "、".join(unknown), faults=faults)
    own = SavedView.staff_id == caller.ident
    others = select(func.count()).where(own, SavedView.name != form.name)
    if session.scalars(others).one() >= MOST_VIEWS:
        raise ConflictError(f"最多保存 {MOST_VIEWS} 个清单，请先删去不用的")
    values = {"page": form.page, "params": json.dumps(form.params, ensure_ascii=False), "saved_at": clock.now()}
    statement = upsert_for(session)(SavedView).values(staff_id=caller.ident, name=form.name, **values)
    statement = statement.on_conflict_do_update(index_elements=["staff_id", "name"], set_=values)
    session.execute(statement)
    return session.scalars(select(SavedView).where(own, SavedView.name == form.name)).one()


def kept(session: Session, caller: Caller) -> list[SavedView]:
    """Return the lists a person keeps, by name."""
    return list(session.scalars(select(SavedView).where(SavedView.staff_id == caller.ident).order_by(SavedView.name)))


def drop(session: Session, caller: Caller, view: int) -> None:
    """Drop a list of one's own.

    Raises:
        NotFoundError: the person keeps no such list.
    """
    mine = (SavedView.id == view, SavedView.staff_id == caller.ident)
    if session.execute(delete(SavedView).where(*mine).returning(SavedView.id)).one_or_none() is None:
        raise NotFoundError("没有这个保存的清单")
