"""How often a job was begun: one that ends its worker again and again is given up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for table in ("calculation", "load"):
        op.add_column(table, sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
