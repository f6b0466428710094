"""Text search over number, title and masked content; two Chinese characters are enough.

Chinese is indexed by overlapping pairs of characters, so any two-character word is found whatever a segmenter would make
of it; letters and digits by the run. SQLite keeps the index in FTS5, PostgreSQL in a tsvector built from the pairs
themselves: no parser, no extension.
"""

import re
from typing import Any

from sqlalchemy import bindparam, column, delete, insert, or_, select, table, text, union
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from app.accounts.access import Caller, Verb
from app.errors import FieldFault, InvalidInputError
from app.paging import Page, cut, decode_cursor
from app.sealing import Sealer
from app.tickets.queries import Line, visible
from app.tickets.tables import Ticket, TicketParty, TicketText
from app.tickets.veiling import unveiled, veiled_text

RUNS = re.compile(r"[㐀-鿿]+|[A-Za-z0-9-]+")
HAN = re.compile(r"[㐀-鿿]")
MOST_WORDS = 12
INDEX = table("ticket_search", column("ticket_id"), column("words"))
PUT_VECTOR = text(
    "INSERT INTO ticket_search (ticket_id, words) VALUES (:ident, array_to_tsvector(:words)) "
    "ON CONFLICT (ticket_id) DO UPDATE SET words = excluded.words"
).bindparams(bindparam("words", type_=ARRAY(Text)))
FTS = table("ticket_search", column("rowid"), column("words"))


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
    # A union, not an OR: the few tickets that match must be found first, not every ticket asked whether it matches.
    found = _found(session, caller, words, sealer.find_keys(asked)).subquery()
    statement = (
        select(Ticket, TicketText.title)
        .join(found, found.c.ticket_id == Ticket.id)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .where(visible(caller, Verb.TICKET_LIST))
    )
    if caller.role.of_unit:
        # A unit must not feel its way through a veiled text word by word, the less where it is shown another (转办文本).
        statement = statement.where(or_(unveiled(), Ticket.number == asked.strip().upper()))
    if cursor:
        (before,) = decode_cursor(cursor, (int,))
        statement = statement.where(Ticket.id < before)
    rows = session.execute(statement.order_by(Ticket.id.desc()).limit(limit + 1)).all()
    return cut([(row[0], row[1]) for row in rows], limit, lambda row: [row[0].id])


def _found(session: Session, caller: Caller, words: list[str], enterprise: tuple[str, ...]) -> Any:
    found = _matching(session, words)
    if caller.role.of_unit:
        return found
    # Whoever chose not to be named is not found by its name.
    named = select(TicketParty.ticket_id).join(Ticket, Ticket.id == TicketParty.ticket_id)
    return union(found, named.where(TicketParty.enterprise_find.in_(enterprise), unveiled()))


def _matching(session: Session, words: list[str]) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        wanted = " AND ".join(f'"{word}"' for word in words)
        return select(FTS.c.rowid.label("ticket_id")).where(
            text("ticket_search MATCH :wanted").bindparams(wanted=wanted)
        )
    wanted = " & ".join(f"'{word}'" for word in words)
    query = bindparam("wanted", wanted, type_=TSQUERY, unique=True)
    return select(INDEX.c.ticket_id).where(column("words", TSVECTOR).op("@@")(query))
