"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pool_worker.ledger.columns import Id, Json, Usd, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    _keys()
    _attempts()
    _jobs()
    _models()
    _platform()
    _tasks()


def downgrade() -> None:
    """Remove every table."""
    for table in (
        "api_keys",
        "key_audit",
        "vault_seal",
        "usage_logs",
        "jobs",
        "models",
        "daily_usage_summary",
        "alerts",
        "agent_events",
        "system_metrics",
        "task_executions",
    ):
        op.drop_table(table)


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("encrypted_key", sa.Text, nullable=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("last4", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("quota_group", sa.Text, nullable=False),
        sa.Column("daily_limit", Id, nullable=True),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("last_rotated", UtcDateTime, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("fingerprint", name="uq_api_keys_fingerprint"),
        sa.UniqueConstraint("key_id", name="uq_api_keys_key_id"),
    )
    op.create_index("ix_api_keys_provider", "api_keys", ["provider"])
    op.create_table(
        "key_audit",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=True),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_key_audit"),
    )
    op.create_index("ix_key_audit_key_id_at", "key_audit", ["key_id", "at"])
    op.create_table(
        "vault_seal",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vault_seal"),
    )


def _attempts() -> None:
    op.create_table(
        "usage_logs",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("attempt_id", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("task_type", sa.Text, nullable=True),
        sa.Column("model_id", sa.Text, nullable=True),
        sa.Column("provider", sa.Text, nullable=True),
        sa.Column("key_id", sa.Text, nullable=True),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("success", sa.Boolean, nullable=False),
        sa.Column("status_code", sa.Integer, nullable=True),
        sa.Column("error_message", sa.Text, nullable=True),
        sa.Column("input_tokens", Id, nullable=False),
        sa.Column("output_tokens", Id, nullable=False),
        sa.Column("tokens_used", Id, nullable=False),
        sa.Column("cost", Usd, nullable=False),
        sa.Column("response_time_ms", sa.Float, nullable=False),
        sa.Column("added_ms", sa.Float, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_usage_logs"),
        sa.UniqueConstraint("attempt_id", name="uq_usage_logs_attempt_id"),
    )
    op.create_index("ix_usage_logs_agent_created_at", "usage_logs", ["agent", "created_at"])
    op.create_index("ix_usage_logs_created_at", "usage_logs", ["created_at"])
    op.create_index("ix_usage_logs_job_id", "usage_logs", ["job_id"])
    op.create_index("ix_usage_logs_key_id_created_at", "usage_logs", ["key_id", "created_at"])
    op.create_index("ix_usage_logs_model_id_created_at", "usage_logs", ["model_id", "created_at"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("task_type", sa.Text, nullable=True),
        sa.Column("model_id", sa.Text, nullable=True),
        sa.Column("provider", sa.Text, nullable=True),
        sa.Column("submitted_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime, nullable=True),
        sa.Column("latency_ms", sa.Float, nullable=True),
        sa.Column("cost", Usd, nullable=False),
        sa.Column("input_tokens", Id, nullable=False),
        sa.Column("output_tokens", Id, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("hops", sa.Integer, nullable=False),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("degraded", sa.Boolean, nullable=False),
        sa.Column("error_type", sa.Text, nullable=True),
        sa.Column("error_message", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_agent_submitted_at", "jobs", ["agent", "submitted_at"])
    op.create_index("ix_jobs_submitted_at", "jobs", ["submitted_at"])


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("cost_per_1k_tokens", Usd, nullable=True),
        sa.Column("cost_per_1k_input_tokens", Usd, nullable=True),
        sa.Column("cost_per_1k_output_tokens", Usd, nullable=True),
        sa.Column("rpm_limit", Id, nullable=True),
        sa.Column("tpm_limit", Id, nullable=True),
        sa.Column("rpd_limit", Id, nullable=True),
        sa.Column("tpd_limit", Id, nullable=True),
        sa.Column("context_window", Id, nullable=True),
        sa.Column("max_output_tokens", Id, nullable=True),
        sa.Column("capabilities", Json, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("is_experimental", sa.Boolean, nullable=False),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("model_id", name="uq_models_model_id"),
    )
    op.create_table(
        "daily_usage_summary",
        sa.Column("date", sa.Date, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("total_requests", Id, nullable=False),
        sa.Column("total_tokens", Id, nullable=False),
        sa.Column("total_cost", Usd, nullable=False),
        sa.Column("success_rate", sa.Float, nullable=False),
        sa.Column("avg_response_time_ms", sa.Float, nullable=True),
        sa.PrimaryKeyConstraint("date", "model_id", name="pk_daily_usage_summary"),
    )


def _platform() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("acknowledged", sa.Boolean, nullable=False),
        sa.Column("acknowledged_at", UtcDateTime, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint("alert_id", name="uq_alerts_alert_id"),
    )
    op.create_index("ix_alerts_created_at", "alerts", ["created_at"])
    op.create_table(
        "agent_events",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("event_data", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent_events"),
        sa.UniqueConstraint("event_id", name="uq_agent_events_event_id"),
    )
    op.create_index("ix_agent_events_agent_id_created_at", "agent_events", ["agent_id", "created_at"])
    op.create_table(
        "system_metrics",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("metric_type", sa.Text, nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("metadata", Json, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_system_metrics"),
    )
    op.create_index("ix_system_metrics_metric_type_created_at", "system_metrics", ["metric_type", "created_at"])


def _tasks() -> None:
    op.create_table(
        "task_executions",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("task_type", sa.Text, nullable=False),
        sa.Column("task_description", sa.Text, nullable=False),
        sa.Column("agents_involved", Json, nullable=False),
        sa.Column("models_used", Json, nullable=False),
        sa.Column("execution_plan", Json, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("duration_ms", sa.Float, nullable=True),
        sa.Column("success", sa.Boolean, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task_executions"),
    )
    op.create_index("ix_task_executions_created_at", "task_executions", ["created_at"])
