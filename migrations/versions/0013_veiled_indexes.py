"""Take 隐名 and 匿名 tickets out of both indexes, which were made of their raw texts; `hotline index-similar` puts them back."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TICKET = sa.table("ticket", sa.column("id"), sa.column("confidentiality"))


def upgrade() -> None:
    veiled = sa.select(TICKET.c.id).where(TICKET.c.confidentiality != "公开")
    by_row = "rowid" if op.get_bind().dialect.name == "sqlite" else "ticket_id"
    for name, ident in (("ticket_key", "ticket_id"), ("ticket_signature", "ticket_id"), ("ticket_search", by_row)):
        index = sa.table(name, sa.column(ident))
        op.execute(sa.delete(index).where(index.c[ident].in_(veiled)))


def downgrade() -> None:
    # What was taken out is only put back by indexing anew.
    pass
