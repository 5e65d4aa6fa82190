"""Percentiles, tokens and failovers in the daily summaries; indexes by which old events and metrics are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pool_worker.ledger.columns import Id

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SUMMARY = "daily_usage_summary"
LATENCIES = ("p50_response_time_ms", "p95_response_time_ms", "p99_response_time_ms")
COUNTS = ("input_tokens", "output_tokens", "failovers")
BY_TIME = ("agent_events", "system_metrics")


def upgrade() -> None:
    """Summaries that are there already know none of the new figures."""
    for name in LATENCIES:
        op.add_column(SUMMARY, sa.Column(name, sa.Float, nullable=True))
    for name in COUNTS:
        op.add_column(SUMMARY, sa.Column(name, Id, nullable=True))
    for table in BY_TIME:
        op.create_index(f"ix_{table}_created_at", table, ["created_at"])


def downgrade() -> None:
    """As it was."""
    for table in BY_TIME:
        op.drop_index(f"ix_{table}_created_at", table)
    for name in (*LATENCIES, *COUNTS):
        op.drop_column(SUMMARY, name)
