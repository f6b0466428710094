"""Showing what is masked everywhere else: named fields, for a reason, in the record of access, so many an hour a person.

The only way to a full phone number or to the caller's own words. 个人信息保护法第六条（最小必要）、第五十一条、第五十四条。
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Verb
from app.accounts.audit import Access, hold_to_rate, note_of, record
from app.errors import FieldFault, ForbiddenError
from app.sealing import Sealer
from app.tickets.acts import Act, happen, open_ticket, own_part, settle
from app.tickets.schemas import UnmaskedView
from app.tickets.submission import insert_note
from app.tickets.tables import Ticket, TicketParty, TicketText
from app.tickets.veiling import identifying, veiled_text
from app.tickets.verb_forms import UnmaskField, UnmaskForm

PER = timedelta(hours=1)
OF_TEXT = frozenset({UnmaskField.TITLE, UnmaskField.CONTENT, UnmaskField.COMPLAINED_OF})
COLUMNS = {UnmaskField.ENTERPRISE: "enterprise_name"}
# 隐名交办：承办经办人只看姓名和电话，企业是谁不给；匿名交办：由热线转达。
OPEN_TO_UNITS = {
    "公开": frozenset(UnmaskField),
    "隐名": frozenset({UnmaskField.CONTACT_NAME, UnmaskField.CONTACT_PHONE}),
    "匿名": frozenset[UnmaskField](),
}


def unmask(session: Session, act: Act, form: UnmaskForm, sealer: Sealer, per_hour: int) -> UnmaskedView:
    """Show the fields asked for; who looked, at what and why stands in the ticket's history and the record of access.

    Raises:
        ForbiddenError: a unit asks for what 隐名 or 匿名 keeps from it.
        ConflictError: the unit was only informed.
        TooManyRequestsError: the caller has had its number of looks for this hour.
    """
    work = open_ticket(session, act, Verb.TICKET_UNMASK)
    if act.caller.role.of_unit:
        own_part(work)
        _allowed_to_units(work.ticket, form.fields)
    values = _values(session, work.ticket.id, form.fields, sealer)
    names = tuple(field.value for field in form.fields)
    # The record is never cleared, so nobody's name comes into it.
    words = identifying(session.get_one(TicketParty, work.ticket.id), sealer)
    entry = note_of(act.caller, Access.UNMASK, work.ticket.number, veiled_text(form.reason, words), names)
    note = insert_note(session, work.ticket.id, form.reason, act.caller, work.at)
    happen(work, "contact_viewed", role=act.caller.role.value, fields=list(names), note=note)
    settle(session, work)
    # Last, for everybody who records something waits from here to the commit.
    hold_to_rate(session, act.caller.reference, Access.UNMASK, clock.now() - PER, per_hour)
    record(session, entry)
    return UnmaskedView(number=work.ticket.number, **values)


def _allowed_to_units(ticket: Ticket, fields: tuple[UnmaskField, ...]) -> None:
    kept = [field for field in fields if field not in OPEN_TO_UNITS[ticket.confidentiality]]
    if not kept:
        return
    if ticket.confidentiality == "匿名":
        raise ForbiddenError("匿名交办件不向承办单位提供联系方式，请通过12345热线转达")
    faults = tuple(FieldFault("/fields", f"隐名交办件不向承办单位提供 {field.value}") for field in kept)
    raise ForbiddenError("隐名交办件只向经办人提供联系人姓名和电话，企业身份和原文不提供", faults=faults)


def _values(session: Session, ticket_id: int, fields: tuple[UnmaskField, ...], sealer: Sealer) -> dict[str, str]:
    party, text = session.get_one(TicketParty, ticket_id), session.get_one(TicketText, ticket_id)
    return {
        field.value: getattr(text, field.value)
        if field in OF_TEXT
        else sealer.open(getattr(party, COLUMNS.get(field, field.value)))
        for field in fields
    }
