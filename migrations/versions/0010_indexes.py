"""Indexes for what reports ask of ten years."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dispatch") as batch_op:
        batch_op.drop_index(op.f("ix_dispatch_replied_at"))
        batch_op.create_index(op.f("ix_dispatch_replied_at_ended_at"), ["replied_at", "ended_at"], unique=False)

    with op.batch_alter_table("ticket") as batch_op:
        batch_op.create_index(op.f("ix_ticket_closed_at"), ["closed_at"], unique=False)

    with op.batch_alter_table("reply") as batch_op:
        batch_op.create_index(op.f("ix_reply_written_at"), ["written_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("reply") as batch_op:
        batch_op.drop_index(op.f("ix_reply_written_at"))

    with op.batch_alter_table("ticket") as batch_op:
        batch_op.drop_index(op.f("ix_ticket_closed_at"))

    with op.batch_alter_table("dispatch") as batch_op:
        batch_op.drop_index(op.f("ix_dispatch_replied_at_ended_at"))
        batch_op.create_index(op.f("ix_dispatch_replied_at"), ["replied_at"], unique=False)
