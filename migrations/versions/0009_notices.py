"""Notices: subscriptions, channels of the outbox, the inbox."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("audience", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("link", sa.String(length=200), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_by", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_message")),
        sa.UniqueConstraint("audience", "key", name=op.f("uq_inbox_message_audience_key")),
    )
    with op.batch_alter_table("inbox_message") as batch_op:
        batch_op.create_index(op.f("ix_inbox_message_audience_id"), ["audience", "id"], unique=False)

    op.create_table(
        "notice_subscription",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("audience", sa.String(length=24), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("kinds", sa.String(length=400), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_subscription")),
    )
    with op.batch_alter_table("notice_subscription") as batch_op:
        batch_op.create_index(op.f("ix_notice_subscription_audience_active"), ["audience", "active"], unique=False)

    with op.batch_alter_table("outbox") as batch_op:
        batch_op.add_column(sa.Column("channel", sa.String(length=8), server_default="webhook", nullable=False))
        batch_op.add_column(
            sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
        )
        batch_op.add_column(sa.Column("urgent", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.create_index(op.f("ix_outbox_created_at_id"), ["created_at", "id"], unique=False)
        batch_op.create_index(op.f("ix_outbox_dead_at_id"), ["dead_at", "id"], unique=False)
        batch_op.create_foreign_key(
            op.f("fk_outbox_subscription_id_notice_subscription"), "notice_subscription", ["subscription_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.drop_constraint(op.f("fk_outbox_subscription_id_notice_subscription"), type_="foreignkey")
        batch_op.drop_index(op.f("ix_outbox_dead_at_id"))
        batch_op.drop_index(op.f("ix_outbox_created_at_id"))
        batch_op.drop_column("urgent")
        batch_op.drop_column("subscription_id")
        batch_op.drop_column("channel")

    with op.batch_alter_table("notice_subscription") as batch_op:
        batch_op.drop_index(op.f("ix_notice_subscription_audience_active"))

    op.drop_table("notice_subscription")
    with op.batch_alter_table("inbox_message") as batch_op:
        batch_op.drop_index(op.f("ix_inbox_message_audience_id"))

    op.drop_table("inbox_message")
