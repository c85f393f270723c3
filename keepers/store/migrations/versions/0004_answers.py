"""Answers that an agent has signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from keepers.store.types import Hash32

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the agent's answers."""
    op.create_table(
        "agent_answers",
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("seed_b", sa.BigInteger(), nullable=False),
        sa.Column("root", Hash32(length=32), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("node", "epoch", "seed", "seed_b"),
    )


def downgrade() -> None:
    """Drop it again."""
    op.drop_table("agent_answers")
