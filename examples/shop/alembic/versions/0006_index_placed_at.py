"""The newest orders first, without blocking the shop while the index is built."""

from alembic import op

revision = "index_placed_at"
down_revision = "add_order_status"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index(
            "orders_placed_at_idx", "orders", ["placed_at"], postgresql_concurrently=True
        )


def downgrade():
    op.drop_index("orders_placed_at_idx", "orders")
