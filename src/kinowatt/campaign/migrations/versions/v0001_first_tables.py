"""The first tables: campaigns with their orders and failures, and measurements."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "info",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _queue()
    _rows()


def _queue() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("begun_at", sa.Text, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("campaign_id", _Id, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("build", sa.Text, nullable=False),
        sa.Column("build_digest", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("expected_s", sa.Double),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("lease_clock", sa.Text),
        sa.Column("lease_until_s", sa.Double),
        sa.UniqueConstraint("campaign_id", "position"),
    )
    op.create_index("orders_by_state", "orders", ["campaign_id", "state"])
    op.create_table(
        "failures",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("order_id", _Id, sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.Text, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
    )
    op.create_index("ix_failures_order_id", "failures", ["order_id"])


def _rows() -> None:
    op.create_table(
        "measurements",
        sa.Column("id", _Id, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("order_id", _Id, sa.ForeignKey("orders.id"), unique=True),
        *(sa.Column(n, sa.Text, nullable=False) for n in ("model", "gpu", "protocol", "recipe")),
        *(sa.Column(n, sa.Integer, nullable=False) for n in ("height_px", "width_px", "frames")),
        *(sa.Column(n, sa.Integer, nullable=False) for n in ("steps", "batch_size")),
        sa.Column("torch", sa.Text),
        sa.Column("taken_at", sa.Text, nullable=False),
        sa.Column("latency_s", sa.Double, nullable=False),
        sa.Column("energy_wh_gpu", sa.Double),
    )
    op.create_index("ix_measurements_digest", "measurements", ["digest"])
    op.create_index("measurements_by_model", "measurements", ["model", "gpu", "latency_s"])
    op.create_index("measurements_by_time", "measurements", ["taken_at"])
    op.create_table(
        "documents",
        sa.Column("measurement_id", _Id, sa.ForeignKey("measurements.id"), primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
