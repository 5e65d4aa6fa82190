"""The tables of the ledger.

Names and columns that the platform's reports read are fixed (models, api_keys, usage_logs, daily_usage_summary, alerts,
system_metrics, agent_events, task_executions); jobs, alert_deliveries and key_audit are ours. No foreign
keys: a row about a model or key that was removed meanwhile is still a true row. A change here needs a migration; a test compares
the two.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Float, Index, Integer, MetaData, Table, Text

from pool_worker.ledger.columns import Id, Json, Usd, UtcDateTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _when(name: str = "created_at", *, nullable: bool = False) -> Column[object]:
    return Column(name, UtcDateTime, nullable=nullable)


models = Table(
    "models",
    metadata,
    _id(),
    Column("model_id", Text, nullable=False, unique=True),
    Column("provider", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("cost_per_1k_tokens", Usd),  # the mean of the next two; null: price unknown
    Column("cost_per_1k_input_tokens", Usd),
    Column("cost_per_1k_output_tokens", Usd),
    Column("rpm_limit", Id),
    Column("tpm_limit", Id),
    Column("rpd_limit", Id),
    Column("tpd_limit", Id),
    Column("context_window", Id),
    Column("max_output_tokens", Id),
    Column("capabilities", Json, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("is_experimental", Boolean, nullable=False),
    Column("metadata", Json, nullable=False),
    _when(),
    _when("updated_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("key_id", Text, nullable=False, unique=True),
    Column("provider", Text, nullable=False, index=True),
    Column("encrypted_key", Text),  # null once revoked
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("last4", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("quota_group", Text, nullable=False),
    Column("daily_limit", Id),
    Column("daily_budget_usd", Usd),
    Column("metadata", Json, nullable=False),
    Column("is_active", Boolean, nullable=False),
    _when("last_rotated", nullable=True),
    _when(),
)

key_audit = Table(
    "key_audit",
    metadata,
    _id(),
    _when("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("key_id", Text),
    Column("detail", Text, nullable=False),
    Index(None, "key_id", "at"),
)

vault_seal = Table(
    "vault_seal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sealed", Text, nullable=False),
    _when(),
)

usage_logs = Table(
    "usage_logs",
    metadata,
    _id(),
    Column("attempt_id", Text, nullable=False, unique=True),
    Column("job_id", Text, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("task_type", Text),
    Column("model_id", Text),
    Column("provider", Text),
    Column("key_id", Text),
    Column("batch", Text),
    Column("queue", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("status_code", Integer),
    Column("error_message", Text),
    Column("input_tokens", Id, nullable=False),
    Column("output_tokens", Id, nullable=False),
    Column("tokens_used", Id, nullable=False),
    Column("cost", Usd, nullable=False),
    Column("response_time_ms", Float, nullable=False),
    Column("added_ms", Float, nullable=False),
    _when(),
    Index(None, "model_id", "created_at"),
    Index(None, "key_id", "created_at"),
    Index(None, "agent", "created_at"),
    Index(None, "batch"),
    Index(None, "created_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("task_type", Text),
    Column("model_id", Text),
    Column("provider", Text),
    Column("submitted_at", UtcDateTime, nullable=False, index=True),
    Column("finished_at", UtcDateTime),
    Column("latency_ms", Float),
    Column("cost", Usd, nullable=False),
    Column("input_tokens", Id, nullable=False),
    Column("output_tokens", Id, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("hops", Integer, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("error_type", Text),
    Column("error_message", Text),
    Index(None, "agent", "submitted_at"),
)

daily_usage_summary = Table(
    "daily_usage_summary",
    metadata,
    Column("date", Date, primary_key=True),
    Column("model_id", Text, primary_key=True),
    Column("total_requests", Id, nullable=False),
    Column("total_tokens", Id, nullable=False),
    Column("total_cost", Usd, nullable=False),
    Column("success_rate", Float, nullable=False),
    Column("avg_response_time_ms", Float),  # of the successful calls, like the percentiles; null: there was none
    Column("p50_response_time_ms", Float),
    Column("p95_response_time_ms", Float),
    Column("p99_response_time_ms", Float),
    Column("input_tokens", Id),
    Column("output_tokens", Id),
    Column("failovers", Id),  # calls made in vain, as `reports.failovers` counts; null: summed up by revision 0001
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("alert_id", Text, nullable=False, unique=True),
    Column("severity", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("acknowledged", Boolean, nullable=False),
    _when("acknowledged_at", nullable=True),
    _when(),
    Index(None, "created_at"),
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    _id(),
    Column("delivery_id", Text, nullable=False, unique=True),
    Column("alert_id", Text, nullable=False, index=True),
    Column("target", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    _when("at"),
    Column("ok", Boolean, nullable=False),
    Column("error", Text),
    Column("is_last", Boolean, nullable=False),
    Column("in_digest", Boolean, nullable=False),
    Index(None, "at"),
)

system_metrics = Table(
    "system_metrics",
    metadata,
    _id(),
    Column("metric_type", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("unit", Text, nullable=False),
    Column("metadata", Json, nullable=False),
    _when(),
    Index(None, "metric_type", "created_at"),
    Index(None, "created_at"),
)

agent_events = Table(
    "agent_events",
    metadata,
    _id(),
    Column("event_id", Text, nullable=False, unique=True),
    Column("agent_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("event_data", Json, nullable=False),
    _when(),
    Index(None, "agent_id", "created_at"),
    Index(None, "created_at"),
)

task_executions = Table(
    "task_executions",
    metadata,
    _id(),
    Column("task_type", Text, nullable=False),
    Column("task_description", Text, nullable=False),
    Column("agents_involved", Json, nullable=False),
    Column("models_used", Json, nullable=False),
    Column("execution_plan", Json, nullable=False),
    Column("result", Json),
    Column("duration_ms", Float),
    Column("success", Boolean),
    _when(),
    Index(None, "created_at"),
)
