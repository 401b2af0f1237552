"""How often targets were asked for a call, and whether its stream was carried on by another one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two columns; of the calls before nothing is known but that they were asked once."""
    op.add_column("request_logs", sa.Column("attempts", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("request_logs", sa.Column("rescued", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("request_logs", "rescued")
    op.drop_column("request_logs", "attempts")
