"""What the workers publish for callers: the defaults of the agents, and the names of agents, task types and providers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

import redis

from pool_client import redis_keys
from pool_client.job import Job
from pool_client.mistakes import did_you_mean, listed
from pool_client.options import AgentDefaults

KEPT_S = 60.0
USUAL_AGENT = "default"
"""Whoever does not say who it is; it needs no row."""

_log = logging.getLogger(__name__)


class PublishedDefaults:
    """Reads it when it is first needed, and again when what was read is `KEPT_S` old.

    A name that the workers do not know is allowed, but more often it is a mistake: each is told of once, by a warning in the log
    (which Python prints to stderr where nobody has set up logging).
    """

    def __init__(self, client: redis.Redis, *, agent: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._agent = agent
        self._clock = clock
        self._read_at: float | None = None
        self._defaults = AgentDefaults()
        self._agents: Mapping[str, str] = {}
        self._task_types: Collection[str] = ()
        self._providers: Collection[str] = ()
        self._told: set[tuple[str, str]] = set()

    def current(self) -> AgentDefaults:
        """The agent's defaults; none of them set if nothing was published.

        Raises:
            ConfigurationError: if what was published cannot be read.
            redis.RedisError: if Redis cannot be asked.
        """
        now = self._clock()
        if self._read_at is None or now - self._read_at >= KEPT_S:
            self._read()
            self._read_at = now
        return self._defaults

    def doubt(self, jobs: Collection[Job]) -> None:
        """Warn of agents, task types and excluded providers that the workers do not know, as far as was read."""
        for name in {job.agent for job in jobs} - {USUAL_AGENT}:
            self._doubt("agent", name, self._agents, effect="its jobs have the pool's defaults, and no budget of their own")
        for name in {job.task_type for job in jobs if job.task_type is not None}:
            self._doubt("task_type", name, self._task_types, effect="its jobs go to any model that fits, as without one")
        for name in {name for job in jobs for name in job.excluded_providers}:
            self._doubt("excluded_providers", name, self._providers, effect="it excludes nobody")

    def _read(self) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(redis_keys.AGENTS)
            pipe.smembers(redis_keys.TASK_TYPES)
            pipe.smembers(redis_keys.PROVIDERS)
            self._agents, self._task_types, self._providers = pipe.execute()
        row = self._agents.get(self._agent)
        self._defaults = AgentDefaults.parse(row, agent=self._agent) if row else AgentDefaults()

    def _doubt(self, field: str, name: str, known: Collection[str], *, effect: str) -> None:
        if not known or name in known or (field, name) in self._told:
            return
        self._told.add((field, name))
        question = did_you_mean(name, known)
        _log.warning("%s: %r is not known: %s. Known are %s%s", field, name, effect, listed(known), question)
