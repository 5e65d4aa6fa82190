"""The defaults of this pool's agent, as the workers publish them."""

from __future__ import annotations

from collections.abc import Callable

import redis

from pool_client import redis_keys
from pool_client.options import AgentDefaults

KEPT_S = 60.0


class PublishedDefaults:
    """Reads the agent's row when it is first needed, and again when what was read is `KEPT_S` old."""

    def __init__(self, client: redis.Redis, *, agent: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._agent = agent
        self._clock = clock
        self._read_at: float | None = None
        self._defaults = AgentDefaults()

    def current(self) -> AgentDefaults:
        """The agent's defaults; none of them set if nothing was published.

        Raises:
            ConfigurationError: if what was published cannot be read.
            redis.RedisError: if Redis cannot be asked.
        """
        now = self._clock()
        if self._read_at is None or now - self._read_at >= KEPT_S:
            row = self._client.hget(redis_keys.AGENTS, self._agent)
            self._defaults = AgentDefaults.parse(str(row), agent=self._agent) if row else AgentDefaults()
            self._read_at = now
        return self._defaults
