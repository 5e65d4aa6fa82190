"""Reading the keys of one worker, with the secrets of those that it may use. Blocking."""

from __future__ import annotations

from collections.abc import Mapping

from pool_worker.ledger.database import open_database
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.schema import migrate
from pool_worker.registry import Key, Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys


def served_providers(registry: Registry, queues: frozenset[str]) -> frozenset[str]:
    """The providers that a worker of these queues calls."""
    return frozenset(provider.id for provider in registry.providers.values() if provider.queue in queues)


def read_secrets(settings: Settings, registry: Registry, providers: frozenset[str]) -> tuple[tuple[Key, ...], Mapping[str, str]]:
    """All keys, and the secret of each of these providers by its id. The database gets its tables if it has none.

    Raises:
        ConfigurationError: if the vault's master key is wrong.
        sqlalchemy.exc.SQLAlchemyError: if the database is away.
    """
    engine = open_database(settings.ledger_url)
    try:
        migrate(engine)
        publish_models(engine, registry)
        vault = Vault(engine, master_keys(settings), actor="worker")
        return vault.list(), vault.secrets(providers)
    finally:
        engine.dispose()
