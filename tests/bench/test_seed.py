"""Seeded histories are legal: columns are what events say, chains hold, and the service lists, opens and counts them."""

from sqlalchemy import func, select

from app.jobs.worker import one_round
from app.tickets import audit
from app.tickets.clocks import rebuild
from app.tickets.office import Office
from app.tickets.tables import Ticket
from bench.seed import lived, seed
from tests.builders import Hotline


def test_seeded_histories_are_legal(hotline: Hotline, office: Office) -> None:
    seed(office.database, 60, 2, lived(5, office.settings.var_dir))
    with office.database.read() as session:
        assert session.scalars(select(func.count()).select_from(Ticket)).one() == 60
        assert len(set(session.scalars(select(Ticket.number)))) == 60
    assert list(rebuild(office.database, check=True)) == []
    assert list(audit.verify(office.database, lambda _: None)) == []
    page = hotline.get("dispatcher", "/tickets", limit=5).json()["items"]
    assert len(page) == 5
    assert hotline.ticket(page[0]["number"])["content"]
    assert one_round(office, None)["failures_forgotten"] >= 0
    assert hotline.submit()["number"] not in {item["number"] for item in page}
