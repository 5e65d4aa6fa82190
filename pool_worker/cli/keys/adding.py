"""`model-pool keys add` and `import`: keys come into the vault."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pool_worker.cli.keys.opening import (
    BUDGET_HELP,
    GROUP_HELP,
    LIMIT_HELP,
    PRIORITY_HELP,
    amount_usd,
    ask_for_secret,
    configuration,
    open_vault,
    same_secret,
)
from pool_worker.cli.keys.telling import RENEWED, tell_workers
from pool_worker.cli.plan import ENV_FILE
from pool_worker.cli.preparing import import_env_file
from pool_worker.cli.running import connected_settings
from pool_worker.cli.terminal import CommandError, err, out
from pool_worker.config.mistakes import did_you_mean
from pool_worker.settings import Settings
from pool_worker.vault import Change


def import_command(file: Annotated[Path, typer.Argument(help="A .env file.")] = ENV_FILE) -> None:
    """Import the keys of a .env file: GROQ_API_KEY_1, GROQ_KEY_1_PRIORITY, …; again brings the vault in line with it."""
    if not file.is_file():
        msg = f"{file} is not a file: write lines such as GROQ_API_KEY_1=gsk_… into one, and name it"
        raise CommandError(msg, exit_code=2)
    settings = connected_settings(Settings())
    providers = configuration(settings).providers
    with open_vault(settings) as vault:
        imported = import_env_file(vault, file, providers, report=_Notes())
    for each in imported:
        out.print(f"{each.key.id:<16} {each.change.value}")
        if each.same:
            err.print(same_secret(each.key.id, each.same), style="yellow")
    if not imported:
        out.print(f"{file} has no key")
    if any(each.change is not Change.UNCHANGED for each in imported):
        rotated = (each.key.id for each in imported if each.change is Change.ROTATED)
        tell_workers(settings, renewed=dict.fromkeys(rotated, RENEWED))


def add_command(
    provider: Annotated[str, typer.Argument(help="Its id in providers.yaml: groq, gemini, …")],
    *,
    priority: Annotated[int | None, typer.Option(min=1, help=PRIORITY_HELP)] = None,
    quota_group: Annotated[str | None, typer.Option(help=GROUP_HELP)] = None,
    daily_limit: Annotated[int | None, typer.Option(min=1, help=LIMIT_HELP)] = None,
    daily_budget: Annotated[str | None, typer.Option(metavar="USD", help=BUDGET_HELP)] = None,
) -> None:
    """Add a key. The secret is asked for, or read from stdin: `model-pool keys add groq < secret.txt`."""
    settings = connected_settings(Settings())
    known = configuration(settings).providers
    if provider not in known:
        msg = f'"{provider}" is not a provider; {did_you_mean(provider, known)}'
        raise CommandError(msg, exit_code=2)
    budget_usd = amount_usd(daily_budget)
    secret = ask_for_secret(provider)
    with open_vault(settings) as vault:
        before = {each.id: each for each in vault.list()}
        others = [each.id for each in vault.with_secret(secret) if each.provider != provider]
        key = vault.add(
            provider, secret, priority=priority, quota_group=quota_group, daily_limit=daily_limit, daily_budget_usd=budget_usd
        )
    was, end = before.get(key.id), f" (…{key.last4})" if key.last4 else ""
    if was == key:
        out.print(f"this secret is {key.id} already{end}; nothing was changed")
        return
    if others:
        err.print(same_secret(key.id, others), style="yellow")
    if was is None:
        out.print(f"{key.id} is in the vault{end}")
    elif was.is_active:
        out.print(f"this secret is {key.id} already{end}; what is said of it is changed")
    else:
        out.print(f"{key.id} was revoked, and is in use again{end}")
    tell_workers(settings)


class _Notes:
    """Tells on stderr what an import left out."""

    def log(self, part: str, line: str) -> None:
        """No child writes here."""

    def note(self, text: str) -> None:
        """Print it."""
        err.print(text)
