"""What reminders look like to those who read them, and what is sent about a call."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.tickets.forms import Clean, Form


class CardView(BaseModel):
    """A yellow or red card: which work order of which unit, which step, which time it warned of."""

    number: str
    unit: str
    unit_name: str
    kind: str
    level: str
    day: date
    due_at: datetime
    made_at: datetime


class CardPage(BaseModel):
    """Cards, the newest first."""

    items: list[CardView]
    next_cursor: str | None


class DigestView(BaseModel):
    """One audience's digest of one round, as it was sent; `name` is the unit's, or that of the hotline's desk."""

    day: date
    round: int
    audience: str
    name: str
    made_at: datetime
    content: dict[str, Any]


class DutyCallView(BaseModel):
    """A call about an urgent work order: whom to call, whether it was made, what came of it."""

    id: int
    number: str
    unit: str
    unit_name: str
    step: int
    step_name: str
    person: str
    phone: str
    due_at: datetime
    status: str
    called_at: datetime | None
    outcome: str
    remark: str


class CallForm(Form):
    """What came of a call; where it reached nobody the next step is asked for at once."""

    outcome: Literal["接通", "未接通"]
    remark: Annotated[str, Field(max_length=500), Clean] = ""
