"""One worker's completing side in this process: it claims messages and completes jobs when a test says so, never by itself."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import redis

from pool_client import Job, JobHandle, Pool, Tier
from pool_client import redis_keys as shared_keys
from pool_client.queues import list_names, queue_of_list
from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.messages import sweep
from pool_worker.completion import complete
from pool_worker.config.providers import simulated
from pool_worker.ledger import tables
from pool_worker.ledger.database import open_database, writing
from pool_worker.ledger.rows import row_from_fields
from pool_worker.limits.enroll import enroll
from pool_worker.limits.performance import CELLS, ENOUGH_CALLS, answered
from pool_worker.lua import read_script
from pool_worker.registry import Agent, Model, Period, Price, Provider, Registry, Unit, Window, WindowKind
from pool_worker.resources import Resources, open_resources
from pool_worker.resources.following import look_around
from pool_worker.settings import Settings
from pool_worker.simulator.profile import SimulatedProfile, profile_from, secret_of
from pool_worker.simulator.server import RunningSimulator
from pool_worker.vault import Vault, master_keys

T = TypeVar("T")

LEASE_MS = 60_000
A_MINUTE = (Window(Unit.REQUESTS, 30, Period.MINUTE, WindowKind.SLIDING),)
KEY_COUNTS = {"groq": 2, "cerebras": 1, "mistral": 1, "openai": 1, "ollama": 0}
PROVIDERS = (
    Provider(id="groq", base_url="https://api.groq.com/openai/v1", priority=90, limits=A_MINUTE, timeout_s=5),
    Provider(id="cerebras", base_url="https://api.cerebras.ai/v1", priority=80, limits=A_MINUTE, timeout_s=5),
    Provider(id="mistral", base_url="https://api.mistral.ai/v1", priority=70, limits=A_MINUTE, timeout_s=5),
    Provider(id="openai", base_url="https://api.openai.com/v1", tier=Tier.PAID, timeout_s=5),
    Provider(id="ollama", base_url="http://localhost:11434/v1", tier=Tier.LOCAL, needs_key=False, enabled=False, timeout_s=5),
)
FREE = Price()
PAID = Price(input_usd_per_mtok=Decimal(1000), output_usd_per_mtok=Decimal(2000), usd_per_request=Decimal("0.25"))
MODELS = tuple(
    Model(id=f"{it.id}-small", provider=it.id, name="small", tier=it.tier, price=PAID if it.tier is Tier.PAID else FREE)
    for it in PROVIDERS
)
CHEAP = Model(
    id="openai-tiny", provider="openai", name="tiny", tier=Tier.PAID, priority=1, price=replace(PAID, usd_per_request=Decimal(0))
)
"""Another paid model, for tests that configure it."""
FREE_MODELS = ("groq-small", "cerebras-small", "mistral-small")
"""In the order in which a job tries them."""


def small_profile() -> SimulatedProfile:
    """What is simulated for every small worker: the rows above, each key with an account of its own, and no limit but theirs."""
    return profile_from(PROVIDERS, KEY_COUNTS, models=(*MODELS, CHEAP))


@dataclass
class SmallWorker:
    """Three free providers and a paid one, behind everything that a real worker has: Redis, SQLite, vault, HTTP."""

    pool: Resources
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    redis_url: str
    redis: redis.Redis
    simulator: RunningSimulator
    client: Pool = field(init=False)
    """The caller's; the fixture `worker` opens one for each test."""
    opened_with: dict[str, Any] = field(init=False)
    _claims: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.opened_with = dict(vars(self.pool))

    def reset(self) -> None:
        """As it was when it was opened, in an empty Redis."""
        self.redis.flushall()
        self.simulator.reset()
        self.reset_pool()
        with writing(self.pool.books.engine) as connection:
            for table in (
                tables.usage_logs,
                tables.jobs,
                tables.alerts,
                tables.alert_deliveries,
                tables.daily_usage_summary,
                tables.agent_events,
                tables.system_metrics,
            ):
                connection.execute(table.delete())
        self.enroll()
        self.look_around()

    def reset_pool(self) -> None:
        """Put back what a test changed of the resources."""
        vars(self.pool).update(self.opened_with)

    # --- what a caller does

    def submit(self, prompt: str = "Why did this fail?", **options: Any) -> JobHandle:
        return self.client.submit(prompt, **options)

    # --- what a worker does

    def claim(self) -> Delivery:
        """The first message of all queues, the most urgent of each first."""
        lists = [name for queue in self.pool.registry.queues() for name in list_names(queue)]
        script = self.redis.register_script(read_script("pool_worker.broker", "claim"))
        keys = [redis_keys.UNACKED, redis_keys.UNACKED_INDEX, redis_keys.DELIVERIES, *lists]
        _, tag, name, deliveries, message = script(keys=keys, args=[LEASE_MS, 1, f"claim{next(self._claims)}.", ""])
        return Delivery(task_id=json.loads(message)["headers"]["id"], tag=tag, queue=queue_of_list(name), deliveries=deliveries)

    def lose_claim(self, delivery: Delivery) -> None:
        """The lease on the message ends, as it does for a worker that was frozen: the message is in its queue again."""
        self.redis.zadd(redis_keys.UNACKED_INDEX, {delivery.tag: 0})
        self.redis.set(redis_keys.SWEPT_AT, round(self.redis_now_s() * 1000))
        assert sweep(self.redis, lease_ms=LEASE_MS) == 1

    def complete(self, delivery: Delivery | None = None) -> str:
        """Work on the next job (or on one claimed before); what became of it."""
        return str(self.run(self.work_on(delivery or self.claim())))

    def work_on(self, it: Delivery) -> Coroutine[Any, Any, str]:
        """For tests that do something meanwhile."""
        return complete(it.task_id, it, self.pool)

    def interrupt(self, how: Callable[[asyncio.Task[str]], object]) -> str:
        """Work on the next job, and do something to it as soon as its provider is being asked (and hangs)."""

        async def scenario() -> str:
            it = self.claim()
            task = asyncio.create_task(self.work_on(it))
            while not await asyncio.to_thread(self.in_flight):
                pass
            how(task)
            return await task

        return str(self.run(scenario()))

    def look_around(self) -> None:
        """As it does every two seconds."""
        self.run(look_around(self.pool))

    def enroll(self) -> None:
        """As it does when it starts, and when Redis was emptied."""
        self.run(enroll(self.pool.redis, self.pool.registry))

    def time_passes(self) -> None:
        """Every hold is over."""
        for scope in self.held():
            self.redis.delete(redis_keys.hold(scope))

    def heals(self) -> None:
        """Every hold is over, and everybody is wholly well."""
        self.time_passes()
        for name in (*self.redis.scan_iter(redis_keys.health("*")), *self.redis.scan_iter(redis_keys.failures("*"))):
            self.redis.delete(name)

    def has_taken_ms(self, model_id: str, latency_ms: float) -> None:
        """So long each of its calls has taken of late."""
        cells = bytearray(2 * CELLS)
        cells[0] = cells[answered(model_id, latency_ms=latency_ms).cell] = ENOUGH_CALLS
        self.redis.hset(redis_keys.PERFORMANCE, model_id, f"{round(self.redis_now_s()):08x}{cells.decode()}")
        self.look_around()

    def time_passes_for(self, scope: str) -> None:
        """The hold on this scope is over."""
        self.redis.delete(redis_keys.hold(scope))

    def wake(self, job: JobHandle) -> None:
        """The parked job's time has come, and nothing speaks against it: it is back in its queue, and so are those before it."""
        self.redis.zadd(shared_keys.PARKED_TIMERS, {job.id: 0}, xx=True)
        tries = 1 + self.redis.zcard(redis_keys.PARKED)
        while self.redis.zscore(redis_keys.PARKED, job.id) is not None:
            assert tries, "it is not let go"
            tries -= 1
            self.redis.delete(redis_keys.PARKED_PACE, *self.redis.scan_iter(redis_keys.parked_lane("*")))
            for lane in self.redis.zrange(redis_keys.PARKED_LANES, 0, -1):
                self.redis.zadd(redis_keys.PARKED_LANES, {lane: 0})
            self.run(self.pool.jobs.release_due())

    def configure(self, **changes: Any) -> None:
        """Another registry for the jobs from now on; see `Registry`."""
        self.pool.registry = replace(self.pool.registry, **changes)
        self.enroll()

    # --- what can be seen

    def job(self, job: JobHandle) -> Job:
        """As it was accepted."""
        return Job.model_validate_json(self.record(job)["spec"])

    def record(self, job: JobHandle) -> dict[str, str]:
        return dict(self.redis.hgetall(shared_keys.job(job.id)))

    def rows(self, kind: type[T]) -> list[T]:
        """The rows of one kind in the outbox."""
        entries = (fields for _, fields in self.redis.xrange(redis_keys.OUTBOX))
        return [row for row in map(row_from_fields, entries) if isinstance(row, kind)]

    def held(self) -> dict[str, float]:
        """Scope → for how many seconds it is left alone from now."""
        prefix = redis_keys.hold("")
        return {name.removeprefix(prefix): self.redis.pttl(name) / 1000 for name in self.redis.scan_iter(f"{prefix}*")}

    def waits_s(self, job: JobHandle) -> float:
        """In how many seconds the parked job is due."""
        return float(self.redis.zscore(redis_keys.PARKED, job.id)) / 1000 - self.redis_now_s()

    def redis_now_s(self) -> float:
        seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6

    def requests(self) -> int:
        """How many calls the simulated providers have seen."""
        totals = self.simulator.counts()["totals"]
        return int(totals["requests"] + totals["unauthorized"] + totals["down"])

    def in_flight(self) -> int:
        """How many calls the simulated providers are working on."""
        providers = self.simulator.counts()["providers"].values()
        return sum(key["in_flight"] for provider in providers for key in provider["keys"].values())

    def nothing_is_held(self) -> bool:
        """Whether no message is claimed and no lease is open."""
        names = (redis_keys.UNACKED, redis_keys.UNACKED_INDEX, redis_keys.DELIVERIES, redis_keys.LEASES)
        return not any(self.redis.exists(name) for name in names)

    def bill_usd(self) -> Decimal:
        return Decimal(self.simulator.counts()["totals"]["bill_usd"])


def fill_vault(home: Path) -> None:
    """Put the keys of the simulated accounts into the vault of a home whose ledger has its schema."""
    settings = Settings(home=home)
    engine = open_database(settings.ledger_url)
    vault = Vault(engine, master_keys(settings), actor="test")
    for provider, count in KEY_COUNTS.items():
        for number in range(1, count + 1):
            vault.add(provider, secret_of(provider, number))
    engine.dispose()


@contextmanager
def open_small_worker(
    home: Path, *, redis_url: str, simulator: RunningSimulator, agents: tuple[Agent, ...] = ()
) -> Iterator[SmallWorker]:
    """Open everything, as a worker's start does."""
    providers = {it.id: simulated(it, simulator.url) for it in PROVIDERS}
    registry = Registry(providers, {it.id: it for it in MODELS}, {it.id: it for it in agents})
    settings = Settings(home=home, redis_url=redis_url)
    opened = open_resources(settings, registry, served_queues=frozenset(registry.queues()), worker="small@test")
    with asyncio.Runner() as runner, connect(redis_url) as plain:
        pool = runner.run(opened.__aenter__())
        runner.run(_until_it_listens(plain))
        try:
            yield SmallWorker(pool, runner.run, redis_url, plain, simulator)
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _until_it_listens(client: redis.Redis) -> None:
    while not dict(await asyncio.to_thread(client.pubsub_numsub, shared_keys.CANCEL_CHANNEL))[shared_keys.CANCEL_CHANNEL]:
        pass
