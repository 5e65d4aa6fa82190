"""`model-pool keys list` and `audit`: which keys there are, and who did what with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.table import Table

from pool_worker.cli.figures import count_of
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.keys.opening import NumberArgument, key_id, open_vault
from pool_worker.cli.names import check_name
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.terminal import err
from pool_worker.registry import Key
from pool_worker.settings import Settings
from pool_worker.vault import Audit


def list_command(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the keys, revoked ones too; of a secret only its last four characters are shown."""
    with open_vault(connected_settings(Settings())) as vault:
        found = vault.list()
    if as_json:
        print_json_list(_facts(key) for key in found)
    elif not found:
        err.print("there is no key yet: `model-pool keys add groq`, or `model-pool keys import`")
    else:
        show(_table(found))


def audit_command(
    key: Annotated[str | None, typer.Argument(metavar="[ID]", help="Of this key, groq#2 or groq 2, or of all of groq.")] = None,
    number: NumberArgument = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Each reading by itself, also where many keys were read at once.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="So many lines.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: each by itself.")] = False,
) -> None:
    """Show who read or changed which key, and when, the newest first."""
    with open_vault(connected_settings(Settings())) as vault:
        named = provider = None
        if key is not None and number is None and "#" not in key:
            check_name(key, {each.provider for each in vault.list()}, option="ID", what="a provider with a key")
            provider = key
        elif key is not None:
            named = vault.known(key_id(key, number)).id
        lines: Sequence[tuple[Audit, ...]]
        if every or as_json:
            lines = tuple((entry,) for entry in vault.audit(key_id=named, provider=provider, limit=limit))
        else:
            lines = vault.audit_together(key_id=named, provider=provider, limit=limit)
    if as_json:
        print_json_list(entry for line in lines for entry in line)
    elif not lines:
        err.print("nothing is on record yet")
    else:
        show(_record(lines))


def _facts(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "provider": key.provider,
        "last4": key.last4,
        "priority": key.priority,
        "quota_group": key.group,
        "daily_limit": key.daily_limit,
        "daily_budget_usd": key.daily_budget_usd,
        "is_active": key.is_active,
    }


def _table(found: tuple[Key, ...]) -> Table:
    table = Table("id", "secret", "priority", "quota group", "daily limit", "daily USD", "", box=None, header_style="bold")
    for key in found:
        limit = "" if key.daily_limit is None else f"{key.daily_limit:,}"
        budget = "" if key.daily_budget_usd is None else f"{key.daily_budget_usd.normalize():f}"
        state, style = ("active", None) if key.is_active else ("revoked", "dim")
        table.add_row(key.id, f"…{key.last4}", str(key.priority), key.group, limit, budget, state, style=style)
    return table


def _record(lines: Iterable[tuple[Audit, ...]]) -> Table:
    table = Table("when (UTC)", "key", "what", "who", "", box=None, header_style="bold")
    for line in lines:
        first, keys = line[0], len({entry.key_id for entry in line})
        key = first.key_id if keys == 1 else count_of(keys, "key")
        table.add_row(f"{first.at:%Y-%m-%d %H:%M:%S}", key, first.action, first.actor, first.detail)
    return table
