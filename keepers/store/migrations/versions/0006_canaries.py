"""Challenges that an agent fails on purpose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of canaries."""
    op.create_table(
        "agent_canaries",
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("telemetry", sa.LargeBinary(), nullable=False),
        sa.Column("beat", sa.LargeBinary(), nullable=False),
        sa.Column("played", sa.Boolean(), nullable=False),
        sa.Column("collected", sa.Boolean(), nullable=False),
        sa.Column("observations", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("node", "epoch"),
    )


def downgrade() -> None:
    """Drop it again."""
    op.drop_table("agent_canaries")
