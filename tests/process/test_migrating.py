"""Migrations beside a running service: they do not stop everybody, and an old process says that it is old."""

import threading
import time

import pytest
from alembic import command
from sqlalchemy import text

from app import schema
from app.database import Database
from app.errors import UnavailableError
from app.tickets.office import Office
from tests.builders import Hotline
from tests.process.killing import faults


def test_a_migration_that_gets_no_lock_gives_up_and_holds_up_nobody_for_long(fresh_postgres: str) -> None:
    database, other = Database(fresh_postgres), Database(fresh_postgres)
    command.downgrade(schema.alembic_config(database), "0010")
    waits: list[float] = []

    def ask() -> None:
        time.sleep(0.5)
        started = time.monotonic()
        with other.read() as session:
            session.execute(text("SELECT count(*) FROM ticket"))
        waits.append(time.monotonic() - started)

    with other.read() as report:
        report.execute(text("SELECT count(*) FROM ticket"))
        clerk = threading.Thread(target=ask)
        clerk.start()
        with pytest.raises(UnavailableError, match="没有挡住别人"):
            schema.upgrade(database)
        clerk.join()
    assert waits[0] < 4
    assert schema.present(database) == "0010"
    schema.upgrade(database)
    assert schema.present(database) == schema.newest()
    with database.read() as session:
        assert session.scalar(text("SHOW lock_timeout")) == "10s"
    database.dispose()
    other.dispose()


def test_an_old_process_beside_a_newer_schema_goes_on_and_says_so(hotline: Hotline, office: Office) -> None:
    number = hotline.submit()["number"]
    with office.database.write() as session:
        session.execute(text("ALTER TABLE ticket ADD COLUMN weather VARCHAR(8)"))
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    ready = hotline.client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "请换上新程序" in ready.json()["checks"]["migrations"]["detail"]
    assert hotline.post("unit_handler@市工信局", f"/tickets/{number}/sign").status_code == 200
    hotline.submit()
    assert faults(office.database) == []
