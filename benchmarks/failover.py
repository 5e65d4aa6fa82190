"""What failing over costs a job: a provider dies in mid-run, and every job's own trail tells how much time that added.

Run: `python benchmarks/failover.py [JOBS]`. Two workers, the 32-key profile, half of the jobs before the provider dies and half
after.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from throughput import Quiet

from pool_client import Pool
from pool_client.job import Step
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import free_port
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

PROFILE = "thirty-two-keys"
RUNS = 3


def added_ms(jobs: int, home: Path) -> list[float]:
    """For every job that failed over: from the end of its failed call to the start of the next."""
    plan = make_plan(Settings(home=home), simulate=PROFILE, workers=2, redis_port=free_port())
    with ExitStack() as stack:
        system = System(plan, report=Quiet())
        running = system.start()
        stack.callback(system.stop)
        simulator = stack.enter_context(SimulatorAdmin(str(running.simulator_url)))
        pool = stack.enter_context(Pool(agent="log_analyzer", redis_url=running.redis_url))
        handles = [pool.submit(f"Report {number}: what happened?", max_tokens=60) for number in range(jobs // 2)]
        handles[0].result(timeout=60)
        simulator.fault("cerebras", "down")
        handles += [pool.submit(f"Report {number}: and then?", max_tokens=60) for number in range(jobs // 2)]
        trails = [handle.result(timeout=120).attempts for handle in handles]
    return [later.added_ms for trail in trails for first, later in itertools.pairwise(trail) if first.outcome != Step.OK]


def main() -> None:
    """Measure some runs and print each."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(f"{jobs} jobs, {os.cpu_count()} cores; added by a failover, ms")
    print(f"{'run':>4} {'failovers':>9} {'median':>7} {'p95':>7} {'max':>7}")
    for run in range(1, RUNS + 1):
        with tempfile.TemporaryDirectory() as home:
            added = sorted(added_ms(jobs, Path(home)))
        p95 = added[int(0.95 * (len(added) - 1))]
        print(f"{run:>4} {len(added):>9} {statistics.median(added):>7.1f} {p95:>7.1f} {added[-1]:>7.1f}")


if __name__ == "__main__":
    main()
