"""`model-pool keys rotate`, `set` and `revoke`: a key gets a new secret or other facts, or goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from pool_worker.cli.keys.opening import (
    BUDGET_HELP,
    GROUP_HELP,
    LIMIT_HELP,
    NONE,
    PRIORITY_HELP,
    KeyArgument,
    NumberArgument,
    amount_usd,
    ask_for_secret,
    daily_units,
    key_id,
    open_vault,
    same_secret,
)
from pool_worker.cli.keys.telling import RENEWED, tell_workers
from pool_worker.cli.running import connected_settings
from pool_worker.cli.terminal import CommandError, err, out
from pool_worker.settings import Settings
from pool_worker.vault.facts import KeyFacts, Removable


def rotate_command(key: KeyArgument, number: NumberArgument = None) -> None:
    """Give a key a new secret under its old id, while the pool runs. The secret is asked for, or read from stdin.

    Make the new one at the provider first, and take the old one away there afterwards: calls under way end with the old one.
    """
    settings = connected_settings(Settings())
    with open_vault(settings) as vault:
        named = vault.known(key_id(key, number))
        secret = ask_for_secret(named.id)
        same = vault.with_secret(secret)
        if named in same:
            out.print(f"this is the secret that {named.id} has already; nothing was changed")
            return
        rotated = vault.rotate(named.id, secret)
    if others := [each.id for each in same if each.provider != named.provider]:
        err.print(same_secret(named.id, others), style="yellow")
    out.print(f"{rotated.id} has a new secret" + (f" (…{rotated.last4})" if rotated.last4 else ""))
    tell_workers(settings, renewed={rotated.id: RENEWED})


def set_command(
    key: KeyArgument,
    number: NumberArgument = None,
    *,
    priority: Annotated[int | None, typer.Option(min=1, help=PRIORITY_HELP)] = None,
    quota_group: Annotated[str | None, typer.Option(help=GROUP_HELP)] = None,
    daily_limit: Annotated[str | None, typer.Option(metavar=f"NUMBER|{NONE}", help=LIMIT_HELP)] = None,
    daily_budget: Annotated[str | None, typer.Option(metavar=f"USD|{NONE}", help=BUDGET_HELP)] = None,
) -> None:
    """Change what is said of a key; `none` takes a daily limit or budget away."""
    limit = None if daily_limit == NONE else daily_units(daily_limit)
    budget_usd = None if daily_budget == NONE else amount_usd(daily_budget)
    facts = KeyFacts(priority=priority, quota_group=quota_group, daily_limit=limit, daily_budget_usd=budget_usd)
    if all(said is None for said in (priority, quota_group, daily_limit, daily_budget)):
        msg = "say what to change: --priority, --quota-group, --daily-limit or --daily-budget"
        raise CommandError(msg, exit_code=2)
    settings = connected_settings(Settings())
    with open_vault(settings) as vault:
        was = vault.known(key_id(key, number))
        now = vault.update(was.id, without=_taken_away(daily_limit, daily_budget), **facts)
    if now == was:
        out.print(f"{now.id} is so already")
        return
    out.print(f"{now.id} is changed")
    tell_workers(settings)


def _taken_away(daily_limit: str | None, daily_budget: str | None) -> Iterator[Removable]:
    if daily_limit == NONE:
        yield "daily_limit"
    if daily_budget == NONE:
        yield "daily_budget_usd"


def revoke_command(key: KeyArgument, number: NumberArgument = None) -> None:
    """Take a key out of use and delete its secret. Calls under way end normally."""
    settings = connected_settings(Settings())
    with open_vault(settings) as vault:
        was = vault.known(key_id(key, number))
        revoked = vault.revoke(was.id)
    if not was.is_active:
        out.print(f"{revoked.id} is revoked already; nothing was changed")
        return
    out.print(f"{revoked.id} is revoked")
    tell_workers(settings, renewed={revoked.id: "is revoked"})
