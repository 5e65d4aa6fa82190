"""How long a job of one agent waits when another agent has thousands in line, and what a more urgent one waits.

Run: `python benchmarks/fairness.py [JOBS]`. Two workers, the 32-key profile without Cloudflare. One agent submits JOBS jobs, far
more than there is capacity for; a second later two others submit twenty each, one of the same priority and one of a higher.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from saturation import DAY_ONLY, config_of
from throughput import Quiet

from pool_client import JobHandle, Pool
from pool_worker.cli.plan import make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import free_port
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

PROFILE = "thirty-two-keys"
EACH = 20
NEWCOMERS = {"log_analyzer": "normal", "database_manager": "high"}
MANY = "backup_recovery"
PATIENCE_S = 240.0


def waits_s(handles: list[JobHandle], began: datetime) -> list[float]:
    """How long each waited for its call, in order."""
    results = [handle.result(timeout=PATIENCE_S) for handle in handles]
    return sorted((result.attempts[-1].started_at - began).total_seconds() for result in results)


def main() -> None:
    """Measure one run and print it."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        config = config_of(32, Path(home))
        plan = make_plan(
            Settings(home=Path(home) / "home", config_dir=config), simulate=PROFILE, workers=2, redis_port=free_port()
        )
        system = System(plan, report=Quiet())
        running = system.start()
        stack.callback(system.stop)
        simulator = stack.enter_context(SimulatorAdmin(str(running.simulator_url)))
        pools = {name: stack.enter_context(Pool(agent=name, redis_url=running.redis_url)) for name in (MANY, *NEWCOMERS)}
        excluded = {"excluded_providers": [DAY_ONLY], "max_tokens": 60, "task_type": None}
        pools[MANY].submit_many({"prompt": f"Report {n}", "priority": "normal", **excluded} for n in range(jobs))
        time.sleep(1)
        began = datetime.now(UTC)
        asked = {
            name: pools[name].submit_many({"prompt": f"{name} {n}", "priority": priority, **excluded} for n in range(EACH))
            for name, priority in NEWCOMERS.items()
        }
        for name, handles in asked.items():
            waited = waits_s(handles, began)
            first, median, last = waited[0], waited[EACH // 2], waited[-1]
            print(f"{name:18} {NEWCOMERS[name]:8} first {first:6.1f} s, median {median:6.1f} s, last {last:6.1f} s")
        print(f"calls made by then: {simulator.counts()['totals']['admitted']} of {jobs + EACH * len(NEWCOMERS)}")


if __name__ == "__main__":
    main()
