"""The work order's whole life: requests, rulings, contacts, callbacks, promises, 会商, and the snapshot of the fold."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callback_attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rework", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=4), nullable=False),
        sa.Column("solved", sa.String(length=8), nullable=False),
        sa.Column("grade", sa.String(length=8), nullable=False),
        sa.Column("process_grade", sa.String(length=8), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_callback_attempt_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_attempt")),
    )
    with op.batch_alter_table("callback_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_callback_attempt_ticket_id"), ["ticket_id"], unique=False)

    op.create_table(
        "conference",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("level", sa.String(length=12), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("participants", sa.Text(), nullable=False),
        sa.Column("conclusion", sa.Text(), nullable=False),
        sa.Column("lead", sa.String(length=16), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("recorded_by", sa.String(length=32), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_conference_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conference")),
    )
    with op.batch_alter_table("conference", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conference_ticket_id"), ["ticket_id"], unique=False)

    op.create_table(
        "direct_answer",
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("partner", sa.String(length=16), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(length=32), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_direct_answer_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_direct_answer")),
    )
    op.create_table(
        "promise",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("promised_on", sa.Date(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=4), nullable=False),
        sa.Column("settled_by", sa.String(length=32), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_promise_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise")),
    )
    with op.batch_alter_table("promise", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_promise_status_due_at_id"), ["status", "due_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_promise_ticket_id"), ["ticket_id"], unique=False)

    op.create_table(
        "ruling",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("tag", sa.String(length=4), nullable=False),
        sa.Column("objector", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("clause", sa.Text(), nullable=False),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.Column("participants", sa.Text(), nullable=False),
        sa.Column("ruled_by", sa.String(length=32), nullable=False),
        sa.Column("ruled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ruling_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ruling")),
    )
    with op.batch_alter_table("ruling", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ruling_ruled_at_id"), ["ruled_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ruling_tag_ruled_at"), ["tag", "ruled_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_ruling_ticket_id"), ["ticket_id"], unique=False)

    op.create_table(
        "contact_attempt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dispatch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_contact_attempt_dispatch_id_dispatch")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_contact_attempt_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_attempt")),
    )
    with op.batch_alter_table("contact_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_attempt_ticket_id"), ["ticket_id"], unique=False)

    op.create_table(
        "unit_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dispatch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("clause", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("suggested_unit", sa.String(length=16), nullable=False),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("arbitration", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=4), nullable=False),
        sa.Column("ruling_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=32), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_unit_request_dispatch_id_dispatch")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_unit_request_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_request")),
    )
    with op.batch_alter_table("unit_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_unit_request_ticket_id"), ["ticket_id"], unique=False)

    with op.batch_alter_table("dispatch", schema=None) as batch_op:
        batch_op.add_column(sa.Column("original_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("contacted_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("contact_kind", sa.String(length=8), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("resumes_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column(
                "paused_seconds",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=False,
                server_default="0",
            )
        )
        batch_op.add_column(sa.Column("late", sa.String(length=64), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("rework", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("handler", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        batch_op.add_column(sa.Column("deputy", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_dispatch_state_resumes_at_id"), ["state", "resumes_at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_dispatch_state_sign_due_at_id"), ["state", "sign_due_at", "id"], unique=False
        )
        batch_op.create_foreign_key(batch_op.f("fk_dispatch_deputy_staff"), "staff", ["deputy"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_dispatch_handler_staff"), "staff", ["handler"], ["id"])
        batch_op.drop_column("signed_by")

    with op.batch_alter_table("reply", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stage", sa.String(length=4), nullable=False, server_default=""))
        batch_op.alter_column("contacted_at", existing_type=sa.DateTime(timezone=True), nullable=True)

    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("original_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("closing", sa.String(length=16), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("solved", sa.String(length=8), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("first_grade", sa.String(length=8), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("final_grade", sa.String(length=8), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("returns", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("appointed", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("reworks", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("hardness", sa.String(length=8), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        batch_op.add_column(sa.Column("main_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True))
        batch_op.add_column(sa.Column("urged_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("urges", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(
            sa.Column("held_since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
        )
        batch_op.add_column(sa.Column("desk_step", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("desk_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_ticket_desk_step_desk_due_at_id"), ["desk_step", "desk_due_at", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_ticket_main_id"), ["main_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ticket_parent_id"), ["parent_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_ticket_main_id_ticket"), "ticket", ["main_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_ticket_parent_id_ticket"), "ticket", ["parent_id"], ["id"])
        batch_op.drop_column("review_due_at")


def downgrade() -> None:
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("review_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_constraint(batch_op.f("fk_ticket_parent_id_ticket"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_ticket_main_id_ticket"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_ticket_parent_id"))
        batch_op.drop_index(batch_op.f("ix_ticket_main_id"))
        batch_op.drop_index(batch_op.f("ix_ticket_desk_step_desk_due_at_id"))
        batch_op.drop_column("desk_due_at")
        batch_op.drop_column("desk_step")
        batch_op.drop_column("held_since")
        batch_op.drop_column("urges")
        batch_op.drop_column("urged_at")
        batch_op.drop_column("main_id")
        batch_op.drop_column("parent_id")
        batch_op.drop_column("hardness")
        batch_op.drop_column("reworks")
        batch_op.drop_column("appointed")
        batch_op.drop_column("returns")
        batch_op.drop_column("final_grade")
        batch_op.drop_column("first_grade")
        batch_op.drop_column("solved")
        batch_op.drop_column("closing")
        batch_op.drop_column("closed_at")
        batch_op.drop_column("answered_at")
        batch_op.drop_column("overdue_at")
        batch_op.drop_column("original_due_at")

    with op.batch_alter_table("reply", schema=None) as batch_op:
        batch_op.alter_column("contacted_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.drop_column("stage")

    with op.batch_alter_table("dispatch", schema=None) as batch_op:
        batch_op.add_column(sa.Column("signed_by", sa.VARCHAR(length=32), nullable=True))
        batch_op.drop_constraint(batch_op.f("fk_dispatch_handler_staff"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_dispatch_deputy_staff"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_dispatch_state_sign_due_at_id"))
        batch_op.drop_index(batch_op.f("ix_dispatch_state_resumes_at_id"))
        batch_op.drop_column("deputy")
        batch_op.drop_column("handler")
        batch_op.drop_column("rework")
        batch_op.drop_column("late")
        batch_op.drop_column("paused_seconds")
        batch_op.drop_column("resumes_at")
        batch_op.drop_column("ended_at")
        batch_op.drop_column("contacted_at")
        batch_op.drop_column("contact_kind")
        batch_op.drop_column("original_due_at")

    with op.batch_alter_table("unit_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_unit_request_ticket_id"))

    op.drop_table("unit_request")
    with op.batch_alter_table("contact_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_attempt_ticket_id"))

    op.drop_table("contact_attempt")
    with op.batch_alter_table("ruling", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ruling_ticket_id"))
        batch_op.drop_index(batch_op.f("ix_ruling_tag_ruled_at"))
        batch_op.drop_index(batch_op.f("ix_ruling_ruled_at_id"))

    op.drop_table("ruling")
    with op.batch_alter_table("promise", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_promise_ticket_id"))
        batch_op.drop_index(batch_op.f("ix_promise_status_due_at_id"))

    op.drop_table("promise")
    op.drop_table("direct_answer")
    with op.batch_alter_table("conference", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conference_ticket_id"))

    op.drop_table("conference")
    with op.batch_alter_table("callback_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_callback_attempt_ticket_id"))

    op.drop_table("callback_attempt")
