"""Tables of the work order. Events are the truth; personal data and free text stand apart from the first migration.

`ticket_event`, `outbox`, `ticket_judgement` and `idempotency` hold references only, so that anonymising a person breaks no
chain. Columns such as `due_at` are snapshots of a fold over events.
"""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, BigId, UtcTime
from app.tickets.sealed import Sealed

# The few events that a figure asks every answered work order for.
SENT_BACK = text("kind = 'sent_back'")
OPEN = text("state IN ('awaiting_sign', 'in_progress', 'returning', 'suspended')")


class Ticket(Base):
    """One work order (工单): its facts, where it stands, and when it is due. No personal data, no free text."""

    __tablename__ = "ticket"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    number: Mapped[str] = mapped_column(String(24), unique=True)
    month: Mapped[int] = mapped_column(Integer)
    channel: Mapped[str] = mapped_column(String(20))
    external_number: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(4))
    tag: Mapped[str] = mapped_column(String(4))
    urgent: Mapped[bool] = mapped_column(Boolean)
    confidentiality: Mapped[str] = mapped_column(String(4))
    confidentiality_chosen: Mapped[bool] = mapped_column(Boolean)
    district: Mapped[str | None] = mapped_column(String(6))
    callback_wanted: Mapped[bool] = mapped_column(Boolean)
    accused: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    decision: Mapped[str] = mapped_column(String(8))
    gap: Mapped[bool] = mapped_column(Boolean)
    lead_unit: Mapped[str | None] = mapped_column(String(16))
    special_supervisor: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    accepted_at: Mapped[datetime] = mapped_column(UtcTime)
    dispatch_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    dispatched_at: Mapped[datetime | None] = mapped_column(UtcTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    due_provisional: Mapped[bool] = mapped_column(Boolean)
    original_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    overdue_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    callback_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    closing: Mapped[str] = mapped_column(String(16))
    solved: Mapped[str] = mapped_column(String(8))
    first_grade: Mapped[str] = mapped_column(String(8))
    final_grade: Mapped[str] = mapped_column(String(8))
    returns: Mapped[int] = mapped_column(Integer)
    appointed: Mapped[bool] = mapped_column(Boolean)
    reworks: Mapped[int] = mapped_column(Integer)
    hardness: Mapped[str] = mapped_column(String(8))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))
    main_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))
    urged_at: Mapped[datetime | None] = mapped_column(UtcTime)
    urges: Mapped[int] = mapped_column(Integer)
    held_since: Mapped[datetime] = mapped_column(UtcTime)
    desk_step: Mapped[str | None] = mapped_column(String(8))
    desk_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    next_step: Mapped[str | None] = mapped_column(String(8))
    next_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    alarmed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    rulebook_version: Mapped[str] = mapped_column(String(12))
    model_version: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[str] = mapped_column(String(32))
    anonymised_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_seq: Mapped[int] = mapped_column(Integer)
    last_hash: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (
        UniqueConstraint("channel", "external_number"),
        CheckConstraint("state <> 'awaiting_sign' OR lead_unit IS NOT NULL", name="dispatched_has_lead"),
        Index(None, "updated_at", "id"),
        Index(None, "next_due_at", "id"),
        Index(None, "state", "next_due_at", "id"),
        Index(None, "desk_step", "desk_due_at", "id"),
        Index(None, "parent_id"),
        Index(None, "special_supervisor"),
        Index(None, "main_id"),
        # What puts a work order into a report's period.
        Index(None, "accepted_at"),
        Index(None, "dispatch_due_at"),
        Index(None, "dispatched_at"),
        Index(None, "answered_at"),
        Index(None, "callback_due_at"),
        Index(None, "closed_at"),
    )


class TicketParty(Base):
    """Who appeals: sealed columns, with keyed hashes where they must be found again.

    Attributes:
        enterprise_group: a hash of `enterprise_find`, equal for one enterprise's appeals: figures count repeats by it, and it
            stays when the party is emptied. Nothing is found by it.
    """

    __tablename__ = "ticket_party"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    enterprise_name: Mapped[str] = mapped_column(Text)
    enterprise_find: Mapped[str] = mapped_column(String(64), index=True)
    enterprise_group: Mapped[str] = mapped_column(String(64), index=True)
    credit_code: Mapped[str] = mapped_column(Text)
    credit_code_find: Mapped[str] = mapped_column(String(64), index=True)
    enterprise_size: Mapped[str] = mapped_column(String(8))
    park: Mapped[str] = mapped_column(Text)
    contact_name: Mapped[str] = mapped_column(Text)
    contact_phone: Mapped[str] = mapped_column(Text)
    phone_find: Mapped[str] = mapped_column(String(64), index=True)
    contact_email: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index(None, "ticket_id", "enterprise_group"),)  # figures read no more of the wide row


class TicketText(Base):
    """What was said: free text, which may hold personal data; sealed, apart from the facts.

    Attributes:
        reviewed: 转办文本, what units read of a veiled caller's appeal once a dispatcher has gone over it; empty: not yet.
    """

    __tablename__ = "ticket_text"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    title: Mapped[str] = mapped_column(Sealed)
    content: Mapped[str] = mapped_column(Sealed)
    complained_of: Mapped[str] = mapped_column(Sealed)
    reviewed: Mapped[str] = mapped_column(Sealed)


class TicketArrears(Base):
    """The further facts of a 账款拖欠 appeal (保障中小企业款项支付条例)."""

    __tablename__ = "ticket_arrears"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    debtor_kind: Mapped[str] = mapped_column(String(12))
    debtor_name: Mapped[str] = mapped_column(Sealed)
    contract_name: Mapped[str] = mapped_column(Sealed)
    contract_date: Mapped[date | None] = mapped_column(Date)
    contract_sum: Mapped[Decimal | None] = mapped_column(Numeric(16, 2))
    owed_sum: Mapped[Decimal | None] = mapped_column(Numeric(16, 2))
    delivered_on: Mapped[date | None] = mapped_column(Date)
    payable_on: Mapped[date | None] = mapped_column(Date)
    in_court: Mapped[bool] = mapped_column(Boolean)
    about_wages: Mapped[bool] = mapped_column(Boolean)


class TicketAttachment(Base):
    """What is said of an attachment; the file itself lies elsewhere."""

    __tablename__ = "ticket_attachment"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    name: Mapped[str] = mapped_column(Sealed)
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigId)
    sha256: Mapped[str] = mapped_column(String(64))


class TicketSignature(Base):
    """What a text can be compared by: hashes of its heaviest terms with their weights; goes when the text goes."""

    __tablename__ = "ticket_signature"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True, autoincrement=False)
    packed: Mapped[bytes] = mapped_column(LargeBinary)


class TicketKey(Base):
    """An inverted index over signatures: which tickets a heavy term leads to."""

    __tablename__ = "ticket_key"
    __table_args__ = ({"sqlite_with_rowid": False},)

    term: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True, autoincrement=False)


class TicketJudgement(Base):
    """What model and rules judged at intake, exactly as it was answered; no free text of the caller."""

    __tablename__ = "ticket_judgement"

    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    model_version: Mapped[str] = mapped_column(String(64))
    rulebook_version: Mapped[str] = mapped_column(String(12))
    tag: Mapped[str] = mapped_column(String(4))
    confidence: Mapped[float]
    payload: Mapped[str] = mapped_column(Text)
    judged_at: Mapped[datetime] = mapped_column(UtcTime)


class TicketEvent(Base):
    """One thing that happened: append-only, keyed by month so that it can be partitioned, chained by hash."""

    __tablename__ = "ticket_event"

    ticket_month: Mapped[int] = mapped_column(Integer, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    at: Mapped[datetime] = mapped_column(UtcTime)
    actor: Mapped[str] = mapped_column(String(32))
    payload: Mapped[str] = mapped_column(Text)
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        Index(
            "ix_ticket_event_sent_back", "ticket_month", "ticket_id",
            postgresql_where=SENT_BACK, sqlite_where=SENT_BACK,
        ),
    )  # fmt: skip


class TicketNote(Base):
    """A reason or remark that a person wrote, sealed; events refer to it by id."""

    __tablename__ = "ticket_note"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    text: Mapped[str] = mapped_column(Sealed)
    written_by: Mapped[str] = mapped_column(String(32))
    written_at: Mapped[datetime] = mapped_column(UtcTime)


class Dispatch(Base):
    """One unit's part in one round of a work order, with its own clock."""

    __tablename__ = "dispatch"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"))
    unit: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(8))
    round: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    tag: Mapped[str] = mapped_column(String(4))
    urgent: Mapped[bool] = mapped_column(Boolean)
    evidence: Mapped[str] = mapped_column(Text)
    dues: Mapped[str] = mapped_column(Text)
    dispatched_at: Mapped[datetime] = mapped_column(UtcTime)
    sign_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    contact_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    original_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    next_step: Mapped[str | None] = mapped_column(String(8))
    next_due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    signed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    contacted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    contact_kind: Mapped[str] = mapped_column(String(8))
    replied_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    resumes_at: Mapped[datetime | None] = mapped_column(UtcTime)
    paused_seconds: Mapped[int] = mapped_column(BigId)
    late: Mapped[str] = mapped_column(String(64))
    rework: Mapped[int] = mapped_column(Integer)
    handler: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    deputy: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    updated_at: Mapped[datetime] = mapped_column(UtcTime)

    __table_args__ = (
        UniqueConstraint("ticket_id", "unit", "round"),
        Index(None, "unit", "state", "next_due_at", "id"),
        # A unit's queue: its few open parts in the order of a page, without the thousands that are over.
        Index("ix_dispatch_open", "unit", "next_due_at", "id", postgresql_where=OPEN, sqlite_where=OPEN),
        Index(None, "unit", "updated_at", "id"),
        Index(None, "state", "sign_due_at", "id"),
        Index(None, "state", "resumes_at", "id"),
        # What puts a part into a report's period.
        Index(None, "dispatched_at"),
        Index(None, "sign_due_at"),
        Index(None, "contact_due_at"),
        Index(None, "due_at"),
        Index(None, "original_due_at"),
        Index(None, "replied_at", "ended_at"),
    )
