"""`model-pool models disable` and `enable`: switching a model off and on while the pool runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import redis
import typer

from pool_client.redis_connection import connect, redis_errors
from pool_worker.cli.models.known import known_model, known_registry
from pool_worker.cli.reaching import reach
from pool_worker.cli.terminal import CommandError, as_typed, out
from pool_worker.registry import Registry
from pool_worker.rollout.orders import disable_model, enable_model

LONGEST_REASON = 200
WITHIN = "within about two seconds"


def disable_command(
    model_id: Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it.")],
    *,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; shown wherever the model is missed.")] = None,
) -> None:
    """Have no worker choose a model any more, until it is enabled. Calls under way end normally."""
    words = None if reason is None else _reason(reason)
    with _pool() as (registry, client):
        known_model(model_id, registry)
        before = disable_model(client, model_id, reason=words)
    if before is None:
        _say(f"{model_id} is disabled: no worker chooses it any more, {WITHIN}; calls under way end normally")
    elif words is None or words == before:
        _say(f"{model_id} was disabled already" + (f": {before}" if before else ""))
    else:
        _say(f"{model_id} was disabled already; the reason is another now")


def enable_command(model_id: Annotated[str, typer.Argument(metavar="ID", help="As `models list` shows it.")]) -> None:
    """Let workers choose a model again that was disabled."""
    with _pool() as (registry, client):
        if model_id not in registry.disabled:
            known_model(model_id, registry)
        was_disabled = enable_model(client, model_id)
    model = registry.models.get(model_id)
    if model is None:
        _say(f"{model_id} is not disabled any more, but it is not configured either")
        return
    if not model.is_active:
        mend = f"write true there, then `{as_typed('models reload')}`"
        msg = f"{model_id} stays off, for the configuration says `is_active: false`: {mend}"
        raise CommandError(msg)
    if not was_disabled:
        _say(f"{model_id} was not disabled")
    else:
        _say(f"{model_id} is enabled: workers choose it again {WITHIN}")
    others = {each: why for each, why in registry.disabled.items() if each != model_id}
    if why_not := replace(registry, disabled=others).unusable_models.get(model_id):
        _say(f"yet it cannot be called: {why_not}")


@contextmanager
def _pool() -> Iterator[tuple[Registry, redis.Redis]]:
    """The models there are, and the Redis of the pool that runs.

    Raises:
        CommandError: if none runs.
        ConfigError: naming every mistake of the configuration.
        PoolUnavailableError: if its Redis refuses something.
    """
    settings = reach()
    url = str(settings.redis_url)
    registry = known_registry(settings)
    with connect(url) as client, redis_errors(url):
        yield registry, client


def _reason(text: str) -> str:
    words = text.strip()
    if not words.isprintable() or len(words) > LONGEST_REASON:
        msg = f"{text[:LONGEST_REASON]!r} cannot be shown in a line; write one line of text, {LONGEST_REASON} characters at most"
        raise typer.BadParameter(msg, param_hint="--reason")
    return words


def _say(text: str) -> None:
    out.print(text, markup=False)
