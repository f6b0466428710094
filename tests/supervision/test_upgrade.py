"""Orders that went out before their papers were kept: what stands on them is taken over by the migration."""

from alembic import command
from alembic.script import ScriptDirectory

from app.schema import alembic_config
from app.tickets.office import Office
from tests.builders import Hotline
from tests.supervision.test_supervision import raised
from tests.tickets.test_life import LEAD, START, at, ok, signed


def test_papers_from_before_the_migration_can_still_be_read(hotline: Hotline, office: Office) -> None:
    with at(hotline, START):
        where = raised(hotline, signed(hotline))["number"]
        before = ok(hotline.get(LEAD, f"/supervision/{where}/paper"))
    config = alembic_config(office.database)
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    earlier = next(script.down_revision for script in scripts if "supervision_as_sent" in script.path)
    command.downgrade(config, str(earlier))
    command.upgrade(config, "head")
    with at(hotline, START):
        assert ok(hotline.get(LEAD, f"/supervision/{where}/paper")) == before
