"""The models as they are where a command runs: its configuration, the keys in the vault, and what a person has disabled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import redis

from pool_client.redis_connection import DEFAULT_URL, connect, describe
from pool_worker.cli.ledger_reading import ledger_if_there
from pool_worker.cli.terminal import CommandError, err
from pool_worker.config import load_registry
from pool_worker.config.mistakes import did_you_mean
from pool_worker.registry import Key, Model, Registry
from pool_worker.rollout.orders import read_disabled
from pool_worker.settings import Settings
from pool_worker.vault.shelf import Shelf, as_key


def known_registry(settings: Settings) -> Registry:
    """The configuration with the keys in the vault; their secrets are not read, so no master key is needed.

    Raises:
        ConfigError: naming every mistake of the configuration.
    """
    registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    return replace(registry, keys=keys_in_vault(settings), disabled=_disabled(str(settings.redis_url)))


def known_model(model_id: str, registry: Registry) -> Model:
    """The model of this id.

    Raises:
        CommandError: if there is none; it says which was meant.
    """
    model = registry.models.get(model_id)
    if model is None:
        msg = f'"{model_id}" is not a model; {did_you_mean(model_id, registry.models)}'
        raise CommandError(msg, exit_code=2)
    return model


def keys_in_vault(settings: Settings) -> tuple[Key, ...]:
    """Without their secrets, revoked ones too; none where there is no ledger."""
    with ledger_if_there(settings) as engine:
        if engine is None:
            return ()
        with engine.connect() as connection:
            return tuple(as_key(row) for row in Shelf(connection, actor="models", at=datetime.now(UTC)).rows())


def _disabled(url: str) -> Mapping[str, str]:
    """None are known where no Redis answers; that is said, unless nothing was started and none was named."""
    with connect(url) as client:
        try:
            return read_disabled(client)
        except (redis.RedisError, OSError) as error:
            if url != DEFAULT_URL or Settings().redis_url is not None:
                err.print(f"{describe(error, url)}: which models a person has disabled is not known", style="dim", markup=False)
            return {}
