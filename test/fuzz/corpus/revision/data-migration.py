"""Customers without a name get the part of their address before the @. Changes rows, not the schema."""

from alembic import op

revision = "fill_names"
down_revision = "add_trade_id"


def upgrade():
    op.execute("UPDATE customers SET name = split_part(email, '@', 1) WHERE name IS NULL")


def downgrade():
    pass
