"""The keys of one worker, with the secrets of those that it may use: read from the vault, and again where one is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from pool_client.errors import ConfigurationError
from pool_worker.errors import SecretMissingError
from pool_worker.ledger.database import open_database
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.schema import migrate
from pool_worker.registry import Key, Provider, Registry
from pool_worker.resources.shared import Resources
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys

SECRET_MISSING_FOR = timedelta(seconds=10)


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
    """The keys, for a worker of these queues. The database gets its tables if it has none. Blocking.

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


async def take_keyring(pool: Resources) -> None:
    """Use the keys as the vault has them now. Raises as `read_keyring` does; the present ones are kept then."""
    read = await asyncio.to_thread(
        read_keyring, pool.settings, pool.registry, served_queues=pool.served_queues, worker=pool.presence.name
    )
    pool.secrets = read.secrets
    pool.registry = replace(pool.registry, keys=read.keys)
    pool.presence = replace(pool.presence, master_keys=read.master_keys)


async def secret_of(provider: Provider, key_id: str, pool: Resources) -> str:
    """The secret of a key; "" for a provider that needs none.

    Another worker may have enrolled a key that was added after this one had read the vault: then it is read again.

    Raises:
        SecretMissingError: if it is not there, or the vault's database is away.
    """
    if not provider.needs_key:
        return ""
    if key_id not in pool.secrets:
        try:
            await take_keyring(pool)
        except (SQLAlchemyError, ConfigurationError) as error:
            why = f"the vault cannot be read now ({type(error).__name__})"
            raise _secret_missing(why, pool) from None
    if key_id not in pool.secrets:
        why = f"{key_id} is not in the vault"
        raise _secret_missing(why, pool)
    return pool.secrets[key_id]


def _secret_missing(reason: str, pool: Resources) -> SecretMissingError:
    """The key is left alone for a fixed time: other workers may be able to read its secret."""
    return SecretMissingError(reason, retry_at=pool.now() + SECRET_MISSING_FOR)
