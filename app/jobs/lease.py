"""Keeps the lease of a run while its process works on it: a report that takes longer than a lease is not begun twice."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from app.database import Database
from app.errors import ConflictError
from app.jobs import ledger
from app.jobs.tables import JobRun

# Parts of a lease: two renewals may fail before it is over, and one that failed is tried again many times until then.
RENEWED_AFTER, TRIED_AGAIN_AFTER = 3, 30
log = logging.getLogger("hotline.jobs")


@contextmanager
def kept(database: Database, row: JobRun, lease: timedelta) -> Iterator[None]:
    """Renew the lease of a claimed run from a thread of its own until the block ends, however it ends.

    It never fails the run: a lease that has gone to somebody else is told by the run's own next write. A process that
    is killed renews no more, and its lease runs out.

    Args:
        database: where the run is on record; each renewal is a transaction of its own.
        row: the run, as it was claimed.
        lease: for how long each renewal holds.
    """
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(database, row, lease, over), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # A renewal under way waits for the database no longer than any other write does.
        thread.join()


def _renew(database: Database, row: JobRun, lease: timedelta, over: threading.Event) -> None:
    pause = lease / RENEWED_AFTER
    while not over.wait(pause.total_seconds()):
        try:
            with database.write() as session:
                ledger.renew(session, row, lease)
            pause = lease / RENEWED_AFTER
        except ConflictError:
            return
        except Exception as error:  # noqa: BLE001  locked, busy, away for a moment: the job itself may still succeed
            log.warning("lease not renewed", extra={"job": row.kind, "reason": type(error).__name__})
            pause = lease / TRIED_AGAIN_AFTER
