"""Indexes that the year's figures live on: whose an appeal is without its wide row, and the answers sent back."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_ticket_party_ticket_id_enterprise_group"), "ticket_party", ["ticket_id", "enterprise_group"]
    )
    sent_back = sa.text("kind = 'sent_back'")
    op.create_index(
        "ix_ticket_event_sent_back", "ticket_event", ["ticket_month", "ticket_id"],
        postgresql_where=sent_back, sqlite_where=sent_back,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_ticket_event_sent_back", table_name="ticket_event")
    op.drop_index(op.f("ix_ticket_party_ticket_id_enterprise_group"), table_name="ticket_party")
