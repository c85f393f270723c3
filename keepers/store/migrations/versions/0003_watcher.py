"""Tables of the watcher."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString

from keepers.store.types import Hash32, Uint256

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the watcher."""
    op.create_table(
        "watcher_findings",
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("why", AutoString(), nullable=False),
        sa.Column("provable", sa.Boolean(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("bounty", Uint256(length=78), nullable=False),
        sa.Column("gas", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.Integer(), nullable=False),
        sa.Column("first_seen", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "watcher_states",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("block_hash", Hash32(length=32), nullable=False),
        sa.Column("block_time", sa.Integer(), nullable=False),
        sa.Column("header", Uint256(length=78), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("came", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("epoch"),
    )


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("watcher_states")
    op.drop_table("watcher_findings")
