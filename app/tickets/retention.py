"""What is kept no longer than needed: an ended work order loses its persons and its words, and keeps its facts.

个人信息保护法第十九条（保存期限为实现处理目的所必要的最短时间）、第四十七条（期限届满应当删除）。Events hold references only, so every
chain still verifies; columns that figures rest on (times, units, tags, grades, sums) stay as they are.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app import clock
from app.database import Base, Database
from app.sealing import SealError
from app.settings import Settings
from app.tickets.acts import happen, open_by_id, settle
from app.tickets.life_tables import Conference, ContactAttempt, Reply, Ruling
from app.tickets.lifecycle import State
from app.tickets.office import Office
from app.tickets.schemas import Judgement
from app.tickets.sealed import DAMAGED, Sealed
from app.tickets.search import index_text, overwrite_removed
from app.tickets.tables import Ticket, TicketJudgement, TicketKey, TicketParty, TicketSignature
from app.tickets.veiling import identifying, veiled_text
from app.tickets.views import without_words

REPORT = "举报"
# Shorter than any answer, so that cleared answers are not taken for copies of one another.
TOMBSTONE = "（已到期清除）"
NOTHING_LISTED = "[]"
BATCH = 200
# The group stays, for repeats are counted by it: it leads to no name without the data key and a guess at the name.
EMPTIED = ("enterprise_name", "enterprise_find", "credit_code", "credit_code_find", "park", "contact_name", "contact_phone", "phone_find",
           "contact_email", "address")  # fmt: skip
# Precedents, 会商 and findings of the assessment are the administration's own work: they stay, without whoever they were about.
KEPT_VEILED = (Ruling.__tablename__, Conference.__tablename__, "assessment_mark", "assessment_appeal")
# Columns that hold a list, and must go on holding one.
LISTS = frozenset({"evidence", "attachments"})
# Columns that hold a JSON list, and the field of each item that people wrote (empty: the item itself is a text). Hashes, sizes,
# units and dates tell of nobody, and would no longer be what they are.
WRITTEN_IN = {"attachments": "name", "steps": "what", "participants": ""}
# What other rooms forget of a work order: its id, and the words by which its caller would be found.
Forget = Callable[[Session, int, tuple[str, ...]], None]


@dataclass(frozen=True)
class Due:
    """A work order whose time is over."""

    ticket_id: int
    number: str
    kind: str
    ended_at: datetime


@dataclass(frozen=True)
class Cleared:
    """What a clearing did.

    Attributes:
        count: work orders cleared.
        unreadable: the numbers of those that stayed, for their caller does not open.
    """

    count: int
    unreadable: tuple[str, ...]


def years_before(moment: datetime, years: int) -> datetime:
    """Return the same Baotou day and hour some years before; 29 February becomes the 28th."""
    spoken = clock.local(moment)
    day = 28 if (spoken.month, spoken.day) == (2, 29) else spoken.day
    return spoken.replace(year=spoken.year - years, day=day)


def due(session: Session, settings: Settings, after: int, limit: int) -> list[Due]:
    """Return ended work orders that are past their term, in order of id."""
    statement = select(Ticket.id, Ticket.number, Ticket.kind, _ended_at()).where(Ticket.id > after, past(settings))
    return [Due(*row) for row in session.execute(statement.order_by(Ticket.id).limit(limit))]


def _ended_at() -> ColumnElement[datetime]:
    return func.coalesce(Ticket.closed_at, Ticket.updated_at, type_=Ticket.updated_at.type)


def past(settings: Settings) -> ColumnElement[bool]:
    """Return the condition of work orders whose term is over and that are not cleared yet."""
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


def apply(office: Office, also: Iterable[Forget], progress: Callable[[int], None]) -> Cleared:
    """Anonymise what is past its term, each work order in a transaction of its own; returns what was done.

    May be broken off at any point and started again. One whose caller does not open, so that nobody knows which words to hide,
    stays as it is and holds up nothing else.

    Args:
        office: the service's working parts.
        also: what rooms above this one forget.
        progress: told how many are done, some hundred at a time.
    """
    count, forgets, unreadable = 0, tuple(also), []
    for item in every_due(office.database, office.settings):
        try:
            with office.database.write() as session:
                count += anonymise(session, item.ticket_id, office, forgets)
        except SealError:
            unreadable.append(item.number)
            continue
        if count and not count % BATCH:
            progress(count)
    overwrite_removed(office.database)
    return Cleared(count, tuple(unreadable))


def anonymise(session: Session, ticket_id: int, office: Office, also: tuple[Forget, ...]) -> bool:
    """Take persons and words out of one work order, and let that be an event of it; returns whether it was still due.

    Asked once more under the lock: since the list was made it may have been taken up again.

    Raises:
        SealError: its caller does not open.
    """
    work = open_by_id(session, ticket_id)
    if session.scalar(select(Ticket.id).where(Ticket.id == ticket_id, past(office.settings))) is None:
        return False
    party = session.get_one(TicketParty, ticket_id)
    words = identifying(party, office.sealer)
    for table, names in _worded():
        mine = table.c.ticket_id == ticket_id
        if table.name in KEPT_VEILED:
            veil(session, table, mine, words)
        else:
            clear(session, table, mine, names)
    for forget in also:
        forget(session, ticket_id, words)
    session.execute(update(Reply).where(Reply.ticket_id == ticket_id).values(content_find=""))
    session.execute(update(ContactAttempt).where(ContactAttempt.ticket_id == ticket_id).values(phone=""))
    for judged in session.scalars(select(TicketJudgement).where(TicketJudgement.ticket_id == ticket_id)):
        judged.payload = _unquoting(Judgement.model_validate_json(judged.payload)).model_dump_json()
    for name in EMPTIED:
        setattr(party, name, "")
    for gone in (TicketSignature, TicketKey):
        session.execute(delete(gone).where(gone.ticket_id == ticket_id))
    index_text(session, ticket_id, work.ticket.number, ("", ""), ())
    work.ticket.external_number, work.ticket.anonymised_at = None, work.at
    happen(work, "anonymised")
    settle(session, work)
    return True


def _worded() -> Iterator[tuple[Table, tuple[str, ...]]]:
    """Yield every table, in whatever room, that holds what was written about a work order, with the columns it lies in."""
    for table in Base.metadata.sorted_tables:
        names = sealed_columns(table)
        if names and "ticket_id" in table.c:
            yield table, names


def sealed_columns(table: Table) -> tuple[str, ...]:
    """Return the columns of a table that hold what people wrote."""
    return tuple(column.key for column in table.columns if isinstance(column.type, Sealed))


def clear(session: Session, table: Table, mine: ColumnElement[bool], names: tuple[str, ...]) -> None:
    """Put a tombstone in the place of what was written; what was empty stays empty."""
    for name in names:
        said = update(table).where(mine, table.c[name] != "")
        session.execute(said.values({name: NOTHING_LISTED if name in LISTS else TOMBSTONE}))


def veil(session: Session, table: Table, mine: ColumnElement[bool], words: tuple[str, ...]) -> None:
    """Hide given words and personal data in what was written; what does not open stays as it is."""
    names, (key,) = sealed_columns(table), table.primary_key.columns
    for row in session.execute(select(key, *(table.c[name] for name in names)).where(mine)).mappings().all():
        veiled = {name: _veiled(name, row[name], words) for name in names if row[name] != DAMAGED}
        session.execute(update(table).where(key == row[key.key]).values(veiled))


def _veiled(column: str, text: str, words: tuple[str, ...]) -> str:
    """Return what stands in a column without given words; of JSON only what people wrote is touched."""

    def hidden(said: str) -> str:
        # A column refuses what quotes the words shown in place of a damaged text.
        return veiled_text(said.replace(DAMAGED, TOMBSTONE), words)

    if column not in WRITTEN_IN:
        return hidden(text)
    field = WRITTEN_IN[column]
    items = [{**item, field: hidden(item[field])} if field else hidden(item) for item in json.loads(text)]
    return json.dumps(items, ensure_ascii=False)


def _unquoting(judgement: Judgement) -> Judgement:
    """Return a judgement that quotes nothing: neither its terms and places, nor what its reasons and notes say of the text."""
    reasons = [reason.model_copy(update={"message": TOMBSTONE}) for reason in judgement.reasons]
    return without_words(judgement).model_copy(update={"reasons": reasons, "notes": []})
