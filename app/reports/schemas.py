"""What reports answer with."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class IndicatorView(BaseModel):
    """One indicator and what a reader must know about it."""

    code: str
    name: str
    grain: str
    numerator: str
    denominator: str
    source: str
    sense: str
    ripe_days: int


class BehindPage(BaseModel):
    """The work orders behind a figure, as they stand now; what a caller may not see is only counted."""

    indicator: str
    name: str
    period: str
    cut_off: datetime
    part: str
    tickets: list[str]
    total: int
    hidden: int
    next_after: int | None


class ReportLine(BaseModel):
    """One revision of a report."""

    kind: str
    label: str
    period: str
    revision: int
    status: str
    number: str
    cut_off: datetime
    sha256: str
    made_at: datetime
    check_until: datetime | None
    signed_at: datetime | None
    published_at: datetime | None


class ReportView(ReportLine):
    """A report with its frozen figures, the prose beside them and, of a correction, what differs."""

    figures: dict[str, Any]
    prose: dict[str, str]
    changes: list[dict[str, Any]]


class OwnFigures(BaseModel):
    """A unit's own rows of a report it is asked to check."""

    period: str
    revision: int
    status: str
    check_until: datetime | None
    figures: dict[str, Any]
    score: dict[str, Any] | None


class ContributionLine(BaseModel):
    """One line of a unit's account of a year: a case, a finding, a subtotal or a total."""

    model_config = ConfigDict(from_attributes=True)

    sort: str
    item: str
    indicator: str
    number: str
    base: int
    hit: int | float
    weight: str
    share: str
    points: str
    why: str


class Contributions(BaseModel):
    """A unit's account of a year, line by line."""

    period: str
    unit: str
    least: int
    lines: list[ContributionLine]


class CheckView(BaseModel):
    """What a unit said of its figures, and how an objection was answered."""

    unit: str
    agrees: bool
    opinion: str
    said_at: datetime
    answer: str
    answered_at: datetime | None


class MarkView(BaseModel):
    """A finding that bears on an assessment."""

    id: int
    kind: str
    unit: str
    ticket: str
    points: str
    reason: str
    status: str
    proposed_at: datetime
    decided_at: datetime | None
    opinion: str


class AppealView(BaseModel):
    """An appeal and its ruling."""

    id: int
    unit: str
    ticket: str
    report: str
    indicator: str
    reason: str
    status: str
    made_at: datetime
    due_at: datetime
    decided_at: datetime | None
    opinion: str


class ProseView(BaseModel):
    """A version of a section's prose."""

    section: str
    version: int
    text: str
    written_at: datetime
