"""Who comes first when capacity is scarce: those that wait, in their order; a newcomer joins them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_worker import MODELS, SmallWorker

from pool_client import JobHandle
from pool_client import redis_keys as shared_keys
from pool_worker import redis_keys
from pool_worker.registry import Agent, Period, Unit, Window, WindowKind

MODEL = MODELS[0]
ONE_A_DAY = (Window(Unit.REQUESTS, 1, Period.DAY, WindowKind.REFILL),)


def scarce(worker: SmallWorker, **agents: int) -> None:
    """One call a day, and it is made; agents with these weights."""
    (only,) = [key for key in worker.pool.registry.keys if key.id == "groq#1"]
    worker.configure(
        models={MODEL.id: replace(MODEL, limits=ONE_A_DAY)},
        keys=(only,),
        agents={name: Agent(name, weight=weight) for name, weight in agents.items()},
    )
    worker.submit()
    assert "succeeded" in worker.complete()


def park(worker: SmallWorker) -> JobHandle:
    job = worker.submit()
    assert "parked: groq#1: requests per day" in worker.complete()
    return job


def be_due(worker: SmallWorker, job: JobHandle) -> None:
    """Its time has come, but its lane may not let anybody go yet."""
    worker.redis.zadd(shared_keys.PARKED_TIMERS, {job.id: 0}, xx=True)
    worker.redis.hset(redis_keys.PARKED_PACE, mapping={"quiet_until_ms": round(worker.redis_now_s() * 1000) + 150})
    worker.run(worker.pool.jobs.release_due())


def capacity_returns(worker: SmallWorker) -> None:
    for name in (*worker.redis.scan_iter("pool:window:*"), redis_keys.nobody_free(MODEL.provider, MODEL.name)):
        worker.redis.delete(name)


def test_a_newcomer_does_not_pass_those_that_wait(worker: SmallWorker) -> None:
    scarce(worker)
    first = park(worker)
    be_due(worker, first)
    capacity_returns(worker)
    newcomer = worker.submit()
    assert "others wait for the same and come first" in worker.complete()
    worker.wake(first)
    assert "succeeded" in worker.complete()
    assert first.result(timeout=5).model_id == MODEL.id
    assert newcomer.status().state == "parked"


@pytest.mark.parametrize("newcomer", [{"priority": "high"}, {"on_exhausted": "fail"}], ids=["more urgent", "cannot wait"])
def test_one_that_is_more_urgent_or_cannot_wait_does(worker: SmallWorker, newcomer: dict[str, str]) -> None:
    scarce(worker)
    be_due(worker, park(worker))
    capacity_returns(worker)
    worker.submit(**newcomer)
    assert "succeeded" in worker.complete()


def test_an_agents_weight_is_what_agents_yaml_says(worker: SmallWorker) -> None:
    scarce(worker, log_analyzer=4)
    job = park(worker)
    quarter = float(worker.record(job)["turn"])
    worker.configure(agents={})
    other = park(worker)
    assert float(worker.record(other)["turn"]) == 5 * quarter
