"""Reminders: cards, digests, calls about urgent work orders."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "digest",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=24), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest")),
        sa.UniqueConstraint("day", "round", "audience", name=op.f("uq_digest_day_round_audience")),
    )
    op.create_table(
        "card",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dispatch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("level", sa.String(length=4), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_card_dispatch_id_dispatch")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_card_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card")),
        sa.UniqueConstraint("dispatch_id", "kind", "level", "day", name=op.f("uq_card_dispatch_id_kind_level_day")),
        sa.UniqueConstraint(
            "dispatch_id", "kind", "level", "due_at", name=op.f("uq_card_dispatch_id_kind_level_due_at")
        ),
    )
    with op.batch_alter_table("card") as batch_op:
        batch_op.create_index(op.f("ix_card_level_made_at_id"), ["level", "made_at", "id"], unique=False)
        batch_op.create_index(op.f("ix_card_ticket_id"), ["ticket_id"], unique=False)
        batch_op.create_index(op.f("ix_card_unit_made_at_id"), ["unit", "made_at", "id"], unique=False)

    op.create_table(
        "duty_call",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dispatch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("called_by", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_duty_call_dispatch_id_dispatch")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_duty_call_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_call")),
        sa.UniqueConstraint("dispatch_id", "step", name=op.f("uq_duty_call_dispatch_id_step")),
    )
    with op.batch_alter_table("duty_call") as batch_op:
        batch_op.create_index(op.f("ix_duty_call_status_due_at_id"), ["status", "due_at", "id"], unique=False)
        batch_op.create_index(op.f("ix_duty_call_ticket_id"), ["ticket_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("duty_call") as batch_op:
        batch_op.drop_index(op.f("ix_duty_call_ticket_id"))
        batch_op.drop_index(op.f("ix_duty_call_status_due_at_id"))

    op.drop_table("duty_call")
    with op.batch_alter_table("card") as batch_op:
        batch_op.drop_index(op.f("ix_card_unit_made_at_id"))
        batch_op.drop_index(op.f("ix_card_ticket_id"))
        batch_op.drop_index(op.f("ix_card_level_made_at_id"))

    op.drop_table("card")
    op.drop_table("digest")
