"""Calls know the batch of their job, so that what a batch has cost is known after Redis was lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0001"
branch_labels = None
depends_on = None

CALLS = "usage_logs"


def upgrade() -> None:
    """Of calls that are there already it is not known."""
    op.add_column(CALLS, sa.Column("batch", sa.Text, nullable=True))
    op.create_index(f"ix_{CALLS}_batch", CALLS, ["batch"])


def downgrade() -> None:
    """As it was."""
    op.drop_index(f"ix_{CALLS}_batch", CALLS)
    op.drop_column(CALLS, "batch")
