"""What people decided, as labelled texts to learn from: triage decisions, corrections and operators' own tags."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from app import clock
from app.classify.corpus import Row
from app.rulebook.shapes import Rulebook
from app.sealing import Sealer
from app.tickets.lifecycle import State
from app.tickets.schemas import Judgement
from app.tickets.tables import Ticket, TicketJudgement, TicketParty, TicketText
from app.tickets.veiling import identifying, veiled_text

PERSON = "人工"
STREAM_ROWS = 500


def labelled(session: Session, sealer: Sealer, rulebook: Rulebook, since: datetime) -> Iterator[Row]:
    """Yield a labelled text for every ticket whose tag a person gave or let stand, judged since a moment.

    Numbers, names and the enterprise are hidden; 专办件 and tickets that are not 公开 are left out, for their texts
    may tell who spoke. The batch is the month, so that training leaves whole months out.
    """
    newest = (
        select(TicketJudgement.ticket_id, func.max(TicketJudgement.seq).label("seq"))
        .group_by(TicketJudgement.ticket_id)
        .subquery()
    )
    statement = (
        select(Ticket, TicketText, TicketParty, TicketJudgement)
        .join(TicketText, TicketText.ticket_id == Ticket.id)
        .join(TicketParty, TicketParty.ticket_id == Ticket.id)
        .join(newest, newest.c.ticket_id == Ticket.id)
        .join(TicketJudgement, and_(TicketJudgement.ticket_id == Ticket.id, TicketJudgement.seq == newest.c.seq))
        .where(
            Ticket.confidentiality == "公开", Ticket.state != State.SPECIAL.value, Ticket.special_supervisor.is_(None),
            TicketJudgement.judged_at >= since, Ticket.anonymised_at.is_(None),
        )
        .order_by(Ticket.id)
        .execution_options(yield_per=STREAM_ROWS)
    )  # fmt: skip
    for ticket, text, party, row in session.execute(statement):
        judgement = Judgement.model_validate_json(row.payload)
        if judgement.tag and judgement.tag.code in rulebook.tag_by_code and _by_person(judgement, row.seq):
            yield _labelled(ticket, text, identifying(party, sealer), judgement, rulebook)


def _by_person(judgement: Judgement, seq: int) -> bool:
    """Whether a person gave the tag, or sent the ticket out (a second judgement) with the model's."""
    return judgement.tag_source == PERSON or (seq > 1 and judgement.decision == "auto")


def _labelled(
    ticket: Ticket, text: TicketText, words: tuple[str, ...], judgement: Judgement, rulebook: Rulebook
) -> Row:  # fmt: skip
    district = rulebook.district_by_code.get(ticket.district or "")
    return Row(
        id=f"feedback-{ticket.number}", batch=f"feedback-{clock.local(ticket.accepted_at):%Y%m}",
        title=veiled_text(text.title, words), text=veiled_text(text.content, words),
        tag=judgement.tag.code if judgement.tag else "", type=judgement.type, urgent=judgement.urgent,
        place=district.name if district else "", enterprise=True,
    )  # fmt: skip
