"""Run by Alembic: migrates over the connection, and in the transaction, that it was handed."""

from alembic import context

from kinowatt.campaign.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
