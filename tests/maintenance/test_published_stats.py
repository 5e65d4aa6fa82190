"""What the workers know of quotas and health reaches the clients."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from small_worker import SmallWorker

from pool_client import HealthStatus, PoolHealth, PoolStats, ProviderHealth, redis_keys
from pool_worker import redis_keys as worker_keys
from pool_worker.limits.holds import group_scope, hold, key_scope, model_scope, provider_scope
from pool_worker.maintenance.books import summarise_days, write_ledger
from pool_worker.maintenance.figures import publish_stats
from pool_worker.registry import Key, Period, Unit, Window, WindowKind

FOUR_A_DAY = Window(Unit.REQUESTS, 4, Period.DAY, WindowKind.FIXED)


def published_stats(worker: SmallWorker) -> PoolStats:
    worker.run(publish_stats(worker.pool))
    return worker.client.get_all_stats()


def published_health(worker: SmallWorker) -> PoolHealth:
    worker.run(publish_stats(worker.pool))
    return worker.client.get_health_status()


def call(worker: SmallWorker, model: str, times: int = 1) -> None:
    for _ in range(times):
        worker.submit(model=model)
        assert worker.complete().startswith("succeeded")


def leave_alone(worker: SmallWorker, scope: str, *, reason: str, s: int = 60) -> None:
    worker.run(hold(worker.pool.redis, scope, reason=reason, ttl_ms=s * 1000))


def test_every_window_of_every_key_is_published(worker: SmallWorker) -> None:
    call(worker, "groq-small", 3)
    stats = published_stats(worker)
    assert set(stats.providers) == {"groq", "cerebras", "mistral", "openai"}, "those that are enabled"
    windows = [key.windows[0] for key in stats.providers["groq"].keys.values()]
    assert sorted(window.used for window in windows) == [1, 2]
    assert {(it.model, it.unit, it.per, it.limit, it.configured) for it in windows} == {("small", "requests", "minute", 30, 30)}
    assert sorted(window.percentage for window in windows) == [3.3, 6.7]
    assert timedelta(0) < windows[0].resets_at - stats.taken_at < timedelta(seconds=62)
    assert stats.providers["openai"].keys["openai#1"].windows == ()
    assert stats.providers["groq"].today is None, "the ledger has not told"


def test_the_score_of_every_provider_and_key_is_published(worker: SmallWorker) -> None:
    worker.redis.set(worker_keys.health("provider:groq"), "40 0 1")
    worker.redis.set(worker_keys.health("key:groq#2"), "85 0 0")
    groq = published_health(worker).providers["groq"]
    assert (groq.score, {name: key.score for name, key in groq.keys.items()}) == (40, {"groq#1": 100, "groq#2": 85})


def test_calls_in_flight_are_counted_and_those_of_dead_workers_are_not(worker: SmallWorker) -> None:
    now_ms = round(worker.redis_now_s() * 1000)
    leases = {"a": now_ms + 60_000, "b": now_ms + 60_000, "dead": now_ms - 60_000}
    worker.redis.zadd(worker_keys.in_flight("groq", "groq#1"), leases)
    groq = published_stats(worker).providers["groq"]
    assert ({name: key.calls_in_flight for name, key in groq.keys.items()}, groq.calls_in_flight) == (
        {"groq#1": 2, "groq#2": 0},
        2,
    )


def test_what_was_called_today_comes_from_the_ledger(worker: SmallWorker) -> None:
    call(worker, "openai-small", 2)
    worker.simulator.fault("openai", "status", status=400, count=1)
    worker.submit(model="openai-small")
    worker.complete()
    worker.run(write_ledger(worker.pool))
    worker.run(summarise_days(worker.pool))
    stats = published_stats(worker)
    today = stats.providers["openai"].today
    assert today is not None
    assert (today.calls, today.successes) == (3, 2)
    assert today.output_tokens > 0
    assert today.cost_usd == worker.bill_usd() > Decimal(0)
    groq = stats.providers["groq"].today
    assert groq is not None
    assert groq.calls == 0, "the ledger has told: nothing"

    later = worker.pool.now
    worker.pool.now = lambda: later() + timedelta(days=1)
    worker.run(summarise_days(worker.pool))
    tomorrow = published_stats(worker).providers["openai"].today
    assert tomorrow is not None
    assert tomorrow.calls == 0


def test_it_ends_by_itself_when_nobody_publishes_any_more(worker: SmallWorker) -> None:
    worker.run(publish_stats(worker.pool))
    assert 0 < worker.redis.pttl(redis_keys.STATS) <= redis_keys.STATS_TTL_MS


def test_no_secret_is_in_it(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized", key="groq#1")
    worker.submit()
    worker.complete()
    worker.run(publish_stats(worker.pool))
    text = str(worker.redis.get(redis_keys.STATS))
    assert "AuthenticationFailedError" in text
    assert worker.pool.secrets
    assert not any(secret in text for secret in worker.pool.secrets.values())


def groq(worker: SmallWorker) -> ProviderHealth:
    return published_health(worker).providers["groq"]


def test_who_can_be_called_is_healthy_and_who_is_not_in_use_says_why(worker: SmallWorker) -> None:
    keys = tuple(key for key in worker.pool.registry.keys if key.provider != "mistral")
    worker.configure(keys=keys)
    health = published_health(worker).providers
    assert {name: it.status for name, it in health.items()} == {
        "groq": HealthStatus.HEALTHY,
        "cerebras": HealthStatus.HEALTHY,
        "mistral": HealthStatus.DISABLED,
        "openai": HealthStatus.HEALTHY,
        "ollama": HealthStatus.DISABLED,
    }
    assert (health["groq"].keys_usable, health["groq"].keys_total) == (2, 2)
    assert (health["mistral"].reason, health["ollama"].reason) == ("it has no key", "no reason given")


def test_a_provider_is_limited_when_the_quota_of_every_key_is_spent(worker: SmallWorker) -> None:
    registry = worker.pool.registry
    worker.configure(providers={**registry.providers, "groq": replace(registry.providers["groq"], limits=(FOUR_A_DAY,))})
    call(worker, "groq-small", 7)
    one_left = groq(worker)
    assert (one_left.status, one_left.keys_usable) == (HealthStatus.HEALTHY, 1)
    assert sorted(key.status for key in one_left.keys.values()) == [HealthStatus.HEALTHY, HealthStatus.LIMITED]
    call(worker, "groq-small")
    none_left = groq(worker)
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (none_left.status, none_left.keys_usable, none_left.keys_total) == (HealthStatus.LIMITED, 0, 2)
    assert (none_left.reason, none_left.until) == ("all requests per day are used", midnight)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("WindowSpentError: tokens per day", HealthStatus.LIMITED),
        ("WindowSpentError: no requests per hour remain", HealthStatus.LIMITED),
        ("BillingError: no credit", HealthStatus.HELD),
        ("AuthenticationFailedError: no", HealthStatus.HELD),
    ],
)
def test_a_hold_is_a_spent_quota_or_a_failure(worker: SmallWorker, reason: str, status: HealthStatus) -> None:
    leave_alone(worker, group_scope("groq", "groq#1", model="small"), reason=reason)
    key = groq(worker).keys["groq#1"]
    assert (key.status, key.reason) == (status, reason)
    assert groq(worker).status is HealthStatus.HEALTHY, "another key can be called"


def test_a_held_provider_says_until_when(worker: SmallWorker) -> None:
    leave_alone(worker, provider_scope("groq"), reason="ProviderFailedError: 500", s=60)
    leave_alone(worker, key_scope("groq#1"), reason="AuthenticationFailedError: no", s=3600)
    health = published_health(worker)
    provider = health.providers["groq"]
    assert (provider.status, provider.reason, provider.keys_usable) == (HealthStatus.HELD, "ProviderFailedError: 500", 0)
    assert provider.until is not None
    assert timedelta(seconds=55) < provider.until - health.taken_at < timedelta(seconds=65)
    until = provider.keys["groq#1"].until
    assert until is not None
    assert until - health.taken_at > timedelta(minutes=50), "a key that is left alone for longer itself"


def test_a_key_can_be_called_while_one_of_its_models_can(worker: SmallWorker) -> None:
    registry = worker.pool.registry
    other = replace(registry.models["groq-small"], id="groq-large", name="large")
    worker.configure(models={**registry.models, other.id: other})
    leave_alone(worker, model_scope("groq", "small"), reason="ModelGoneError: gone")
    assert groq(worker).keys_usable == 2
    leave_alone(worker, model_scope("groq", "large"), reason="ModelGoneError: gone", s=600)
    both = groq(worker)
    assert (both.status, both.keys_usable) == (HealthStatus.HELD, 0)
    assert both.until is not None
    assert both.until < datetime.now(UTC) + timedelta(minutes=5), "the first that comes back"


def test_keys_are_those_that_the_workers_have_enrolled(worker: SmallWorker) -> None:
    worker.configure(keys=(*worker.pool.registry.keys, Key("groq#10", "groq")))
    worker.reset_pool()  # this worker does not know of it
    assert list(groq(worker).keys) == ["groq#1", "groq#2", "groq#10"]
