"""Guests have names."""

import sqlalchemy as sa
from alembic import op

revision = "add_names"
down_revision = "create_entries"


def upgrade():
    op.add_column("guests", sa.Column("name", sa.Text))


def downgrade():
    op.drop_column("guests", "name")
