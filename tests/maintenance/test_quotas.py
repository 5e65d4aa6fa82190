"""People are warned of quotas that run out, one alert for all keys of a provider, and of limits lower than configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.ledger.rows import AlertRow
from pool_worker.maintenance.quotas import LISTED, check_quotas
from pool_worker.registry import Key, Period, Unit, Window, WindowKind

TWENTY_A_DAY = Window(Unit.REQUESTS, 20, Period.DAY, WindowKind.FIXED)
TWENTY_A_MINUTE = Window(Unit.REQUESTS, 20, Period.MINUTE, WindowKind.SLIDING)


def limit(worker: SmallWorker, *windows: Window, keys: int | Sequence[Key] = 1) -> SmallWorker:
    """Only groq, with these windows and so many keys."""
    registry = worker.pool.registry
    numbered = tuple(Key(f"groq#{number}", "groq") for number in range(1, keys + 1)) if isinstance(keys, int) else tuple(keys)
    worker.configure(
        providers={"groq": replace(registry.providers["groq"], limits=windows)},
        models={"groq-small": registry.models["groq-small"]},
        keys=numbered,
    )
    return worker


def call(worker: SmallWorker, times: int) -> None:
    for _ in range(times):
        worker.submit()
        assert worker.complete().startswith("succeeded")


def check(worker: SmallWorker) -> list[str]:
    """Titles of the alerts that are told now."""
    worker.redis.delete(redis_keys.OUTBOX)
    worker.run(check_quotas(worker.pool))
    return [f"{row.severity}: {row.title}" for row in worker.rows(AlertRow)]


def test_a_daily_quota_is_warned_of_once_at_each_threshold(worker: SmallWorker) -> None:
    limit(worker, TWENTY_A_DAY, TWENTY_A_MINUTE)
    told = []
    for calls in (14, 1, 1, 2, 1):
        call(worker, calls)
        told += [check(worker), check(worker)]
    assert told == [
        *([], []),
        *(["warning: groq#1 has used 75% of its requests per day"], []),
        *([], []),
        *(["warning: groq#1 has used 90% of its requests per day"], []),
        *([], []),
    ]


def test_a_minutes_quota_is_nobodys_business(worker: SmallWorker) -> None:
    limit(worker, TWENTY_A_MINUTE)
    call(worker, 19)
    assert worker.run(check_quotas(worker.pool)) == 0
    assert check(worker) == []


def test_the_warning_says_how_much_is_used_and_until_when(worker: SmallWorker) -> None:
    limit(worker, TWENTY_A_DAY)
    call(worker, 15)
    assert worker.run(check_quotas(worker.pool)) == 1
    (alert,) = worker.rows(AlertRow)
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0)
    assert alert.message == f"#1 15 of 20 on small; resets at {midnight:%Y-%m-%d %H:%M} UTC"
    assert alert.source == "quota"


def test_all_keys_of_a_provider_are_in_one_alert(worker: SmallWorker) -> None:
    limit(worker, replace(TWENTY_A_DAY, limit=4), keys=2)
    call(worker, 6)
    assert worker.run(check_quotas(worker.pool)) == 2
    (alert,) = worker.rows(AlertRow)
    assert alert.title == "groq: 2 keys have used 75% of their requests per day"
    assert alert.message.startswith("#1 3 of 4, #2 3 of 4 on small; resets at ")


def test_a_key_that_follows_is_no_other_cause(worker: SmallWorker) -> None:
    limit(worker, replace(TWENTY_A_DAY, limit=4), keys=[Key("groq#1", "groq"), Key("groq#2", "groq", priority=2)])
    told = []
    for calls in (3, 1, 3):
        call(worker, calls)
        told.append(check(worker))
    at = "warning: groq#1 has used {} of its requests per day"
    assert told == [[at.format("75%")], [at.format("90%")], []]


def test_of_very_many_keys_some_are_named(worker: SmallWorker) -> None:
    one_account = [Key(f"groq#{number}", "groq", quota_group="account") for number in range(1, LISTED + 6)]
    limit(worker, replace(TWENTY_A_DAY, limit=1), keys=one_account)
    call(worker, 1)
    assert worker.run(check_quotas(worker.pool)) == LISTED + 5
    (alert,) = worker.rows(AlertRow)
    assert f"groq: {LISTED + 5} keys have" in alert.title
    assert f"#{LISTED} 1 of 1 and 5 more on small" in alert.message


CHAT = {
    "id": "c",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "So it is."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


def hear(worker: SmallWorker, *, per_minute: int) -> None:
    """Make a call in whose answer Cerebras says what its limit is."""
    headers = {"x-ratelimit-limit-requests-minute": str(per_minute)}
    worker.simulator.fault("cerebras", "status", status=200, headers=headers, body=CHAT, count=1)
    worker.submit(model="cerebras-small")
    assert "succeeded" in worker.complete()


def test_a_limit_lower_than_configured_is_told_of_until_it_no_longer_is(worker: SmallWorker) -> None:
    assert check(worker) == []
    told = []
    for per_minute in (30, 20, 20, 30, 30, 25):
        hear(worker, per_minute=per_minute)
        told.append(check(worker))
    lower = "warning: cerebras#1 has {} requests per minute, not 30"
    no_longer = "info: cerebras#1 has 30 requests per minute, as configured"
    assert told == [[], [lower.format(20)], [], [no_longer], [], [lower.format(25)]]


def test_it_is_told_for_longer_than_it_is_believed(worker: SmallWorker) -> None:
    hear(worker, per_minute=20)
    worker.run(check_quotas(worker.pool))
    (told,) = worker.redis.scan_iter(redis_keys.alert_told("*"))
    assert worker.redis.ttl(told) > timedelta(days=1, hours=1).total_seconds()
    alert = worker.rows(AlertRow)[-1]
    assert (alert.source, alert.severity) == ("quota", "warning")
    assert alert.message.startswith("cerebras says so on small, and the pool keeps to it")


def test_windows_of_two_kinds_are_told_of_as_one(worker: SmallWorker) -> None:
    registry = worker.pool.registry
    limits = tuple(
        Window(Unit.REQUESTS, limit, Period.MINUTE, kind) for limit, kind in ((30, WindowKind.REFILL), (20, WindowKind.SLIDING))
    )
    worker.configure(providers={**registry.providers, "cerebras": replace(registry.providers["cerebras"], limits=limits)})
    hear(worker, per_minute=25)
    assert check(worker) == ["warning: cerebras#1 has 25 requests per minute, not 30"]
    assert check(worker) == [], "the other is not lower, and does not say that it is over"
