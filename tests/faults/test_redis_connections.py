"""The way to Redis is bad, or leads to a server that refuses: faults 9, 10 and 11."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis
import uvloop
from callers import PatientCaller
from celery import Celery
from lab import Lab, until
from proxy import Proxy
from redis_runs import WORKERS, all_end, goes_on, judged, some_end, start_workers
from reservations import COUNTED
from runs import IS_FULL, Seed, StartLab, lasts, sized

from pool_client import JobHandle
from pool_client.redis_connection import async_pool


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    return start_lab(latency_ms=100, visibility_s=5, providers=COUNTED)


@pytest.fixture
def proxy(lab: Lab) -> Iterator[Proxy]:
    with Proxy(lab.redis.port) as proxy:
        yield proxy


def under_way(lab: Lab) -> dict[str, int]:
    """Worker → how many tasks it thinks it is working on; beat's and remote control's are none."""
    with Celery(broker=lab.redis.url) as app:
        stats = app.control.inspect(timeout=2, limit=len(WORKERS)).stats() or {}
    return {name.partition("@")[0]: facts["pool"]["under-way"] for name, facts in stats.items()}


def rested(lab: Lab, jobs: list[JobHandle], seed: Seed, *, what: str, duplicates_allowed: int = 0) -> None:
    """Both workers have all hands free, even of jobs that others have done meanwhile, and all is as if nothing had been."""
    until(lambda: under_way(lab) == dict.fromkeys(WORKERS, 0), what=lambda: f"two workers at rest: {under_way(lab)}, {seed}")
    judged(lab, jobs, seed, what=what, duplicates_allowed=duplicates_allowed)


def test_10_all_connections_are_cut_every_second(lab: Lab, seed: Seed) -> None:
    start_workers(lab)
    rng, cuts, connections = seed.rng(), sized(4, 60), 0
    jobs = lab.submit(sized(100, 3000))
    with PatientCaller(lab) as caller:
        for _ in range(cuts):
            lasts(rng.uniform(0.5, 1.5))
            connections += lab.redis.cut_connections()
        jobs += caller.stop()
        back_s = all_end(lab, jobs)
        caller.results(within_s=1)
    rested(lab, jobs, seed, what=f"fault 10: {connections} connections cut in {cuts} strokes, back in {back_s:.1f} s")


def test_10_connections_are_cut_in_the_middle_of_what_passes(lab: Lab, proxy: Proxy, seed: Seed) -> None:
    """Commands and answers are cut anywhere: what was asked was done, or not, or done and not told."""
    start_workers(lab, redis_url=proxy.url)
    rng, cuts = seed.rng(), sized(15, 200)
    jobs = lab.submit(sized(100, 2000))
    with PatientCaller(lab, redis_url=proxy.url) as caller:
        for _ in range(cuts):
            lasts(rng.uniform(0.05, 0.4))
            proxy.cut()
        jobs += caller.stop()
        back_s = all_end(lab, jobs)
        caller.results(within_s=20)
    rested(lab, jobs, seed, what=f"fault 10: {proxy.counts.cut} connections cut in {cuts} strokes, back in {back_s:.1f} s")


@pytest.mark.parametrize("silence_s", [10, 30, 60] if IS_FULL else [6])
def test_11_a_black_hole_swallows_everybody(lab: Lab, proxy: Proxy, seed: Seed, silence_s: float) -> None:
    """Longer than claims last; nobody is there to take anybody for dead."""
    start_workers(lab, redis_url=proxy.url)
    jobs = lab.submit(sized(200, 2000))
    with PatientCaller(lab, redis_url=f"{proxy.url}?socket_timeout=2") as caller:
        some_end(lab, jobs, seed.rng().random() / 2)
        proxy.fall_silent()
        lasts(silence_s)
        proxy.speak()
        back_s = goes_on(lab, jobs)
        jobs += caller.stop()
        all_end(lab, jobs)
        caller.results(within_s=20)
    rested(lab, jobs, seed, what=f"fault 11: black hole for {silence_s} s, back in {back_s:.1f} s")


def test_11_one_worker_in_a_black_hole_is_taken_for_dead_and_fenced(lab: Lab, proxy: Proxy, seed: Seed) -> None:
    """The other one does its jobs meanwhile; the answers that it had in hand come too late, and count only on the bill."""
    lab.start_worker("a", redis_url=proxy.url, ready=False)
    lab.start_worker("b", ready=False)
    lab.until_ready(*WORKERS)
    jobs = lab.submit(sized(200, 1000))
    some_end(lab, jobs, seed.rng().random() / 2)
    proxy.fall_silent()
    some_end(lab, jobs, 1)
    lasts(sized(1, 20))
    proxy.speak()
    all_end(lab, jobs)
    rested(lab, jobs, seed, what="fault 11: a worker in a black hole, its jobs done elsewhere", duplicates_allowed=1)


@pytest.mark.skipif(not IS_FULL, reason="what notices it are time-outs of 15 s: only with FAULTS=full")
def test_11_half_open_connections_are_given_up(lab: Lab, proxy: Proxy, seed: Seed) -> None:
    """Every connection loses its server and is never told; new ones work."""
    start_workers(lab, redis_url=proxy.url)
    jobs, orphans, back_s = lab.submit(500), 0, []
    for number in range(3):
        some_end(lab, jobs, 0.8)
        orphans += proxy.orphan()
        jobs += lab.submit(200, label=f"after {number}")
        back_s.append(all_end(lab, jobs))
    rested(lab, jobs, seed, what=f"fault 11: {orphans} half-open connections, back in {max(back_s):.1f} s")


@pytest.mark.parametrize(("latency_s", "bytes_per_s"), [(0.2, None), (0.0, 1.0)], ids=["200 ms each way", "1 byte a second"])
def test_11_a_slow_line(lab: Lab, proxy: Proxy, seed: Seed, latency_s: float, bytes_per_s: float | None) -> None:
    start_workers(lab, redis_url=proxy.url)
    jobs = lab.submit(sized(150, 2500))
    some_end(lab, jobs, 0.1)
    proxy.latency_s, proxy.bytes_per_s = latency_s, bytes_per_s
    before = lab.ended(jobs)
    lasts(sized(6, 45))
    ended = lab.ended(jobs) - before
    proxy.latency_s, proxy.bytes_per_s = 0.0, None
    back_s = all_end(lab, jobs)
    rested(lab, jobs, seed, what=f"fault 11: {ended} ended over the slow line, back in {back_s:.1f} s")


def test_10_a_reset_connection_is_an_error_of_the_connection_in_every_loop(proxy: Proxy) -> None:
    """uvloop says that a handle is closed, which redis-py passes on: a job waited for its answer for ever."""

    async def write_on_a_reset_one() -> None:
        connections = async_pool(proxy.url, max_connections=1)
        connection = await connections.get_connection()
        await asyncio.to_thread(proxy.cut)
        with pytest.raises(redis.ConnectionError, match="reset"):
            await connection.read_response(disconnect_on_error=False)  # by then the loop has seen it
        with pytest.raises(redis.ConnectionError, match="the connection was closed"):
            await connection.send_command("PING")

    uvloop.run(write_on_a_reset_one())
