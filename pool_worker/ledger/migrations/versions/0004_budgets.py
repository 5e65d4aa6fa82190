"""Calls know the batch of their job, so that what a batch cost is known after Redis was lost; keys may have a daily budget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pool_worker.ledger.columns import Usd

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CALLS, KEYS = "usage_logs", "api_keys"


def upgrade() -> None:
    """Of calls that are there already no batch is known."""
    op.add_column(CALLS, sa.Column("batch", sa.Text, nullable=True))
    op.create_index(f"ix_{CALLS}_batch", CALLS, ["batch"])
    op.add_column(KEYS, sa.Column("daily_budget_usd", Usd, nullable=True))


def downgrade() -> None:
    """As it was."""
    op.drop_column(KEYS, "daily_budget_usd")
    op.drop_index(f"ix_{CALLS}_batch", CALLS)
    op.drop_column(CALLS, "batch")
