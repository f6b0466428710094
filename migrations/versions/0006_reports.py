"""Jobs' ledger, reports, marks and appeals; what puts a work order into a report's period."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("period", sa.String(length=16), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
        sa.UniqueConstraint("kind", "period", name=op.f("uq_job_run_kind_period")),
    )
    with op.batch_alter_table("job_run") as batch_op:
        batch_op.create_index(op.f("ix_job_run_kind_due_at"), ["kind", "due_at"], unique=False)
        batch_op.create_index(op.f("ix_job_run_status_lease_until"), ["status", "lease_until"], unique=False)

    op.create_table(
        "report",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.Column("check_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_by", sa.String(length=32), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("published_at IS NULL OR serial IS NOT NULL", name=op.f("ck_report_published_has_number")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("kind", "period", "revision", name=op.f("uq_report_kind_period_revision")),
        sa.UniqueConstraint("kind", "year", "serial", name=op.f("uq_report_kind_year_serial")),
    )
    with op.batch_alter_table("report") as batch_op:
        batch_op.create_index(op.f("ix_report_kind_ends_at"), ["kind", "ends_at"], unique=False)

    op.create_table(
        "report_check",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("report_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.Column("said_by", sa.String(length=32), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(length=32), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_check_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_check")),
        sa.UniqueConstraint("report_id", "unit", name=op.f("uq_report_check_report_id_unit")),
    )
    op.create_table(
        "report_prose",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("report_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("section", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_by", sa.String(length=32), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_prose_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_prose")),
        sa.UniqueConstraint("report_id", "section", "version", name=op.f("uq_report_prose_report_id_section_version")),
    )
    op.create_table(
        "assessment_appeal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("report_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("indicator", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=4), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_assessment_appeal_report_id_report")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_assessment_appeal_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment_appeal")),
    )
    with op.batch_alter_table("assessment_appeal") as batch_op:
        batch_op.create_index(op.f("ix_assessment_appeal_status_due_at"), ["status", "due_at"], unique=False)
        batch_op.create_index(op.f("ix_assessment_appeal_ticket_id"), ["ticket_id"], unique=False)

    op.create_table(
        "assessment_mark",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("ticket_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("points", sa.Numeric(precision=6, scale=2), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=4), nullable=False),
        sa.Column("proposed_by", sa.String(length=32), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_assessment_mark_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment_mark")),
    )
    with op.batch_alter_table("assessment_mark") as batch_op:
        batch_op.create_index(op.f("ix_assessment_mark_status_decided_at"), ["status", "decided_at"], unique=False)
        batch_op.create_index(op.f("ix_assessment_mark_ticket_id"), ["ticket_id"], unique=False)
        batch_op.create_index(op.f("ix_assessment_mark_unit_decided_at"), ["unit", "decided_at"], unique=False)

    with op.batch_alter_table("callback_attempt") as batch_op:
        batch_op.create_index(op.f("ix_callback_attempt_at"), ["at"], unique=False)

    with op.batch_alter_table("dispatch") as batch_op:
        batch_op.add_column(sa.Column("contact_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(op.f("ix_dispatch_contact_due_at"), ["contact_due_at"], unique=False)
        batch_op.create_index(op.f("ix_dispatch_dispatched_at"), ["dispatched_at"], unique=False)
        batch_op.create_index(op.f("ix_dispatch_due_at"), ["due_at"], unique=False)
        batch_op.create_index(op.f("ix_dispatch_original_due_at"), ["original_due_at"], unique=False)
        batch_op.create_index(op.f("ix_dispatch_replied_at"), ["replied_at"], unique=False)
        batch_op.create_index(op.f("ix_dispatch_sign_due_at"), ["sign_due_at"], unique=False)

    with op.batch_alter_table("ticket") as batch_op:
        batch_op.add_column(sa.Column("dispatch_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("callback_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(op.f("ix_ticket_accepted_at"), ["accepted_at"], unique=False)
        batch_op.create_index(op.f("ix_ticket_answered_at"), ["answered_at"], unique=False)
        batch_op.create_index(op.f("ix_ticket_callback_due_at"), ["callback_due_at"], unique=False)
        batch_op.create_index(op.f("ix_ticket_dispatch_due_at"), ["dispatch_due_at"], unique=False)
        batch_op.create_index(op.f("ix_ticket_dispatched_at"), ["dispatched_at"], unique=False)

    with op.batch_alter_table("unit_request") as batch_op:
        batch_op.create_index(op.f("ix_unit_request_kind_decided_at"), ["kind", "decided_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("unit_request") as batch_op:
        batch_op.drop_index(op.f("ix_unit_request_kind_decided_at"))

    with op.batch_alter_table("ticket") as batch_op:
        batch_op.drop_index(op.f("ix_ticket_dispatched_at"))
        batch_op.drop_index(op.f("ix_ticket_dispatch_due_at"))
        batch_op.drop_index(op.f("ix_ticket_callback_due_at"))
        batch_op.drop_index(op.f("ix_ticket_answered_at"))
        batch_op.drop_index(op.f("ix_ticket_accepted_at"))
        batch_op.drop_column("callback_due_at")
        batch_op.drop_column("dispatch_due_at")

    with op.batch_alter_table("dispatch") as batch_op:
        batch_op.drop_index(op.f("ix_dispatch_sign_due_at"))
        batch_op.drop_index(op.f("ix_dispatch_replied_at"))
        batch_op.drop_index(op.f("ix_dispatch_original_due_at"))
        batch_op.drop_index(op.f("ix_dispatch_due_at"))
        batch_op.drop_index(op.f("ix_dispatch_dispatched_at"))
        batch_op.drop_index(op.f("ix_dispatch_contact_due_at"))
        batch_op.drop_column("contact_due_at")

    with op.batch_alter_table("callback_attempt") as batch_op:
        batch_op.drop_index(op.f("ix_callback_attempt_at"))

    with op.batch_alter_table("assessment_mark") as batch_op:
        batch_op.drop_index(op.f("ix_assessment_mark_unit_decided_at"))
        batch_op.drop_index(op.f("ix_assessment_mark_ticket_id"))
        batch_op.drop_index(op.f("ix_assessment_mark_status_decided_at"))

    op.drop_table("assessment_mark")
    with op.batch_alter_table("assessment_appeal") as batch_op:
        batch_op.drop_index(op.f("ix_assessment_appeal_ticket_id"))
        batch_op.drop_index(op.f("ix_assessment_appeal_status_due_at"))

    op.drop_table("assessment_appeal")
    op.drop_table("report_prose")
    op.drop_table("report_check")
    with op.batch_alter_table("report") as batch_op:
        batch_op.drop_index(op.f("ix_report_kind_ends_at"))

    op.drop_table("report")
    with op.batch_alter_table("job_run") as batch_op:
        batch_op.drop_index(op.f("ix_job_run_status_lease_until"))
        batch_op.drop_index(op.f("ix_job_run_kind_due_at"))

    op.drop_table("job_run")
