"""Failed sign-ins and the waits they cost: counted by login name over all processes, whether or not the login exists."""

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


def count_attempt(session: Session, login: str) -> None:
    """Count one sign-in before its password is looked at, so that a hundred at once are a hundred; success forgets them.

    Raises:
        TooManyRequestsError: the login is held back after failures; says how many seconds to wait.
    """
    key, now = digest(login), clock.now()
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgres_insert
    statement = insert(LoginAttempt).values(login_sha256=key, failures=0, last_at=now)
    session.execute(statement.on_conflict_do_nothing())
    attempt = session.scalars(select(LoginAttempt).where(LoginAttempt.login_sha256 == key).with_for_update()).one()
    left = (attempt.last_at + wait_after(attempt.failures) - now).total_seconds()
    if attempt.failures >= FREE_FAILURES and left > 0:
        seconds = int(left) + 1
        raise TooManyRequestsError(f"登录失败次数过多，请 {seconds} 秒后再试", retry_after=seconds)
    attempt.failures += 1
    attempt.last_at = now


def wait_after(failures: int) -> timedelta:
    """Return how long a login is held back after so many failures: doubled with each, a quarter of an hour at most."""
    if failures < FREE_FAILURES:
        return timedelta()
    # The exponent is bounded too: a year of failures must not become a number of a thousand digits.
    doubled = BACKOFF_SECONDS * 2 ** min(failures - FREE_FAILURES, 10)
    return timedelta(seconds=min(doubled, BACKOFF_MAX_SECONDS))


def take_back(session: Session, login: str) -> None:
    """Take one counted sign-in back: its password was never looked at."""
    statement = update(LoginAttempt).where(LoginAttempt.login_sha256 == digest(login), LoginAttempt.failures > 0)
    session.execute(statement.values(failures=LoginAttempt.failures - 1))


def forget(session: Session, login: str) -> None:
    """Forget the failures of a login: its person has shown the right password, or was given a new one."""
    session.execute(delete(LoginAttempt).where(LoginAttempt.login_sha256 == digest(login)))


def forget_old_failures(session: Session) -> int:
    """Drop failed sign-ins of yesterday and before; returns how many."""
    old = delete(LoginAttempt).where(LoginAttempt.last_at < clock.now() - timedelta(days=1))
    return len(session.execute(old.returning(LoginAttempt.login_sha256)).all())
