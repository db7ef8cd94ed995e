"""merge

Revision ID: c
"""
from typing import Sequence, Union

revision: str = "c"
down_revision: Union[str, Sequence[str], None] = ("a", "b")
branch_labels = {"x", "y"}
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("t", schema=None) as batch_op:
        batch_op.add_column(sa.Column("c", sa.Integer(), nullable=False))
