"""Reads how the providers and their keys stand: some pipelines of reads, in chunks that keep nobody waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from redis.asyncio import Redis

from pool_worker.health.scores import HEALTHY, read_scores
from pool_worker.limits.holds import key_scope, provider_scope
from pool_worker.overview.holds import read_holds
from pool_worker.overview.keys import enrolled_keys, read_key_use
from pool_worker.overview.standing import ProviderStanding, standings
from pool_worker.registry import Registry


@dataclass(frozen=True, slots=True)
class Overview:
    """Every configured provider, as it was at one time."""

    at: datetime
    """By Redis's clock."""
    providers: tuple[ProviderStanding, ...]
    lowered: Mapping[str, int] = field(default_factory=dict)
    """Scope → health score, of the providers and keys whose score is below 100."""

    def score(self, scope: str) -> int:
        """The health of a provider or key."""
        return self.lowered.get(scope, HEALTHY)


async def read_overview(client: Redis, registry: Registry) -> Overview:
    """How the pool that workers with this registry serve stands; its keys are those that the workers enrolled.

    Raises:
        redis.RedisError: if Redis does not answer.
    """
    registry = replace(registry, keys=await enrolled_keys(client, registry))
    seconds, _ = await client.time()
    keys, holds = await read_key_use(client, registry), await read_holds(client, registry)
    at = datetime.fromtimestamp(int(seconds), UTC)
    return Overview(at, standings(registry, keys, holds), await read_lowered_scores(client, registry))


async def read_lowered_scores(client: Redis, registry: Registry) -> Mapping[str, int]:
    """Scope → health score, of what is not wholly well, the lowest first."""
    scopes = [*map(provider_scope, registry.providers), *(key_scope(key.id) for key in registry.keys)]
    scores = await read_scores(client, scopes)
    lowered = {scope: score for scope, score in scores.items() if score < HEALTHY}
    return dict(sorted(lowered.items(), key=lambda item: (item[1], item[0])))
