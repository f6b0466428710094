"""转办文本: what a dispatcher has gone over, so that units read a veiled caller's matter and not who the caller is."""

from sqlalchemy.orm import Session

from app.accounts.access import Verb
from app.errors import ConflictError, FieldFault, InvalidInputError
from app.sealing import Sealer
from app.tickets.acts import Act, happen, open_ticket, settle
from app.tickets.detecting import find_personal
from app.tickets.lifecycle import refused
from app.tickets.masking import hide_words
from app.tickets.tables import Ticket, TicketParty, TicketText
from app.tickets.veiling import identifying, is_veiled
from app.tickets.verb_forms import ReviewedTextForm


def set_reviewed_text(session: Session, act: Act, form: ReviewedTextForm, sealer: Sealer) -> Ticket:
    """Set what units read of a 隐名 or 匿名 appeal in place of the masked text; the caller's own words stay as they are.

    Raises:
        ConflictError: the caller is 公开, or the ticket has come to its end.
        InvalidInputError: the text still holds what identifies the caller; says what kind, never the words.
    """
    work = open_ticket(session, act, Verb.TICKET_REVIEW_TEXT)
    if not is_veiled(work.ticket):
        raise ConflictError("公开件直接转办原文（已遮蔽个人信息），不需要转办文本")
    if not work.state.is_open:
        raise refused(work.state, "修改转办文本")
    left = _left_in(form.content, identifying(session.get_one(TicketParty, work.ticket.id), sealer))
    if left:
        message = "转办文本里仍有能认出诉求人的内容：" + "、".join(left)
        raise InvalidInputError(message, faults=(FieldFault("/content", message),))
    session.get_one(TicketText, work.ticket.id).reviewed = form.content
    happen(work, "text_reviewed")
    return settle(session, work)


def _left_in(content: str, words: tuple[str, ...]) -> list[str]:
    kinds = [find.kind for find in find_personal(content)]
    if hide_words(content, words) != content:
        kinds.append("企业或联系人的名称、地址等")
    return list(dict.fromkeys(kinds))
