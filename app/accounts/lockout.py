"""Failed sign-ins and the waits they cost: counted by login name over all processes, whether or not the login exists.

A sign-in is counted as pending before its slow look at the password and settled after it, so that a hundred guesses at once
are a hundred, and yet only wrong passwords count against anybody.
"""

from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from app import clock
from app.accounts.tables import LoginAttempt
from app.accounts.tokens import digest
from app.errors import TooManyRequestsError

FREE_FAILURES = 5
BACKOFF_SECONDS = 30
BACKOFF_MAX_SECONDS = 15 * 60
# No look at a password takes that long, nor its wait for a turn.
LOST_AFTER = timedelta(minutes=1)


def begin(session: Session, login: str) -> bool:
    """Count a sign-in as pending before its password is looked at; `settle` follows.

    Returns whether it may be looked at now: not while those under way could use up the tries that are left. Then nothing is
    counted, and it is asked again once they are settled.

    Raises:
        TooManyRequestsError: the login is held back after failures; says how many seconds to wait.
    """
    attempt, now = _locked(session, login), clock.now()
    if attempt.pending and attempt.begun_at and attempt.begun_at < now - LOST_AFTER:
        # Their process died meanwhile; what it would have found is not known.
        attempt.failures, attempt.pending, attempt.last_at = attempt.failures + attempt.pending, 0, attempt.begun_at
    left = (attempt.last_at + wait_after(attempt.failures) - now).total_seconds()
    if attempt.failures >= FREE_FAILURES and left > 0:
        seconds = int(left) + 1
        raise TooManyRequestsError(f"登录失败次数过多，请 {seconds} 秒后再试", retry_after=seconds)
    if attempt.pending >= max(FREE_FAILURES - attempt.failures, 1):
        return False
    attempt.pending, attempt.begun_at = attempt.pending + 1, now
    return True


def settle(session: Session, login: str, *, right: bool | None) -> None:
    """Settle a pending sign-in: a wrong password counts, the right one wipes the slate; None: it was not looked at."""
    attempt = _locked(session, login)
    attempt.pending = max(attempt.pending - 1, 0)
    if right:
        attempt.failures = 0
    elif right is not None:
        attempt.failures, attempt.last_at = attempt.failures + 1, clock.now()


def _locked(session: Session, login: str) -> LoginAttempt:
    key = digest(login)
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    statement = insert(LoginAttempt).values(login_sha256=key, failures=0, pending=0, last_at=clock.now())
    wanted = select(LoginAttempt).where(LoginAttempt.login_sha256 == key).with_for_update()
    session.execute(statement.on_conflict_do_nothing())
    found = session.scalars(wanted).one_or_none()
    if found is None:
        # A sweep dropped the old row between the two; the one made now is this transaction's own.
        session.execute(statement.on_conflict_do_nothing())
        found = session.scalars(wanted).one()
    return found


def wait_after(failures: int) -> timedelta:
    """Return how long a login is held back after so many failures: doubled with each, a quarter of an hour at most."""
    if failures < FREE_FAILURES:
        return timedelta()
    # The exponent is bounded too: a year of failures must not become a number of a thousand digits.
    doubled = BACKOFF_SECONDS * 2 ** min(failures - FREE_FAILURES, 10)
    return timedelta(seconds=min(doubled, BACKOFF_MAX_SECONDS))


def forget(session: Session, login: str) -> None:
    """Forget the failures of a login: its person has shown the right password, or was given a new one."""
    session.execute(update(LoginAttempt).where(LoginAttempt.login_sha256 == digest(login)).values(failures=0))


def forget_old_failures(session: Session) -> int:
    """Drop failed sign-ins of yesterday and before; returns how many."""
    old = delete(LoginAttempt).where(LoginAttempt.last_at < clock.now() - timedelta(days=1))
    return len(session.execute(old.returning(LoginAttempt.login_sha256)).all())
