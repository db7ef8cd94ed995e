"""Who came before there were names is called by the part of the address before the @. Changes rows, not the schema."""

from alembic import op

revision = "fill_names"
down_revision = "add_names"


def upgrade():
    op.execute("UPDATE guests SET name = split_part(email, '@', 1) WHERE name IS NULL")


def downgrade():
    pass
