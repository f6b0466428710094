"""From the token or key of a request to the caller it stands for; runs before every request."""

import logging
from datetime import timedelta

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import clock
from app.accounts import keys, sessions
from app.accounts.access import Caller
from app.accounts.sessions import NOTED_EVERY, Known
from app.accounts.tokens import KEY
from app.database import Database, DatabaseBusyError
from app.errors import UnauthenticatedError

log = logging.getLogger("hotline.accounts")


def caller_of(session: Session, token: str, idle: timedelta | None = None) -> Caller:
    """Return whom a token or key stands for.

    Args:
        session: database session.
        token: as the request carries it.
        idle: how long a person's session may be left unused; None: for ever.

    Raises:
        UnauthenticatedError: unknown, expired, left idle or revoked.
    """
    return _recognise(session, token, idle).caller


def _recognise(session: Session, token: str, idle: timedelta | None) -> Known:
    of_key = token.startswith(KEY)
    known = keys.recognise_key(session, token) if of_key else sessions.recognise_staff(session, token, idle)
    if known is None:
        raise UnauthenticatedError("登录已失效，请重新登录")
    return known


def admit(database: Database, token: str, idle: timedelta) -> Caller:
    """Return whom a request's token or key stands for, and note every few minutes that it is in use.

    Raises:
        UnauthenticatedError: unknown, expired, left idle or revoked.
    """
    with database.glance() as session:
        known = _recognise(session, token, idle)
    if known.noted_at is None or known.noted_at < clock.now() - NOTED_EVERY:
        _note_use(database, known)
    return known.caller


def _note_use(database: Database, known: Known) -> None:
    try:
        with database.write() as session:
            if known.caller.kind == "key":
                keys.note_use(session, known)
            else:
                sessions.note_use(session, known.caller)
    except (DatabaseBusyError, OperationalError):
        # A reading must not fail because a writer is busy; the next request notes it.
        log.warning("use of a session or key not noted")
