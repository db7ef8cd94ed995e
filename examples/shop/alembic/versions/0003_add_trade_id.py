"""The payment provider's id of a transaction."""

import sqlalchemy as sa
from alembic import op

revision: str = "add_trade_id"
down_revision: str | None = "create_orders"


def upgrade() -> None:
    op.add_column("transactions", sa.Column("trade_id", sa.Text()))
    op.add_column("transactions", sa.Column("provider", sa.Text()))


def downgrade() -> None:
    op.drop_column("transactions", "provider")
    op.drop_column("transactions", "trade_id")
