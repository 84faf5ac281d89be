"""The table of corrections."""

import sqlalchemy
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "corrections",
        sqlalchemy.Column("id", sqlalchemy.String(32), primary_key=True),
        sqlalchemy.Column("picture", sqlalchemy.LargeBinary, nullable=False),
        sqlalchemy.Column("reading", sqlalchemy.Text, nullable=False),
        sqlalchemy.Column("truth", sqlalchemy.Text, nullable=False),
        sqlalchemy.Column("model", sqlalchemy.Text, nullable=False),
        sqlalchemy.Column("confidence", sqlalchemy.Float, nullable=False),
        sqlalchemy.Column("client", sqlalchemy.Text, nullable=False),
        sqlalchemy.Column("created", sqlalchemy.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_corrections_created", "corrections", ["created"])
