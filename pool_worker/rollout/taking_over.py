"""A configuration that was read again, as a worker that already runs may use it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from pool_worker.registry import Provider, Registry

REMOVED = "it is not configured any more"
MOST_NAMED = 5


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


def what_changed(before: Registry, after: Registry) -> str:
    """In a few words, for the log: `new: model a; changed: provider groq, cost_management`; `nothing has changed`."""
    kinds = (
        ("provider", _configured(before), _configured(after)),
        ("model", before.models, after.models),
        ("agent", before.agents, after.agents),
    )
    new = [f"{kind} {name}" for kind, old, now in kinds for name in now if name not in old]
    gone = [f"{kind} {name}" for kind, old, now in kinds for name in old if name not in now]
    changed = [f"{kind} {name}" for kind, old, now in kinds for name in now if name in old and now[name] != old[name]]
    changed += _changed_rules(before, after)
    found = [f"{how}: {_some(names)}" for how, names in (("new", new), ("gone", gone), ("changed", changed)) if names]
    return "; ".join(found) or "nothing has changed"


def _configured(registry: Registry) -> Mapping[str, Provider]:
    return {name: provider for name, provider in registry.providers.items() if provider.disabled_reason != REMOVED}


def _changed_rules(before: Registry, after: Registry) -> Iterator[str]:
    """What applies to all, as the files call it."""
    if before.budget != after.budget:
        yield "cost_management"
    if before.failover != after.failover:
        yield "failover_strategy"
    if (before.rules, before.task_capabilities) != (after.rules, after.task_capabilities):
        yield "pool.yaml"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _if_served(provider: Provider, served: Collection[str]) -> Provider:
    if not provider.enabled or provider.queue in served:
        return provider
    why = f"no worker that runs serves its queue {provider.queue}: start the workers again"
    return replace(provider, enabled=False, disabled_reason=why)
