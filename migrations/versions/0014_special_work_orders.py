"""An index for the few 专办件, which every figure leaves out."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_ticket_special_supervisor"), "ticket", ["special_supervisor"])


def downgrade() -> None:
    op.drop_index(op.f("ix_ticket_special_supervisor"), table_name="ticket")
