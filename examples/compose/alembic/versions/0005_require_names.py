"""From now on nobody is without a name."""

from alembic import op

revision = "require_names"
down_revision = "fill_names"


def upgrade():
    op.alter_column("guests", "name", nullable=False)


def downgrade():
    op.alter_column("guests", "name", nullable=True)
