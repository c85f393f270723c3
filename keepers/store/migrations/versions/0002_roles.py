"""Tables of agent, attester and settler."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString

from keepers.store.types import Uint256

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the roles."""
    op.create_table(
        "agent_batches",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("beats", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "slot"),
    )
    op.create_table(
        "agent_sessions",
        sa.Column("node", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("hardware", AutoString(), nullable=False),
        sa.Column("note", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("node"),
    )
    op.create_table(
        "attester_beats",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("beats", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_attester_beats_epoch"), "attester_beats", ["epoch"], unique=False)
    op.create_table(
        "attester_equivocations",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("first", sa.LargeBinary(), nullable=False),
        sa.Column("second", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("who", "epoch", "seat"),
    )
    op.create_table(
        "attester_observations",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("held_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("who", "epoch", "seat", "digest"),
    )
    op.create_table(
        "attester_proposals",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("view", sa.Integer(), nullable=False),
        sa.Column("proposal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("who", "epoch", "view"),
    )
    op.create_table(
        "attester_signatures",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("who", "epoch", "digest", "seat"),
    )
    op.create_table(
        "settler_asked",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("subject", AutoString(), nullable=False),
        sa.Column("action", AutoString(), nullable=False),
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", "subject", "action"),
    )
    op.create_table(
        "settler_cursor",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("who"),
    )
    op.create_table(
        "settler_leases",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("id", Uint256(length=78), nullable=False),
        sa.Column("terms", Uint256(length=78), nullable=False),
        sa.Column("money", Uint256(length=78), nullable=False),
        sa.PrimaryKeyConstraint("who", "id"),
    )
    op.create_table(
        "settler_tallies",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("key", Uint256(length=78), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", "key", "period"),
    )
    op.create_table(
        "settler_tickets",
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("provider", sa.Integer(), nullable=False),
        sa.Column("owner", AutoString(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", "provider", "owner", "ticket"),
    )


def downgrade() -> None:
    """Drop them again."""
    op.drop_table("settler_tickets")
    op.drop_table("settler_tallies")
    op.drop_table("settler_leases")
    op.drop_table("settler_cursor")
    op.drop_table("settler_asked")
    op.drop_table("attester_signatures")
    op.drop_table("attester_proposals")
    op.drop_table("attester_observations")
    op.drop_table("attester_equivocations")
    op.drop_table("attester_beats")
    op.drop_table("agent_sessions")
    op.drop_table("agent_batches")
