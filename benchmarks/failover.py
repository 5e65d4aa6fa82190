"""What failing over costs a job, from the jobs' own trails: from the end of the failed call to the start of the next.

Run: `python benchmarks/failover.py [JOBS]`. The 32-key profile; first one job at a time, each of which meets one refusal:
what failing over in place costs by itself. Then half of the jobs before a provider dies and half after, under two workers.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from throughput import Quiet

from pool_client import Pool
from pool_client.job import Attempt, Step
from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import Running, System
from pool_worker.embedded_redis import free_port
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

PROFILE = "thirty-two-keys"
RUNS = 3
ALONE = 100


@contextmanager
def system_of(workers: int) -> Iterator[tuple[Running, SimulatorAdmin, Pool]]:
    """A system with so many workers, its simulator, and a caller."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        system = System(make_plan(Settings(home=home), simulate=PROFILE, workers=workers, redis_port=free_port()), report=Quiet())
        running = system.start()
        stack.callback(system.stop)
        simulator = stack.enter_context(SimulatorAdmin(str(running.simulator_url)))
        yield running, simulator, stack.enter_context(Pool(agent="log_analyzer", redis_url=running.redis_url))


def added_ms(trails: Iterable[list[Attempt]]) -> list[float]:
    """What each failover has added, the least first."""
    return sorted(later.added_ms for trail in trails for first, later in itertools.pairwise(trail) if first.outcome != Step.OK)


def one_at_a_time() -> list[float]:
    """Each job meets a provider that refuses once; what it knows of the refusal before is forgotten."""
    with system_of(workers=1) as (running, simulator, pool), connect(running.redis_url) as client:
        first = pool.submit("Report: what happened?", max_tokens=60).result(timeout=60)
        trails = []
        for number in range(ALONE):
            forget_failures(client)
            simulator.fault(first.provider, "status", status=503, count=1)
            trails.append(pool.submit(f"Report {number}: and then?", max_tokens=60).result(timeout=60).attempts)
    return added_ms(trails)


def forget_failures(client: redis.Redis) -> None:
    """Nobody is left alone."""
    for pattern in (redis_keys.hold("*"), redis_keys.health("*"), redis_keys.failures("*")):
        for name in client.scan_iter(pattern):
            client.delete(name)


def all_at_once(jobs: int) -> list[float]:
    """A provider dies under load: whoever was being called there fails at the same moment."""
    with system_of(workers=2) as (_, simulator, pool):
        handles = [pool.submit(f"Report {number}: what happened?", max_tokens=60) for number in range(jobs // 2)]
        handles[0].result(timeout=60)
        simulator.fault("cerebras", "down")
        handles += [pool.submit(f"Report {number}: and then?", max_tokens=60) for number in range(jobs // 2)]
        return added_ms([handle.result(timeout=120).attempts for handle in handles])


def tell(run: str, added: list[float]) -> None:
    """One line."""
    p95 = added[int(0.95 * (len(added) - 1))]
    print(f"{run:>14} {len(added):>9} {statistics.median(added):>7.1f} {p95:>7.1f} {added[-1]:>7.1f}")


def main() -> None:
    """Measure some runs and print each."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(f"{jobs} jobs, {os.cpu_count()} cores; added by a failover, ms")
    print(f"{'run':>14} {'failovers':>9} {'median':>7} {'p95':>7} {'max':>7}")
    tell("one at a time", one_at_a_time())
    for run in range(1, RUNS + 1):
        tell(str(run), all_at_once(jobs))


if __name__ == "__main__":
    main()
