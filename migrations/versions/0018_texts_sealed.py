"""What people write is sealed wherever it lies; equal answers are found by a hash; sign-ins under way are counted apart."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from app.sealing import installed_sealer

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TEXTS = (
    ("ticket_arrears", "ticket_id", ("debtor_name", "contract_name")),
    ("ticket_attachment", "id", ("name",)),
    ("unit_request", "id", ("clause", "explanation", "evidence", "opinion")),
    ("ruling", "id", ("clause", "opinion", "participants")),
    ("contact_attempt", "id", ("remark",)),
    ("direct_answer", "ticket_id", ("content",)),
    ("callback_attempt", "id", ("remark",)),
    ("promise", "id", ("what", "remark")),
    ("conference", "id", ("conclusion", "steps")),
    ("supervision_order", "id", ("requirement",)),
    ("supervision_step", "id", ("text", "person", "attachments")),
    ("duty_call", "id", ("remark",)),
    ("report_check", "id", ("opinion", "answer")),
    ("assessment_mark", "id", ("reason", "opinion")),
    ("assessment_appeal", "id", ("reason", "opinion")),
    ("saved_view", "id", ("params",)),
)
REPLIES = ("reply", "id", ("content", "plan"))
SHORTEST_COPY = 10
BATCH = 500


def upgrade() -> None:
    # The default fills the rows that are there; the service always writes it.
    op.add_column("reply", sa.Column("content_find", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("login_attempt", sa.Column("pending", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("login_attempt", sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True))
    # An empty database needs no key.
    for name, key, columns in TEXTS:
        _rewrite(name, key, columns, lambda text: installed_sealer().seal(text))
    _rewrite(*REPLIES, lambda text: installed_sealer().seal(text), find=True)


def downgrade() -> None:
    for name, key, columns in (*TEXTS, REPLIES):
        _rewrite(name, key, columns, lambda text: installed_sealer().open(text))
    op.drop_column("login_attempt", "begun_at")
    op.drop_column("login_attempt", "pending")
    op.drop_column("reply", "content_find")


def _rewrite(name: str, key: str, columns: tuple[str, ...], turn: Callable[[str], str], *, find: bool = False) -> None:
    connection = op.get_bind()
    rows = sa.table(name, sa.column(key), *(sa.column(column) for column in columns), sa.column("content_find"))
    names = [*columns, *(["content_find"] if find else [])]
    # Many rows a statement: a million texts one by one would stop the service for twice as long.
    turned = sa.update(rows).where(rows.c[key] == sa.bindparam("row"))
    turned = turned.values({each: sa.bindparam(f"new_{each}") for each in names})
    last = -1
    while True:
        statement = sa.select(rows.c[key], *(rows.c[column] for column in columns)).where(rows.c[key] > last)
        found = connection.execute(statement.order_by(rows.c[key]).limit(BATCH)).mappings().all()
        if not found:
            return
        values = [{"row": row[key]} | {f"new_{column}": turn(row[column]) for column in columns} for row in found]
        if find:
            values = [new | {"new_content_find": _find(row["content"])} for new, row in zip(values, found, strict=True)]
        connection.execute(turned, values)
        last = found[-1][key]


def _find(content: str) -> str:
    told = "".join(content.split())
    return installed_sealer().find_key(told) if len(told) >= SHORTEST_COPY else ""
