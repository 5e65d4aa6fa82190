"""The schema's revision, and bringing it up to date with alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from pool_client.errors import ConfigurationError
from pool_worker.ledger.database import MIGRATION_LOCK, writing

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """Bring the schema up to date, all or nothing; processes that start at the same time do it one after the other.

    Costs one query where it is up to date, as it nearly always is.

    Raises:
        ConfigurationError: if a newer release has already changed the schema.
    """
    present, needed = schema_revisions(engine)
    if present == needed:
        return
    if present is not None and present not in _revisions():
        msg = f"the database was set up by a newer release of model-pool (its revision is {present}): install that release"
        raise ConfigurationError(msg)
    from alembic import command  # noqa: PLC0415 - takes a third of a second, and most processes find nothing to do
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with writing(engine, lock=MIGRATION_LOCK) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def schema_revisions(engine: Engine) -> tuple[str | None, str]:
    """The revision of the database's schema (None: never migrated) and the one that this release needs."""
    present: str | None = None
    if inspect(engine).has_table("alembic_version"):
        with engine.connect() as connection:
            present = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return present, _revisions()[-1]


def _revisions() -> list[str]:
    """All of this release, the oldest first: their files are named `<revision>_<what>.py`."""
    return sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))
