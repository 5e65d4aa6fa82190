"""What the workers publish for callers of their configuration: agents, task types, providers and models."""

from __future__ import annotations

import json

import redis.asyncio

from pool_client import redis_keys as shared_keys
from pool_client.models import Catalog, ModelInfo, render_catalog
from pool_worker.registry import Agent, Model, Registry


async def publish(client: redis.asyncio.Redis, registry: Registry) -> None:
    """Put the agents with their defaults, and the names of task types, providers and models, where clients read them.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    agents = registry.agents.values()
    task_types = {*registry.task_capabilities, *(agent.task_type for agent in agents if agent.task_type)}
    providers = [name for provider in registry.providers.values() for name in (provider.id, *provider.aliases)]
    async with client.pipeline(transaction=True) as pipe:
        pipe.delete(shared_keys.AGENTS, shared_keys.TASK_TYPES, shared_keys.PROVIDERS)
        for agent in agents:
            pipe.hset(shared_keys.AGENTS, agent.id, _render_agent(agent))
        if task_types:
            pipe.sadd(shared_keys.TASK_TYPES, *task_types)
        if providers:
            pipe.sadd(shared_keys.PROVIDERS, *providers)
        pipe.set(shared_keys.MODELS, render_catalog(catalog_of(registry)))
        await pipe.execute()


def catalog_of(registry: Registry) -> Catalog:
    """The models as callers see them."""
    return Catalog(models=tuple(_info(model, registry) for model in registry.models.values()))


def _info(model: Model, registry: Registry) -> ModelInfo:
    price, known = model.price, model.price_known
    return ModelInfo(
        id=model.id,
        provider=model.provider,
        name=model.name,
        tier=model.tier,
        capabilities=model.capabilities,
        input_usd_per_mtok=price.input_usd_per_mtok if known else None,
        output_usd_per_mtok=price.output_usd_per_mtok if known else None,
        usd_per_request=price.usd_per_request if known else None,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        priority=model.priority,
        is_experimental=model.is_experimental,
        why_not=registry.unusable_models.get(model.id),
    )


def _render_agent(agent: Agent) -> str:
    names = ("priority", "tier", "task_type", "max_tokens", "temperature", "deadline_s", "on_exhausted")
    return json.dumps({name: value for name in names if (value := getattr(agent, name)) is not None})
