"""Who may be called again and has not shown yet that it is well: a provider between two holds is not told to be usable."""

from __future__ import annotations

from datetime import timedelta

from small_worker import SmallWorker

from pool_worker import redis_keys
from pool_worker.alerts import open_causes
from pool_worker.health.matters import down
from pool_worker.health.scores import LEAST_SHARE
from pool_worker.limits.holds import provider_scope
from pool_worker.lua import read_script
from pool_worker.maintenance.probes import probe_health
from pool_worker.overview.holds import read_holds
from pool_worker.overview.probation import Probation, read_probations

GROQ = provider_scope("groq")


def probations(worker: SmallWorker) -> tuple[Probation, ...]:
    redis, registry = worker.pool.redis, worker.pool.registry
    held = worker.run(read_holds(redis, registry))
    return tuple(worker.run(read_probations(redis, registry, held=held)))


def fail_and_check(worker: SmallWorker, times: int) -> None:
    worker.simulator.fault("groq", "down")
    for number in range(1, times + 1):
        worker.submit()
        worker.complete()
        worker.time_passes()
        later = worker.opened_with["now"]() + number * timedelta(minutes=5)
        worker.pool.now = lambda later=later: later
        worker.run(probe_health(worker.pool))


def test_a_provider_that_is_down_is_on_probation_between_two_holds(worker: SmallWorker) -> None:
    assert probations(worker) == ()
    fail_and_check(worker, 3)
    told_at = worker.run(open_causes(worker.pool.redis, ""))[down("groq").cause]
    assert probations(worker) == (), "it is left alone"
    worker.time_passes()
    assert probations(worker) == (Probation("groq", told_at, 1.0),), "its score was never so low that it would get fewer calls"

    worker.simulator.clear_faults()
    later = worker.pool.now() + timedelta(minutes=10)
    worker.pool.now = lambda: later
    worker.run(probe_health(worker.pool))
    assert probations(worker) == ()


def test_who_recovers_gets_as_many_percent_as_its_score_is(worker: SmallWorker) -> None:
    worker.redis.set(redis_keys.health(GROQ), "45 0 1")
    worker.redis.set(redis_keys.health(provider_scope("cerebras")), "45 0 0")
    assert probations(worker) == (Probation("groq", None, 0.45),)


def test_the_least_share_is_that_of_the_leases() -> None:
    assert f"ILL, WELL_AGAIN = 100, {round(100 * LEAST_SHARE)}, " in read_script("pool_worker.limits", "acquire")
