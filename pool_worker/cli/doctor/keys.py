"""The vault: keys there are, providers that have none, and whether the secrets can be opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Engine, select

from pool_client.errors import ConfigurationError
from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.ledger.tables import api_keys
from pool_worker.registry import Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys
from pool_worker.vault.master_keys import FILE_NAME

ADD = "`model-pool keys add PROVIDER`, or `model-pool keys import` with a .env file; `model-pool up --simulate` needs none"


def check_keys(engine: Engine | None, settings: Settings, registry: Registry) -> Iterator[Finding]:
    """The keys in a database (None: there is none with our tables). No secret is read, and so nothing is recorded as read."""
    counts = Counter[str]() if engine is None else _count(engine)
    if engine is None or not counts:
        yield warning("keys", "there is no API key", ADD)
        return
    yield _master_key(engine, settings)
    yield ok("keys", ", ".join(f"{provider} {count}" for provider, count in sorted(counts.items())))
    wanting = sorted(each.id for each in registry.providers.values() if each.enabled and each.needs_key and not counts[each.id])
    if wanting and settings.profile is None:  # a profile has the keys that it names
        yield warning("keys", f"no key for {', '.join(wanting)}: their models are left out", ADD)
    strange = sorted(provider for provider in counts if provider not in registry.providers)
    if strange:
        text = f"there are keys for {', '.join(strange)}, which providers.yaml does not name"
        yield warning("keys", text, "add a row, or revoke them")


def _count(engine: Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.execute(select(api_keys.c.provider).where(api_keys.c.is_active)).scalars())


def _master_key(engine: Engine, settings: Settings) -> Finding:
    file = settings.home / FILE_NAME
    if settings.encryption_key is None and not file.exists():
        return failure("master key", f"the vault has keys, but {file} is not there", "restore it, or set ENCRYPTION_KEY")
    try:
        Vault(engine, master_keys(settings))
    except ConfigurationError as error:
        what, _, right = str(error).partition(": ")
        return failure("master key", what, right)
    return ok("master key", "ENCRYPTION_KEY" if settings.encryption_key is not None else str(file))
