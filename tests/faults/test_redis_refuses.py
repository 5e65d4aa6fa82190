"""A worker connects while Redis refuses writes, or is connected to a server that will never accept them again: faults 9, 13."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from callers import PatientCaller
from checker import check
from lab import Lab, LabRedis, until
from proxy import Proxy
from redis_runs import all_end, judged, some_end, start_workers
from refusals import demote, fill, promote, relieve
from reservations import COUNTED
from runs import Seed, StartLab, lasts, sized, tell


@pytest.mark.parametrize(
    ("refuse", "accept", "at_start"),
    [(fill, relieve, True), (fill, relieve, False), (demote, promote, False)],
    ids=["full when it starts", "full when it connects again", "replica when it connects again"],
)
def test_a_worker_waits(
    start_lab: StartLab, refuse: Callable[[redis.Redis], None], accept: Callable[[redis.Redis], None], *, at_start: bool
) -> None:
    lab = start_lab()
    jobs = lab.submit(20)
    if at_start:
        refuse(lab.redis.client)
        worker = lab.start_worker("a", ready=False)
    else:
        worker = lab.start_worker("a")
        refuse(lab.redis.client)
        lab.redis.cut_connections()
    lasts(4)
    assert worker.is_alive, worker.tail
    accept(lab.redis.client)
    lab.quiesce(jobs, within_s=40)
    findings = check(lab, jobs)
    tell(findings)
    assert findings.clean, findings
    assert worker.is_alive, worker.tail


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    return start_lab(latency_ms=100, visibility_s=3, providers=COUNTED)


@pytest.fixture
def second(lab: Lab, tmp_path: Path) -> Iterator[LabRedis]:
    """A server that follows the lab's."""
    second = LabRedis(tmp_path / "second")
    second.start()
    second.client.replicaof("127.0.0.1", str(lab.redis.port))
    until(lambda: second.client.info("replication")["master_link_status"] == "up", what="a replica")
    yield second
    second.close()


def test_9_another_server_takes_over(lab: Lab, second: LabRedis, seed: Seed) -> None:
    """The old one lives on as a replica, and so do the connections to it: whoever gets READONLY has to connect anew."""
    rng, times, first = seed.rng(), sized(1, 6), lab.redis
    jobs = lab.submit(sized(300, 4000))
    try:
        with Proxy(first.port) as proxy, PatientCaller(lab, redis_url=proxy.url) as caller:
            start_workers(lab, redis_url=proxy.url)
            for number in range(times):
                some_end(lab, jobs, (number + rng.random()) / (times + 1))
                switch_over(lab, to=second if lab.redis is first else first, proxy=proxy)
            jobs += caller.stop()
            back_s = all_end(lab, jobs)
            caller.results(within_s=20)
        judged(lab, jobs, seed, what=f"fault 9: {times} planned failovers, back in {back_s:.1f} s")
    finally:
        first.close()


def switch_over(lab: Lab, *, to: LabRedis, proxy: Proxy) -> None:
    """Nothing is lost: the old server stops accepting writes until the new one has them all."""
    lab.redis.client.execute_command("FAILOVER", "TO", "127.0.0.1", str(to.port))
    until(lambda: to.client.info("replication")["role"] == "master", what="a new primary")
    proxy.target_port = to.port
    lab.redis = to
