"""Signatures of texts and their inverted index, by which similar tickets are found."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "ticket_signature",
        sa.Column("ticket_id", identity, autoincrement=False, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_signature_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_signature")),
    )
    op.create_table(
        "ticket_key",
        sa.Column("term", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ticket_id", identity, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_key_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("term", "ticket_id", name=op.f("pk_ticket_key")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("ticket_key")
    op.drop_table("ticket_signature")
