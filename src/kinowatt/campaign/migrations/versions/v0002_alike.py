"""Which rows may be averaged, beside each row: `summary` no longer reads every document."""

import json

import sqlalchemy as sa
from alembic import op

from kinowatt.campaign.entry import entry
from kinowatt.lab.measurement import Measurement

revision = "0002"
down_revision = "0001"

BATCH = 1000


def upgrade() -> None:
    # With a default, since SQLite adds no other column that may not be null
    column = sa.Column("alike", sa.Text, nullable=False, server_default="")
    op.add_column("measurements", column)
    _fill(op.get_bind())
    op.create_index("measurements_by_alike", "measurements", ["alike"])


def _fill(connection: sa.Connection) -> None:
    read = sa.text(
        "SELECT measurement_id, document FROM documents WHERE measurement_id > :after"
        " ORDER BY measurement_id LIMIT :limit"
    )
    write = sa.text("UPDATE measurements SET alike = :alike WHERE id = :id")
    after = -1
    while found := connection.execute(read, {"after": after, "limit": BATCH}).all():
        rows = [(number, Measurement.from_dict(json.loads(text))) for number, text in found]
        connection.execute(
            write, [{"id": number, "alike": entry(row).columns["alike"]} for number, row in rows]
        )
        after = found[-1][0]
