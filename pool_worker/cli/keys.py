"""`model-pool keys …`: the API keys in the vault. Secrets come in by a file, stdin or a hidden prompt, and never go out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.plan import ENV_FILE
from pool_worker.cli.preparing import import_env_file
from pool_worker.cli.running import connected_settings
from pool_worker.cli.terminal import CommandError, err, out
from pool_worker.config import load_registry
from pool_worker.config.mistakes import did_you_mean
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import migrate
from pool_worker.registry import Key, Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def keys() -> None:
    """Import, list, add and revoke API keys."""


@app.command("import")
def import_command(file: Annotated[Path, typer.Argument(help="A .env file.")] = ENV_FILE) -> None:
    """Import the keys of a .env file: GROQ_API_KEY_1, GROQ_KEY_1_PRIORITY, …; again brings the vault in line with it."""
    if not file.is_file():
        msg = f"{file} is not a file: write lines such as GROQ_API_KEY_1=gsk_… into one, and name it"
        raise CommandError(msg, exit_code=2)
    settings = connected_settings(Settings())
    registry = _registry(settings)
    with _open_vault(settings) as vault:
        imported = import_env_file(vault, file, registry.providers, report=_Notes())
    for each in imported:
        out.print(f"{each.key.id:<16} {each.change.value}")
    if not imported:
        out.print(f"{file} has no key")


@app.command("list")
def list_command(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the keys, revoked ones too; of a secret only its last four characters are shown."""
    with _open_vault(connected_settings(Settings())) as vault:
        found = vault.list()
    if as_json:
        print_json_list(_facts(key) for key in found)
    elif not found:
        err.print("there is no key yet: `model-pool keys add groq`, or `model-pool keys import`")
    else:
        out.print(_table(found))


@app.command("add")
def add_command(
    provider: Annotated[str, typer.Argument(help="Its id in providers.yaml: groq, gemini, …")],
    misplaced: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    *,
    priority: Annotated[int | None, typer.Option(min=1, help="1 is used before 2.")] = None,
    quota_group: Annotated[str | None, typer.Option(help="The account whose limits it shares.")] = None,
    daily_limit: Annotated[int | None, typer.Option(min=1, help="In the provider's daily unit.")] = None,
) -> None:
    """Add a key. The secret is asked for, or read from stdin: `model-pool keys add groq < secret.txt`."""
    if misplaced:  # most likely the secret: it is not repeated
        msg = "give no key on the command line, where your shell's history keeps it: you are asked for it, or pipe it in"
        raise CommandError(msg, exit_code=2)
    settings = connected_settings(Settings())
    known = _registry(settings).providers
    if provider not in known:
        msg = f'"{provider}" is not a provider; {did_you_mean(provider, known)}'
        raise CommandError(msg, exit_code=2)
    secret = typer.prompt(f"Key for {provider}", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    with _open_vault(settings) as vault:
        key = vault.add(provider, secret, priority=priority, quota_group=quota_group, daily_limit=daily_limit)
    out.print(f"{key.id} is in the vault (…{key.last4})" if key.last4 else f"{key.id} is in the vault")


@app.command("revoke")
def revoke_command(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it: groq#1")]) -> None:
    """Take a key out of use and delete its secret."""
    with _open_vault(connected_settings(Settings())) as vault:
        key = vault.revoke(key_id)
    out.print(f"{key.id} is revoked")


class _Notes:
    """Tells on stderr what an import left out."""

    def log(self, part: str, line: str) -> None:
        """No child writes here."""

    def note(self, text: str) -> None:
        """Print it."""
        err.print(text)


@contextmanager
def _open_vault(settings: Settings) -> Iterator[Vault]:
    engine = open_database(settings.ledger_url)
    try:
        migrate(engine)
        yield Vault(engine, master_keys(settings))
    finally:
        engine.dispose()


def _registry(settings: Settings) -> Registry:
    return load_registry(settings.config_dir, profile=settings.profile)


def _facts(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "provider": key.provider,
        "last4": key.last4,
        "priority": key.priority,
        "quota_group": key.group,
        "daily_limit": key.daily_limit,
        "is_active": key.is_active,
    }


def _table(found: tuple[Key, ...]) -> Table:
    table = Table("id", "secret", "priority", "quota group", "daily limit", "", box=None, header_style="bold")
    for key in found:
        limit = "" if key.daily_limit is None else f"{key.daily_limit:,}"
        state = "active" if key.is_active else "revoked"
        table.add_row(key.id, f"…{key.last4}", str(key.priority), key.group, limit, state, style=None if key.is_active else "dim")
    return table
