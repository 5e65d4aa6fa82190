"""Something of which people are told when it begins, and again when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from pool_worker.alert_rules import Severity
from pool_worker.alerts.telling import DAY_S, resolve, tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What is told of it; see `tell` for the words."""

    cause: str
    source: str
    severity: Severity
    title: str
    message: str
    over_title: str
    over_message: str
    ttl_s: float = DAY_S
    comes_and_goes: bool = False
    """Whether it is told once within `ttl_s`, however often it begins and ends."""

    async def begins(self, client: Redis, *, now: datetime) -> bool:
        """Tell that it is so, unless that was told; returns whether it was told now. Raises as `tell` does."""
        return await tell(
            client,
            severity=self.severity,
            source=self.source,
            title=self.title,
            message=self.message,
            cause=self.cause,
            now=now,
            ttl_s=self.ttl_s,
        )

    async def ends(self, client: Redis, *, now: datetime) -> bool:
        """Tell that it is so no longer, if it was told; returns whether it was told now. Raises as `tell` does."""
        return await resolve(
            client,
            source=self.source,
            title=self.over_title,
            message=self.over_message,
            cause=self.cause,
            now=now,
            quiet=self.comes_and_goes,
        )
