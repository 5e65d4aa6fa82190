"""Scores: what failures cost and successes give, who gets few calls because of it, and how they come back."""

from __future__ import annotations

import pytest
from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.health.scores import read_scores
from pool_worker.ledger.rows import AlertRow

GROQ, FIRST_KEY, SECOND_KEY = "provider:groq", "key:groq#1", "key:groq#2"
FIVE_MINUTES = pytest.approx(300, abs=2)


def scores(worker: SmallWorker, *scopes: str) -> list[int]:
    return list(worker.run(read_scores(worker.pool.redis, scopes)).values())


def set_score(worker: SmallWorker, scope: str, score: int, *, saved: int = 0) -> None:
    worker.redis.set(redis_keys.health(scope), f"{score} {saved} 1")


def keys_of(worker: SmallWorker, *, jobs: int, **options: object) -> list[str]:
    """The keys with which so many jobs are answered, one after another."""
    keys = []
    for _ in range(jobs):
        job = worker.submit(**options)
        worker.complete()
        keys.append(str(job.result(timeout=5).attempts[-1].key_id))
    return keys


def fail(worker: SmallWorker, times: int, **fault: object) -> None:
    """So many jobs meet a failing groq, each after the hold before."""
    worker.simulator.fault("groq", "status", **({"status": 503} | fault))
    for _ in range(times):
        worker.time_passes()
        keys_of(worker, jobs=1)
    worker.simulator.clear_faults()


def test_a_failure_costs_the_provider_and_the_key_fifteen_and_each_success_gives_five_back(worker: SmallWorker) -> None:
    fail(worker, 1)
    assert scores(worker, GROQ, FIRST_KEY, SECOND_KEY, "provider:cerebras") == [85, 85, 100, 100]
    worker.time_passes()
    assert keys_of(worker, jobs=2) == ["groq#2", "groq#1"]
    assert scores(worker, GROQ, FIRST_KEY, SECOND_KEY) == [95, 90, 100]
    keys_of(worker, jobs=3)
    assert scores(worker, GROQ, FIRST_KEY, SECOND_KEY) == [100, 95, 100]
    assert not worker.redis.exists(redis_keys.health(GROQ)), "who is well needs no record"


@pytest.mark.parametrize("status", [429, 402, 413])
def test_a_spent_quota_and_other_peoples_faults_are_no_illness(worker: SmallWorker, status: int) -> None:
    fail(worker, 1, status=status)
    assert scores(worker, GROQ, FIRST_KEY) == [100, 100]


def test_a_time_that_the_provider_names_is_kept_to_and_costs_health_all_the_same(worker: SmallWorker) -> None:
    fail(worker, 1, retry_after_s=20)
    assert worker.held() == {GROQ: pytest.approx(20, abs=1)}
    assert scores(worker, GROQ) == [85]


def test_a_success_between_two_falls_makes_the_second_hold_as_short_as_the_first(worker: SmallWorker) -> None:
    fail(worker, 1, status=500)
    worker.time_passes()
    keys_of(worker, jobs=1)
    fail(worker, 1, status=500)
    assert worker.held() == {GROQ: pytest.approx(2, abs=0.5)}


def test_who_has_fallen_seven_times_is_in_quarantine_for_five_minutes_and_a_person_is_told(worker: SmallWorker) -> None:
    set_score(worker, GROQ, 15)
    fail(worker, 5)
    assert scores(worker, GROQ) == [0]
    assert worker.held()[GROQ] == FIVE_MINUTES
    (alert,) = worker.rows(AlertRow)
    assert (alert.severity, alert.title) == ("warning", "provider groq is in quarantine")
    assert "groq answered 503" in alert.message


def test_one_sick_key_is_put_away_and_its_provider_is_not(worker: SmallWorker) -> None:
    set_score(worker, SECOND_KEY, 10, saved=80)
    worker.simulator.fault("groq", "status", status=500, key="groq#2")
    for _ in range(5):
        worker.time_passes_for(GROQ)
        keys_of(worker, jobs=1)
    assert scores(worker, SECOND_KEY) == [0]
    assert worker.held()[SECOND_KEY] == FIVE_MINUTES
    worker.time_passes_for(GROQ)
    assert keys_of(worker, jobs=3) == ["groq#1"] * 3
    assert [alert.title for alert in worker.rows(AlertRow)] == ["key groq#2 is in quarantine"]


def test_a_key_that_is_refused_is_at_zero_at_once_and_its_provider_is_well(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "unauthorized", key="groq#1")
    keys_of(worker, jobs=1)
    assert scores(worker, GROQ, FIRST_KEY) == [100, 0]


def test_an_ill_provider_gets_one_call_of_five(worker: SmallWorker) -> None:
    set_score(worker, GROQ, 0)
    used = keys_of(worker, jobs=5)
    assert [key.startswith("groq") for key in used] == [False] * 4 + [True]


def test_an_ill_key_gets_one_call_of_five(worker: SmallWorker) -> None:
    set_score(worker, "key:cerebras#1", 0)
    used = keys_of(worker, jobs=5, excluded_providers=["groq"])
    assert used == ["mistral#1"] * 4 + ["cerebras#1"]


def test_an_ill_key_comes_after_those_that_are_well(worker: SmallWorker) -> None:
    set_score(worker, FIRST_KEY, 10)
    assert keys_of(worker, jobs=5) == ["groq#2"] * 5


def test_traffic_comes_back_step_by_step(worker: SmallWorker) -> None:
    set_score(worker, GROQ, 0)
    to_groq = [sum(key.startswith("groq") for key in keys_of(worker, jobs=10)) for _ in range(6)]
    assert to_groq == sorted(to_groq)
    assert (to_groq[0], to_groq[-1]) == (2, 10)
    assert scores(worker, GROQ) >= [60]


def test_who_was_never_that_ill_is_not_spared(worker: SmallWorker) -> None:
    fail(worker, 5)
    assert scores(worker, GROQ) == [25]
    worker.time_passes()
    assert all(key.startswith("groq") for key in keys_of(worker, jobs=5))


def test_where_there_is_nobody_else_a_job_waits_a_moment_for_its_turn(worker: SmallWorker) -> None:
    set_score(worker, GROQ, 0)
    job = worker.submit(model="groq-small")
    assert worker.complete() == "parked: groq: it recovers from failures and takes few calls as yet"
    assert worker.waits_s(job) == pytest.approx(1, abs=0.3)
    for _ in range(4):
        worker.wake(job)
        worker.complete()
    assert job.result(timeout=5).model_id == "groq-small"


def test_how_available_providers_are_is_known_to_every_worker(worker: SmallWorker) -> None:
    worker.redis.set(redis_keys.health(GROQ), "40 0 0")
    fail(worker, 1)
    worker.redis.set(redis_keys.health("provider:mistral"), "85 0 0")
    worker.look_around()
    assert worker.pool.outlook.availability == {"groq": 0.0, "mistral": 0.85}
    worker.time_passes()
    worker.look_around()
    assert worker.pool.outlook.availability == {"groq": 0.25, "mistral": 0.85}


def test_a_hop_to_a_provider_that_recovers_takes_its_turn_there(worker: SmallWorker) -> None:
    set_score(worker, GROQ, 0, saved=80)
    worker.pool.served_queues -= {"free.groq"}
    job = worker.submit()
    assert worker.complete() == "moved to free.groq"
    worker.pool.served_queues = frozenset({"free.groq"})
    assert worker.complete().startswith("succeeded on groq-small")
    assert job.status().hops == 1
