"""Text search over masked texts: FTS5 on SQLite, a tsvector with GIN on PostgreSQL. Rows are written by the service."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE ticket_search USING fts5(words)")
        return
    op.execute(
        "CREATE TABLE ticket_search ("
        "ticket_id BIGINT NOT NULL CONSTRAINT pk_ticket_search PRIMARY KEY "
        "CONSTRAINT fk_ticket_search_ticket_id_ticket REFERENCES ticket (id), words TSVECTOR NOT NULL)"
    )
    op.execute("CREATE INDEX ix_ticket_search_words ON ticket_search USING gin (words)")


def downgrade() -> None:
    op.execute("DROP TABLE ticket_search")
