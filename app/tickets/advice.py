"""What helps an operator act on an appeal: several matters in it, what would change the answer, tickets like it."""

from datetime import timedelta

from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Verb
from app.classify.matters import Matter, split_matters
from app.classify.predict import Turn
from app.errors import UnavailableError
from app.rulebook.shapes import Rulebook
from app.tickets import queries
from app.tickets.casefile import ruling_view
from app.tickets.forms import PreviewForm
from app.tickets.indexing import signature_for
from app.tickets.intake import Desk, Judged
from app.tickets.lifecycle import State
from app.tickets.masking import mask_text
from app.tickets.returning import precedents
from app.tickets.schemas import Judgement, MatterView, Preview, RulingView, SimilarPage, SimilarView, TurnView
from app.tickets.similar import Found, Wanted, similar, wanted_for
from app.tickets.tables import Ticket, TicketText
from app.tickets.veiling import is_veiled, shown_title
from app.tickets.views import unit_view

SIMILAR_SHOWN = 10
SIMILAR_IN_PREVIEW = 3
PRECEDENTS_IN_PREVIEW = 3
SIMILAR_DAYS = 180


def preview(
    session: Session, caller: Caller, form: PreviewForm, judged: Judged, judgement: Judgement, desk: Desk,
    enterprise: tuple[str, ...],
) -> Preview:  # fmt: skip
    """Return a judgement with everything that helps to act on it.

    Args:
        session: for looking up tickets like it.
        caller: who asks; sees only tickets of its rows.
        form: the appeal.
        judged: what was judged of it.
        judgement: the same as it is told.
        desk: rules and model.
        enterprise: keyed hashes by which the enterprise's other tickets are known.
    """
    return Preview(
        **judgement.model_dump(),
        matters=_matters(form, desk),
        turn=_turn(form, judged, desk),
        similar=_similar_to(session, caller, form, desk, enterprise),
        precedents=_precedents(session, caller, judgement, desk),
    )


def _precedents(session: Session, caller: Caller, judgement: Judgement, desk: Desk) -> list[RulingView]:
    if judgement.tag is None or caller.rows(Verb.RULING_READ) is None:
        return []
    found = precedents(session, judgement.tag.code, PRECEDENTS_IN_PREVIEW)
    return [ruling_view(row, desk.rulebook, words) for row, words in found]


def _matters(form: PreviewForm, desk: Desk) -> list[MatterView]:
    if desk.classifier is None:
        return []
    found = split_matters(desk.classifier, form.content)
    return [_matter(item, desk.rulebook) for item in found] if len(found) > 1 else []


def _matter(item: Matter, rulebook: Rulebook) -> MatterView:
    return MatterView(
        text=mask_text(item.text), tag=item.tag, tag_name=rulebook.tag_by_code[item.tag].name,
        unit=rulebook.short(item.unit), confidence=round(item.confidence, 4),
    )  # fmt: skip


def _turn(form: PreviewForm, judged: Judged, desk: Desk) -> TurnView | None:
    if desk.classifier is None or judged.prediction is None:
        return None
    return turn_view(desk.classifier.turning_point(form.title, form.content, judged.prediction), desk.rulebook)


def turn_of(session: Session, ticket: Ticket, desk: Desk) -> TurnView | None:
    """Return what would have changed a stored ticket's answer; None where another model, or a person, judged it."""
    if desk.classifier is None or ticket.model_version != desk.classifier.version:
        return None
    text = session.get_one(TicketText, ticket.id)
    prediction = desk.classifier.predict(text.title, text.content)
    if prediction.tag != ticket.tag:
        return None
    return turn_view(desk.classifier.turning_point(text.title, text.content, prediction), desk.rulebook)


def turn_view(turn: Turn, rulebook: Rulebook) -> TurnView:
    """Return what would change an answer, told in one sentence."""
    unit, tag = rulebook.short(turn.unit), rulebook.tag_by_code[turn.tag]
    words = "、".join(turn.without)
    told = (
        f"如果没有提到“{words}”，会判给{unit}（{tag.name}）"
        if turn.without
        else f"去掉最主要的几个词也不会改判；其次可能是{unit}（{tag.name}）"
    )
    return TurnView(without=list(turn.without), unit=unit, tag=tag.code, tag_name=tag.name, told=told)


def _similar_to(
    session: Session, caller: Caller, form: PreviewForm, desk: Desk, enterprise: tuple[str, ...]
) -> list[SimilarView]:
    if desk.signatures is None or caller.rows(Verb.TICKET_SIMILAR) is None:
        return []
    signature = desk.signatures.signature(form.title, form.content)
    wanted = Wanted(signature, enterprise, clock.now() - timedelta(days=SIMILAR_DAYS))
    found = similar(session, caller, wanted, SIMILAR_IN_PREVIEW)
    return [_view(item, (form.title, form.content), desk) for item in found]


def similar_page(session: Session, caller: Caller, number: str, desk: Desk, days: int, limit: int) -> SimilarPage:
    """Return the tickets like a stored one.

    Raises:
        NotFoundError: there is no such ticket, or the caller may not know of it.
        UnavailableError: no model is loaded, so texts cannot be compared.
    """
    ticket = queries.one(session, number, caller).ticket
    if desk.signatures is None:
        raise UnavailableError("分类模型不可用，暂时不能查找相似工单")
    text = session.get_one(TicketText, ticket.id)
    signature = signature_for(session, ticket, desk.signatures)
    wanted = wanted_for(session, ticket, signature, clock.now(), days)
    found = similar(session, caller, wanted, limit)
    own = ("", "") if is_veiled(ticket) else (text.title, text.content)
    return SimilarPage(number=number, items=[_view(item, own, desk) for item in found])


def _view(item: Found, own: tuple[str, str], desk: Desk) -> SimilarView:
    ticket, state, rulebook = item.ticket, State(item.ticket.state), desk.rulebook
    tag = rulebook.tag_by_code.get(ticket.tag)
    # What a veiled caller's text shares with another may be its name.
    tell = desk.signatures is not None and not is_veiled(ticket)
    shared = desk.signatures.shared_terms(*own, item.signature) if tell and desk.signatures else []
    return SimilarView(
        number=ticket.number, relation=item.relation.value, score=round(item.score, 3),
        same_enterprise=item.same_enterprise, shared=[mask_text(term) for term in shared],
        state=state.value, state_label=state.label, tag=ticket.tag, tag_name=tag.name if tag else "",
        lead=unit_view(ticket.lead_unit, rulebook).name if ticket.lead_unit else None,
        title=shown_title(ticket, item.title), accepted_at=ticket.accepted_at,
    )  # fmt: skip
