"""Accounts: sessions that show and end themselves when left idle, passwords that must be changed first, keys narrowed and rotated."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("access_token") as batch_op:
        batch_op.add_column(sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("agent", sa.String(length=80), server_default="", nullable=False))
        batch_op.add_column(sa.Column("via", sa.String(length=8), server_default="password", nullable=False))
        batch_op.create_index(op.f("ix_access_token_expires_at"), ["expires_at"], unique=False)

    op.execute("UPDATE access_token SET last_seen_at = issued_at")
    with op.batch_alter_table("access_token") as batch_op:
        batch_op.alter_column("last_seen_at", existing_type=sa.DateTime(timezone=True), nullable=False)

    # Not in a batch: sessions refer to these rows, so the table cannot be made anew under them.
    op.add_column("staff", sa.Column("must_change", sa.Boolean(), server_default=sa.false(), nullable=False))
    with op.batch_alter_table("api_key") as batch_op:
        batch_op.add_column(sa.Column("scopes", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("previous_sha256", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("previous_ends_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("previous_used_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_unique_constraint(op.f("uq_api_key_previous_sha256"), ["previous_sha256"])


def downgrade() -> None:
    with op.batch_alter_table("api_key") as batch_op:
        batch_op.drop_constraint(op.f("uq_api_key_previous_sha256"), type_="unique")
        for name in ("previous_used_at", "previous_ends_at", "previous_sha256", "last_used_at", "scopes"):
            batch_op.drop_column(name)

    op.drop_column("staff", "must_change")

    with op.batch_alter_table("access_token") as batch_op:
        batch_op.drop_index(op.f("ix_access_token_expires_at"))
        batch_op.drop_column("via")
        batch_op.drop_column("agent")
        batch_op.drop_column("last_seen_at")
