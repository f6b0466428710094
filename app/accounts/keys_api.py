"""Keys over HTTP, for administrators: listed without secrets, made, rotated without a gap, revoked."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.accounts import keys
from app.accounts.access import Caller, Role, Verb
from app.accounts.api import Allow, settings_of
from app.accounts.audit import Access, note_of, record
from app.accounts.staff_api import places_of
from app.accounts.tables import ApiKey
from app.errors import FieldFault, InvalidInputError
from app.web import NO_CONTROL, REFUSALS, database_of

router = APIRouter(prefix="/api/v1", tags=["密钥"], responses=REFUSALS)
# A slash would not find its way through the path of the other endpoints.
NAME = r"^[^\x00-\x1f\x7f/]+$"
Name = Annotated[str, Path(max_length=64, pattern=NO_CONTROL, description="密钥名称")]


class SecretView(BaseModel):
    """One secret of a key, by what became of it; never the secret."""

    current: bool
    ends_at: datetime | None
    last_used_at: datetime | None


class KeyView(BaseModel):
    """One key: what for, how long, which of its secrets is in use."""

    name: str
    role: str
    role_label: str
    channel: str
    unit: str
    scopes: list[str]
    state: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    secrets: list[SecretView]


class NewKey(BaseModel):
    """A key to be made: for a channel or for a unit."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64, pattern=NAME, description="密钥名称，如“蒙企通对接”")
    channel: str = Field("", max_length=20, pattern=NO_CONTROL, description="渠道（渠道系统提交诉求用）")
    unit: str = Field("", max_length=40, pattern=NO_CONTROL, description="承办单位（单位系统取队列、签收、答复用）")
    scopes: list[Verb] = Field([], max_length=40, description="只许做的事；不填为该角色的全部")
    days: int | None = Field(None, ge=1, le=3650, description="有效天数；不填取 HOTLINE_KEY_DAYS")


class RotationForm(BaseModel):
    """How to rotate."""

    model_config = ConfigDict(extra="forbid")

    days: int | None = Field(None, ge=1, le=3650, description="新密钥的有效天数；不填取 HOTLINE_KEY_DAYS")
    overlap_hours: int | None = Field(None, ge=0, le=720, description="旧密钥继续有效的小时数；不填取设置")


class KeySecret(BaseModel):
    """A key, shown once."""

    name: str
    key: str
    expires_at: datetime | None
    previous_ends_at: datetime | None = Field(None, description="旧密钥用到何时（轮换时）")


def _view(key: ApiKey) -> KeyView:
    secrets = [SecretView(current=True, ends_at=key.expires_at, last_used_at=key.last_used_at)]
    if key.previous_sha256:
        former = SecretView(current=False, ends_at=key.previous_ends_at, last_used_at=key.previous_used_at)
        secrets.append(former)
    return KeyView(
        name=key.name, role=key.role, role_label=Role(key.role).label, channel=key.channel, unit=key.unit,
        scopes=key.scopes.split(), state=keys.state_of(key), created_at=key.created_at, expires_at=key.expires_at,
        revoked_at=key.revoked_at, secrets=secrets,
    )  # fmt: skip


@router.get("/keys", summary="密钥", dependencies=[Depends(Allow(Verb.KEY_READ))])
def list_keys(request: Request) -> list[KeyView]:
    """All keys, revoked ones too, with the last use of each secret."""
    with database_of(request).read() as session:
        return [_view(key) for key in keys.list_keys(session)]


@router.post("/keys", summary="新增密钥", status_code=201)
def add_key(form: NewKey, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.KEY_WRITE))]) -> KeySecret:
    """Make a key; the answer holds it, this once."""
    unit = _checked_place(form, request)
    days = keys.lifetime(settings_of(request), form.days)
    role = Role.UNIT_HANDLER if unit else Role.CHANNEL
    with database_of(request).write() as session:
        token = keys.add_key(
            session, name=form.name, role=role, channel=form.channel, unit=unit, days=days, scopes=tuple(form.scopes)
        )
        key = keys.require_key(session, form.name)
        record(session, note_of(caller, Access.KEY_ADD, f"key:{key.id}", " ".join([key.role, *key.scopes.split()])))
    return KeySecret(name=key.name, key=token, expires_at=key.expires_at, previous_ends_at=None)


def _checked_place(form: NewKey, request: Request) -> str:
    """Return the code of the unit a key is for; empty: it is for a channel."""
    places = places_of(request)
    if bool(form.unit) == bool(form.channel):
        raise InvalidInputError(
            "渠道和承办单位须且只能填一个", faults=(FieldFault("/channel", "与 /unit 须且只能填一个"),)
        )
    if form.channel and form.channel not in places.channels:
        told = f"没有渠道“{form.channel}”，可填 " + "、".join(places.channels)
        raise InvalidInputError(told, faults=(FieldFault("/channel", told),))
    return places.unit_code(form.unit) if form.unit else ""


@router.post("/keys/{name}/rotation", summary="轮换密钥")
def rotate_key(
    name: Name, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.KEY_WRITE))],
    form: RotationForm | None = None,
) -> KeySecret:  # fmt: skip
    """Give a key a new secret, good at once; the old one stays good until the hour the answer names."""
    asked, settings = form or RotationForm(days=None, overlap_hours=None), settings_of(request)
    hours = settings.key_overlap_hours if asked.overlap_hours is None else asked.overlap_hours
    days = keys.lifetime(settings, asked.days)
    with database_of(request).write() as session:
        made = keys.rotate_key(session, name, days=days, overlap=timedelta(hours=hours))
        record(session, note_of(caller, Access.KEY_ROTATE, f"key:{made.key.id}", f"overlap_hours={hours}"))
    return KeySecret(name=name, key=made.token, expires_at=made.expires_at, previous_ends_at=made.previous_ends_at)


@router.delete("/keys/{name}", summary="收回密钥", status_code=204)
def revoke_key(name: Name, request: Request, caller: Annotated[Caller, Depends(Allow(Verb.KEY_WRITE))]) -> Response:
    """End a key at once, both of its secrets."""
    with database_of(request).write() as session:
        key = keys.revoke_key(session, name)
        record(session, note_of(caller, Access.KEY_REVOKE, f"key:{key.id}"))
    return Response(status_code=204)
