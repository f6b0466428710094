"""What callers send to reports: prose, checks, answers, marks, appeals and rulings."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from app.tickets.forms import Clean, Form, Reason, UnitName, not_blank

TICKET = r"^BTQ\d{12,16}(-\d{2})?$"
Prose = Annotated[str, Field(min_length=1, max_length=10_000), Clean, AfterValidator(not_blank)]


class ProseForm(Form):
    """What the supervisor writes for a section; earlier versions are kept."""

    section: Annotated[str, Field(pattern=r"^[a-z]{2,16}$")]
    text: Prose


class CheckForm(Form):
    """What a unit says of its own figures; an objection says what is wrong."""

    agrees: bool
    opinion: Annotated[str, Field(max_length=2000), Clean] = ""

    @model_validator(mode="after")
    def _objection_has_words(self) -> "CheckForm":
        if not self.agrees and not self.opinion:
            raise ValueError("不认可的须在 opinion 写明哪项数据、哪些工单有误")
        return self


class AnswerForm(Form):
    """How an objection was answered."""

    answer: Reason


class MarkForm(Form):
    """A finding that bears on a unit's assessment; another person approves it.

    Attributes:
        ticket: the work order it is about; required but for 加分.
        points: points of a 加分; others cost what assessment.yaml says.
    """

    kind: Literal["剔除", "办理不实", "泄露信息", "督办未落实", "加分"]
    unit: UnitName
    ticket: Annotated[str, Field(pattern=TICKET)] | None = None
    points: Annotated[Decimal, Field(gt=0, le=5, decimal_places=2)] | None = None
    reason: Reason

    @model_validator(mode="after")
    def _says_what_it_must(self) -> "MarkForm":
        if self.kind != "加分" and self.ticket is None:
            raise ValueError("须写明 ticket（哪件工单）")
        if (self.kind == "加分") != (self.points is not None):
            raise ValueError("加分须写 points（分值），其他认定不写")
        return self


class DecideForm(Form):
    """A ruling on a proposed finding or on an appeal."""

    uphold: bool
    opinion: Reason


class AppealForm(Form):
    """A unit's appeal against a figure of a published report, and the work order it is about.

    Attributes:
        report: kind and period, as in monthly/2026-10.
    """

    report: Annotated[str, Field(pattern=r"^(monthly|annual)/\d{4}(-\d{2})?$")]
    ticket: Annotated[str, Field(pattern=TICKET)] | None = None
    indicator: Annotated[str, Field(pattern=r"^[a-z_]{2,32}$")]
    reason: Reason
