"""The verbs of a work order's life over HTTP: `/tickets/{number}/...`, one service function each.

Each verb opens its session inside the endpoint and has its answer ready before the session closes: it commits before the
answer leaves, and no thread waits for another one's turn to write.
"""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy.orm import Session

from app import clock
from app.accounts.access import Caller, Role, Verb
from app.accounts.api import Allow
from app.errors import NotFoundError
from app.tickets import (
    dispatching,
    handling,
    hard,
    queries,
    receiving,
    returning,
    reviewing,
    timekeeping,
)
from app.tickets.acts import Act, facts_of, load_events, open_by_id, settle
from app.tickets.api import IfMatch, Number, OfficeOf, seen, version_of
from app.tickets.audit import Watched
from app.tickets.case_queries import case_file
from app.tickets.casefile import case_file_view, clock_view, enquiry_view, ruling_view
from app.tickets.fold import fold
from app.tickets.forms import CorrectForm, DirectAnswerForm, DispatchForm
from app.tickets.intake import find_unit
from app.tickets.life_schemas import CaseFileView, ChildrenView, ClockView, EnquiryView, FindingView, ProposalView
from app.tickets.office import Office
from app.tickets.schemas import Judgement, RulingView, TicketView
from app.tickets.veiling import is_veiled
from app.tickets.verb_forms import (
    AnswerForm,
    ArbitrationForm,
    AssignForm,
    CallbackForm,
    ConferenceForm,
    ContactAttemptForm,
    DecisionForm,
    EnquiryForm,
    ExtensionForm,
    InfoForm,
    InterimForm,
    MergeForm,
    ObjectionForm,
    PromiseResultForm,
    ReasonForm,
    ReassessForm,
    ReclassifyForm,
    ReviewForm,
    RulingForm,
    SplitForm,
    StatuteForm,
    SupplementForm,
    SupportForm,
    SuspensionForm,
)
from app.tickets.views import unit_view, without_words
from app.web import REFUSALS, UnitQuery

router = APIRouter(prefix="/api/v1", tags=["办理"], responses=REFUSALS)
PRECEDENTS = 20
ENTERPRISE = Caller("enterprise", 0, "企业", Role.CHANNEL)


class Desktop:
    """What every verb endpoint has at hand: the act, and the ticket as it is seen afterwards."""

    def __init__(self, number: Number, response: Response, office: OfficeOf, if_match: IfMatch = None) -> None:
        self.number, self.response, self.office, self.if_match = number, response, office, version_of(if_match)

    def act(self, caller: Caller) -> Act:
        """Return the caller's act on the ticket."""
        return Act(self.number, caller, self.if_match)

    def done(self, caller: Caller, verb: Callable[[Session, Act], object]) -> TicketView:
        """Carry a verb out in one transaction and return the ticket as its caller may see it."""
        with self.office.database.write() as session:
            verb(session, self.act(caller))
            return seen(session, self.number, self.response, self.office, caller)


async def at_hand(number: Number, response: Response, office: OfficeOf, if_match: IfMatch = None) -> Desktop:
    """Return what a verb has at hand; a coroutine, for it needs no thread."""
    return Desktop(number, response, office, if_match)


At = Annotated[Desktop, Depends(at_hand)]


# 集中受理


@router.post("/tickets/{number}/ask-info", summary="请企业补充")
def ask_info(at: At, form: InfoForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_ASK_INFO))]) -> TicketView:
    """Ask the enterprise for what is missing; its clock stands still until it answers."""
    return at.done(caller, lambda session, act: receiving.ask_info(session, act, form, at.office.desk))


@router.post("/tickets/{number}/supplement", summary="补充材料")
def supplement(
    at: At, form: SupplementForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SUPPLEMENT))]
) -> TicketView:
    """Add what the enterprise has told since; it goes out where that settles it."""
    return at.done(caller, lambda session, act: receiving.supplement(session, act, form, at.office.desk))


@router.post("/tickets/{number}/answer", summary="直办办结")
def answer_directly(
    at: At, form: DirectAnswerForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_ANSWER))]
) -> TicketView:
    """Record that the hotline settled it itself (在线解答、三方通话)."""
    return at.done(caller, lambda session, act: receiving.answer_directly(session, act, form, at.office.desk))


@router.post("/tickets/{number}/merge", summary="并案")
def merge(at: At, form: MergeForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_MERGE))]) -> TicketView:
    """Join it to the ticket it is the same matter as; it keeps its own clock and callback."""
    return at.done(caller, lambda session, act: receiving.merge(session, act, form))


@router.post("/tickets/{number}/unmerge", summary="撤销并案")
def unmerge(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_MERGE))]) -> TicketView:
    """Undo a joining; the ticket waits for a dispatcher again."""
    return at.done(caller, lambda session, act: receiving.unmerge(session, act, form, at.office.desk))


@router.post("/tickets/{number}/withdraw", summary="撤回")
def withdraw(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_WITHDRAW))]) -> TicketView:
    """Take the appeal back at the enterprise's wish; a 举报 is not taken back."""
    return at.done(caller, lambda session, act: receiving.withdraw(session, act, form))


@router.post("/tickets/{number}/invalidate", summary="认定无效")
def invalidate(
    at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_INVALIDATE))]
) -> TicketView:
    """Find that it is no appeal."""
    return at.done(caller, lambda session, act: receiving.invalidate(session, act, form))


@router.post("/tickets/{number}/restore", summary="恢复")
def restore(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RESTORE))]) -> TicketView:
    """Take a withdrawn or invalid appeal up again."""
    return at.done(caller, lambda session, act: receiving.restore(session, act, form, at.office.desk))


# 按责转办


@router.post("/tickets/{number}/dispatch", summary="人工派单")
def dispatch(at: At, form: DispatchForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_DISPATCH))]) -> TicketView:
    """Send out a ticket that waits for a person."""
    return at.done(caller, lambda session, act: dispatching.dispatch(session, act, form, at.office.desk))


@router.post("/tickets/{number}/support", summary="增加协办单位")
def support(at: At, form: SupportForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SUPPORT))]) -> TicketView:
    """Add supporting units; the lead stays the lead (首接负责)."""
    return at.done(caller, lambda session, act: dispatching.support(session, act, form, at.office.desk))


@router.post("/tickets/{number}/reclassify", summary="重新认定")
def reclassify(
    at: At, form: ReclassifyForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RECLASSIFY))]
) -> TicketView:
    """Change type, urgency or tag of a ticket that is with a unit; limits count from their own start."""
    return at.done(caller, lambda session, act: dispatching.reclassify(session, act, form, at.office.desk))


@router.post("/tickets/{number}/statute", summary="启用法定时限")
def start_statute(
    at: At, form: StatuteForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_STATUTE))]
) -> TicketView:
    """Put the law's own limit in force from its legal start."""
    return at.done(caller, lambda session, act: dispatching.start_statute(session, act, form, at.office.desk))


@router.post("/tickets/{number}/objection", summary="提出退单")
def object_to(at: At, form: ObjectionForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_OBJECT))]) -> TicketView:
    """Object to being responsible, with clause and the unit it should be."""
    return at.done(caller, lambda session, act: returning.object_to(session, act, form, at.office.desk))


@router.post("/tickets/{number}/objection/withdraw", summary="撤回退单")
def take_back(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_OBJECT))]) -> TicketView:
    """Withdraw the unit's own objection."""
    return at.done(caller, lambda session, act: returning.take_back(session, act, form))


@router.post("/tickets/{number}/arbitrate", summary="裁定")
def arbitrate(
    at: At, form: ArbitrationForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_ARBITRATE))]
) -> TicketView:
    """Appoint the unit that acts after a second objection."""
    return at.done(caller, lambda session, act: returning.arbitrate(session, act, form, at.office.desk))


# 限时处办


@router.post("/tickets/{number}/sign", summary="签收")
def sign(at: At, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SIGN))]) -> TicketView:
    """Sign for the caller's unit; signing twice is one signing."""
    return at.done(caller, handling.sign)


@router.post("/tickets/{number}/assign", summary="分派经办人")
def assign(at: At, form: AssignForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_ASSIGN))]) -> TicketView:
    """Give the unit's part to one of its people, with a deputy."""
    return at.done(caller, lambda session, act: handling.assign(session, act, form))


@router.post("/tickets/{number}/contact-attempt", summary="登记联系企业")
def record_contact(
    at: At, form: ContactAttemptForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RECORD_CONTACT))]
) -> TicketView:
    """Record an attempt to reach the enterprise."""
    return at.done(caller, lambda session, act: handling.contact(session, act, form, at.office.sealer))


@router.post("/tickets/{number}/interim", summary="阶段答复")
def interim(at: At, form: InterimForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_INTERIM))]) -> TicketView:
    """Tell how far it is."""
    return at.done(caller, lambda session, act: handling.interim(session, act, form, at.office.desk))


@router.post("/tickets/{number}/reply", summary="答复")
def reply(at: At, form: AnswerForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_REPLY))]) -> TicketView:
    """Answer for the caller's unit; the lead's answer goes on to review."""
    return at.done(caller, lambda session, act: handling.answer(session, act, form, at.office.desk))


@router.post("/tickets/{number}/extension", summary="申请延期")
def ask_extension(
    at: At, form: ExtensionForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_EXTEND))]
) -> TicketView:
    """Ask for more time before it is due."""
    return at.done(caller, lambda session, act: timekeeping.ask_extension(session, act, form, at.office.desk))


@router.post("/tickets/{number}/suspension", summary="申请挂起")
def ask_suspension(
    at: At, form: SuspensionForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SUSPEND))]
) -> TicketView:
    """Ask that the clock stand still, with evidence and an end."""
    return at.done(caller, lambda session, act: timekeeping.ask_suspension(session, act, form, at.office.desk))


@router.post("/tickets/{number}/resume", summary="恢复办理")
def resume(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RESUME))]) -> TicketView:
    """Go on before a suspension ends."""
    return at.done(caller, lambda session, act: timekeeping.resume(session, act, form, at.office.desk))


# 办结反馈


@router.post("/tickets/{number}/review", summary="审核答复")
def review(at: At, form: ReviewForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_REVIEW))]) -> TicketView:
    """Approve the answer or send it back."""
    return at.done(caller, lambda session, act: reviewing.review(session, act, form, at.office.desk))


@router.post("/tickets/{number}/callback", summary="回访")
def callback(at: At, form: CallbackForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_CALLBACK))]) -> TicketView:
    """Record one callback."""
    return at.done(caller, lambda session, act: reviewing.callback(session, act, form, at.office.desk))


@router.post("/tickets/{number}/reassess", summary="复核与重办")
def reassess(at: At, form: ReassessForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_REASSESS))]) -> TicketView:
    """Decide whether what the enterprise said calls for rework."""
    return at.done(caller, lambda session, act: reviewing.reassess(session, act, form, at.office.desk))


@router.post("/tickets/{number}/archive", summary="归档")
def archive(at: At, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_ARCHIVE))]) -> TicketView:
    """Lock a closed ticket; archiving twice is one archiving."""
    return at.done(caller, reviewing.archive)


@router.post("/tickets/{number}/urge", summary="催办")
def urge(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_URGE))]) -> TicketView:
    """Press the unit at the enterprise's wish."""
    return at.done(caller, lambda session, act: reviewing.urge(session, act, form, at.office.settings.urge_hours))


# 疑难


@router.post("/tickets/{number}/hard", summary="提请会商")
def propose_hard(at: At, form: ReasonForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_HARD))]) -> TicketView:
    """Propose the case for a 会商; it changes no due time."""
    return at.done(caller, lambda session, act: hard.propose_hard(session, act, form))


@router.post("/tickets/{number}/conference", summary="登记会商")
def confer(at: At, form: ConferenceForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_CONFER))]) -> TicketView:
    """Record a 会商; only it can give a hard case another date."""
    return at.done(caller, lambda session, act: hard.confer(session, act, form, at.office.desk))


@router.post("/tickets/{number}/correct", summary="更正判断")
def correct(at: At, form: CorrectForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_CORRECT))]) -> Judgement:
    """Correct tag, type, urgency or place of a waiting ticket; it goes out as soon as nothing stands against it."""
    with at.office.database.write() as session:
        ticket, judgement = dispatching.correct(session, at.act(caller), form, at.office.desk)
        return without_words(judgement) if is_veiled(ticket) else judgement


@router.post("/tickets/{number}/split", summary="拆分")
def split(at: At, form: SplitForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_SPLIT))]) -> ChildrenView:
    """Split it into children that are dispatched each by itself; the parent waits for them."""
    with at.office.database.write() as session:
        return ChildrenView(number=at.number, children=receiving.split(session, at.act(caller), form, at.office.desk))


Unit = Annotated[UnitQuery, Query(description="哪个单位的申请；不填为主办单位")]


@router.post("/tickets/{number}/objection/rule", summary="审核退单")
def rule_objection(
    at: At, form: RulingForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RULE))], unit: Unit = None
) -> TicketView:
    """Uphold an objection and send the ticket on, or let the unit keep it."""
    return at.done(caller, lambda session, act: returning.rule(session, act, form, at.office.desk, unit or ""))


@router.post("/tickets/{number}/extension/rule", summary="审批延期")
def rule_extension(
    at: At, form: DecisionForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RULE_TIME))], unit: Unit = None
) -> TicketView:
    """Grant or refuse more time; the enterprise is told of an extension."""
    desk = at.office.desk
    code = find_unit(unit, desk.rulebook, "?unit").code if unit else ""
    return at.done(caller, lambda session, act: timekeeping.rule_extension(session, act, form, desk, code))


@router.post("/tickets/{number}/suspension/rule", summary="审批挂起")
def rule_suspension(
    at: At, form: DecisionForm, caller: Annotated[Caller, Depends(Allow(Verb.TICKET_RULE_TIME))], unit: Unit = None
) -> TicketView:
    """Let the clock stand still, or refuse it."""
    code = find_unit(unit, at.office.desk.rulebook, "?unit").code if unit else ""
    return at.done(caller, lambda session, act: timekeeping.rule_suspension(session, act, form, code))


@router.post("/tickets/{number}/promises/{promise}", summary="登记承诺结果")
def settle_promise(
    at: At, promise: Annotated[int, Path(ge=1, le=2**62)], form: PromiseResultForm,
    caller: Annotated[Caller, Depends(Allow(Verb.TICKET_PROMISE))],
) -> TicketView:  # fmt: skip
    """Record whether a promised date was kept."""
    return at.done(caller, lambda session, act: reviewing.settle_promise(session, act, promise, form))


# 查看


@router.get("/tickets/{number}/clock", summary="计时")
def read_clock(
    number: Number, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_READ))]
) -> ClockView:
    """Both clocks: in whose hands the ticket has been, how long, what was late and whose lateness it is."""
    with office.database.read() as session:
        ticket = queries.one(session, number, caller).ticket
        standing = fold(facts_of(load_events(session, ticket)))
        return clock_view(ticket, standing, clock.now(), office.desk)


@router.get("/tickets/{number}/file", summary="办理卷")
def read_file(
    number: Number, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_FILE))]
) -> CaseFileView:
    """Everything written about the ticket besides its events; a unit sees its own requests and contacts only."""
    with office.database.read() as session:
        found = case_file(session, number, caller)
        return case_file_view(found, caller, office.desk.rulebook, office.sealer)


@router.get("/tickets/{number}/check", summary="答复检查")
def check_answer(
    number: Number, office: OfficeOf, caller: Annotated[Caller, Depends(Watched(Verb.TICKET_REVIEW))]
) -> list[FindingView]:
    """What the answer under review lacks, compared with the appeal and with other tickets' answers."""
    with office.database.read() as session:
        return [FindingView(code=item.code, message=item.message) for item in reviewing.check(session, number, caller)]


@router.get("/rulings", summary="先例")
def read_rulings(
    office: OfficeOf, _caller: Annotated[Caller, Depends(Allow(Verb.RULING_READ))],
    tag: Annotated[str, Query(pattern=r"^\d{4}$")],
) -> list[RulingView]:  # fmt: skip
    """The newest rulings on whose duty a tag's matters are."""
    with office.database.read() as session:
        found = returning.precedents(session, tag, PRECEDENTS)
        return [ruling_view(row, office.desk.rulebook, words) for row, words in found]


@router.get("/rulings/proposals", summary="规则修改建议")
def read_proposals(
    office: OfficeOf, _caller: Annotated[Caller, Depends(Allow(Verb.RULING_READ))]
) -> list[ProposalView]:
    """Where rulings speak against the mapping: tag, unit it went to, unit it was found to be, how often."""
    rulebook = office.desk.rulebook
    with office.database.read() as session:
        found = returning.proposals(session)
    return [
        ProposalView(
            tag=tag, tag_name=rulebook.tag_by_code[tag].name if tag in rulebook.tag_by_code else "",
            objector=unit_view(objector, rulebook), unit=unit_view(unit, rulebook), times=times,
        )
        for tag, objector, unit, times in found
    ]  # fmt: skip


def _known(form: EnquiryForm, office: Office) -> None:
    """Refuse whoever does not know the code; an unknown number is told no more than a wrong code."""
    codes = office.sealer.enquiry_codes(form.number)
    if not any([hmac.compare_digest(code, form.code.upper()) for code in codes]):  # noqa: C419  all take the same time
        raise NotFoundError("编号或查询码不对，请核对受理时告知的编号和查询码")


@router.post("/enquiry", summary="企业查询办理情况（无需登录）")
def enquire(form: EnquiryForm, office: OfficeOf) -> EnquiryView:
    """What the enterprise may know of its case, by number and the code it was given; anything else is not found."""
    _known(form, office)
    with office.database.read() as session:
        return enquiry_view(queries.whole(session, form.number), office.desk.rulebook)


@router.post("/enquiry/urge", summary="企业催办（无需登录）")
def urge_own(form: EnquiryForm, office: OfficeOf) -> EnquiryView:
    """Let the enterprise press for its own case, by number and code; throttled as every pressing is."""
    _known(form, office)
    with office.database.write() as session:
        work = open_by_id(session, queries.whole(session, form.number).ticket.id, ENTERPRISE)
        reviewing.press(session, work, office.settings.urge_hours, "企业凭查询码催办")
        settle(session, work)
        return enquiry_view(queries.whole(session, form.number), office.desk.rulebook)
