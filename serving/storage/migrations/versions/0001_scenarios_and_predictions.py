"""Tables of saved scenarios, logged predictions and deletions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "scenarios",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("studio_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("release_version", sa.Integer, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("data_version", sa.Text, nullable=False),
        sa.Column("base_month", sa.Date, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_index("ix_scenarios_created_at", "scenarios", ["created_at", "id"])
    op.create_index("ix_scenarios_studio_id", "scenarios", ["studio_id", "created_at", "id"])
    op.create_table(
        "predictions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("studio_id", sa.Text, nullable=False),
        sa.Column("base_month", sa.Date, nullable=False),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("outputs", sa.JSON, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("release_version", sa.Integer, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("data_version", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
    )
    op.create_index("ix_predictions_made_at", "predictions", ["made_at"])
    op.create_index("ix_predictions_studio_id", "predictions", ["studio_id", "base_month", "made_at"])
    op.create_table(
        "deletions",
        sa.Column("studio_id", sa.Text, primary_key=True),
        sa.Column("deleted_at", MOMENT, nullable=False),
    )
    op.create_index("ix_deletions_deleted_at", "deletions", ["deleted_at"])


def downgrade() -> None:
    """Drop the tables and all that they hold."""
    for table in ("deletions", "predictions", "scenarios"):
        op.drop_table(table)
