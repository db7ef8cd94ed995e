import sqlalchemy as sa
from alembic import op

revision = "add_note"
down_revision = "index_placed_at"


def upgrade() -> None:
    op.add_column("orders", sa.Column("note", sa.Text()))
