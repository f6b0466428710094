"""What callers send about subscriptions, and what they are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.web import NO_CONTROL

KINDS = r"^[a-z_]+(\.[a-z_*]+)?$|^\*$"


class SubscriptionForm(BaseModel):
    """An address and what it wants.

    `audience`: a unit's code or name prefixed with `unit:`, `desk:supervisor` and the like, `enterprise` (SMS only), or
    `all` (webhook only).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    audience: Annotated[str, Field(pattern=r"^(unit:[A-Z0-9-]{2,16}|desk:[a-z_]{2,16}|enterprise|all)$")]
    channel: Literal["webhook", "wecom", "dingtalk", "sms", "email"]
    target: Annotated[str, Field(min_length=3, max_length=500, pattern=NO_CONTROL)]
    secret: Annotated[str, Field(max_length=200, pattern=NO_CONTROL)] = ""
    kinds: Annotated[tuple[Annotated[str, Field(pattern=KINDS, max_length=32)], ...], Field(max_length=12)] = ("*",)


class ActiveForm(BaseModel):
    """Whether a subscription is in use."""

    model_config = ConfigDict(extra="forbid")

    active: bool


class SubscriptionView(BaseModel):
    """A subscription as it is shown: the address masked, for it may be a key."""

    id: int
    audience: str
    channel: str
    target: str
    kinds: list[str]
    active: bool
    created_at: datetime


class InboxView(BaseModel):
    """One message of an inbox."""

    id: int
    audience: str
    kind: str
    title: str
    lines: list[str]
    link: str
    urgent: bool
    created_at: datetime
    read_at: datetime | None


class InboxPage(BaseModel):
    """Messages, the newest first, and how many are unread."""

    items: list[InboxView]
    unread: int
    next_cursor: str | None


class NoticeLine(BaseModel):
    """A notice that goes no further: given up, or waiting for more than an hour."""

    id: int
    kind: str
    channel: str
    subscription: int | None
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    dead_at: datetime | None
    error: str
    reference: dict[str, Any]


class ReplayForm(BaseModel):
    """From when on notices are sent once more, for a receiver that lost them."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[datetime, Field(description="带时区")]
    subscription: Annotated[int | None, Field(ge=1, le=2**62, description="哪个订阅；不填为总推送地址")] = None


class CountView(BaseModel):
    """How many notices were put back into the queue."""

    count: int
