"""Where an order stands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "add_order_status"
down_revision = "squash"

status = postgresql.ENUM("new", "paid", "sent", name="order_status")


def upgrade():
    status.create(op.get_bind())
    op.add_column(
        "orders",
        sa.Column(
            "status",
            postgresql.ENUM(name="order_status", create_type=False),
            nullable=False,
            server_default="new",
        ),
    )
    op.create_index("orders_status_idx", "orders", ["status"])


def downgrade():
    op.drop_column("orders", "status")
    status.drop(op.get_bind())
