"""`model-pool keys list` and `audit`: which keys there are, and who did what with them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

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
    limit: Annotated[int, typer.Option(min=1, help="So many entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show who read or changed which key, and when, the newest first."""
    with open_vault(connected_settings(Settings())) as vault:
        if key is None:
            entries = vault.audit(limit=limit)
        elif number is None and "#" not in key:
            check_name(key, {each.provider for each in vault.list()}, option="ID", what="a provider with a key")
            entries = vault.audit(provider=key, limit=limit)
        else:
            entries = vault.audit(key_id=vault.known(key_id(key, number)).id, limit=limit)
    if as_json:
        print_json_list(entries)
    elif not entries:
        err.print("nothing is on record yet")
    else:
        show(_record(entries))


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


def _record(entries: tuple[Audit, ...]) -> Table:
    table = Table("when (UTC)", "key", "what", "who", "", box=None, header_style="bold")
    for entry in entries:
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.key_id or "", entry.action, entry.actor, entry.detail)
    return table
