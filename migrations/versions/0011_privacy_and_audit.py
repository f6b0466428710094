"""The record of access with its chain, on every ticket the last link of its own chain, free text sealed at rest."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from app.sealing import installed_sealer

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LAST_EVENT = (
    "SELECT {column} FROM ticket_event e WHERE e.ticket_month = ticket.month AND e.ticket_id = ticket.id "
    "ORDER BY e.seq DESC LIMIT 1"
)

FREE_TEXT = (("ticket_text", "ticket_id", ("title", "content", "complained_of")), ("ticket_note", "id", ("text",)))
BATCH = 500


def upgrade() -> None:
    op.create_table(
        "access_log",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("verb", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("fields", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_access_log")),
    )
    op.create_index(op.f("ix_access_log_subject_seq"), "access_log", ["subject", "seq"])
    op.create_index(op.f("ix_access_log_verb_seq"), "access_log", ["verb", "seq"])
    op.create_index(op.f("ix_access_log_who_verb_at"), "access_log", ["who", "verb", "at"])
    head = op.create_table(
        "access_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_head")),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": ""}])
    op.add_column("ticket", sa.Column("anonymised_at", sa.DateTime(timezone=True), nullable=True))
    # The default fills the rows that are there; the service always writes both.
    op.add_column("ticket", sa.Column("last_seq", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("ticket", sa.Column("last_hash", sa.String(length=64), nullable=False, server_default=""))
    seq, link = LAST_EVENT.format(column="e.seq"), LAST_EVENT.format(column="e.hash")
    op.execute(f"UPDATE ticket SET last_seq = coalesce(({seq}), 0), last_hash = coalesce(({link}), '')")  # noqa: S608
    op.add_column(
        "ticket_party", sa.Column("enterprise_group", sa.String(length=64), nullable=False, server_default="")
    )
    _group_parties()
    op.create_index(op.f("ix_ticket_party_enterprise_group"), "ticket_party", ["enterprise_group"])
    op.add_column("ticket_text", sa.Column("reviewed", sa.Text(), nullable=False, server_default=""))
    # Free text that was kept plain; an empty database needs no key.
    _rewrite(lambda text: installed_sealer().seal(text))


def downgrade() -> None:
    _rewrite(lambda text: installed_sealer().open(text))
    op.drop_column("ticket_text", "reviewed")
    op.drop_index(op.f("ix_ticket_party_enterprise_group"), table_name="ticket_party")
    op.drop_column("ticket_party", "enterprise_group")
    op.drop_column("ticket", "anonymised_at")
    op.drop_column("ticket", "last_hash")
    op.drop_column("ticket", "last_seq")
    op.drop_table("access_head")
    op.drop_table("access_log")


def _group_parties() -> None:
    connection = op.get_bind()
    rows = sa.table("ticket_party", sa.column("enterprise_find"), sa.column("enterprise_group"))
    for find in connection.scalars(
        sa.select(rows.c.enterprise_find).distinct().where(rows.c.enterprise_find != "")
    ).all():
        group = installed_sealer().group_key(find)
        connection.execute(sa.update(rows).where(rows.c.enterprise_find == find).values(enterprise_group=group))


def _rewrite(turn: Callable[[str], str]) -> None:
    connection = op.get_bind()
    for name, key, columns in FREE_TEXT:
        rows = sa.table(name, sa.column(key), *(sa.column(column) for column in columns))
        # Many rows a statement: a million texts one by one would stop the service for twice as long.
        turned = (
            sa.update(rows)
            .where(rows.c[key] == sa.bindparam("row"))
            .values({c: sa.bindparam(f"new_{c}") for c in columns})
        )
        last = -1
        while True:
            statement = sa.select(rows).where(rows.c[key] > last).order_by(rows.c[key]).limit(BATCH)
            found = connection.execute(statement).mappings().all()
            if not found:
                break
            connection.execute(
                turned, [{"row": row[key]} | {f"new_{c}": turn(row[c]) for c in columns} for row in found]
            )
            last = found[-1][key]
