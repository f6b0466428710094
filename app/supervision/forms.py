"""What callers send about 督办单."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from app.rulebook.supervision import Level, Way
from app.tickets.forms import Clean, Form, Reason, UnitName, not_blank
from app.tickets.verb_forms import Evidence, TicketNumber

Words = Annotated[str, Field(min_length=4, max_length=4000), Clean, AfterValidator(not_blank)]


class RaiseForm(Form):
    """A 督办单 a person raises: it goes out at once."""

    way: Way
    level: Level = Level.PLAIN
    unit: UnitName
    tickets: Annotated[tuple[TicketNumber, ...], Field(min_length=1, max_length=200)]
    requirement: Words
    due_at: Annotated[AwareDatetime | None, Field(description="回复期限；不填按督办方式的规定")] = None


class IssueForm(Form):
    """What a supervisor changes of a proposed order before it goes out; what is left out stays."""

    way: Way | None = None
    level: Level | None = None
    requirement: Words | None = None
    due_at: AwareDatetime | None = None


class RecordForm(Form):
    """A call, a visit or a talk that was made: when, with whom, what was said and promised."""

    kind: Literal["电话", "现场", "约谈"]
    at: AwareDatetime
    person: Annotated[str, Field(min_length=1, max_length=40), Clean, AfterValidator(not_blank)]
    text: Words


class ReplyForm(Form):
    """What a unit answers, with its evidence (metadata only)."""

    text: Words
    attachments: Evidence = ()


class ConcludeForm(Form):
    """Whether what was required was done, and how that is known."""

    done: bool
    opinion: Reason


class OpinionForm(Form):
    """Why an order is sent back or cancelled."""

    reason: Reason
