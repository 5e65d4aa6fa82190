"""The server refuses writes for a while, or another one takes its place: fault 9. What is refused is not deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from callers import PatientCaller
from forgetting import Forgetful
from lab import Lab, LabRedis, until
from proxy import Proxy
from redis_runs import all_end, judged, some_end, start_workers
from refusals import demote, promote
from reservations import COUNTED
from runs import Seed, StartLab, lasts, sized


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    return start_lab(latency_ms=100, visibility_s=3, providers=COUNTED)


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    """What a load balancer or a virtual address is in production."""
    with Proxy(lab.redis.port) as proxy:
        yield proxy


def follow(replica: LabRedis, port: int) -> None:
    replica.client.replicaof("127.0.0.1", str(port))
    until(lambda: replica.client.info("replication")["master_link_status"] == "up", what="a replica")


def test_9_the_server_is_a_read_only_replica_for_a_while(lab: Lab, seed: Seed) -> None:
    """Connections stay; every write is answered with READONLY."""
    start_workers(lab)
    rng, times = seed.rng(), sized(2, 10)
    jobs = lab.submit(sized(300, 4000))
    with PatientCaller(lab) as caller:
        for number in range(times):
            some_end(lab, jobs, (number + rng.random()) / (times + 1))
            demote(lab.redis.client)
            lasts(rng.uniform(0.2, sized(2, 8)))
            promote(lab.redis.client)
        jobs += caller.stop()
        back_s = all_end(lab, jobs)
        caller.results(within_s=1)
    judged(lab, jobs, seed, what=f"fault 9: read-only {times} times, back in {back_s:.1f} s")


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
            first.client.set("lab:heard", "1")
            assert first.client.wait(1, 10_000) == 1, "the replica has heard of all that came before"
            replication.fall_silent()
            lasts(sized(1, 5))
            first.kill()
            forgetful = Forgetful(lab, caller, jobs, kept_jobs=kept_jobs)
            proxy.target_port, lab.redis = second.port, second
            promote(second.client)
            lab.caller = lab.pool()
            forgetful.go_on()
        except BaseException:
            second.close()
            raise
    forgetful.judge(seed, what="fault 9: a replica without the last moments promoted")
