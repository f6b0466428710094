"""What stands on a 督办单 is kept as it was sent; the rung is no longer kept, for it is the order's way that counts."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

AS_OF_NOW = "SELECT {column} FROM dispatch d WHERE d.id = supervision_ticket.dispatch_id"


def upgrade() -> None:
    op.add_column("supervision_ticket", sa.Column("tag", sa.String(length=4), nullable=True))
    op.add_column("supervision_ticket", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    # Of what went out before, only today's state is known.
    tag, due_at = AS_OF_NOW.format(column="d.tag"), AS_OF_NOW.format(column="d.due_at")
    op.execute(f"UPDATE supervision_ticket SET tag = ({tag}), due_at = ({due_at})")  # noqa: S608
    op.drop_column("supervision_ticket", "rung")
    # Urgent notices are looked for before all others.
    op.create_index(op.f("ix_outbox_urgent_next_attempt_at_id"), "outbox", ["urgent", "next_attempt_at", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_outbox_urgent_next_attempt_at_id"), table_name="outbox")
    op.add_column("supervision_ticket", sa.Column("rung", sa.Integer(), nullable=False, server_default="1"))
    op.drop_column("supervision_ticket", "due_at")
    op.drop_column("supervision_ticket", "tag")
