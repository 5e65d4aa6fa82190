"""Every alert rule: raised by its real cause, it reaches a mailbox and a webhook once, and so does its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alert_scene import Scene
from booked_calls import book
from receiver_fixture import Mailbox, Webhook
from small_worker import SmallWorker

from pool_client import Pool
from pool_client.queues import list_name
from pool_worker import redis_keys
from pool_worker.alert_rules import AlertRules, DigestRules
from pool_worker.broker.burying import bury
from pool_worker.broker.dead_letters import DeadLetters
from pool_worker.broker.reading import UndeliverableError
from pool_worker.ledger.rows import EventRow
from pool_worker.ledger.summaries import summarize_day
from pool_worker.maintenance.degradation import check_degradation
from pool_worker.maintenance.deliveries import deliver_alerts
from pool_worker.maintenance.probes import probe_health
from pool_worker.maintenance.quotas import check_quotas
from pool_worker.maintenance.recoveries import check_recoveries
from pool_worker.maintenance.storms import check_failovers
from pool_worker.maintenance.watch import check_budgets, check_dead_letters
from pool_worker.maintenance.watchdog import Watch, check_beat, check_clock, check_outbox, check_workers
from pool_worker.registry import Agent, Budget, Key, Period, PoolRules, Unit, Window, WindowKind
from pool_worker.rollout.presence import Presence, say_alive

FREE = ("cerebras", "groq", "mistral")
A_DAY = timedelta(days=1)
TWENTY_A_DAY = Window(Unit.REQUESTS, 20, Period.DAY, WindowKind.FIXED)
OTHER = Presence("other@host", 1, ("free",), datetime(2026, 11, 20, 12, tzinfo=UTC))
SAID = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "So it is."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


# --- quotas and money


def a_days_quota(scene: Scene, calls: int) -> None:
    registry = scene.worker.pool.registry
    groq = replace(registry.providers["groq"], limits=(TWENTY_A_DAY,))
    scene.worker.configure(providers={**registry.providers, "groq": groq}, keys=(Key("groq#1", "groq"),))
    scene.jobs_on("groq-small", calls)
    scene.look(check_quotas)


def another_day(scene: Scene) -> None:
    scene.later(A_DAY)
    for pattern in (redis_keys.window("*", "*", unit="*", period="*", kind="*", group="*"), f"{redis_keys.budget('*')}"):
        for name in scene.worker.redis.scan_iter(f"{pattern}*"):
            scene.worker.redis.delete(name)
    scene.look(check_quotas, check_budgets)


def a_limit_said_to_be(scene: Scene, per_minute: int) -> None:
    headers = {"x-ratelimit-limit-requests-minute": str(per_minute)}
    scene.worker.simulator.fault("cerebras", "status", status=200, headers=headers, body=SAID, count=1)
    scene.jobs_on("cerebras-small", 1)
    scene.look(check_quotas)


def a_budget_spent_to(scene: Scene, share: str) -> None:
    scene.jobs_on("openai-small", 1)
    scene.worker.configure(budget=Budget(daily_usd=scene.worker.bill_usd() / Decimal(share)))
    scene.look(check_budgets)


def a_rest_of_a_budget(scene: Scene) -> None:
    scene.jobs_on("openai-small", 1)
    scene.worker.configure(budget=Budget(daily_usd=scene.worker.bill_usd() / Decimal("0.7")))
    assert scene.job(model="openai-small", max_tokens=10) == "parked: budget all: money per day"
    scene.look(check_budgets)


# --- providers, keys and models


def refused(scene: Scene, provider: str, *, jobs: int = 1, **fault: Any) -> None:
    scene.worker.simulator.fault(provider, **fault)
    for _ in range(jobs):
        scene.job()
    scene.look(check_recoveries, probe_health)


def answered_again(scene: Scene) -> None:
    scene.later(timedelta(seconds=1))
    scene.heal()
    for model in ("groq-small", "groq-small", "cerebras-small"):
        scene.jobs_on(model, 1)
    scene.look(check_recoveries, probe_health)


def failing(scene: Scene, *providers: str) -> None:
    for name in providers:
        scene.worker.simulator.fault(name, "down")
    for _ in range(3):
        scene.job()
        scene.worker.time_passes()
        scene.later(timedelta(minutes=5))
        scene.look(probe_health)


def up_again(scene: Scene) -> None:
    scene.worker.simulator.clear_faults()
    scene.later(timedelta(minutes=10))
    scene.look(probe_health)


def a_storm(scene: Scene) -> None:
    for _ in range(4):
        scene.worker.simulator.fault("groq", "status", status=500, count=1)
        scene.job()
        scene.heal()
    scene.look(check_failovers)


def an_hour_later(scene: Scene) -> None:
    scene.later(timedelta(minutes=65))
    scene.look(check_failovers)


def many_failures(scene: Scene) -> None:
    scene.worker.simulator.fault("groq", "status", status=500)
    for _ in range(15):  # who has failed six times gets one call of five
        scene.worker.time_passes()
        scene.job()
    scene.worker.simulator.clear_faults()


def many_successes(scene: Scene) -> None:
    scene.heal()
    scene.look(check_recoveries)


# --- the pool itself


def a_dead_letter(scene: Scene) -> None:
    scene.worker.redis.lpush(list_name("free", 6), '{"headers": {"id": "t1", "task": "x"}, "properties": {}, "body": ""}')
    bury(scene.worker.redis, tag=scene.worker.claim().tag, why=UndeliverableError("no task is called x"))
    scene.look(check_dead_letters)


def dropped(scene: Scene) -> None:
    letters = DeadLetters(scene.worker.pool.books.redis)
    for letter in letters.newest(limit=10):
        letters.drop(letter)
    scene.look(check_dead_letters)


def without_beat(scene: Scene) -> None:
    scene.later(timedelta(seconds=61))
    scene.worker.run(check_beat(scene.worker.pool, scene.watch))


def with_beat(scene: Scene) -> None:
    scene.worker.redis.set(redis_keys.BEAT_LOCK, "beat", ex=30)
    scene.worker.run(check_beat(scene.worker.pool, scene.watch))


def a_worker_killed(scene: Scene) -> None:
    scene.worker.run(say_alive(scene.worker.pool.redis, OTHER))
    scene.worker.redis.delete(redis_keys.worker(OTHER.name))  # as its TTL does
    for _ in range(2):
        scene.worker.run(check_workers(scene.worker.pool, scene.watch))
        scene.later(timedelta(seconds=20))


def a_worker_back(scene: Scene) -> None:
    scene.worker.run(say_alive(scene.worker.pool.redis, OTHER))
    scene.worker.run(check_workers(scene.worker.pool, scene.watch))


def rows_that_wait(scene: Scene) -> None:
    row = EventRow(event_id="1", agent_id="a", event_type="t", created_at=scene.worker.pool.now())
    two_minutes_ago = round((scene.worker.redis_now_s() - 120) * 1000)
    scene.worker.redis.xadd(redis_keys.OUTBOX, dict(row.to_fields()), id=f"{two_minutes_ago}-0")
    scene.worker.run(check_outbox(scene.worker.pool))


def rows_that_are_written(scene: Scene) -> None:
    scene.look(check_outbox)


def a_wrong_clock(scene: Scene) -> None:
    now = scene.worker.pool.now
    scene.worker.pool.now = lambda: now() + timedelta(seconds=3)
    scene.worker.run(check_clock(scene.worker.pool))


def a_right_clock(scene: Scene) -> None:
    scene.worker.pool.now = scene.worker.opened_with["now"]
    scene.worker.run(check_clock(scene.worker.pool))


def doing_worse(scene: Scene) -> None:
    engine, now = scene.worker.pool.books.engine, scene.worker.pool.now()
    for days in range(1, 8):
        book(engine, now - days * A_DAY, 20)
        summarize_day(engine, (now - days * A_DAY).date())
    book(engine, now - timedelta(minutes=10), 20, outcome="ProviderOverloadedError")
    scene.look(check_degradation)


def doing_as_usual(scene: Scene) -> None:
    scene.later(timedelta(hours=2))
    book(scene.worker.pool.books.engine, scene.worker.pool.now() - timedelta(minutes=10), 40)
    scene.look(check_degradation)


def a_forged_job(scene: Scene) -> None:
    agents = {"log_analyzer": Agent(id="log_analyzer", secret="correct-horse-battery-staple")}  # noqa: S106 - of this test
    scene.worker.configure(agents=agents)
    for _ in range(2):
        with Pool(agent="log_analyzer", redis_url=scene.worker.redis_url) as pool:
            pool.submit("Why did this fail?")
        assert scene.worker.complete().startswith("failed: InvalidRequestError")
        scene.look(check_recoveries)


def no_forged_job_for_an_hour(scene: Scene) -> None:
    name = redis_keys.forged_job("log_analyzer")
    assert 3590 < scene.worker.redis.ttl(name) <= 3600
    scene.worker.redis.delete(name)  # as its TTL does
    scene.look(check_recoveries)


def files(scene: Scene, tmp_path: Path, text: str) -> None:
    (tmp_path / "pool.yaml").write_text(text)
    scene.worker.pool.settings = scene.worker.pool.settings.model_copy(update={"config_dir": tmp_path})
    scene.worker.redis.incr(redis_keys.RELOADS)
    scene.worker.look_around()


@dataclass(frozen=True)
class Rule:
    """What is told when it begins, and when it is over."""

    told: str
    over: str
    cause: Callable[[Scene], object]
    end: Callable[[Scene], object]


RULES: Mapping[str, Rule] = {
    "75 % of a quota": Rule(
        "warning: groq#1 has used 75% of its requests per day",
        "groq has its requests per day again on small",
        lambda scene: a_days_quota(scene, 15),
        another_day,
    ),
    "90 % of a quota": Rule(
        "warning: groq#1 has used 90% of its requests per day",
        "groq has its requests per day again on small",
        lambda scene: a_days_quota(scene, 18),
        another_day,
    ),
    "a limit lower than configured": Rule(
        "warning: cerebras#1 has 20 requests per minute, not 30",
        "cerebras#1 has 30 requests per minute, as configured",
        lambda scene: a_limit_said_to_be(scene, 20),
        lambda scene: a_limit_said_to_be(scene, 30),
    ),
    "80 % of a budget": Rule(
        "warning: 81% of today's budget (all) are spent",
        "what was told of 80% of the budget (all) is over",
        lambda scene: a_budget_spent_to(scene, "0.815"),
        another_day,
    ),
    "100 % of a budget": Rule(
        "critical: 101% of today's budget (all) are spent",
        "what was told of 100% of the budget (all) is over",
        lambda scene: a_budget_spent_to(scene, "1.015"),
        another_day,
    ),
    "a rest of a budget that is too little": Rule(
        "critical: what is left of today's budget (all) is too little",
        "what was told of the rest of the budget (all) is over",
        a_rest_of_a_budget,
        another_day,
    ),
    "a key that is refused": Rule(
        "critical: cerebras#1: The provider does not accept the key.",
        "key cerebras#1 is no longer refused",
        lambda scene: refused(scene, "groq", kind="down") or refused(scene, "cerebras", kind="unauthorized"),
        answered_again,
    ),
    "all keys of a provider": Rule(
        "critical: no key of groq works",
        "a key of groq works again",
        lambda scene: refused(scene, "groq", jobs=2, kind="unauthorized"),
        answered_again,
    ),
    "an account without credit": Rule(
        "critical: groq#1: The account has no credit left.",
        "group groq:*:groq#1 is no longer refused",
        lambda scene: refused(scene, "groq", kind="status", status=402),
        answered_again,
    ),
    "a model that is gone": Rule(
        "critical: groq#1: The model does not exist.",
        "model groq:small is no longer refused",
        lambda scene: refused(scene, "groq", kind="status", status=404),
        answered_again,
    ),
    "a forged job": Rule(
        "warning: A job in the name of log_analyzer was refused",
        "no job in the name of log_analyzer is refused any more",
        a_forged_job,
        no_forged_job_for_an_hour,
    ),
    "a quarantine": Rule(
        "warning: provider groq is in quarantine", "provider groq is out of quarantine", many_failures, many_successes
    ),
    "a provider that is down": Rule("warning: groq is down", "groq is up again", lambda scene: failing(scene, "groq"), up_again),
    "a tier without a provider": Rule(
        "critical: every provider of the free tier is down",
        "the free tier is up again",
        lambda scene: failing(scene, *FREE),
        up_again,
    ),
    "a failover storm": Rule(
        "warning: calls on groq-small fail: 4 within an hour", "calls on groq-small no longer fail", a_storm, an_hour_later
    ),
    "a model that does worse": Rule(
        "warning: groq-small does worse than usual", "groq-small does as usual again", doing_worse, doing_as_usual
    ),
    "dead letters": Rule("warning: there are dead letters", "there are no dead letters any more", a_dead_letter, dropped),
    "no beat": Rule("critical: no beat is running", "beat is running again", without_beat, with_beat),
    "a worker lost": Rule(
        "warning: worker other@host is gone", "worker other@host is missed no more", a_worker_killed, a_worker_back
    ),
    "an outbox that grows": Rule(
        "warning: rows wait for the ledger", "no rows wait for the ledger any more", rows_that_wait, rows_that_are_written
    ),
    "a clock that is wrong": Rule(
        "warning: the clock of small@test is 3.0 s ahead of Redis's",
        "the clock of small@test is right again",
        a_wrong_clock,
        a_right_clock,
    ),
}


@pytest.fixture
def scene(worker: SmallWorker, mailbox: Mailbox, webhook: Webhook) -> Scene:
    rules = AlertRules(targets=(mailbox.target, webhook.target), digest=DigestRules(more_than=100))
    worker.configure(rules=PoolRules(alerts=rules))
    worker.run(say_alive(worker.pool.redis, worker.pool.presence))
    return Scene(worker, Watch(worker.pool.now()))


def deliver(scene: Scene) -> None:
    for _ in range(2):
        scene.worker.run(deliver_alerts(scene.worker.pool))


def assert_told(titles: list[str], title: str) -> None:
    assert titles.count(title) == 1, titles
    assert len(titles) == len(set(titles)), "nothing is told twice"


@pytest.mark.parametrize("name", RULES)
def test_it_reaches_people_once_and_is_resolved(name: str, scene: Scene, mailbox: Mailbox, webhook: Webhook) -> None:
    rule = RULES[name]
    rule.cause(scene)
    deliver(scene)
    assert_told(mailbox.titles, rule.told)
    rule.end(scene)
    deliver(scene)
    assert_told(mailbox.titles, f"resolved: {rule.over}")
    assert sorted(webhook.titles) == sorted(mailbox.titles)


def test_a_configuration_with_mistakes(scene: Scene, mailbox: Mailbox, tmp_path: Path) -> None:
    files(scene, tmp_path, "cache: {ttl_s: soon}")
    deliver(scene)
    assert mailbox.titles == ["critical: The configuration was not taken: it has mistakes"]
    target = mailbox.target.url
    files(scene, tmp_path, f'alerts: {{targets: ["{target}"]}}')
    deliver(scene)
    assert mailbox.titles[1:] == ["resolved: The configuration was taken"]
