"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _job()
    _setting()
    _worker()
    _dependency()
    _event()
    _metric()
    _sample()


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("recipe_name", sa.String(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("data", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("data_hash", sa.String(), nullable=True),
        sa.Column("unique_key", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("position", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("not_before", sa.Float(), nullable=True),
        sa.Column("retry_at", sa.Float(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("cancel_requested", sa.Integer(), nullable=False),
        sa.Column("pause_requested", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("retries_left", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("checkpoint_step", sa.Integer(), nullable=False),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("elapsed_seconds", sa.Float(), nullable=False),
        sa.Column("token", sa.String(), nullable=True),
        sa.Column("worker_id", sa.Integer(), nullable=True),
        sa.Column("device_wanted", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("pid_started", sa.Float(), nullable=True),
        sa.Column("stop_stage", sa.String(), nullable=True),
        sa.Column("run_dir", sa.String(), nullable=True),
        sa.Column("clf_version", sa.String(), nullable=False),
        sa.Column("git_commit", sa.String(), nullable=True),
        sa.Column("phase", sa.String(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("epoch_step", sa.Integer(), nullable=False),
        sa.Column("epoch_steps", sa.Integer(), nullable=False),
        sa.Column("train_loss", sa.Float(), nullable=True),
        sa.Column("lr", sa.Float(), nullable=True),
        sa.Column("images_per_second", sa.Float(), nullable=True),
        sa.Column("eta_seconds", sa.Float(), nullable=True),
        sa.Column("memory", sa.Integer(), nullable=True),
        sa.Column("memory_peak", sa.Integer(), nullable=True),
        sa.Column("best_accuracy", sa.Float(), nullable=True),
        sa.Column("best_epoch", sa.Integer(), nullable=True),
        sa.Column("best_f1", sa.Float(), nullable=True),
        sa.Column("test_accuracy", sa.Float(), nullable=True),
        sa.Column("test_f1", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("progress_at", sa.Float(), nullable=True),
        sa.Column("failure_kind", sa.String(), nullable=True),
        sa.Column("failure_message", sa.String(), nullable=True),
        sa.Column("failure_hint", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled'))", name="finished_has_time"
        ),
        sa.CheckConstraint(
            "state != 'running' OR (token IS NOT NULL AND worker_id IS NOT NULL)", name="running_is_held"
        ),
        sa.CheckConstraint("state = 'failed' OR failure_kind IS NULL", name="only_failed_has_failure"),
        sa.CheckConstraint("state = 'running' OR token IS NULL", name="only_running_is_held"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')", name="state_known"
        ),
        sa.CheckConstraint("attempt >= 0 AND retries_left >= 0", name="counts_not_negative"),
        sa.CheckConstraint("cancel_requested IN (0, 1, 2)", name="cancel_flag"),
        sa.CheckConstraint("pause_requested IN (0, 1)", name="pause_flag"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "job_finished", "job", ["finished_at", "id"], unique=False, sqlite_where=sa.text("finished_at IS NOT NULL")
    )
    op.create_index("job_name", "job", ["name"], unique=False)
    op.create_index("job_running_device", "job", ["device"], unique=True, sqlite_where=sa.text("state = 'running'"))
    op.create_index("job_state", "job", ["state", "id"], unique=False)
    op.create_index("job_unique_key", "job", ["unique_key"], unique=False)
    op.create_index(
        "job_claim",
        "job",
        [sa.text("priority DESC"), "position", "id"],
        sqlite_where=sa.text("state = 'queued'"),
    )


def _setting() -> None:
    op.create_table(
        "setting",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _worker() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("device_name", sa.String(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_started", sa.Float(), nullable=False),
        sa.Column("boot_id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("heartbeat_at", sa.Float(), nullable=False),
        sa.Column("stopped_at", sa.Float(), nullable=True),
        sa.Column("stop_requested", sa.Integer(), nullable=False),
        sa.Column("device_used", sa.Integer(), nullable=True),
        sa.Column("device_total", sa.Integer(), nullable=True),
        sa.Column("utilization", sa.Float(), nullable=True),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("power", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("worker_device_live", "worker", ["device"], unique=True, sqlite_where=sa.text("stopped_at IS NULL"))


def _dependency() -> None:
    op.create_table(
        "dependency",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=False),
        sa.Column("any_outcome", sa.Boolean(), nullable=False),
        sa.CheckConstraint("job_id != parent_id", name="no_self_dependency"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["parent_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "parent_id"),
    )
    op.create_index("ix_dependency_parent_id", "dependency", ["parent_id"], unique=False)


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("event_job", "event", ["job_id", "id"], unique=False)


def _metric() -> None:
    op.create_table(
        "metric",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("split", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "split", "name", "step"),
        sqlite_with_rowid=False,
    )


def _sample() -> None:
    op.create_table(
        "sample",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("allocated", sa.Integer(), nullable=True),
        sa.Column("reserved", sa.Integer(), nullable=True),
        sa.Column("peak", sa.Integer(), nullable=True),
        sa.Column("device_used", sa.Integer(), nullable=True),
        sa.Column("device_total", sa.Integer(), nullable=True),
        sa.Column("resident", sa.Integer(), nullable=True),
        sa.Column("utilization", sa.Float(), nullable=True),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("power", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "at"),
        sqlite_with_rowid=False,
    )
