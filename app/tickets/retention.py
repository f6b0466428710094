"""What is kept no longer than needed: an ended work order loses its persons and its words, and keeps its facts.

个人信息保护法第十九条（保存期限为实现处理目的所必要的最短时间）、第四十七条（期限届满应当删除）。Events hold references only, so every
chain still verifies; columns that figures rest on (times, units, tags, grades, sums) stay as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.database import Database
from app.sealing import Sealer
from app.settings import Settings
from app.tickets.acts import happen, open_by_id, settle
from app.tickets.lifecycle import State
from app.tickets.schemas import Judgement
from app.tickets.search import index_text
from app.tickets.tables import (
    CallbackAttempt,
    Conference,
    ContactAttempt,
    DirectAnswer,
    Promise,
    Reply,
    Ruling,
    Ticket,
    TicketArrears,
    TicketAttachment,
    TicketJudgement,
    TicketKey,
    TicketNote,
    TicketParty,
    TicketSignature,
    TicketText,
    UnitRequest,
)
from app.tickets.veiling import identifying, veiled_text
from app.tickets.views import without_words

REPORT = "举报"
# Shorter than any answer, so that cleared answers are not taken for copies of one another.
TOMBSTONE = "（已到期清除）"
BATCH = 200
# The group stays, for repeats are counted by it: it leads to no name without the data key and a guess at the name.
EMPTIED = ("enterprise_name", "enterprise_find", "credit_code", "credit_code_find", "park", "contact_name", "contact_phone", "phone_find",
           "contact_email", "address")  # fmt: skip
WORDS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (TicketText, ("title", "content", "complained_of", "reviewed")),
    (TicketNote, ("text",)),
    (TicketAttachment, ("name",)),
    (TicketArrears, ("contract_name", "debtor_name")),
    (Reply, ("content", "plan")),
    (UnitRequest, ("explanation", "opinion")),
    (ContactAttempt, ("remark",)),
    (CallbackAttempt, ("remark",)),
    (DirectAnswer, ("content",)),
    (Promise, ("what", "remark")),
)
# Precedents and 会商 are the administration's own work: they stay, without whoever they were about.
KEPT_VEILED: tuple[tuple[Any, tuple[str, ...]], ...] = ((Ruling, ("opinion",)), (Conference, ("conclusion", "steps")))


@dataclass(frozen=True)
class Due:
    """A work order whose time is over."""

    ticket_id: int
    number: str
    kind: str
    ended_at: datetime


def years_before(moment: datetime, years: int) -> datetime:
    """Return the same Baotou day and hour some years before; 29 February becomes the 28th."""
    spoken = clock.local(moment)
    day = 28 if (spoken.month, spoken.day) == (2, 29) else spoken.day
    return spoken.replace(year=spoken.year - years, day=day)


def due(session: Session, settings: Settings, after: int, limit: int) -> list[Due]:
    """Return ended work orders that are past their term, in order of id."""
    statement = select(Ticket.id, Ticket.number, Ticket.kind, _ended_at()).where(Ticket.id > after, _past(settings))
    return [Due(*row) for row in session.execute(statement.order_by(Ticket.id).limit(limit))]


def _ended_at() -> ColumnElement[datetime]:
    return func.coalesce(Ticket.closed_at, Ticket.updated_at, type_=Ticket.updated_at.type)


def _past(settings: Settings) -> ColumnElement[bool]:
    now, ended_at = clock.now(), _ended_at()
    ordinary = and_(Ticket.kind != REPORT, ended_at < years_before(now, settings.retention_years))
    reports = and_(Ticket.kind == REPORT, ended_at < years_before(now, settings.retention_report_years))
    return and_(_ended(), Ticket.anonymised_at.is_(None), or_(ordinary, reports))


def _ended() -> ColumnElement[bool]:
    return Ticket.state.in_([state.value for state in State if not state.is_open])


def every_due(database: Database, settings: Settings) -> Iterator[Due]:
    """Yield all work orders that are past their term, some at a time."""
    last = 0
    while True:
        with database.read() as session:
            found = due(session, settings, last, BATCH)
        yield from found
        if not found:
            return
        last = found[-1].ticket_id


def apply(database: Database, settings: Settings, sealer: Sealer, progress: Callable[[int], None]) -> int:
    """Anonymise what is past its term, each work order in a transaction of its own; returns how many were.

    May be broken off at any point and started again.
    """
    count = 0
    for item in every_due(database, settings):
        with database.write() as session:
            count += anonymise(session, item.ticket_id, sealer, settings)
        if count and not count % BATCH:
            progress(count)
    return count


def anonymise(session: Session, ticket_id: int, sealer: Sealer, settings: Settings) -> bool:
    """Take persons and words out of one work order, and let that be an event of it; returns whether it was still due.

    Asked once more under the lock: since the list was made it may have been taken up again.
    """
    work = open_by_id(session, ticket_id)
    if session.scalar(select(Ticket.id).where(Ticket.id == ticket_id, _past(settings))) is None:
        return False
    party = session.get_one(TicketParty, ticket_id)
    _veil(session, ticket_id, identifying(party, sealer))
    for table, columns in WORDS:
        for name in columns:
            said = update(table).where(table.ticket_id == ticket_id, getattr(table, name) != "")
            session.execute(said.values({name: TOMBSTONE}), execution_options={"synchronize_session": False})
    session.execute(update(ContactAttempt).where(ContactAttempt.ticket_id == ticket_id).values(phone=""))
    session.execute(update(UnitRequest).where(UnitRequest.ticket_id == ticket_id).values(evidence="[]"))
    for judged in session.scalars(select(TicketJudgement).where(TicketJudgement.ticket_id == ticket_id)):
        judged.payload = without_words(Judgement.model_validate_json(judged.payload)).model_dump_json()
    for name in EMPTIED:
        setattr(party, name, "")
    for table in (TicketSignature, TicketKey):
        session.execute(delete(table).where(table.ticket_id == ticket_id))
    index_text(session, ticket_id, work.ticket.number, ("", ""), ())
    work.ticket.external_number, work.ticket.anonymised_at = None, work.at
    happen(work, "anonymised")
    settle(session, work)
    return True


def _veil(session: Session, ticket_id: int, words: tuple[str, ...]) -> None:
    for table, columns in KEPT_VEILED:
        for row in session.scalars(select(table).where(table.ticket_id == ticket_id)):
            for name in columns:
                setattr(row, name, veiled_text(getattr(row, name), words))
