"""What they have written."""

import sqlalchemy as sa
from alembic import op

revision = "create_entries"
down_revision = "create_guests"


def upgrade():
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("guest_id", sa.Integer, sa.ForeignKey("guests.id"), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_index("entries_written_at_idx", "entries", ["written_at"])


def downgrade():
    op.drop_table("entries")
