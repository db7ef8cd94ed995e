"""An entry says something."""

from alembic import op

revision = "forbid_empty_messages"
down_revision = "create_likes"


def upgrade():
    op.create_check_constraint("entries_message_check", "entries", "message <> ''")


def downgrade():
    op.drop_constraint("entries_message_check", "entries")
