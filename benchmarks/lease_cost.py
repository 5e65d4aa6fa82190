"""What a lease costs Redis: microseconds per acquire and settle, by its slow log, on an embedded server.

Run: `python benchmarks/lease_cost.py`. Four windows a key (requests and tokens per minute and day), eight providers.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from pool_worker.embedded_redis import EmbeddedRedis, free_port
from pool_worker.limits.acquire import Exhausted, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.enroll import enroll
from pool_worker.limits.settle import settle, used
from pool_worker.registry import Key, Model, Period, Provider, Registry, Unit, Window, WindowKind

PROVIDERS = 8
SAMPLES = 300
LOG_LENGTH = 10_000
CHARGE = Charge(input_tokens=300, output_tokens=100)
PLENTY = 10_000_000


@dataclass(frozen=True)
class Cost:
    """What one call costs, in microseconds.

    Redis's CPU time (mean; with reading the call and writing the answer), its time in the script, the caller's around it.
    """

    redis_cpu_us: float
    redis_p50_us: float
    redis_p99_us: float
    around_p50_us: float
    answers: str


def pool_of(keys: int, *, requests_a_minute: int, tokens_a_minute: int) -> Registry:
    """A registry of eight providers with one model and an equal share of the keys each."""
    windows = (
        Window(Unit.REQUESTS, requests_a_minute, Period.MINUTE, WindowKind.SLIDING),
        Window(Unit.TOKENS, tokens_a_minute, Period.MINUTE, WindowKind.REFILL),
        Window(Unit.REQUESTS, PLENTY, Period.DAY, WindowKind.FIXED, "America/Los_Angeles"),
        Window(Unit.TOKENS, PLENTY, Period.DAY, WindowKind.REFILL),
    )
    names = [f"provider{number}" for number in range(PROVIDERS)]
    return Registry(
        providers={name: Provider(name, "http://127.0.0.1:1", limits=windows, concurrency=PLENTY) for name in names},
        models={name: Model(id=name, provider=name, name="model") for name in names},
        keys=tuple(Key(f"{names[i % PROVIDERS]}#{i // PROVIDERS}", names[i % PROVIDERS]) for i in range(keys)),
    )


def route(registry: Registry, charge: Charge) -> list[Candidate]:
    """Every model, in order."""
    return [
        Candidate(model, registry.provider_of(model), registry.windows_of(model), registry.provider_of(model).queue, charge)
        for model in registry.models.values()
    ]


async def cpu_us(redis: Redis) -> float:
    """CPU time of the server's main thread so far."""
    cpu = await redis.info("cpu")
    return float(cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"]) * 1e6


async def measure(redis: Redis, call: Callable[[int], Awaitable[object]], count: int) -> Cost:
    """Ask `count` times, one after the other."""
    around, answers = [], dict[str, int]()
    await redis.slowlog_reset()
    before = await cpu_us(redis)
    for number in range(count):
        start = time.perf_counter()
        answer = await call(number)
        around.append((time.perf_counter() - start) * 1e6)
        name = type(answer).__name__
        answers[name] = answers.get(name, 0) + 1
    cpu = (await cpu_us(redis) - before) / count
    logged = await redis.slowlog_get(LOG_LENGTH)
    inside = sorted(entry["duration"] for entry in logged if entry["command"].startswith(b"EVALSHA"))
    around.sort()
    told = ", ".join(f"{many} {name}" for name, many in answers.items())
    return Cost(cpu, inside[len(inside) // 2], inside[len(inside) * 99 // 100], around[count // 2], told)


async def cases(redis: Redis, keys: int) -> list[tuple[str, Cost]]:
    """The costs with a free pool, a pool of which only one key is free, a spent one, and one spent for large jobs only."""
    rows = []

    async def ask(registry: Registry, lease_id: str, charge: Charge = CHARGE) -> object:
        return await acquire(
            redis,
            route(registry, charge),
            lease_id=lease_id,
            job_id="job",
            ttl_ms=60_000,
            served_queues=frozenset(registry.queues()),
        )

    await redis.flushall()
    free = pool_of(keys, requests_a_minute=PLENTY, tokens_a_minute=PLENTY)
    started = time.perf_counter()
    await enroll(redis, free)
    print(f"{keys:>6} keys  enrolled in {(time.perf_counter() - started) * 1e3:.1f} ms", file=sys.stderr)
    rows.append(("acquire, free", await measure(redis, lambda n: ask(free, f"free-{n}"), SAMPLES)))
    rows.append(
        ("settle", await measure(redis, lambda n: settle(redis, used(f"free-{n}", actual=Charge(input_tokens=250))), SAMPLES))
    )

    await redis.flushall()
    spent = pool_of(keys, requests_a_minute=1, tokens_a_minute=PLENTY)
    await enroll(redis, spent)
    rows.append(("acquire, filling up", await measure(redis, lambda n: ask(spent, f"fill-{n}"), keys)))
    rows.append(("acquire, all spent", await measure(redis, lambda n: ask(spent, f"spent-{n}"), SAMPLES)))

    await redis.flushall()
    tight = pool_of(keys, requests_a_minute=PLENTY, tokens_a_minute=1_000)
    await enroll(redis, tight)
    number = 0
    while not isinstance(await ask(tight, f"tight-{number}"), Exhausted) and number < 4 * keys:
        await settle(redis, used(f"tight-{number}", actual=CHARGE))
        number += 1
    large = Charge(input_tokens=900)
    rows.append(("acquire, too full for a large job", await measure(redis, lambda n: ask(tight, f"large-{n}", large), SAMPLES)))
    return rows


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as home:
        server = EmbeddedRedis.start(Path(home), port=free_port(), append_only=False)
        try:
            redis = Redis.from_url(server.url, decode_responses=True, retry=Retry(NoBackoff(), 0))
            print("| keys | what | Redis CPU µs | Redis p50 µs | Redis p99 µs | caller p50 µs | answers |")
            print("|---|---|---|---|---|---|---|")
            await redis.config_set("slowlog-log-slower-than", 0)
            await redis.config_set("slowlog-max-len", LOG_LENGTH)
            for keys in (32, 320, 3_200):
                for name, cost in await cases(redis, keys):
                    print(
                        f"| {keys} | {name} | {cost.redis_cpu_us:.0f} | {cost.redis_p50_us:.0f} | {cost.redis_p99_us:.0f} |"
                        f" {cost.around_p50_us:.0f} | {cost.answers} |"
                    )
            await redis.aclose()
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(main())
