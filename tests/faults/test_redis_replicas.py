"""The server refuses writes for a while, or another one takes its place: fault 9. What is refused is not deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from callers import PatientCaller
from checker import check
from forgetting import Forgetful
from lab import Lab, LabRedis, until
from proxy import Proxy
from reservations import COUNTED, miscounted
from runs import Seed, StartLab, sized, tell

from pool_client import JobHandle

BACK_WITHIN_S = 60.0
WORKERS = ("a", "b")
LAG = 5
"""Jobs that the replica may not have heard of although the line to it was still open."""


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    return start_lab(latency_ms=100, visibility_s=3, providers=COUNTED)


@pytest.fixture
def second(lab: Lab, tmp_path: Path) -> Iterator[LabRedis]:
    """A server that follows the lab's."""
    second = LabRedis(tmp_path / "second")
    second.start()
    follow(second, lab.redis.port)
    yield second
    second.close()


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    """What a load balancer or a virtual address is in production."""
    with Proxy(lab.redis.port) as proxy:
        yield proxy


def follow(replica: LabRedis, port: int) -> None:
    replica.client.replicaof("127.0.0.1", str(port))
    until(lambda: replica.client.info("replication")["master_link_status"] == "up", what="a replica")


def start_workers(lab: Lab, *, redis_url: str | None = None) -> None:
    for name in WORKERS:
        lab.start_worker(name, redis_url=redis_url, ready=False)
    lab.until_ready(*WORKERS)


def some_end(lab: Lab, jobs: list[JobHandle], share: float) -> None:
    until(lambda: lab.ended(jobs) >= share * len(jobs), within_s=BACK_WITHIN_S, what=lambda: f"the end of {share:.0%}")


def judged(lab: Lab, jobs: list[JobHandle], seed: Seed, *, what: str) -> None:
    findings, wrong = check(lab, jobs), list(miscounted(lab))
    tell(f"{what}, {findings}, {wrong or 'every call reserved once'}, {seed}")
    assert findings.clean, f"{findings}\n{seed}"
    assert not wrong, seed


def test_9_the_server_is_a_read_only_replica_for_a_while(lab: Lab, seed: Seed) -> None:
    """Connections stay; every write is answered with READONLY."""
    start_workers(lab)
    rng, times = seed.rng(), sized(2, 10)
    jobs = lab.submit(sized(300, 4000))
    with PatientCaller(lab) as caller:
        for number in range(times):
            some_end(lab, jobs, (number + rng.random()) / (times + 1))
            lab.redis.client.replicaof("127.0.0.1", "1")
            time.sleep(rng.uniform(0.2, sized(2, 8)))
            lab.redis.client.replicaof("NO", "ONE")
        jobs += caller.stop()
        lab.quiesce(jobs, within_s=BACK_WITHIN_S)
        caller.results(within_s=1)
    judged(lab, jobs, seed, what=f"fault 9: read-only {times} times")


def test_9_another_server_takes_over(lab: Lab, second: LabRedis, proxy: Proxy, seed: Seed) -> None:
    """The old one lives on as a replica, and so do the connections to it: whoever gets READONLY has to connect anew."""
    start_workers(lab, redis_url=proxy.url)
    rng, times, first = seed.rng(), sized(1, 6), lab.redis
    jobs = lab.submit(sized(300, 4000))
    try:
        with PatientCaller(lab, redis_url=proxy.url) as caller:
            for number in range(times):
                some_end(lab, jobs, (number + rng.random()) / (times + 1))
                switch_over(lab, to=second if lab.redis is first else first, proxy=proxy)
            jobs += caller.stop()
            lab.quiesce(jobs, within_s=BACK_WITHIN_S)
            caller.results(within_s=20)
        judged(lab, jobs, seed, what=f"fault 9: {times} planned failovers")
    finally:
        first.close()


def switch_over(lab: Lab, *, to: LabRedis, proxy: Proxy) -> None:
    """Nothing is lost: the old server stops accepting writes until the new one has them all."""
    lab.redis.client.execute_command("FAILOVER", "TO", "127.0.0.1", str(to.port))
    until(lambda: to.client.info("replication")["role"] == "master", what="a new primary")
    proxy.target_port = to.port
    lab.redis = to


def test_9_a_replica_that_lags_behind_is_promoted(lab: Lab, proxy: Proxy, tmp_path: Path, seed: Seed) -> None:
    """The primary dies, and with it what the replica had not heard of yet."""
    start_workers(lab, redis_url=proxy.url)
    first, second = lab.redis, LabRedis(tmp_path / "second")
    with Proxy(first.port) as replication, PatientCaller(lab, redis_url=proxy.url) as caller:
        try:
            second.start()
            follow(second, replication.port)
            jobs = lab.submit(sized(200, 2000))
            some_end(lab, jobs, seed.rng().uniform(0.1, 0.6))
            kept_jobs = len(caller.handles)
            replication.fall_silent()
            time.sleep(sized(1, 5))
            first.kill()
            forgetful = Forgetful(lab, caller, jobs, maybe_lost=caller.handles[max(0, kept_jobs - LAG) : len(caller.handles) + 1])
            proxy.target_port, lab.redis = second.port, second
            second.client.replicaof("NO", "ONE")
            lab.caller = lab.pool()
            forgetful.go_on(within_s=BACK_WITHIN_S)
        except BaseException:
            second.close()
            raise
    forgetful.judge(seed, what="fault 9: a replica without the last moments promoted")
