"""Blocks and logs of the chain, and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString

from keepers.store.types import Address, Hash32, Uint256

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create chain_blocks, chain_logs, chain_marks, outbox_rows, outbox_attempts."""
    op.create_table(
        "chain_blocks",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", Hash32(length=32), nullable=False),
        sa.Column("parent", Hash32(length=32), nullable=False),
        sa.Column("timestamp", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "chain_logs",
        sa.Column("block_number", sa.Integer(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("tx_hash", Hash32(length=32), nullable=False),
        sa.Column("address", Address(length=42), nullable=False),
        sa.Column("topic", Hash32(length=32), nullable=False),
        sa.Column("topics", sa.LargeBinary(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("block_number", "log_index"),
    )
    op.create_index("ix_chain_logs_topic", "chain_logs", ["address", "topic", "block_number"], unique=False)
    op.create_table(
        "chain_marks",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "outbox_rows",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("signer", Address(length=42), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("call", AutoString(), nullable=False),
        sa.Column("to", Address(length=42), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("value", Uint256(length=78), nullable=False),
        sa.Column("gas", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("supersedes", AutoString(), nullable=False),
        sa.Column("not_after", sa.Integer(), nullable=False),
        sa.Column("after", AutoString(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("reason", AutoString(), nullable=False),
        sa.Column("code", AutoString(), nullable=False),
        sa.Column("nonce", sa.Integer(), nullable=True),
        sa.Column("purge", AutoString(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.Integer(), nullable=False),
        sa.Column("missing_since", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("tx_hash", sa.LargeBinary(), nullable=True),
        sa.Column("block_number", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=True),
        sa.Column("gas_used", sa.Integer(), nullable=False),
        sa.Column("gas_price", Uint256(length=78), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
        sa.UniqueConstraint("signer", "nonce", name="uq_outbox_nonce"),
    )
    op.create_index("ix_outbox_open", "outbox_rows", ["signer", "state"], unique=False)
    op.create_table(
        "outbox_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.Integer(), nullable=False),
        sa.Column("purpose", AutoString(), nullable=False),
        sa.Column("max_fee", Uint256(length=78), nullable=False),
        sa.Column("priority_fee", Uint256(length=78), nullable=False),
        sa.Column("gas", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.Integer(), nullable=False),
        sa.Column("answer", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["row_id"],
            ["outbox_rows.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_index(op.f("ix_outbox_attempts_row_id"), "outbox_attempts", ["row_id"], unique=False)


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("outbox_attempts")
    op.drop_table("outbox_rows")
    op.drop_table("chain_marks")
    op.drop_table("chain_logs")
    op.drop_table("chain_blocks")
