"""A configuration that was read again, as a worker that already runs may use it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pool_worker.registry import Provider, Registry

REMOVED = "it is not configured any more"


def take_over(read: Registry, running: Registry, *, served: Collection[str]) -> Registry:
    """What was read, but for what belongs to the running pool: the vault's keys, and the models that a person has disabled.

    A provider whose queue nobody serves stays disabled, as jobs that move there would wait for ever. One that was removed stays,
    disabled and without a model: jobs under way may still ask for it, and its ready indexes are to be cleared.

    Args:
        read: What the files say.
        running: What the worker has used so far.
        served: Every queue to which jobs may be moved.
    """
    providers = {provider.id: _if_served(provider, served) for provider in read.providers.values()}
    removed = {
        provider.id: replace(provider, enabled=False, disabled_reason=REMOVED)
        for provider in running.providers.values()
        if provider.id not in providers
    }
    return replace(read, providers=providers | removed, keys=running.keys, disabled=running.disabled)


def _if_served(provider: Provider, served: Collection[str]) -> Provider:
    if not provider.enabled or provider.queue in served:
        return provider
    why = f"no worker that runs serves its queue {provider.queue}: start the workers again"
    return replace(provider, enabled=False, disabled_reason=why)
