"""The vault: keys there are, providers that have none, and whether the secrets can be opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Engine, select

from pool_client.errors import ConfigurationError
from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.terminal import as_typed
from pool_worker.config import EnvKey
from pool_worker.ledger.tables import api_keys
from pool_worker.registry import Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys
from pool_worker.vault.master_keys import FILE_NAME


def check_keys(engine: Engine | None, settings: Settings, registry: Registry, *, env_keys: Sequence[EnvKey]) -> Iterator[Finding]:
    """The keys in a database (None: there is none with our tables), and those of `.env`, which come there."""
    counts = Counter[str]() if engine is None else _count(engine)
    coming = Counter(key.provider for key in env_keys)
    if settings.encryption_key is not None or counts:
        yield _master_key(engine if counts else None, settings)
    if not counts and not coming:
        simulated = f"`{as_typed('up --simulate')}` needs none"
        yield warning("keys", "there is no API key", f"{as_typed('keys add groq')}, or lines in .env; {simulated}")
        return
    if counts:
        yield ok("keys", ", ".join(f"{provider} {count}" for provider, count in sorted(counts.items())))
    else:
        yield ok("keys", "none in the vault yet, those of .env come there")
    wanting = sorted(_wanting(registry, counts | coming))
    if wanting and settings.profile is None:  # a profile has the keys that it names
        mend = f"fine, if you have none; else {as_typed('keys add PROVIDER')}, or lines in .env"
        yield warning("keys", f"no key for {', '.join(wanting)}: their models are left out", mend)
    strange = sorted(provider for provider in counts if provider not in registry.providers)
    if strange:
        text = f"there are keys for {', '.join(strange)}, which providers.yaml does not name"
        yield warning("keys", text, "add a row, or revoke them")


def open_secrets(engine: Engine | None, settings: Settings, registry: Registry) -> Mapping[str, str]:
    """Key id → secret of the keys in use; none if they cannot be opened, which `check_keys` has told. The record says who read.

    Raises:
        SQLAlchemyError: if the record cannot be written.
    """
    if engine is None or not (settings.encryption_key is not None or (settings.home / FILE_NAME).exists()):
        return {}
    try:
        return Vault(engine, master_keys(settings), actor="doctor").secrets(registry.providers)
    except ConfigurationError:
        return {}


def _wanting(registry: Registry, counts: Mapping[str, int]) -> Iterator[str]:
    return (each.id for each in registry.providers.values() if each.enabled and each.needs_key and not counts.get(each.id))


def _count(engine: Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.execute(select(api_keys.c.provider).where(api_keys.c.is_active)).scalars())


def _master_key(engine: Engine | None, settings: Settings) -> Finding:
    """Whether there is one, and it opens the vault (None: there is none yet)."""
    file = settings.home / FILE_NAME
    if settings.encryption_key is None and not file.exists():
        return failure("master key", f"the vault has keys, but {file} is not there", "restore it, or set ENCRYPTION_KEY")
    try:
        found = master_keys(settings)
        if engine is not None:
            Vault(engine, found)
    except ConfigurationError as error:
        what, _, right = str(error).partition("; ")
        if not right:
            what, _, right = str(error).partition(": ")
        return failure("master key", what, right)
    return ok("master key", "ENCRYPTION_KEY" if settings.encryption_key is not None else str(file))
