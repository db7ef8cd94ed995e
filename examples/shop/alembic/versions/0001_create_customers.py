"""Customers and products."""

import sqlalchemy as sa
from alembic import op

revision = "create_customers"
down_revision = None


def upgrade():
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.CheckConstraint("price BETWEEN 0 AND 1000000", name="products_price_check"),
    )


def downgrade():
    op.drop_table("products")
    op.drop_table("customers")
