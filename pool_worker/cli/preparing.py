"""What `up` does with the ledger: its tables and the vault's keys before workers start, its last rows when they have left."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import redis
from sqlalchemy.exc import SQLAlchemyError

from pool_client.redis_connection import connect
from pool_worker.cli.plan import ENV_FILE, Plan
from pool_worker.cli.processes import Report
from pool_worker.cli.terminal import CommandError, as_typed, in_columns
from pool_worker.config import EnvKey, Profile, load_profile, read_env_keys
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import migrate
from pool_worker.ledger.writer import drain
from pool_worker.registry import Key, Provider
from pool_worker.settings import Settings
from pool_worker.simulator.profile import secret_of
from pool_worker.vault import Change, Imported, Vault, master_keys


def prepare_ledger(plan: Plan, *, report: Report) -> None:
    """Bring the database up to date and see to it that there are keys.

    Raises:
        ConfigError: if `.env` has mistakes.
        CommandError: if there is nobody that could be called.
    """
    engine = open_database(plan.settings.ledger_url)
    try:
        migrate(engine)
        vault = Vault(engine, master_keys(plan.settings))
        if plan.simulate is not None:
            _put_simulated_keys(vault, load_profile(plan.settings.config_dir, plan.simulate))
        elif ENV_FILE.is_file():
            import_env_file(vault, ENV_FILE, plan.registry.providers, report=report)
        if not _can_call_somebody(vault.list(), plan.registry.providers.values()):
            raise CommandError(_no_keys())
    finally:
        engine.dispose()


def drain_outbox(settings: Settings, *, takeover_ms: int, report: Report) -> None:
    """Write what the workers' last jobs left for the ledger; what cannot be written stays in Redis.

    `takeover_ms`: for how long another writer may have been silent before its rows are taken over; 0 if there is no other.
    """
    engine = open_database(settings.ledger_url)
    written = 0
    try:
        with connect(str(settings.redis_url)) as client:
            while count := drain(client, engine, takeover_ms=takeover_ms):
                written += count
    except (redis.RedisError, SQLAlchemyError) as error:
        report.note(f"the ledger's last rows wait in Redis until the next start: {type(error).__name__}")
    finally:
        engine.dispose()
    if written:
        report.note(f"{written} rows written to the ledger")


def import_env_file(vault: Vault, path: Path, providers: Mapping[str, Provider], *, report: Report) -> Sequence[Imported]:
    """Bring the vault in line with the keys of a `.env` file, and tell what changed or was left out.

    Raises:
        ConfigError: naming every mistake of the file.
    """
    file = read_env_keys(path, providers)
    for note in file.notes:
        report.note(note)
    imported = vault.import_keys(file.keys)
    changes = Counter(each.change.value for each in imported if each.change is not Change.UNCHANGED)
    if changes:
        report.note(f"keys of {path}: {', '.join(f'{count} {change}' for change, count in changes.items())}")
    return imported


def _no_keys() -> str:
    ways = {
        as_typed("up --simulate"): "run against simulated providers, no key needed",
        as_typed("keys add groq"): "type or paste one key (groq, gemini, openrouter, …)",
        ".env in this folder": f"with lines such as GROQ_API_KEY_1=gsk_…; `{as_typed('up')}` imports it",
    }
    return f"there is no API key yet. Three ways to go on:\n{in_columns(ways)}"


def _put_simulated_keys(vault: Vault, profile: Profile) -> None:
    """The keys that the simulator accepts, and no others: a home of simulated data has none of a person's."""
    counts = profile.key_counts.items()
    entries = [
        EnvKey(provider=provider, index=number, secret=secret_of(provider, number))
        for provider, count in counts
        for number in range(1, count + 1)
    ]
    wanted = {imported.key.id for imported in vault.import_keys(entries)}
    for key in vault.list():
        if key.is_active and key.id not in wanted:
            vault.revoke(key.id)


def _can_call_somebody(keys: Iterable[Key], providers: Iterable[Provider]) -> bool:
    enabled = [provider for provider in providers if provider.enabled]
    keyed = {key.provider for key in keys if key.is_active}
    return any(provider.id in keyed or (not provider.needs_key and _answers(provider.base_url)) for provider in enabled)


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=0.5).close()
    except OSError:
        return False
    return True
