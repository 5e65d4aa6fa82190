"""`model-pool keys check`: does each provider take its keys? A real call each, which counts against no quota of completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import redis
import typer

from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.keys.opening import NumberArgument, configuration, key_id, open_vault
from pool_worker.cli.keys.telling import tell_workers
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import plain_table, show
from pool_worker.cli.terminal import CommandError, err
from pool_worker.cli.trials import Trial, Tried, try_all
from pool_worker.errors import AuthenticationFailedError
from pool_worker.limits.holds import key_scope
from pool_worker.registry import Key, Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault

WITHIN_S = 10.0


def check_command(
    key: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only groq#2 (or groq 2), or all of groq.")] = None,
    number: NumberArgument = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Try keys at their providers. One that works and was left alone because it had been refused is used again at once."""
    settings = connected_settings(Settings())
    registry = configuration(settings)
    with open_vault(settings) as vault:
        keys = _chosen(vault, key, number)
        secrets = vault.secrets({each.provider for each in keys})
    trials = [
        Trial(registry.providers[each.provider], each.id, secrets[each.id]) for each in keys if _can_be_asked(each, registry)
    ]
    tried = try_all(trials, within_s=WITHIN_S)
    skipped = [each.id for each in keys if not _can_be_asked(each, registry)]
    if as_json:
        print_json_list(_facts(tried))
    elif tried:
        _show(tried)
    if skipped:
        err.print(f"not tried, for their providers are not called: {', '.join(skipped)}", style="dim", markup=False)
    if back := _held_as_refused(settings, [each.trial.key for each in tried if each.works]):
        err.print(f"used again, after having been refused: {', '.join(back)}", markup=False)
        tell_workers(settings, renewed=dict.fromkeys(back, "works again"))
    if not all(each.works for each in tried):
        raise typer.Exit(1)


def _chosen(vault: Vault, key: str | None, number: int | None) -> list[Key]:
    active = [each for each in vault.list() if each.is_active]
    if key is None:
        chosen = active
    elif number is None and "#" not in key:
        chosen = [each for each in active if each.provider == key]
    else:
        named = vault.known(key_id(key, number)).id
        chosen = [each for each in active if each.id == named]
    if not chosen:
        of_whom = "" if key is None else f" of {key}" if number is None else f" {key}#{number}"
        msg = f"there is no active key{of_whom}; `keys list` shows those that there are"
        raise CommandError(msg, exit_code=2)
    return chosen


def _can_be_asked(key: Key, registry: Registry) -> bool:
    provider = registry.providers.get(key.provider)
    return provider is not None and provider.enabled


def _words(tried: Tried) -> str:
    if tried.error is None:
        return "works"
    if tried.works:
        return f"works, and its quota is spent: {tried.reason}"
    if isinstance(tried.error, AuthenticationFailedError):
        return f"is refused: {tried.reason}"
    if tried.is_of_provider:
        return f"not known, {tried.trial.provider.id} does not answer: {tried.reason}"
    return f"not known: {tried.reason}"


def _show(tried: Iterable[Tried]) -> None:
    table = plain_table("key", "", right=())
    for each in tried:
        table.add_row(each.trial.key, _words(each), style=None if each.works else "red")
    show(table)


def _facts(tried: Iterable[Tried]) -> Iterator[dict[str, object]]:
    for each in tried:
        yield {"id": each.trial.key, "provider": each.trial.provider.id, "works": each.works, "says": _words(each)}


def _held_as_refused(settings: Settings, key_ids: list[str]) -> list[str]:
    """Those of the keys that are left alone because they had been refused; none if no Redis answers."""
    with connect(str(settings.redis_url)) as client:
        try:
            reasons = client.mget([redis_keys.hold(key_scope(each)) for each in key_ids]) if key_ids else []
        except (redis.RedisError, OSError):
            return []
    refused = AuthenticationFailedError.__name__
    return [each for each, reason in zip(key_ids, reasons, strict=True) if reason and refused in str(reason)]
