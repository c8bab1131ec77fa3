"""The rows of a model in the order of pages: no page sorts all of them first."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("measurements_by_model", "measurements")
    op.create_index("measurements_by_model", "measurements", ["model", "id"])
