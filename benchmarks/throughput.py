"""End to end: jobs per second through one worker process, as a ratio to a bare loop of the same HTTP library.

Run: `python benchmarks/throughput.py [JOBS]`. The provider answers in 0 ms, on a process of its own; the bare loop keeps as many
calls in flight as the worker does and does nothing else. Everything is on in the worker: claims, leases, ledger rows, results.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
import uvloop

from pool_client import Pool
from pool_client.redis_connection import connect
from pool_worker.cli.plan import Plan
from pool_worker.cli.system import System
from pool_worker.config import load_registry
from pool_worker.embedded_redis import free_port
from pool_worker.providers.http import open_http
from pool_worker.settings import Settings

IN_FLIGHT = 200
BODY = b'{"model":"plain","messages":[{"role":"user","content":"Say that it is done."}]}'
CONFIG = {
    "providers.yaml": "providers:\n  plain: {base_url: %s, tier: free, needs_key: false, concurrency: 100000}\n",
    "models.yaml": "models:\n  free_tier:\n    - {id: plain, provider: plain, model: plain, cost: 0}\n",
}


class Quiet:
    """Says only what went wrong."""

    def log(self, part: str, line: str) -> None:
        """Pass warnings on."""
        if "WARN" in line or "ERROR" in line:
            print(part, line, file=sys.stderr)

    def note(self, text: str) -> None:
        """Say nothing."""


@contextmanager
def plain_provider() -> Iterator[str]:
    """The provider on a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("plain_provider.py")), str(port)])
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


async def bare_loop(url: str, requests: int) -> float:
    """Requests per second of the HTTP library alone."""
    async with open_http(concurrency=IN_FLIGHT) as http:

        async def caller(count: int) -> None:
            for _ in range(count):
                response = await http.post(f"{url}/chat/completions", content=BODY)
                response.raise_for_status()
                response.json()

        await asyncio.gather(*(caller(1) for _ in range(IN_FLIGHT)))
        began = time.perf_counter()
        await asyncio.gather(*(caller(requests // IN_FLIGHT) for _ in range(IN_FLIGHT)))
        return requests / (time.perf_counter() - began)


@contextmanager
def one_worker(url: str, home: Path) -> Iterator[tuple[Pool, redis.Redis]]:
    """One worker process for that provider, with all that belongs to it, warm; the caller's pool, and its Redis."""
    config = home / "configs"
    config.mkdir(parents=True)
    for name, text in CONFIG.items():
        (config / name).write_text(text % url if "%s" in text else text)
    settings = Settings(home=home / "data", config_dir=config, concurrency=IN_FLIGHT)
    plan = Plan(settings=settings, registry=load_registry(config), workers=1, redis_port=free_port())
    with ExitStack() as stack:
        system = System(plan, report=Quiet())
        running = system.start()
        stack.callback(system.stop)
        pool = stack.enter_context(Pool(redis_url=running.redis_url))
        client = stack.enter_context(connect(running.redis_url))
        pool.submit("Warm up.").result(timeout=30)
        yield pool, client


def pool_rate(url: str, jobs: int, home: Path) -> float:
    """Jobs per second of one worker that finds them all waiting."""
    with one_worker(url, home) as (pool, client):
        began = time.perf_counter()
        handles = pool.submit_many([{"prompt": "Say that it is done."} for _ in range(jobs)])
        last = handles[-1]
        while client.exists("free\x06\x166"):
            time.sleep(0.005)
        last.result(timeout=60)
        return jobs / (time.perf_counter() - began)


def main() -> None:
    """Measure both, three times in turn, and print the medians."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    bare, pooled = [], []
    with plain_provider() as url:
        for _ in range(3):
            bare.append(uvloop.run(bare_loop(url, jobs)))
            with tempfile.TemporaryDirectory() as home:
                pooled.append(pool_rate(url, jobs, Path(home)))
    bare_rate, rate = sorted(bare)[1], sorted(pooled)[1]
    print(f"bare loop {bare_rate:7.0f} requests/s")
    print(f"worker    {rate:7.0f} jobs/s")
    print(f"ratio     {rate / bare_rate:7.3f}   ({os.cpu_count()} cores, {jobs} jobs, {IN_FLIGHT} in flight)")


if __name__ == "__main__":
    main()
