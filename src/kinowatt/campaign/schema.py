"""The tables of a store, the same on SQLite and PostgreSQL.

A row is kept whole, as JSON text; its columns exist only to find it, and are never read back.
The tables are made by the migrations alone; a test proves that both agree.
"""

import sqlalchemy as sa

VERSION_TABLE = "kinowatt_version"
VERSIONS = ("0001", "0002", "0003")  # of the schema, oldest first
VERSION = VERSIONS[-1]

metadata = sa.MetaData()
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

info = sa.Table(
    "info",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("begun_at", sa.Text, nullable=False),
)
orders = sa.Table(
    "orders",
    metadata,
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
    sa.Index("orders_by_state", "campaign_id", "state"),
)
failures = sa.Table(
    "failures",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("order_id", _Id, sa.ForeignKey("orders.id"), nullable=False, index=True),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failed_at", sa.Text, nullable=False),
    sa.Column("failure", sa.Text, nullable=False),
)
measurements = sa.Table(
    "measurements",
    metadata,
    sa.Column("id", _Id, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("order_id", _Id, sa.ForeignKey("orders.id"), unique=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("gpu", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("height_px", sa.Integer, nullable=False),
    sa.Column("width_px", sa.Integer, nullable=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("steps", sa.Integer, nullable=False),
    sa.Column("batch_size", sa.Integer, nullable=False),
    sa.Column("torch", sa.Text),
    sa.Column("taken_at", sa.Text, nullable=False),
    sa.Column("latency_s", sa.Double, nullable=False),
    sa.Column("energy_wh_gpu", sa.Double),
    sa.Column("alike", sa.Text, nullable=False, server_default=""),
    sa.Index("measurements_by_model", "model", "id"),  # in the order of pages
    sa.Index("measurements_by_time", "taken_at"),
    sa.Index("measurements_by_alike", "alike"),
)
# Apart, so that a search reads columns and not the text of every row
documents = sa.Table(
    "documents",
    metadata,
    sa.Column("measurement_id", _Id, sa.ForeignKey("measurements.id"), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
