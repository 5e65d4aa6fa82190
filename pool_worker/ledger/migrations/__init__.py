"""Alembic's environment and the revisions of the schema; run by `pool_worker.ledger.schema.migrate`."""
