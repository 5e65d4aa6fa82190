"""How soon an idle worker has a job that was just submitted.

Run: `python benchmarks/wakeup.py [JOBS]`. One job at a time; the worker has been idle for a moment before each. "Opened": by
Redis's own clock, from the submission to the worker's first step on the job (whole milliseconds). "Called": from before `submit`
to the request to the provider, on this machine's clock; the lease on a key lies in between.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from throughput import one_worker, plain_provider

from pool_client import redis_keys

IDLE_S = 0.03


def main() -> None:
    """Measure and print."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    opened_ms, called_ms = [], []
    with plain_provider() as url, tempfile.TemporaryDirectory() as home, one_worker(url, Path(home)) as (pool, client):
        for _ in range(jobs):
            time.sleep(IDLE_S)
            asked_at = datetime.now(UTC)
            job = pool.submit("Say that it is done.")
            result = job.result(timeout=10)
            submitted, started = client.hmget(redis_keys.job(job.id), ["submitted_ms", "started_ms"])
            opened_ms.append(float(started or 0) - float(submitted or 0))
            called_ms.append((result.attempts[0].started_at - asked_at).total_seconds() * 1000)
    print(f"{jobs} jobs, one at a time, {os.cpu_count()} cores")
    for name, times in (("opened", sorted(opened_ms)), ("called", sorted(called_ms))):
        print(f"{name}  p50 {times[jobs // 2]:5.1f} ms   p95 {times[jobs * 95 // 100]:5.1f} ms   max {times[-1]:6.1f} ms")


if __name__ == "__main__":
    main()
