"""督办: orders, the work orders they are about, and what was done."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "supervision_order",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("number", sa.String(length=24), nullable=True),
        sa.Column("way", sa.String(length=4), nullable=False),
        sa.Column("level", sa.String(length=4), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("requirement", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("rule", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("raised_by", sa.String(length=32), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("concluded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.String(length=8), nullable=False),
        sa.Column("tickets", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supervision_order")),
        sa.UniqueConstraint("number", name=op.f("uq_supervision_order_number")),
    )
    with op.batch_alter_table("supervision_order") as batch_op:
        batch_op.create_index(op.f("ix_supervision_order_due_at"), ["due_at"], unique=False)
        batch_op.create_index(op.f("ix_supervision_order_status_due_at_id"), ["status", "due_at", "id"], unique=False)
        batch_op.create_index(op.f("ix_supervision_order_unit_status_id"), ["unit", "status", "id"], unique=False)

    op.create_table(
        "supervision_step",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["supervision_order.id"], name=op.f("fk_supervision_step_order_id_supervision_order")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supervision_step")),
    )
    with op.batch_alter_table("supervision_step") as batch_op:
        batch_op.create_index(op.f("ix_supervision_step_order_id"), ["order_id"], unique=False)

    op.create_table(
        "supervision_ticket",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dispatch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["dispatch_id"], ["dispatch.id"], name=op.f("fk_supervision_ticket_dispatch_id_dispatch")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["supervision_order.id"], name=op.f("fk_supervision_ticket_order_id_supervision_order")
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_supervision_ticket_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supervision_ticket")),
        sa.UniqueConstraint("dispatch_id", "cause", name=op.f("uq_supervision_ticket_dispatch_id_cause")),
    )
    with op.batch_alter_table("supervision_ticket") as batch_op:
        batch_op.create_index(op.f("ix_supervision_ticket_order_id"), ["order_id"], unique=False)
        batch_op.create_index(op.f("ix_supervision_ticket_ticket_id"), ["ticket_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("supervision_ticket") as batch_op:
        batch_op.drop_index(op.f("ix_supervision_ticket_ticket_id"))
        batch_op.drop_index(op.f("ix_supervision_ticket_order_id"))

    op.drop_table("supervision_ticket")
    with op.batch_alter_table("supervision_step") as batch_op:
        batch_op.drop_index(op.f("ix_supervision_step_order_id"))

    op.drop_table("supervision_step")
    with op.batch_alter_table("supervision_order") as batch_op:
        batch_op.drop_index(op.f("ix_supervision_order_unit_status_id"))
        batch_op.drop_index(op.f("ix_supervision_order_status_due_at_id"))
        batch_op.drop_index(op.f("ix_supervision_order_due_at"))

    op.drop_table("supervision_order")
