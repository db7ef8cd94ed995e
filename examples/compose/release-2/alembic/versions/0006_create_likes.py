"""Guests like what others have written."""

import sqlalchemy as sa
from alembic import op

revision = "create_likes"
down_revision = "require_names"


def upgrade():
    op.create_table(
        "likes",
        sa.Column("entry_id", sa.Integer, sa.ForeignKey("entries.id"), primary_key=True),
        sa.Column("guest_id", sa.Integer, sa.ForeignKey("guests.id"), primary_key=True),
    )
    op.create_index("likes_guest_id_idx", "likes", ["guest_id"])


def downgrade():
    op.drop_table("likes")
