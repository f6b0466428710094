"""Stores a judged appeal: ticket, personal data, text, events, judgement, dispatches and notices in one transaction.

Core inserts: this is the hot path. A repeated post finds the first one's row and gets the first one's answer.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller
from app.classify.similar import Signature
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.notify.outbox import enqueue
from app.routing.accused import Accused
from app.routing.engine import Assignment
from app.rulebook.shapes import LimitStep
from app.sealing import Sealer
from app.sla.timer import Due
from app.tickets.events import Chain, Happening, append
from app.tickets.forms import TicketForm
from app.tickets.intake import Judged
from app.tickets.lifecycle import State
from app.tickets.schemas import Judgement
from app.tickets.similar import store_signature
from app.tickets.tables import (
    Dispatch,
    Idempotency,
    Ticket,
    TicketArrears,
    TicketAttachment,
    TicketJudgement,
    TicketNote,
    TicketParty,
    TicketText,
)
from app.tickets.views import due_view, evidence_view


@dataclass(frozen=True)
class NewTicket:
    """One appeal, judged and ready to be stored."""

    number: str
    at: datetime
    form: TicketForm
    judged: Judged
    judgement: Judgement
    caller: Caller
    special_supervisor: int | None = None
    signature: Signature | None = None


@dataclass(frozen=True)
class RepeatKey:
    """An Idempotency-Key with the hash of the body it came with."""

    key: str
    body_sha256: str


@dataclass(frozen=True)
class Stored:
    """What came of a submission.

    Attributes:
        created: False when an earlier submission is answered again.
        replayed: whether an Idempotency-Key found it.
    """

    number: str
    accepted_at: datetime
    judgement: Judgement
    created: bool
    replayed: bool = False


def find_repeat(session: Session, caller: Caller, repeat: RepeatKey) -> Stored | None:
    """Return the answer an Idempotency-Key already has.

    Raises:
        InvalidInputError: the key came with another body before.
    """
    row = session.get(Idempotency, (caller.reference, repeat.key))
    if row is None:
        return None
    if row.request_sha256 != repeat.body_sha256:
        message = "同一 Idempotency-Key 已用于内容不同的请求，请换一个新的键"
        raise InvalidInputError(
            message, code="idempotency-key-reused", faults=(FieldFault("header:Idempotency-Key", message),)
        )
    return replace(_stored(session, Ticket.number == row.number), created=row.made_ticket, replayed=True)


def submit(session: Session, new: NewTicket, sealer: Sealer, repeat: RepeatKey | None) -> Stored:
    """Store an appeal, or answer with the one that was stored before.

    A simultaneous twin with the same key waits at the unique row until the first has committed.

    Raises:
        InvalidInputError: the Idempotency-Key came with another body before.
    """
    if repeat and not _claim(session, new, repeat):
        found = find_repeat(session, new.caller, repeat)
        if found is None:
            raise ConflictError("同一 Idempotency-Key 的请求刚刚失败，请重试")
        return found
    ticket_id = _insert_ticket(session, new)
    if ticket_id is None:
        return _same_external(session, new, repeat)
    _insert_party(session, ticket_id, new.form, sealer)
    _insert_details(session, ticket_id, new)
    if new.signature:
        store_signature(session, ticket_id, new.signature)
    note = _insert_note(session, ticket_id, new)
    happenings = [*_birth(new, note), *_first_move(session, ticket_id, new)]
    append(session, Chain(ticket_id, month_of(new.at), new.number), new.at, new.caller.reference, happenings)
    return Stored(new.number, new.at, new.judgement, created=True)


def month_of(at: datetime) -> int:
    """Return a moment's month in Baotou as yyyymm, the partition of its events."""
    return int(clock.local(at).strftime("%Y%m"))


def upsert_for(session: Session) -> Any:
    """Return the insert of this database that knows ON CONFLICT."""
    return sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert


def _claim(session: Session, new: NewTicket, repeat: RepeatKey) -> bool:
    statement = upsert_for(session)(Idempotency).values(
        caller=new.caller.reference, key=repeat.key, request_sha256=repeat.body_sha256, number=new.number,
        made_ticket=True, created_at=new.at,
    )  # fmt: skip
    statement = statement.on_conflict_do_nothing().returning(Idempotency.key)
    return session.execute(statement).scalar_one_or_none() is not None


def _stored(session: Session, which: Any) -> Stored:
    statement = (
        select(Ticket.number, Ticket.accepted_at, TicketJudgement.payload)
        .join(TicketJudgement, TicketJudgement.ticket_id == Ticket.id)
        .where(which, TicketJudgement.seq == 1)
    )
    row = session.execute(statement).one()
    return Stored(row.number, row.accepted_at, Judgement.model_validate_json(row.payload), created=False)


def _same_external(session: Session, new: NewTicket, repeat: RepeatKey | None) -> Stored:
    """Answer with the ticket that this channel and external number already have."""
    form = new.form
    stored = _stored(session, (Ticket.channel == form.channel) & (Ticket.external_number == form.external_number))
    if repeat:
        statement = update(Idempotency).where(Idempotency.caller == new.caller.reference, Idempotency.key == repeat.key)
        session.execute(statement.values(number=stored.number, made_ticket=False))
    return stored


def _insert_ticket(session: Session, new: NewTicket) -> int | None:
    judged, form = new.judged, new.form
    dispatched = judged.state is State.AWAITING_SIGN
    lead = judged.decision.lead.unit if dispatched and judged.decision and judged.decision.lead else None
    closing = due_of(judged.dues, LimitStep.CLOSING)
    step = LimitStep.SIGN if dispatched else LimitStep.FIRST_DISPATCH
    next_due = due_of(judged.dues, step)
    statement = upsert_for(session)(Ticket).values(
        number=new.number, month=month_of(new.at), channel=form.channel, external_number=form.external_number or None,
        kind=judged.kind, tag=judged.tag.code if judged.tag else "", urgent=judged.urgent,
        confidentiality=judged.confidentiality, confidentiality_chosen=form.confidentiality is not None,
        district=judged.place.district, callback_wanted=form.callback_wanted,
        accused=accused_json(judged.accused), state=judged.state.value, decision=new.judgement.decision,
        gap=new.judgement.gap, lead_unit=lead,
        special_supervisor=new.special_supervisor if judged.state is State.SPECIAL else None,
        accepted_at=new.at, dispatched_at=new.at if dispatched else None, due_at=closing.due_at if closing else None,
        due_provisional=bool(closing and closing.provisional), next_step=next_due.step.value if next_due else None,
        next_due_at=next_due.due_at if next_due else None, rulebook_version=new.judgement.rulebook_version,
        model_version=new.judgement.model_version, created_by=new.caller.reference, version=1, updated_at=clock.now(),
    )  # fmt: skip
    statement = statement.on_conflict_do_nothing(index_elements=["channel", "external_number"]).returning(Ticket.id)
    ticket_id: int | None = session.execute(statement).scalar_one_or_none()
    return ticket_id


def accused_json(accused: tuple[Accused, ...]) -> str:
    """Return the accused as stored: unit codes and flags, without the caller's words."""
    kept = [{key: value for key, value in asdict(item).items() if key != "organ"} for item in accused]
    return json.dumps(kept, ensure_ascii=False)


def due_of(dues: tuple[Due, ...], step: LimitStep) -> Due | None:
    """Return the due time of one step, if it has one."""
    return next((due for due in dues if due.step is step), None)


def _insert_party(session: Session, ticket_id: int, form: TicketForm, sealer: Sealer) -> None:
    enterprise, contact = form.enterprise, form.contact
    session.execute(
        insert(TicketParty).values(
            ticket_id=ticket_id, enterprise_name=sealer.seal(enterprise.name),
            enterprise_find=sealer.find_key(enterprise.name), credit_code=sealer.seal(enterprise.credit_code),
            credit_code_find=sealer.find_key(enterprise.credit_code), enterprise_size=enterprise.size,
            park=sealer.seal(enterprise.park), contact_name=sealer.seal(contact.name),
            contact_phone=sealer.seal(contact.phone), phone_find=sealer.find_key(contact.phone),
            contact_email=sealer.seal(contact.email), address=sealer.seal(contact.address),
        )
    )  # fmt: skip


def _insert_details(session: Session, ticket_id: int, new: NewTicket) -> None:
    form = new.form
    session.execute(
        insert(TicketText).values(
            ticket_id=ticket_id, title=form.title, content=form.content, complained_of=form.complained_of
        )
    )
    if form.arrears:
        session.execute(insert(TicketArrears).values(ticket_id=ticket_id, **form.arrears.model_dump()))
    if form.attachments:
        session.execute(
            insert(TicketAttachment), [{"ticket_id": ticket_id, **item.model_dump()} for item in form.attachments]
        )
    insert_judgement(session, ticket_id, 1, new.judgement, new.at)


def insert_judgement(session: Session, ticket_id: int, seq: int, judgement: Judgement, at: datetime) -> None:
    """Store one judgement of a ticket as it is answered."""
    session.execute(
        insert(TicketJudgement).values(
            ticket_id=ticket_id, seq=seq, model_version=judgement.model_version,
            rulebook_version=judgement.rulebook_version, tag=judgement.tag.code if judgement.tag else "",
            confidence=judgement.confidence if judgement.confidence is not None else 0.0,
            payload=judgement.model_dump_json(), judged_at=at,
        )
    )  # fmt: skip


def _insert_note(session: Session, ticket_id: int, new: NewTicket) -> int | None:
    if new.form.override is None:
        return None
    return insert_note(session, ticket_id, new.form.override.reason, new.caller, new.at)


def insert_note(session: Session, ticket_id: int, text: str, caller: Caller, at: datetime) -> int:
    """Store a reason that a person wrote; returns its id, to which an event refers."""
    statement = insert(TicketNote).values(ticket_id=ticket_id, text=text, written_by=caller.reference, written_at=at)
    note_id: int = session.execute(statement.returning(TicketNote.id)).scalar_one()
    return note_id


def _birth(new: NewTicket, note: int | None) -> list[Happening]:
    accepted = {
        "channel": new.form.channel, "type": new.judged.kind, "urgent": new.judged.urgent,
        "confidentiality": new.judged.confidentiality,
    }  # fmt: skip
    return [Happening("accepted", accepted), Happening("judged", judged_payload(new.judgement, note))]


def judged_payload(judgement: Judgement, note: int | None) -> dict[str, Any]:
    """Return what the event of a judgement says."""
    return {
        "decision": judgement.decision, "handling": judgement.handling,
        "tag": judgement.tag.code if judgement.tag else "", "tag_source": judgement.tag_source,
        "confidence": judgement.confidence, "reasons": [reason.code for reason in judgement.reasons],
        "model": judgement.model_version, "rulebook": judgement.rulebook_version, "note": note,
    }  # fmt: skip


def _first_move(session: Session, ticket_id: int, new: NewTicket) -> list[Happening]:
    judged = new.judged
    match judged.state:
        case State.AWAITING_SIGN:
            return [send_out(session, ticket_id, 1, new.number, judged, new.at)]
        case State.TOLD:
            return [Happening("told", {"tag": new.judgement.tag.code if new.judgement.tag else ""})]
        case State.SPECIAL:
            return [Happening("made_special", {"supervisor": new.special_supervisor})]
        case _:
            due = due_of(judged.dues, LimitStep.FIRST_DISPATCH)
            return [Happening("triaged", {"due": due.due_at.isoformat() if due else None})]


def send_out(session: Session, ticket_id: int, round_: int, number: str, judged: Judged, at: datetime) -> Happening:
    """Write a part for every unit of a decision, its notices, and return the event that says so."""
    decision = judged.decision
    if decision is None or decision.lead is None or judged.tag is None:
        raise ConflictError("没有主办单位，不能派出")
    closing = due_of(judged.dues, LimitStep.CLOSING)
    signing = due_of(judged.dues, LimitStep.SIGN)
    common = {
        "ticket_id": ticket_id, "round": round_, "state": "awaiting_sign", "tag": judged.tag.code,
        "urgent": judged.urgent, "dispatched_at": at, "updated_at": at, "dues": dues_json(judged.dues),
        "sign_due_at": signing.due_at if signing else None, "due_at": closing.due_at if closing else None,
        "next_step": LimitStep.SIGN.value, "next_due_at": signing.due_at if signing else None,
    }  # fmt: skip
    parts = [("lead", decision.lead), *(("support", item) for item in decision.supporters)]
    rows = [{**common, "unit": item.unit, "role": role, "evidence": _evidence_json(item)} for role, item in parts]
    session.execute(insert(Dispatch), rows)
    facts = {"number": number, "urgent": judged.urgent, "due_at": closing.due_at.isoformat() if closing else None}
    notices = [("ticket.dispatched", {**facts, "unit": item.unit, "role": role}) for role, item in parts]
    notices += [("ticket.informed", {**facts, "unit": code}) for code in decision.informed]
    _show_to_informed(session, common, decision.informed)
    enqueue(session, at, notices)
    payload = {
        "round": round_, "lead": decision.lead.unit, "supporters": [item.unit for item in decision.supporters],
        "informed": list(decision.informed),
        "dues": {due.step.value: due.due_at.isoformat() for due in judged.dues},
    }  # fmt: skip
    return Happening("dispatched", payload)


def _show_to_informed(session: Session, common: dict[str, Any], units: tuple[str, ...]) -> None:
    """Let the superior of a complained-of unit read the ticket; it owes nothing, so it has no clock."""
    silent = {"state": "informed", "role": "informed", "dues": "[]", "evidence": "[]", "sign_due_at": None, "due_at": None,
              "next_step": None, "next_due_at": None}  # fmt: skip
    if units:
        session.execute(insert(Dispatch), [{**common, **silent, "unit": unit} for unit in units])


def dues_json(dues: tuple[Due, ...]) -> str:
    """Return due times as stored with a part: each with the rule and basis it was born with."""
    return json.dumps([due_view(due).model_dump(mode="json") for due in dues], ensure_ascii=False)


def _evidence_json(assignment: Assignment) -> str:
    return json.dumps([evidence_view(item).model_dump() for item in assignment.evidence], ensure_ascii=False)


def forget_old_keys(session: Session, before: datetime) -> int:
    """Drop idempotency keys older than a moment; returns how many."""
    result = session.execute(delete(Idempotency).where(Idempotency.created_at < before).returning(Idempotency.key))
    return len(result.all())
