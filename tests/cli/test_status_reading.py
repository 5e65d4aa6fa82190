"""What `status` reads from a Redis in which others have written; nothing runs here."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import redis
import redis.asyncio

from pool_client import Pool
from pool_client import redis_keys as shared_keys
from pool_client.errors import PoolUnavailableError
from pool_client.job import Priority
from pool_client.redis_connection import connection_options
from pool_worker import redis_keys
from pool_worker.cli.figures import moment
from pool_worker.cli.running import HomeLock, Running
from pool_worker.cli.screen import as_text
from pool_worker.cli.status.beat import beat_is_starting
from pool_worker.cli.status.facts import PoolStatus
from pool_worker.cli.status.grouping import by_provider
from pool_worker.cli.status.reading import StatusReader
from pool_worker.cli.status.view import status_view
from pool_worker.config import load_registry
from pool_worker.limits.acquire import Lease, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.enroll import enroll
from pool_worker.limits.holds import group_scope, hold, key_scope, provider_scope
from pool_worker.limits.settle import settle, used
from pool_worker.observed import Observed
from pool_worker.overview.budgets import BudgetUse
from pool_worker.registry import Period, Registry, Unit

WIDTH = 80


@pytest.fixture
def registry(repository: Path) -> Registry:
    return load_registry(repository / "configs", profile="thirty-two-keys")


@pytest.fixture
def reader(redis_url: str, registry: Registry) -> Iterator[StatusReader]:
    with StatusReader(redis_url, registry) as reader:
        yield reader


def page(status: PoolStatus, *, each_key: bool = False) -> str:
    text = as_text(status_view(status, each_key=each_key), width=WIDTH)
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "…" not in text
    return text


def test_an_empty_redis(reader: StatusReader) -> None:
    status = reader.read()
    assert (status.queued, status.calls_in_flight, status.parked.jobs, status.outbox_rows) == (0, 0, 0, 0)
    assert (status.workers, status.keys, status.holds, status.beat_is_active) == ((), (), (), False)
    assert "none is running" in page(status)


def test_a_beat_that_is_on_its_way_is_not_missing(reader: StatusReader, tmp_path: Path) -> None:
    status = reader.read()
    assert "not running: the ledger is not written" in page(status)
    starting = page(replace(status, beat_is_starting=True))
    assert "starting" in starting
    assert "not running" not in starting

    since = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
    lock = HomeLock(tmp_path)
    lock.write(Running(home=tmp_path, since=since, redis_url="", pids={"up": 1, "beat": 2}))
    assert beat_is_starting(tmp_path, now=since + timedelta(seconds=10))
    assert not beat_is_starting(tmp_path, now=since + timedelta(minutes=1)), "it ought to be there by then"
    lock.release(forget=False)
    assert not beat_is_starting(tmp_path, now=since + timedelta(seconds=10)), "nothing runs there any more"


def test_dead_letters_are_counted_and_where_to_see_them(reader: StatusReader, redis_client: redis.Redis) -> None:
    assert "dead" not in page(reader.read())
    redis_client.zadd(redis_keys.DEAD_LETTERS, {"one": 1, "two": 2})
    status = reader.read()
    assert status.dead_letters == 2
    assert re.search(r"2 dead letters, kept until you decide: \S*model-pool dead list", page(status))


def test_the_health_of_who_is_not_wholly_well(
    reader: StatusReader, redis_client: redis.Redis, registry: Registry, redis_url: str
) -> None:
    ask(redis_url, registry, calls=1)
    assert "health" not in page(reader.read())
    redis_client.set(redis_keys.health("provider:groq"), "40 0 1")
    redis_client.set(redis_keys.health("key:groq#2"), "85 0 0")
    status = reader.read()
    assert dict(status.scores) == {"provider:groq": 40, "key:groq#2": 85}
    lines = [line.split(maxsplit=1)[1].rstrip() for line in page(status).splitlines() if line.startswith("health")]
    assert lines == ["providers: groq 40; all others 100", "keys: groq#2 85; all others 100"]
    redis_client.delete(redis_keys.health("provider:groq"))
    assert "providers:" not in page(reader.read())


def test_who_is_on_probation(reader: StatusReader, redis_client: redis.Redis) -> None:
    assert "on probation" not in page(reader.read())
    redis_client.set(redis_keys.health("provider:groq"), "45 0 1")
    redis_client.zadd(redis_keys.ALERTS_OPEN, {"down:provider:cerebras": time.time() * 1000})
    redis_client.set(redis_keys.alert_told("down:provider:cerebras"), "warning")
    status = reader.read()
    groq, cerebras = sorted(status.on_probation, key=lambda it: it.provider, reverse=True)
    assert (groq.provider, groq.down_since, groq.share) == ("groq", None, 0.45)
    text = " ".join(page(status).split())
    assert "groq: recovering: it gets 45% of its calls" in text
    assert f"cerebras: down since {moment(cerebras.down_since)}: it is called again, to see whether it is well" in text
    redis_client.set(redis_keys.hold("provider:cerebras"), f"{time.time_ns() // 1_000_000 + 9000} it failed", px=9000)
    assert [it.provider for it in reader.read().on_probation] == ["groq"], "who is left alone is not called"


def test_nothing_is_changed_by_looking(reader: StatusReader, redis_client: redis.Redis) -> None:
    reader.read()
    assert redis_client.dbsize() == 0


def test_queues_by_priority_and_those_that_nobody_serves(reader: StatusReader, redis_client: redis.Redis, redis_url: str) -> None:
    with Pool(redis_url=redis_url) as pool:
        for priority, jobs in ((Priority.LOW, 3), (Priority.CRITICAL, 1)):
            pool.submit_many(["Hello"] * jobs, priority=priority)
        pool.submit("Hello", tier="paid")
    facts = {"pid": 7, "queues": ["free", "free.groq"], "since": "2026-11-21T02:30:00+00:00"}
    redis_client.set(redis_keys.worker("free-a@here"), json.dumps(facts), px=10_000)
    redis_client.set(redis_keys.BEAT_LOCK, "1", px=10_000)

    status = reader.read()
    waiting = {queue.queue: dict(queue.waiting) for queue in status.queues if queue.total}
    assert waiting == {
        "free": {Priority.LOW: 3, Priority.NORMAL: 0, Priority.HIGH: 0, Priority.CRITICAL: 1},
        "paid": {Priority.LOW: 0, Priority.NORMAL: 1, Priority.HIGH: 0, Priority.CRITICAL: 0},
    }
    assert status.unserved_queues == ("paid",)
    assert [(worker.name, worker.pid, worker.queues) for worker in status.workers] == [("free-a@here", 7, ("free", "free.groq"))]
    assert status.beat_is_active
    text = page(status)
    assert "5 queued" in text
    assert "no worker serves it" in text


def test_parked_jobs_by_what_they_wait_for(reader: StatusReader, redis_client: redis.Redis) -> None:
    now_ms = time.time_ns() // 1_000_000
    reasons = {
        "a": "groq#1: requests per minute",
        "b": "groq#7: requests per minute",
        "c": "every candidate has failed",
        "d": "budget all: money per day",
    }
    for place, (job_id, reason) in enumerate(reasons.items(), start=1):
        redis_client.hset(shared_keys.job(job_id), "wait_reason", reason)
        redis_client.zadd(redis_keys.PARKED, {job_id: now_ms + place * 100_000})
    parked = reader.read().parked
    assert parked.jobs == parked.explained == 4
    assert [(wait.reason, wait.jobs) for wait in parked.waits] == [
        ("groq: requests per minute", 2),
        ("every candidate has failed", 1),
        ("budget all: money per day", 1),
    ]
    assert parked.next_due_at == parked.waits[0].first_due_at < parked.waits[0].last_due_at < (parked.last_due_at or 0)
    text = page(reader.read())
    assert all(words in text for words in ("groq has no requests left this minute", "first back", "last back"))


def test_whose_time_has_come_is_back_in_turn(reader: StatusReader, redis_client: redis.Redis) -> None:
    now_ms = time.time_ns() // 1_000_000
    redis_client.zadd(redis_keys.PARKED, {"due": now_ms - 10_000, "later": now_ms + 100_000})
    assert re.search(r"(?m)^ *2  no reason given +in turn +in \d", page(reader.read()))


def ask(url: str, registry: Registry, *, calls: int, said: Sequence[Observed] = ()) -> None:
    """Enroll the keys, take leases on groq, end the last with what the provider said, and leave some scopes alone."""
    model = registry.models["groq_gpt_oss_120b"]
    provider = registry.provider_of(model)
    charge = Charge(requests=1, input_tokens=100, output_tokens=50)
    candidate = Candidate(model, provider, registry.windows_of(model), provider.queue, charge)

    async def work() -> None:
        async with redis.asyncio.Redis.from_url(url, **connection_options(asynchronous=True)) as client:
            await enroll(client, registry)
            for number in range(calls):
                lease = await acquire(
                    client,
                    [candidate],
                    lease_id=str(number),
                    job_id="j",
                    ttl_ms=60_000,
                    served_queues=frozenset({provider.queue}),
                )
                assert isinstance(lease, Lease)
            if said:
                await settle(client, used(lease.id, actual=charge, observed=said))
            await hold(client, provider_scope("cerebras"), reason="ProviderOverloadedError: 503", ttl_ms=20_000)
            await hold(client, key_scope("groq#2"), reason="AuthenticationFailedError: no", ttl_ms=3_600_000)
            await hold(client, group_scope("groq", "groq#3", model=model.name), reason="WindowSpentError: tokens", ttl_ms=5_000)

    asyncio.run(work())


def test_keys_windows_and_holds_as_the_workers_have_them(reader: StatusReader, registry: Registry, redis_url: str) -> None:
    ask(redis_url, registry, calls=9)
    status = reader.read()
    assert [key.key_id for key in status.keys if key.provider == "groq"] == [f"groq#{number}" for number in range(1, 8)]
    assert sum(key.calls_in_flight for key in status.keys) == status.calls_in_flight == 9
    per_minute = [
        window for key in status.keys for window in key.windows if (window.unit, window.per) == (Unit.REQUESTS, Period.MINUTE)
    ]
    assert sum(window.used for window in per_minute) == 9
    groq = next(group for group in by_provider(status.keys) if group.name == "groq")
    together = next(window for window in groq.windows if (window.unit, window.per) == (Unit.REQUESTS, Period.MINUTE))
    assert (groq.keys, together.used, together.limit) == (7, 9, 210)

    assert [(hold.kind, hold.name, hold.reason) for hold in status.holds] == [
        ("key", "groq#2", "AuthenticationFailedError: no"),
        ("provider", "cerebras", "ProviderOverloadedError: 503"),
        ("group", "groq#3 on openai/gpt-oss-120b", "WindowSpentError: tokens"),
    ]
    text = page(status)
    assert all(words in text for words in ("groq ×7", "provider cerebras", "9 in flight"))
    assert next(line.split()[2:4] for line in text.splitlines() if line.startswith("groq ×7")) == ["9", "requests/min"]
    assert next(line.split()[2] for line in text.splitlines() if line.startswith("openrouter ×7")) == "–"
    assert all(f"groq#{number}" in page(status, each_key=True) for number in range(1, 8))


def test_a_limit_lower_than_configured_is_shown_with_the_configured_one(
    reader: StatusReader, registry: Registry, redis_url: str
) -> None:
    ask(redis_url, registry, calls=1, said=[Observed(Unit.TOKENS, Period.MINUTE, 6000)])
    status = reader.read()
    assert re.search(r"tokens/min .* 54,000 \(of 56,000\) ", page(status))
    assert re.search(r"tokens/min .* 6,000 \(of 8,000\) ", page(status, each_key=True))
    assert page(status, each_key=True).count("(of 8,000)") == 1


def test_money_spent_today(reader: StatusReader, redis_url: str, registry: Registry) -> None:
    status = reader.read()
    assert (status.budgets[0].scope, status.budgets[0].spent_usd, status.budgets[0].limit_usd) == ("all", Decimal(0), Decimal(10))
    assert {budget.scope for budget in status.budgets[1:]} == {f"agent:{agent}" for agent in registry.agents}


def test_a_models_money_is_shown_also_where_budgets_only_count(redis_url: str, registry: Registry) -> None:
    model = replace(next(iter(registry.models.values())), daily_budget_usd=Decimal(3))
    only_counts = replace(registry, models={model.id: model}, budget=replace(registry.budget, auto_pause=False))
    with StatusReader(redis_url, only_counts) as reader:
        limits = {budget.scope: budget.limit_usd for budget in reader.read().budgets}
    assert (limits["all"], limits[f"model:{model.id}"]) == (10, 3)


@pytest.mark.parametrize("pauses", [True, False])
def test_the_money_of_keys_and_models_is_shown_where_they_have_a_budget(
    redis_url: str, registry: Registry, *, pauses: bool
) -> None:
    first, *others = registry.keys
    model = replace(registry.models["groq_gpt_oss_120b"], daily_budget_usd=Decimal(3))
    bounded = replace(
        registry,
        keys=(replace(first, daily_budget_usd=Decimal("2.50")), *others),
        models={**registry.models, model.id: model},
        budget=replace(registry.budget, auto_pause=pauses),
    )
    ask(redis_url, bounded, calls=0)
    with StatusReader(redis_url, replace(registry, models=bounded.models)) as reader:
        status = reader.read()
    shown = {budget.scope: budget.limit_usd for budget in status.budgets if not budget.scope.startswith("agent:")}
    assert shown == {"all": 10, f"model:{model.id}": 3, f"key:{first.id}": Decimal("2.50")}
    text = page(status)
    assert f"key {first.id}: 0.00 USD of 2.50 USD spent today" in text
    assert f"model {model.id}: 0.00 USD of 3.00 USD spent today" in text
    spent = [BudgetUse(f"key:groq#{number}", Decimal(number), Decimal(10)) for number in range(10)]
    text = page(replace(status, budgets=(status.budgets[0], *spent)))
    assert ("key groq#9: " in text, "key groq#1: " in text, "and 2 more" in text) == (True, False, True)


def test_a_redis_that_does_not_answer(registry: Registry) -> None:
    with (
        StatusReader("redis://127.0.0.1:1/0", registry) as reader,
        pytest.raises(PoolUnavailableError, match="cannot be reached"),
    ):
        reader.read()
