"""The one table that says who may do which verb on which rows. Every endpoint names its verb; a test walks them all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who acts; the value is stored, the label is shown."""

    OPERATOR = "operator"
    DISPATCHER = "dispatcher"
    REVIEWER = "reviewer"
    UNIT_HANDLER = "unit_handler"
    UNIT_LEADER = "unit_leader"
    SUPERVISOR = "supervisor"
    LEADER = "leader"
    CALLBACK = "callback"
    AUDITOR = "auditor"
    ADMIN = "admin"
    CHANNEL = "channel"

    @property
    def label(self) -> str:
        """The role's Chinese name."""
        return ROLE_LABELS[self]

    @property
    def of_unit(self) -> bool:
        """Whether the role belongs to a 承办单位."""
        return self in {Role.UNIT_HANDLER, Role.UNIT_LEADER}


ROLE_LABELS: Mapping[Role, str] = {
    Role.OPERATOR: "话务员",
    Role.DISPATCHER: "派单员",
    Role.REVIEWER: "审核员",
    Role.UNIT_HANDLER: "承办经办人",
    Role.UNIT_LEADER: "承办单位负责人",
    Role.SUPERVISOR: "督办人员",
    Role.LEADER: "热线负责人",
    Role.CALLBACK: "回访员",
    Role.AUDITOR: "审计员",
    Role.ADMIN: "系统管理员",
    Role.CHANNEL: "渠道系统",
}


class Rows(StrEnum):
    """Which rows a verb reaches for a role.

    ALL still leaves out 专办件, which only the named supervisor sees.
    """

    ALL = "all"
    OWN_UNIT = "own_unit"
    OWN_CHANNEL = "own_channel"
    NOT_ROW_BOUND = "not_row_bound"


class Verb(StrEnum):
    """Everything that can be done through an interface."""

    SESSION_READ = "session.read"
    SESSION_END = "session.end"
    SESSION_LIST = "session.list"
    SESSION_REVOKE = "session.revoke"
    PASSWORD_CHANGE = "password.change"  # noqa: S105  a verb
    STAFF_READ = "staff.read"
    STAFF_WRITE = "staff.write"
    KEY_READ = "key.read"
    KEY_WRITE = "key.write"
    REFERENCE_READ = "reference.read"
    TICKET_SUBMIT = "ticket.submit"
    TICKET_PREVIEW = "ticket.preview"
    TICKET_OVERRIDE = "ticket.override"
    TICKET_READ = "ticket.read"
    TICKET_LIST = "ticket.list"
    TICKET_SIMILAR = "ticket.similar"
    TICKET_FILE = "ticket.file"
    TICKET_UNMASK = "ticket.unmask"
    TICKET_REVIEW_TEXT = "ticket.review_text"
    TICKET_DISPATCH = "ticket.dispatch"
    TICKET_CORRECT = "ticket.correct"
    TICKET_ASK_INFO = "ticket.ask_info"
    TICKET_SUPPLEMENT = "ticket.supplement"
    TICKET_ANSWER = "ticket.answer"
    TICKET_MERGE = "ticket.merge"
    TICKET_SPLIT = "ticket.split"
    TICKET_WITHDRAW = "ticket.withdraw"
    TICKET_INVALIDATE = "ticket.invalidate"
    TICKET_RESTORE = "ticket.restore"
    TICKET_SUPPORT = "ticket.support"
    TICKET_RECLASSIFY = "ticket.reclassify"
    TICKET_STATUTE = "ticket.statute"
    TICKET_SIGN = "ticket.sign"
    TICKET_OBJECT = "ticket.object"
    TICKET_RULE = "ticket.rule"
    TICKET_ARBITRATE = "ticket.arbitrate"
    TICKET_RECORD_CONTACT = "ticket.record_contact"
    TICKET_INTERIM = "ticket.interim"
    TICKET_REPLY = "ticket.reply"
    TICKET_EXTEND = "ticket.extend"
    TICKET_SUSPEND = "ticket.suspend"
    TICKET_RESUME = "ticket.resume"
    TICKET_RULE_TIME = "ticket.rule_time"
    TICKET_ASSIGN = "ticket.assign"
    TICKET_REVIEW = "ticket.review"
    TICKET_CALLBACK = "ticket.callback"
    TICKET_REASSESS = "ticket.reassess"
    TICKET_PROMISE = "ticket.promise"
    TICKET_ARCHIVE = "ticket.archive"
    TICKET_URGE = "ticket.urge"
    TICKET_HARD = "ticket.hard"
    TICKET_CONFER = "ticket.confer"
    DESK_READ = "desk.read"
    RULING_READ = "ruling.read"
    VIEW_KEEP = "view.keep"
    QUEUE_READ = "queue.read"
    TRIAGE_READ = "triage.read"
    OVERDUE_READ = "overdue.read"
    INDICATOR_READ = "indicator.read"
    REPORT_READ = "report.read"
    REPORT_WRITE = "report.write"
    REPORT_CHECK = "report.check"
    REPORT_SIGN = "report.sign"
    MARK_READ = "mark.read"
    MARK_PROPOSE = "mark.propose"
    MARK_DECIDE = "mark.decide"
    APPEAL_MAKE = "appeal.make"
    INBOX_READ = "inbox.read"
    SUBSCRIPTION_KEEP = "subscription.keep"
    NOTICE_READ = "notice.read"
    NOTICE_RESEND = "notice.resend"
    SUPERVISION_READ = "supervision.read"
    SUPERVISION_ISSUE = "supervision.issue"
    SUPERVISION_REPLY = "supervision.reply"
    CARD_READ = "card.read"
    DIGEST_READ = "digest.read"
    DUTY_CALL_READ = "duty_call.read"
    DUTY_CALL_RECORD = "duty_call.record"
    JOB_READ = "job.read"
    JOB_RUN = "job.run"
    AUDIT_READ = "audit.read"


# What is open to somebody whose password was set by somebody else.
# What belongs to a person's own account: a key has a number too, and must not be taken for the person of that number.
OF_A_PERSON = frozenset(
    {Verb.SESSION_END, Verb.SESSION_LIST, Verb.SESSION_REVOKE, Verb.PASSWORD_CHANGE, Verb.VIEW_KEEP}
)
BEFORE_FIRST_CHANGE = frozenset({Verb.SESSION_READ, Verb.SESSION_END, Verb.PASSWORD_CHANGE})
HOTLINE = (Role.OPERATOR, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.CALLBACK)
EVERYONE = tuple(Role)
STAFF = tuple(role for role in Role if role is not Role.CHANNEL)


def _rows(roles: tuple[Role, ...], rows: Rows) -> dict[Role, Rows]:
    return dict.fromkeys(roles, rows)


_UNIT_ROWS = {Role.UNIT_HANDLER: Rows.OWN_UNIT, Role.UNIT_LEADER: Rows.OWN_UNIT}
_WATCHERS = (Role.SUPERVISOR, Role.LEADER, Role.AUDITOR)
_READERS = {**_rows((*HOTLINE, Role.LEADER, Role.AUDITOR), Rows.ALL), **_UNIT_ROWS, Role.CHANNEL: Rows.OWN_CHANNEL}

ACCESS: Mapping[Verb, Mapping[Role, Rows]] = {
    Verb.SESSION_READ: _rows(EVERYONE, Rows.NOT_ROW_BOUND),
    Verb.SESSION_END: _rows(STAFF, Rows.NOT_ROW_BOUND),
    # Everybody's own; the administrator's reach is everybody's.
    Verb.SESSION_LIST: {**_rows(STAFF, Rows.NOT_ROW_BOUND), Role.ADMIN: Rows.ALL},
    Verb.SESSION_REVOKE: {**_rows(STAFF, Rows.NOT_ROW_BOUND), Role.ADMIN: Rows.ALL},
    Verb.PASSWORD_CHANGE: _rows(STAFF, Rows.NOT_ROW_BOUND),
    Verb.STAFF_READ: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    Verb.STAFF_WRITE: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    Verb.KEY_READ: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    Verb.KEY_WRITE: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    Verb.REFERENCE_READ: _rows(EVERYONE, Rows.NOT_ROW_BOUND),
    Verb.TICKET_SUBMIT: {
        **_rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.NOT_ROW_BOUND),
        Role.CHANNEL: Rows.OWN_CHANNEL,
    },
    Verb.TICKET_PREVIEW: {
        **_rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.NOT_ROW_BOUND),
        Role.CHANNEL: Rows.OWN_CHANNEL,
    },
    Verb.TICKET_OVERRIDE: _rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.NOT_ROW_BOUND),
    Verb.TICKET_READ: _READERS,
    Verb.TICKET_LIST: _READERS,
    # Across units, so for the hotline's own people only.
    Verb.TICKET_SIMILAR: _rows((*HOTLINE, Role.AUDITOR), Rows.ALL),
    # What units asked for and were told is between them and the hotline, not for channels.
    Verb.TICKET_FILE: {**_rows((*HOTLINE, Role.LEADER, Role.AUDITOR), Rows.ALL), **_UNIT_ROWS},
    Verb.TICKET_UNMASK: {
        **_rows((Role.OPERATOR, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.CALLBACK), Rows.ALL),
        Role.UNIT_HANDLER: Rows.OWN_UNIT,
    },
    Verb.TICKET_REVIEW_TEXT: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_DISPATCH: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_CORRECT: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_ASK_INFO: _rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_SUPPLEMENT: _rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_ANSWER: _rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_MERGE: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_SPLIT: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_WITHDRAW: {
        **_rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
        Role.CHANNEL: Rows.OWN_CHANNEL,
    },
    Verb.TICKET_INVALIDATE: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_RESTORE: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_SUPPORT: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_RECLASSIFY: _rows((Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_STATUTE: _rows((Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_SIGN: dict(_UNIT_ROWS),
    Verb.TICKET_OBJECT: dict(_UNIT_ROWS),
    Verb.TICKET_RULE: _rows((Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_ARBITRATE: _rows((Role.SUPERVISOR,), Rows.ALL),
    Verb.TICKET_RECORD_CONTACT: dict(_UNIT_ROWS),
    Verb.TICKET_INTERIM: dict(_UNIT_ROWS),
    Verb.TICKET_REPLY: dict(_UNIT_ROWS),
    Verb.TICKET_EXTEND: dict(_UNIT_ROWS),
    Verb.TICKET_SUSPEND: dict(_UNIT_ROWS),
    Verb.TICKET_RESUME: dict(_UNIT_ROWS),
    # Time is given by whoever reviews, never by whoever asks.
    Verb.TICKET_RULE_TIME: _rows((Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_ASSIGN: dict(_UNIT_ROWS),
    Verb.TICKET_REVIEW: _rows((Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    # Never the handling unit: a callback is the hotline's own.
    Verb.TICKET_CALLBACK: _rows((Role.CALLBACK, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_REASSESS: _rows((Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_PROMISE: _rows((Role.REVIEWER, Role.CALLBACK, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_ARCHIVE: _rows((Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_URGE: {
        **_rows((Role.OPERATOR, Role.DISPATCHER, Role.CALLBACK, Role.SUPERVISOR), Rows.ALL),
        Role.CHANNEL: Rows.OWN_CHANNEL,
    },
    Verb.TICKET_HARD: _rows((Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR), Rows.ALL),
    Verb.TICKET_CONFER: _rows((Role.SUPERVISOR,), Rows.ALL),
    Verb.DESK_READ: _rows((Role.DISPATCHER, Role.REVIEWER, Role.CALLBACK, *_WATCHERS), Rows.ALL),
    Verb.VIEW_KEEP: _rows(STAFF, Rows.NOT_ROW_BOUND),
    Verb.RULING_READ: _rows((*HOTLINE, Role.AUDITOR), Rows.NOT_ROW_BOUND),
    Verb.QUEUE_READ: {
        **_UNIT_ROWS,
        **_rows((Role.DISPATCHER, *_WATCHERS), Rows.ALL),
    },
    Verb.TRIAGE_READ: _rows((Role.DISPATCHER, Role.SUPERVISOR, Role.AUDITOR), Rows.ALL),
    Verb.OVERDUE_READ: _rows((Role.DISPATCHER, *_WATCHERS), Rows.ALL),
    Verb.INDICATOR_READ: {**_rows((Role.DISPATCHER, Role.REVIEWER, *_WATCHERS), Rows.ALL), **_UNIT_ROWS},
    # A unit reads what was published, and its own rows of a draft it is asked to check.
    Verb.REPORT_READ: {**_rows((Role.DISPATCHER, Role.REVIEWER, *_WATCHERS), Rows.ALL), **_UNIT_ROWS},
    Verb.REPORT_WRITE: _rows((Role.SUPERVISOR,), Rows.NOT_ROW_BOUND),
    Verb.REPORT_CHECK: {Role.UNIT_LEADER: Rows.OWN_UNIT},
    Verb.REPORT_SIGN: _rows((Role.LEADER,), Rows.NOT_ROW_BOUND),
    Verb.MARK_READ: {**_rows(_WATCHERS, Rows.ALL), **_UNIT_ROWS},
    Verb.MARK_PROPOSE: _rows((Role.SUPERVISOR, Role.REVIEWER), Rows.NOT_ROW_BOUND),
    # Never by whoever proposed it; the service holds the two persons apart.
    Verb.MARK_DECIDE: _rows((Role.SUPERVISOR, Role.LEADER), Rows.NOT_ROW_BOUND),
    Verb.APPEAL_MAKE: {Role.UNIT_LEADER: Rows.OWN_UNIT},
    Verb.INBOX_READ: {**_rows((*HOTLINE, Role.LEADER, Role.AUDITOR, Role.ADMIN), Rows.ALL), **_UNIT_ROWS},
    Verb.SUBSCRIPTION_KEEP: {Role.ADMIN: Rows.ALL, Role.UNIT_LEADER: Rows.OWN_UNIT},
    # What was not delivered names work orders, 专办件 among them.
    Verb.NOTICE_READ: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    Verb.NOTICE_RESEND: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    Verb.SUPERVISION_READ: {**_rows((Role.DISPATCHER, Role.REVIEWER, *_WATCHERS), Rows.ALL), **_UNIT_ROWS},
    Verb.SUPERVISION_ISSUE: _rows((Role.SUPERVISOR,), Rows.ALL),
    Verb.SUPERVISION_REPLY: dict(_UNIT_ROWS),
    # Yellow cards are never named: a unit sees its own, the hotline's watchers all.
    Verb.CARD_READ: {**_rows((Role.DISPATCHER, *_WATCHERS), Rows.ALL), **_UNIT_ROWS},
    Verb.DIGEST_READ: {**_rows((Role.DISPATCHER, *_WATCHERS), Rows.ALL), **_UNIT_ROWS},
    Verb.DUTY_CALL_READ: _rows((Role.OPERATOR, Role.DISPATCHER, *_WATCHERS), Rows.ALL),
    Verb.DUTY_CALL_RECORD: _rows((Role.OPERATOR, Role.DISPATCHER, Role.SUPERVISOR), Rows.ALL),
    Verb.JOB_READ: _rows((Role.ADMIN, *_WATCHERS), Rows.NOT_ROW_BOUND),
    Verb.JOB_RUN: _rows((Role.ADMIN,), Rows.NOT_ROW_BOUND),
    # Nobody whose own looks stand in it.
    Verb.AUDIT_READ: _rows((Role.AUDITOR,), Rows.NOT_ROW_BOUND),
}


@dataclass(frozen=True)
class Caller:
    """Who makes a request.

    Attributes:
        kind: staff, key (a channel's or a unit's system) or system (the service itself).
        ident: id within its kind.
        unit: code of the unit it belongs to; empty for the hotline.
        channel: the channel a channel key stands for.
        takes_special: whether this supervisor is the one named for 专办件.
        session: id of a person's session; 0: not a person.
        must_change: the person must set an own password first.
        scopes: verbs a key is narrowed to; None: all of its role.
    """

    kind: str
    ident: int
    name: str
    role: Role
    unit: str = ""
    channel: str = ""
    takes_special: bool = False
    session: int = 0
    must_change: bool = False
    scopes: frozenset[Verb] | None = None

    @property
    def reference(self) -> str:
        """How events name the caller; no personal data."""
        return f"{self.kind}:{self.ident}"

    def rows(self, verb: Verb) -> Rows | None:
        """Return which rows a verb reaches for this caller; None: it may not do this at all."""
        return ACCESS[verb].get(self.role)

    def may(self, verb: Verb) -> bool:
        """Whether the caller's role, its being a person, and its key's scopes allow a verb that an endpoint names."""
        personal = verb in OF_A_PERSON and self.kind != "staff"
        return self.rows(verb) is not None and not personal and (self.scopes is None or verb in self.scopes)


SYSTEM = Caller("system", 0, "系统", Role.ADMIN)
