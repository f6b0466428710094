"""What 督办单 look like to those who read them."""

from datetime import date, datetime

from pydantic import BaseModel

from app.tickets.forms import AttachmentForm


class StepView(BaseModel):
    """One thing that was done about an order."""

    kind: str
    at: datetime
    by: str
    text: str
    person: str
    attachments: list[AttachmentForm]


class OrderLine(BaseModel):
    """An order in a list; `tickets` counts its work orders, `overdue` says that its reply is late."""

    number: str
    way: str
    level: str
    unit: str
    unit_name: str
    rule: str
    status: str
    tickets: int
    raised_at: datetime
    issued_at: datetime | None
    due_at: datetime | None
    replied_at: datetime | None
    concluded_at: datetime | None
    result: str
    overdue: bool


class OrderPage(BaseModel):
    """A page of orders."""

    items: list[OrderLine]
    next_cursor: str | None


class OrderView(OrderLine):
    """An order whole: what is required, on what basis, of which work orders the reader may see, and what was done."""

    requirement: str
    basis: str
    numbers: list[str]
    steps: list[StepView]


class PaperTicket(BaseModel):
    """One work order in a written order; nothing of who appealed or what they wrote."""

    number: str
    tag: str
    due_at: datetime | None
    overdue_days: int


class Paper(BaseModel):
    """The written form of an order (督办通知单): what stands on the paper that goes to the unit."""

    title: str
    number: str
    addressee: str
    paragraphs: list[str]
    tickets: list[PaperTicket]
    reply_by: datetime
    signed: str
    day: date
