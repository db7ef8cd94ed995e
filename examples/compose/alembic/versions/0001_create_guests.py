"""Everybody who has written something, by their address."""

import sqlalchemy as sa
from alembic import op

revision = "create_guests"
down_revision = None


def upgrade():
    op.create_table(
        "guests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def downgrade():
    op.drop_table("guests")
