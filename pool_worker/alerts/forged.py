"""That jobs are refused which are not their agent's, until none has been for an hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from redis.asyncio import Redis

from pool_worker import redis_keys
from pool_worker.alert_rules import Severity
from pool_worker.alerts.matter import Matter
from pool_worker.many_reads import read_many

CAUSE = "signature:"
QUIET_S = 3600
"""It is over when no job was refused for so long."""


def forged(agent: str, *, severity: Severity = "warning", because: str = "") -> Matter:
    """A job in the name of this agent was refused. `because`: which one, and what is wrong with it."""
    return Matter(
        cause=f"{CAUSE}{agent}",
        source="signatures",
        severity=severity,
        title=f"A job in the name of {agent} was refused",
        message=f"{because}. Is a client set up wrongly, or does somebody pretend to be it?",
        over_title=f"no job in the name of {agent} is refused any more",
        over_message=f"none was within the last {QUIET_S // 60} minutes",
    )


async def tell_forged(client: Redis, agent: str, *, severity: Severity, because: str, now: datetime) -> None:
    """Tell of a refused job, and remember that it came. Raises as `pool_worker.alerts.tell` does."""
    await client.set(redis_keys.forged_job(agent), "1", ex=QUIET_S)
    await forged(agent, severity=severity, because=because).begins(client, now=now)


async def end_forged(client: Redis, causes: Iterable[str], *, now: datetime) -> int:
    """Of these causes (of any alerts) end those that tell of refused jobs of which none came of late; returns how many.

    Raises:
        redis.RedisError: if Redis cannot be reached.
    """
    agents = [cause.removeprefix(CAUSE) for cause in causes if cause.startswith(CAUSE)]
    recent = await read_many(client, [redis_keys.forged_job(agent) for agent in agents])
    over = [agent for agent, came in zip(agents, recent, strict=True) if came is None]
    for agent in over:
        await forged(agent).ends(client, now=now)
    return len(over)
