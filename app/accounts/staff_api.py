"""Staff over HTTP, for administrators: who there is, opening, changing and closing accounts, a new first password."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.accounts import passwords, service
from app.accounts.access import Caller, Role, Verb
from app.accounts.api import Allow
from app.accounts.audit import Access, note_of, record
from app.accounts.service import StaffChange
from app.accounts.tables import Staff
from app.errors import ConflictError
from app.paging import PAGE_DEFAULT
from app.web import NO_CONTROL, REFUSALS, Cursor, Limit, database_of

router = APIRouter(prefix="/api/v1", tags=["人员"], responses=REFUSALS)
LOGIN = r"^[\w.@-]+$"
Login = Annotated[str, Path(max_length=64, pattern=NO_CONTROL, description="登录名")]


@dataclass(frozen=True)
class Places:
    """What accounts belong to, as the floors above know it; the application hands it in.

    Attributes:
        unit_code: the code of a unit given by name or code; raises InvalidInputError for an unknown one.
        channels: the names of all channels.
    """

    unit_code: Callable[[str], str]
    channels: tuple[str, ...]


def places_of(request: Request) -> Places:
    """Return what accounts may belong to."""
    places: Places = request.app.state.places
    return places


class StaffView(BaseModel):
    """One account; nothing of its password."""

    id: int
    login: str
    name: str
    role: str
    role_label: str
    unit: str
    takes_special: bool
    active: bool
    must_change_password: bool
    created_at: datetime


class StaffPage(BaseModel):
    """A page of accounts, the oldest first."""

    items: list[StaffView]
    next_cursor: str | None


class NewStaff(BaseModel):
    """An account to be opened; its first password is made by the service."""

    model_config = ConfigDict(extra="forbid")

    login: str = Field(min_length=2, max_length=64, pattern=LOGIN, description="登录名：字母、数字、._@-")
    name: str = Field(min_length=1, max_length=64, pattern=NO_CONTROL, description="姓名")
    role: Role = Field(description="角色")
    unit: str = Field("", max_length=40, pattern=NO_CONTROL, description="承办单位（经办人、负责人必填）")
    takes_special: bool = Field(False, description="专办件由此人（督办人员）办理")


class FirstPassword(BaseModel):
    """A password made by the service, shown once; it must be changed at the first sign-in."""

    login: str
    password: str


class StaffForm(BaseModel):
    """What to change; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, min_length=1, max_length=64, pattern=NO_CONTROL)
    role: Role | None = None
    unit: str | None = Field(None, max_length=40, pattern=NO_CONTROL)
    takes_special: bool | None = None
    active: bool | None = Field(None, description="false 为停用，true 为重新启用")


def _view(staff: Staff) -> StaffView:
    return StaffView(
        id=staff.id, login=staff.login, name=staff.name, role=staff.role, role_label=Role(staff.role).label,
        unit=staff.unit, takes_special=staff.takes_special, active=staff.active,
        must_change_password=staff.must_change, created_at=staff.created_at,
    )  # fmt: skip


@router.get("/staff", summary="人员", dependencies=[Depends(Allow(Verb.STAFF_READ))])
def list_staff(
    request: Request,
    active: Annotated[bool, Query(description="只列在用的")] = False,
    cursor: Cursor = None, limit: Limit = PAGE_DEFAULT,
) -> StaffPage:  # fmt: skip
    """All accounts, closed ones too."""
    with database_of(request).read() as session:
        page = service.list_staff(session, cursor, limit, only_active=active)
    return StaffPage(items=[_view(staff) for staff in page.rows], next_cursor=page.next_cursor)


@router.post("/staff", summary="新增人员", status_code=201)
def add_staff(
    form: NewStaff, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.STAFF_WRITE))]
) -> FirstPassword:
    """Open an account; the answer holds its first password, this once."""
    password = passwords.random_password(form.login)
    unit = _unit_code(request, form.unit)
    with database_of(request).write() as session:
        staff = service.add_staff(
            session, login=form.login, name=form.name, role=form.role, unit=unit, password=password,
            takes_special=form.takes_special, must_change=True,
        )  # fmt: skip
        told = f"role={staff.role}" + (f"，unit={staff.unit}" if staff.unit else "")
        record(session, note_of(caller, Access.STAFF_ADD, f"staff:{staff.id}", told))
    return FirstPassword(login=form.login, password=password)


def _unit_code(request: Request, name: str) -> str:
    return places_of(request).unit_code(name) if name else ""


@router.patch("/staff/{login}", summary="变更人员")
def change_staff(
    login: Login, form: StaffForm, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.STAFF_WRITE))]
) -> StaffView:
    """Change name, role or unit, close or open an account; a change of rights ends its sessions."""
    unit = None if form.unit is None else _unit_code(request, form.unit)
    change = StaffChange(form.name, form.role, unit, form.takes_special, form.active)
    with database_of(request).write() as session:
        staff, changed = service.change_staff(session, login, change)
        if staff.id == caller.ident and changed:
            raise ConflictError("不能变更自己的角色或停用自己，请由另一位系统管理员办理")
        record(session, note_of(caller, Access.STAFF_CHANGE, f"staff:{staff.id}", "，".join(changed) or "name"))
    return _view(staff)


@router.post("/staff/{login}/password", summary="重置密码")
def reset_password(
    login: Login, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.STAFF_WRITE))]
) -> FirstPassword:
    """Give a person who forgot his password a new first one, shown this once; every session ends."""
    password = passwords.random_password(login)
    hashed = passwords.hash_password(password)
    with database_of(request).write() as session:
        staff = service.require_staff(session, login)
        service.set_password(session, staff, hashed, must_change=True)
        record(session, note_of(caller, Access.PASSWORD_RESET, f"staff:{staff.id}"))
    return FirstPassword(login=login, password=password)
