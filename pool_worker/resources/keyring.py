"""Reading the keys of one worker, with the secrets of those that it may use. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pool_worker.ledger.database import open_database
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.schema import migrate
from pool_worker.registry import Key, Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys as they were in the vault at one moment."""

    keys: tuple[Key, ...]
    """All of them."""
    secrets: Mapping[str, str] = field(repr=False)
    """Key id → secret, of the active keys that the worker may use."""
    master_keys: tuple[str, ...]
    """The ids of those with which they were opened, the newest first."""


def served_providers(registry: Registry, queues: frozenset[str]) -> frozenset[str]:
    """The providers that a worker of these queues calls."""
    return frozenset(provider.id for provider in registry.providers.values() if provider.queue in queues)


def read_keyring(settings: Settings, registry: Registry, *, served_queues: frozenset[str], worker: str) -> Keyring:
    """The keys, for a worker of these queues. The database gets its tables if it has none.

    Raises:
        ConfigurationError: if the vault's master key is wrong.
        sqlalchemy.exc.SQLAlchemyError: if the database is away.
    """
    engine = open_database(settings.ledger_url)
    try:
        migrate(engine)
        publish_models(engine, registry)
        vault = Vault(engine, master_keys(settings), actor=f"worker {worker}")
        return Keyring(vault.list(), vault.secrets(served_providers(registry, served_queues)), vault.master_key_ids)
    finally:
        engine.dispose()
