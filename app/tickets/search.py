"""Text search over number, title and masked content; two Chinese characters are enough.

Chinese is indexed by overlapping pairs of characters, so any two-character word is found whatever a segmenter would make
of it; letters and digits by the run. SQLite keeps the index in FTS5, PostgreSQL in a tsvector built from the pairs
themselves: no parser, no extension.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BindParameter,
    ColumnElement,
    bindparam,
    column,
    delete,
    func,
    insert,
    or_,
    select,
    table,
    text,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from app.accounts.access import Caller, Verb
from app.database import Database
from app.errors import FieldFault, InvalidInputError
from app.paging import Page, cut, decode_cursor
from app.sealing import Sealer
from app.tickets.queries import Line, visible
from app.tickets.tables import Ticket, TicketParty, TicketText
from app.tickets.veiling import unveiled, veiled_text

RUNS = re.compile(r"[㐀-鿿]+|[A-Za-z0-9-]+")
HAN = re.compile(r"[㐀-鿿]")
MOST_WORDS = 12
NEWEST = 10_000
INDEX = table("ticket_search", column("ticket_id"), column("words"))
PUT_VECTOR = text(
    "INSERT INTO ticket_search (ticket_id, words) VALUES (:ident, array_to_tsvector(:words)) "
    "ON CONFLICT (ticket_id) DO UPDATE SET words = excluded.words"
).bindparams(bindparam("words", type_=ARRAY(Text)))
FTS = table("ticket_search", column("rowid"), column("words"))
FTS_COMMAND = table("ticket_search", column("ticket_search"), column("rank"))
CHANGES = text("SELECT total_changes()")
# A step that changed fewer rows than this found nothing to merge (SQLite FTS5, 'merge' command).
MERGED_PAGES, WORKED_CHANGES = 500, 2


def words_of(content: str) -> list[str]:
    """Return what a text is indexed by: pairs of Chinese characters, and runs of letters and digits in lower case."""
    found: dict[str, None] = {}
    for run in RUNS.findall(content):
        if HAN.match(run):
            found.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
        else:
            found[run.strip("-").lower()] = None
    return [word for word in found if word]


def index_text(session: Session, ticket_id: int, number: str, said: tuple[str, str], hidden: tuple[str, ...]) -> None:
    """Put a ticket into the index, or put it in anew.

    Args:
        session: the transaction.
        ticket_id: the ticket.
        number: its number.
        said: title and content.
        hidden: words by which the caller of a 隐名 or 匿名 ticket would be found; not to be searched for.
    """
    words = words_of(f"{number} " + veiled_text(" ".join(said), hidden))
    if session.get_bind().dialect.name == "sqlite":
        session.execute(delete(FTS).where(FTS.c.rowid == ticket_id))
        session.execute(insert(FTS).values(rowid=ticket_id, words=" ".join(words)))
        return
    session.connection().execute(PUT_VECTOR, {"ident": ticket_id, "words": words})


def overwrite_removed(database: Database) -> None:
    """Let SQLite's index lose the words of rows that are gone: it only marks them until its parts are merged.

    In small steps, each a transaction of its own, so that nobody waits long. PostgreSQL's VACUUM does that by itself.
    """
    if not database.is_sqlite:
        return
    # A negative number merges all there is; further steps go on with it until one finds nothing to do.
    pages, done = -MERGED_PAGES, False
    while not done:
        with database.write() as session:
            before = session.scalar(CHANGES) or 0
            session.execute(insert(FTS_COMMAND).values(ticket_search="merge", rank=pages))
            done = (session.scalar(CHANGES) or 0) - before < WORKED_CHANGES
        pages = MERGED_PAGES


def search(
    session: Session, caller: Caller, asked: str, sealer: Sealer, cursor: str | None, limit: int
) -> Page[Line]:  # fmt: skip
    """Return the tickets that hold every word asked for, or whose enterprise has exactly that name, the newest first.

    Units find 隐名 and 匿名 tickets by their number only.

    Raises:
        InvalidInputError: fewer than two characters to search for.
    """
    words = words_of(asked)[:MOST_WORDS]
    if not words:
        message = "至少输入两个汉字，或一个编号、数字、字母词"
        raise InvalidInputError(message, faults=(FieldFault("?q", message),))
    before = int(decode_cursor(cursor, (int,))[0] or 0) if cursor else None
    asking = Asking(caller, asked.strip().upper(), sealer.find_keys(asked), before, limit + 1)
    rows: list[Any] = []
    if session.get_bind().dialect.name != "sqlite":
        # A word that a tenth of all tickets hold fills its page from the newest few thousand; only a rare one needs the index.
        newest = _newest(before)
        matching = select(newest.c.ticket_id).where(newest.c.words.op("@@")(_query(words)))
        floor = Ticket.id >= select(func.min(newest.c.ticket_id)).scalar_subquery()
        rows = _listed(session, asking, matching, floor)
    if len(rows) <= limit:
        rows = _listed(session, asking, _matching(session, words))
    return cut([(row[0], row[1]) for row in rows], limit, lambda row: [row[0].id])


@dataclass(frozen=True)
class Asking:
    """Who searches, and for which page.

    Attributes:
        number: what was asked, as a ticket's number would be written.
        names: the keyed hashes of what was asked, as an enterprise's name.
        before: id of the last ticket of the page before.
        rows: how many to list at most.
    """

    caller: Caller
    number: str
    names: tuple[str, ...]
    before: int | None
    rows: int


def _newest(before: int | None) -> CTE:
    earlier = [INDEX.c.ticket_id < before] if before is not None else []
    statement = select(INDEX.c.ticket_id, column("words", TSVECTOR)).select_from(INDEX).where(*earlier)
    return statement.order_by(INDEX.c.ticket_id.desc()).limit(NEWEST).cte("newest").prefix_with("MATERIALIZED")


def _listed(session: Session, asking: Asking, matching: Any, *also: ColumnElement[bool]) -> list[Any]:
    # A union, not an OR: the few tickets that match must be found first, not every ticket asked whether it matches.
    found = _found(asking, matching).subquery()
    statement = (
        select(Ticket, TicketText.title)
        .join(found, found.c.ticket_id == Ticket.id)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .where(visible(asking.caller, Verb.TICKET_LIST), *also)
    )
    if asking.caller.role.of_unit:
        # A unit must not feel its way through a veiled text word by word, the less where it is shown another (转办文本).
        statement = statement.where(or_(unveiled(), Ticket.number == asking.number))
    if asking.before is not None:
        statement = statement.where(Ticket.id < asking.before)
    return list(session.execute(statement.order_by(Ticket.id.desc()).limit(asking.rows)))


def _found(asking: Asking, matching: Any) -> Any:
    if asking.caller.role.of_unit:
        return matching
    # Whoever chose not to be named is not found by its name.
    named = select(TicketParty.ticket_id).join(Ticket, Ticket.id == TicketParty.ticket_id)
    return union(matching, named.where(TicketParty.enterprise_find.in_(asking.names), unveiled()))


def _matching(session: Session, words: list[str]) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        wanted = " AND ".join(f'"{word}"' for word in words)
        return select(FTS.c.rowid.label("ticket_id")).where(
            text("ticket_search MATCH :wanted").bindparams(wanted=wanted)
        )
    return select(INDEX.c.ticket_id).where(column("words", TSVECTOR).op("@@")(_query(words)))


def _query(words: list[str]) -> BindParameter[str]:
    return bindparam("wanted", " & ".join(f"'{word}'" for word in words), type_=TSQUERY, unique=True)
