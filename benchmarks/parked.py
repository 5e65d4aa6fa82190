"""How parked jobs use a window that opens: how many are let go for each call, and how long after its capacity a call starts.

Run: `python benchmarks/parked.py [JOBS WORKERS]`; it takes a good minute. All jobs are for one model of the 32-key profile,
which takes 60 requests in any minute: the first 60 use it up, the others wait.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from throughput import Quiet

from pool_client import Pool
from pool_client.job import JobState
from pool_client.redis_connection import connect
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import free_port
from pool_worker.limits.windows import GUARD_MS
from pool_worker.settings import Settings

PROFILE = "thirty-two-keys"
MODEL = "mistral_small"
PER_MINUTE = 60
USED_AGAIN_BY_S = 75


def run(jobs: int, workers: int, home: Path) -> tuple[list[datetime], int]:
    """When each call started, the first first; and how many jobs were let go from the minute's end on."""
    plan = make_plan(Settings(home=home), simulate=PROFILE, workers=workers, redis_port=free_port())
    with ExitStack() as stack:
        system = System(plan, report=Quiet())
        running = system.start()
        stack.callback(system.stop)
        pool = stack.enter_context(Pool(agent="log_analyzer", redis_url=running.redis_url))
        client = stack.enter_context(connect(running.redis_url))

        def let_go() -> int:  # only they go to the head of a queue here
            return int(client.info("commandstats").get("cmdstat_rpush", {"calls": 0})["calls"])

        asked = [{"prompt": f"Report {number}: what happened?", "max_tokens": 60, "model": MODEL} for number in range(jobs)]
        handles = pool.submit_many(asked)
        handles[0].result(timeout=60)
        began = time.monotonic()
        time.sleep(55)
        before = let_go()
        time.sleep(max(0.0, began + USED_AGAIN_BY_S - time.monotonic()))
        after = let_go()
        done = [handle.result(timeout=5) for handle in handles if handle.status().state is JobState.SUCCEEDED]
        return sorted(result.attempts[-1].started_at for result in done), after - before


def main() -> None:
    """Measure one run and print it."""
    jobs, workers = map(int, sys.argv[1:] or (1500, 2))
    with tempfile.TemporaryDirectory() as home:
        started, let_go = run(jobs, workers, Path(home))
    first, second = started[:PER_MINUTE], started[PER_MINUTE : 2 * PER_MINUTE]
    late_ms = sorted(
        (again - used).total_seconds() * 1000 - 60_000 - GUARD_MS for used, again in zip(first, second, strict=False)
    )
    print(f"{jobs} jobs, {workers} workers, {os.cpu_count()} cores")
    print(f"calls in the second minute   {len(second):6d} of {PER_MINUTE}")
    print(f"let go for each of them      {let_go / max(1, len(second)):6.2f}")
    first_s, second_s = ((calls[-1] - calls[0]).total_seconds() for calls in (first, second))
    print(f"used up in                   {second_s:6.1f} s, the first time {first_s:.1f} s")
    print(f"start after their capacity   {late_ms[len(late_ms) // 2]:6.0f} ms (median), {late_ms[-1]:.0f} ms (most)")


if __name__ == "__main__":
    main()
