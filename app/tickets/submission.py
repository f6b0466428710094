"""Stores a judged appeal: ticket, personal data, text, events, judgement, dispatches and notices in one transaction.

Core inserts: this is the hot path. A repeated post finds the first one's row and gets the first one's answer.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.classify.similar import Signature
from app.database import put, put_one
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.notify.outbox import enqueue
from app.routing.accused import Accused
from app.routing.engine import Assignment
from app.rulebook.shapes import LimitStep
from app.sealing import Sealer
from app.sla.timer import Due
from app.tickets.acts import part_columns, ticket_columns
from app.tickets.events import Chain, Happening, append
from app.tickets.fold import fold
from app.tickets.forms import DirectAnswerForm, TicketForm
from app.tickets.intake import Judged
from app.tickets.life_tables import DirectAnswer
from app.tickets.lifecycle import State
from app.tickets.queries import visible
from app.tickets.receipt_tables import Idempotency
from app.tickets.schemas import Judgement
from app.tickets.search import index_text
from app.tickets.similar import store_signature
from app.tickets.standing import Fact, Part, Standing
from app.tickets.tables import (
    Dispatch,
    Ticket,
    TicketArrears,
    TicketAttachment,
    TicketJudgement,
    TicketNote,
    TicketParty,
    TicketText,
)
from app.tickets.veiling import PUBLIC, telling
from app.tickets.views import due_view, evidence_view


@dataclass(frozen=True)
class Origin:
    """The ticket a child was split from: its enterprise has waited since that came in."""

    ticket_id: int
    number: str
    accepted_at: datetime
    due_at: datetime | None


@dataclass(frozen=True)
class NewTicket:
    """One appeal, judged and ready to be stored.

    Attributes:
        signature: what it is like, made without the hidden words.
        hidden: the words by which the caller of a 隐名 or 匿名 appeal would be found.
    """

    number: str
    at: datetime
    form: TicketForm
    judged: Judged
    judgement: Judgement
    caller: Caller
    special_supervisor: int | None = None
    signature: Signature | None = None
    origin: Origin | None = None
    partner: str = ""
    hidden: tuple[str, ...] = ()


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
    ticket_id = insert_ticket(session, new)
    if ticket_id is None:
        return _same_external(session, new, repeat)
    _insert_party(session, ticket_id, new.form, sealer)
    return Stored(new.number, new.at, new.judgement, created=True)


def insert_ticket(session: Session, new: NewTicket) -> int | None:
    """Store a ticket with its text, first events, parts and notices; None: channel and external number are taken.

    Who appeals is stored apart.
    """
    birth = [*_birth(new), *_first_move(new)]
    standing = fold(Fact(item.kind, new.at, item.payload) for item in birth)
    ticket_id = _insert_row(session, new, standing)
    if ticket_id is None:
        return None
    _insert_details(session, ticket_id, new)
    if new.signature:
        store_signature(session, ticket_id, new.signature)
    index_text(session, ticket_id, new.number, (new.form.title, new.form.content), new.hidden)
    birth[1].payload["note"] = _insert_note(session, ticket_id, new)
    notices = [("enterprise.received", {"number": new.number})]
    if standing.parts:
        insert_parts(session, ticket_id, standing.parts, new.judged, new.at)
        notices += dispatch_notices(new.number, new.judged)
    enqueue(session, new.at, notices)
    append(session, Chain(ticket_id, month_of(new.at), new.number), new.at, new.caller.reference, birth)
    return ticket_id


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
    """Answer with the ticket that this channel and external number already have.

    Raises:
        ConflictError: the caller may not know more of it than that.
    """
    form = new.form
    same = and_(Ticket.channel == form.channel, Ticket.external_number == form.external_number)
    if session.scalar(select(Ticket.id).where(same, visible(new.caller, Verb.TICKET_READ))) is None:
        raise ConflictError("该渠道的这个外部编号已登记过工单，您无权查看；请核对编号", code="external-number-taken")
    stored = _stored(session, same)
    if repeat:
        statement = update(Idempotency).where(Idempotency.caller == new.caller.reference, Idempotency.key == repeat.key)
        session.execute(statement.values(number=stored.number, made_ticket=False))
    return stored


def _insert_row(session: Session, new: NewTicket, standing: Standing) -> int | None:
    judged, form, origin = new.judged, new.form, new.origin
    row = dict(
        **ticket_columns(standing),
        number=new.number, month=month_of(new.at), channel=form.channel, external_number=form.external_number or None,
        tag=judged.tag.code if judged.tag else "", confidentiality=judged.confidentiality,
        confidentiality_chosen=form.confidentiality is not None, district=judged.place.district,
        callback_wanted=form.callback_wanted, accused=accused_json(judged.accused), decision=new.judgement.decision,
        gap=new.judgement.gap, special_supervisor=new.special_supervisor if judged.state is State.SPECIAL or origin else None,
        accepted_at=standing.accepted_at, parent_id=origin.ticket_id if origin else None, urges=0,
        rulebook_version=new.judgement.rulebook_version, model_version=new.judgement.model_version,
        created_by=new.caller.reference, last_seq=0, last_hash="", version=1, updated_at=clock.now(),
    )  # fmt: skip
    statement = _first_of_its_number(upsert_for(session))
    ticket_id: int | None = session.connection().execute(statement, row).scalar_one_or_none()
    return ticket_id


@lru_cache(maxsize=2)
def _first_of_its_number(upsert: Any) -> Any:
    """Return the insert that leaves a ticket alone whose channel and external number are taken."""
    table = Ticket.__table__
    statement = upsert(table).on_conflict_do_nothing(index_elements=["channel", "external_number"])
    return statement.returning(table.c.id)


def accused_json(accused: tuple[Accused, ...]) -> str:
    """Return the accused as stored: unit codes and flags, without the caller's words."""
    kept = [{key: value for key, value in asdict(item).items() if key != "organ"} for item in accused]
    return json.dumps(kept, ensure_ascii=False)


def due_of(dues: tuple[Due, ...], step: LimitStep) -> Due | None:
    """Return the due time of one step, if it has one."""
    return next((due for due in dues if due.step is step), None)


def _insert_party(session: Session, ticket_id: int, form: TicketForm, sealer: Sealer) -> None:
    enterprise, contact = form.enterprise, form.contact
    find = sealer.find_key(enterprise.name)
    row = {
        "ticket_id": ticket_id, "enterprise_name": sealer.seal(enterprise.name), "enterprise_find": find,
        "enterprise_group": sealer.group_key(find), "credit_code": sealer.seal(enterprise.credit_code),
        "credit_code_find": sealer.find_key(enterprise.credit_code), "enterprise_size": enterprise.size,
        "park": sealer.seal(enterprise.park), "contact_name": sealer.seal(contact.name),
        "contact_phone": sealer.seal(contact.phone), "phone_find": sealer.find_key(contact.phone),
        "contact_email": sealer.seal(contact.email), "address": sealer.seal(contact.address),
    }  # fmt: skip
    put(session, TicketParty, [row])


def _insert_details(session: Session, ticket_id: int, new: NewTicket) -> None:
    form = new.form
    said = {"title": form.title, "content": form.content, "complained_of": form.complained_of, "reviewed": ""}
    put(session, TicketText, [{"ticket_id": ticket_id, **said}])
    if form.arrears:
        put(session, TicketArrears, [{"ticket_id": ticket_id, **form.arrears.model_dump()}])
    put(session, TicketAttachment, [{"ticket_id": ticket_id, **item.model_dump()} for item in form.attachments])
    if form.answered:
        insert_direct_answer(session, ticket_id, form.answered, new.partner, new.caller, new.at)
    insert_judgement(session, ticket_id, 1, new.judgement, new.at)


def insert_direct_answer(
    session: Session, ticket_id: int, form: DirectAnswerForm, partner: str, caller: Caller, at: datetime
) -> None:
    """Store how the hotline settled a matter itself."""
    row = {
        "ticket_id": ticket_id, "way": form.way, "partner": partner, "result": form.result, "content": form.content,
        "answered_by": caller.reference, "answered_at": at,
    }  # fmt: skip
    put(session, DirectAnswer, [row])


def insert_judgement(session: Session, ticket_id: int, seq: int, judgement: Judgement, at: datetime) -> None:
    """Store one judgement of a ticket as it is answered."""
    row = {
        "ticket_id": ticket_id, "seq": seq, "model_version": judgement.model_version,
        "rulebook_version": judgement.rulebook_version, "tag": judgement.tag.code if judgement.tag else "",
        "confidence": judgement.confidence if judgement.confidence is not None else 0.0,
        "payload": judgement.model_dump_json(), "judged_at": at,
    }  # fmt: skip
    put(session, TicketJudgement, [row])


def _insert_note(session: Session, ticket_id: int, new: NewTicket) -> int | None:
    if new.form.override is None:
        return None
    return insert_note(session, ticket_id, new.form.override.reason, new.caller, new.at)


def insert_note(session: Session, ticket_id: int, text: str, caller: Caller, at: datetime) -> int:
    """Store a reason that a person wrote; returns its id, to which an event refers."""
    row = {"ticket_id": ticket_id, "text": text, "written_by": caller.reference, "written_at": at}
    return put_one(session, TicketNote, row)


def to_hide(form: TicketForm, confidentiality: str) -> tuple[str, ...]:
    """Return the words by which the caller of a 隐名 or 匿名 appeal would be found."""
    enterprise, contact = form.enterprise, form.contact
    if confidentiality == PUBLIC:
        return ()
    others = (contact.phone, contact.email, enterprise.credit_code, enterprise.park, contact.address)
    return telling(enterprise.name, contact.name, *others)


def _birth(new: NewTicket) -> list[Happening]:
    accepted: dict[str, Any] = {
        "channel": new.form.channel, "type": new.judged.kind, "urgent": new.judged.urgent,
        "confidentiality": new.judged.confidentiality,
    }  # fmt: skip
    if new.origin:
        due = new.origin.due_at.isoformat() if new.origin.due_at else None
        accepted |= {"parent": new.origin.number, "began": new.origin.accepted_at.isoformat(), "due": due}
    return [Happening("accepted", accepted), Happening("judged", judged_payload(new.judgement, None))]


def judged_payload(judgement: Judgement, note: int | None) -> dict[str, Any]:
    """Return what the event of a judgement says."""
    return {
        "decision": judgement.decision, "handling": judgement.handling, "type": judgement.type,
        "urgent": judgement.urgent,
        "tag": judgement.tag.code if judgement.tag else "", "tag_source": judgement.tag_source,
        "confidence": judgement.confidence, "reasons": [reason.code for reason in judgement.reasons],
        "model": judgement.model_version, "rulebook": judgement.rulebook_version, "note": note,
    }  # fmt: skip


def _first_move(new: NewTicket) -> list[Happening]:
    judged = new.judged
    match judged.state:
        case State.AWAITING_CALLBACK:
            way = new.form.answered.way if new.form.answered else ""
            return [
                Happening("answered", {"way": way, "partner": new.partner, "due": _iso(judged, LimitStep.CALLBACK)})
            ]
        case State.AWAITING_SIGN:
            return [Happening("dispatched", dispatched_payload(1, judged))]
        case State.TOLD:
            return [Happening("told", {"tag": new.judgement.tag.code if new.judgement.tag else ""})]
        case State.SPECIAL:
            waits = _iso(judged, LimitStep.FIRST_DISPATCH)
            return [Happening("made_special", {"supervisor": new.special_supervisor, "due": waits})]
        case _:
            return [Happening("triaged", {"due": _iso(judged, LimitStep.FIRST_DISPATCH)})]


def _iso(judged: Judged, step: LimitStep) -> str:
    due = due_of(judged.dues, step)
    if due is None:
        raise ConflictError(f"缺少{step.value}时限，不能受理")
    return due.due_at.isoformat()


def dispatched_payload(round_: int, judged: Judged) -> dict[str, Any]:
    """Return what the event of a dispatch says: who gets it, in which round, and what is due when.

    Raises:
        ConflictError: there is no lead unit.
    """
    decision = judged.decision
    if decision is None or decision.lead is None:
        raise ConflictError("没有主办单位，不能派出")
    return {
        "round": round_, "lead": decision.lead.unit, "supporters": [item.unit for item in decision.supporters],
        "informed": list(decision.informed), "provisional": any(due.provisional for due in judged.dues),
        "dues": {due.step.value: due.due_at.isoformat() for due in judged.dues},
    }  # fmt: skip


def insert_parts(session: Session, ticket_id: int, parts: list[Part], judged: Judged, at: datetime) -> None:
    """Write a row for every part of a dispatch, each with its clauses and the rules of its due times."""
    decision = judged.decision
    named = {decision.lead.unit: decision.lead} if decision and decision.lead else {}
    named |= {item.unit: item for item in decision.supporters} if decision else {}
    common = {
        "ticket_id": ticket_id, "tag": judged.tag.code if judged.tag else "", "urgent": judged.urgent, "updated_at": at,
    }  # fmt: skip
    rows = [
        {**common, **part_columns(part), "unit": part.unit, "round": part.round,
         "evidence": evidence_json(named[part.unit]) if part.unit in named else "[]",
         "dues": dues_json(judged.dues) if part.dues else "[]"}
        for part in parts
    ]  # fmt: skip
    put(session, Dispatch, rows)


def dispatch_notices(number: str, judged: Judged) -> list[tuple[str, dict[str, Any]]]:
    """Return the notices of a dispatch: to every unit that acts, and to the superior that is only informed."""
    decision = judged.decision
    if decision is None or decision.lead is None:
        return []
    closing = due_of(judged.dues, LimitStep.CLOSING)
    facts = {"number": number, "urgent": judged.urgent, "due_at": closing.due_at.isoformat() if closing else None}
    parts = [("lead", decision.lead), *(("support", item) for item in decision.supporters)]
    notices = [("ticket.dispatched", {**facts, "unit": item.unit, "role": role}) for role, item in parts]
    return notices + [("ticket.informed", {**facts, "unit": code}) for code in decision.informed]


def dues_json(dues: tuple[Due, ...]) -> str:
    """Return due times as stored with a part: each with the rule and basis it was born with."""
    return json.dumps([due_view(due).model_dump(mode="json") for due in dues], ensure_ascii=False)


def evidence_json(assignment: Assignment) -> str:
    """Return a unit's clauses as stored with its part."""
    return json.dumps([evidence_view(item).model_dump() for item in assignment.evidence], ensure_ascii=False)


def forget_old_keys(session: Session, before: datetime) -> int:
    """Drop idempotency keys older than a moment; returns how many."""
    result = session.execute(delete(Idempotency).where(Idempotency.created_at < before).returning(Idempotency.key))
    return len(result.all())
