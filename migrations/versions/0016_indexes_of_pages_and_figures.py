"""Indexes for what is asked most: a unit's open parts, whose an appeal is without its wide row, the answers sent back."""

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
    is_open = sa.text("state IN ('awaiting_sign', 'in_progress', 'returning', 'suspended')")
    op.create_index(
        "ix_dispatch_open", "dispatch", ["unit", "next_due_at", "id"], postgresql_where=is_open, sqlite_where=is_open
    )
    sent_back = sa.text("kind = 'sent_back'")
    op.create_index(
        "ix_ticket_event_sent_back", "ticket_event", ["ticket_month", "ticket_id"],
        postgresql_where=sent_back, sqlite_where=sent_back,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_ticket_event_sent_back", table_name="ticket_event")
    op.drop_index("ix_dispatch_open", table_name="dispatch")
    op.drop_index(op.f("ix_ticket_party_ticket_id_enterprise_group"), table_name="ticket_party")
