"""A small pool in a real Redis, asked synchronously, at times that the test chooses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pool_worker.limits.acquire import Elsewhere, Exhausted, Lease, Unenrolled, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.enroll import enroll
from pool_worker.limits.settle import Lapsed, expire, find_lapsed, settle, unused, used
from pool_worker.limits.spent import raise_spent
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Key, Model, Period, Provider, Registry, Unit, Window, WindowKind

T = TypeVar("T")

NOON_MS = 1_763_726_400_000
"""2025-11-21 12:00:00 UTC."""


def window(
    kind: str = "sliding", *, limit: int = 3, unit: str = "requests", per: str = "minute", timezone: str = "UTC"
) -> Window:
    return Window(Unit(unit), limit, Period(per), WindowKind(kind), timezone)


def provider(name: str = "groq", *windows: Window, **facts: Any) -> Provider:
    return Provider(id=name, base_url="http://127.0.0.1:1", limits=windows, **facts)


def pool(*providers: Provider, keys: tuple[Key, ...] = ()) -> Registry:
    """A registry with one model per provider (`groq-small`, which the provider calls `small`) and one key each unless given."""
    models = {f"{it.id}-small": Model(id=f"{it.id}-small", provider=it.id, name="small") for it in providers}
    keyed = {key.provider for key in keys}
    own = tuple(Key(id=f"{it.id}#1", provider=it.id) for it in providers if it.id not in keyed and it.needs_key)
    return Registry(providers={it.id: it for it in providers}, models=models, keys=keys + own)


def keys_of(name: str, count: int, **facts: Any) -> tuple[Key, ...]:
    return tuple(Key(id=f"{name}#{number}", provider=name, **facts) for number in range(1, count + 1))


def candidates_of(registry: Registry, charge: Charge = Charge(), *, cost_micro_usd: int = 0) -> list[Candidate]:  # noqa: B008 - frozen
    return [
        Candidate(
            model,
            registry.provider_of(model),
            registry.windows_of(model),
            registry.provider_of(model).queue,
            charge,
            cost_micro_usd,
        )
        for model in registry.models.values()
    ]


@dataclass
class Limits:
    """The room under test, with a clock that stands still until a test moves it."""

    redis: Redis
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    registry: Registry = field(default_factory=lambda: pool(provider()))
    now_ms: int = NOON_MS
    guard_ms: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def use(self, *providers: Provider, keys: tuple[Key, ...] = ()) -> None:
        self.registry = pool(*providers, keys=keys)
        self.enroll()
        self.run(raise_spent(self.redis, {}, now_ms=self.now_ms))

    def enroll(self) -> int:
        return int(self.run(enroll(self.redis, self.registry, now_ms=self.now_ms)))

    def ask(
        self,
        charge: Charge = Charge(),  # noqa: B008 - frozen
        *,
        lease_id: str | None = None,
        cost_micro_usd: int = 0,
        served: frozenset[str] | None = None,
        budgets: tuple[BudgetWindow, ...] = (),
        ttl_ms: int = 60_000,
        candidates: list[Candidate] | None = None,
    ) -> Lease | Elsewhere | Exhausted | Unenrolled:
        asked = candidates_of(self.registry, charge, cost_micro_usd=cost_micro_usd)
        if candidates is not None:
            asked = [replace(candidate, charge=charge) for candidate in candidates]
        answer: Lease | Elsewhere | Exhausted | Unenrolled = self.run(
            acquire(
                self.redis,
                asked,
                lease_id=lease_id or f"lease-{next(self.numbers)}",
                job_id="job",
                ttl_ms=ttl_ms,
                served_queues=frozenset(self.registry.queues()) if served is None else served,
                budgets=budgets,
                guard_ms=self.guard_ms,
                now_ms=self.now_ms,
            )
        )
        return answer

    def take(self, charge: Charge = Charge(), **arguments: Any) -> Lease:  # noqa: B008 - frozen
        answer = self.ask(charge, **arguments)
        assert isinstance(answer, Lease), answer
        return answer

    def refused(self, charge: Charge = Charge(), **arguments: Any) -> Exhausted:  # noqa: B008 - frozen
        answer = self.ask(charge, **arguments)
        assert isinstance(answer, Exhausted), answer
        return answer

    def settle(self, lease: Lease, actual: Charge = Charge(), **arguments: Any) -> bool:  # noqa: B008 - frozen
        return bool(self.run(settle(self.redis, used(lease.id, actual=actual, **arguments), now_ms=self.now_ms)))

    def refund(self, lease: Lease) -> bool:
        return bool(self.run(settle(self.redis, unused(lease.id), now_ms=self.now_ms)))

    def expire(self, limit: int = 100) -> list[Lapsed]:
        leases: list[Lapsed] = self.run(find_lapsed(self.redis, limit=limit, now_ms=self.now_ms))
        ended = self.run(expire(self.redis, leases, rows={}, now_ms=self.now_ms))
        assert ended == [lease.lease_id for lease in leases]
        return leases


def connect(url: str) -> Redis:
    return Redis.from_url(url, decode_responses=True, max_connections=64, socket_timeout=5, retry=Retry(NoBackoff(), 0))
