"""The jobs there are: a seal for every day, reminders on every working day, a report for every period come to its cut-off."""

from collections.abc import Callable
from datetime import date

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.jobs import ledger
from app.jobs.run import Job, Prepared, Progress, Runner
from app.jobs.schedule import days_gone_by, reports, working_days
from app.reminders import sending
from app.reminders.digest import Round
from app.reports import issuing
from app.reports.periods import Span, parse
from app.tickets import day_seals
from app.tickets.office import Office
from app.tickets.tables import Ticket


def report_job(span: Span, office: Office) -> Job:
    """Return the job that makes a kind of report."""
    return Job(
        f"{span.value}_report",
        issuing.KINDS[span].label,
        reports(span, issuing.cuts_of(office.settings)),
        _prepare(span),
    )


def _prepare(span: Span) -> Callable[[Office, str, Progress], Prepared]:
    def prepare(office: Office, key: str, progress: Progress) -> Prepared:
        period = parse(span, key, issuing.cuts_of(office.settings))
        progress("统计")
        with office.database.read() as session:
            if not session.scalar(select(exists().where(Ticket.accepted_at < period.ends))):
                # A service that was set up later has nothing to report on.
                return Prepared({"made": False}, lambda _: None)
            text = issuing.build(issuing.maker_of(session, office.desk, office.settings), period)
            known = issuing.newest(session, span, key) is not None

        def write(session: Session) -> None:
            if not known:
                issuing.keep(session, period, text, office.desk, "system:0")

        return Prepared({"bytes": len(text.encode()), "made": not known}, write)

    return prepare


def reminder_job(which: Round, office: Office) -> Job:
    """Return the job that sends a round of a working day's digests."""
    settings = office.settings
    kind, label, hour = {
        Round.MORNING: ("morning_reminder", "日提醒", settings.reminder_morning),
        Round.AFTERNOON: ("afternoon_reminder", "今日到期提醒", settings.reminder_afternoon),
    }[which]
    return Job(kind, label, working_days(hour, office.desk.calendar), _prepare_digests(which))


def _prepare_digests(which: Round) -> Callable[[Office, str, Progress], Prepared]:
    def prepare(office: Office, key: str, progress: Progress) -> Prepared:
        day = date.fromisoformat(key)
        progress("汇总")
        with office.database.read() as session:
            if which is Round.AFTERNOON and sending.is_too_soon(session, day):
                return Prepared({"sent": 0, "why": "第一轮刚刚发出"}, lambda _: None)
            audiences = sending.prepare(session, which, office.desk, jobs=ledger.failing(session))

        def write(session: Session) -> None:
            sending.send(session, day, which, audiences, office.desk)

        return Prepared({"sent": len(audiences)}, write)

    return prepare


def seal_job() -> Job:
    """Return the job that seals each day gone by."""
    return Job(ledger.SEAL, "日封存", days_gone_by(day_seals.MARGIN), _prepare_seals)


def _prepare_seals(office: Office, _key: str, progress: Progress) -> Prepared:
    # Whatever day is asked for, every day that has closed is sealed, for each seal names the one before.
    progress("封存")
    seals = day_seals.make(office.database, progress)
    newest = {"day": seals[-1].day.isoformat(), "hash": seals[-1].hash} if seals else {}
    return Prepared({"days": len(seals), **newest}, lambda session: day_seals.write(session, seals))


def make_runner(office: Office) -> Runner:
    """Return what runs every job of an installation."""
    reminders = tuple(reminder_job(which, office) for which in Round)
    # The seal comes first: the morning's digest carries its hash out of the house.
    return Runner(office, (seal_job(), *reminders, *(report_job(span, office) for span in Span)))
