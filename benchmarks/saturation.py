"""How much of the capacity that thirty-two keys offer is used, and whether a request more was ever sent than they allow.

Run: `python benchmarks/saturation.py [--seconds 210] [--workers 1 2 4 8] [--apart 5] [--tokens] [--keys 320]`; each count of
workers takes so many seconds. There is always more to do than capacity. What is offered, admitted, refused and exceeded is the
simulator's own count from the first call on: nothing is reset in between, the first minute is as much a part of it as the last.

`--apart S` sets the clocks of the workers S seconds ahead and behind in turn (with Debian's libfaketime); Redis and the simulator
keep the true one. `--tokens` asks for prompts of 50 to 6,000 tokens, which the simulator counts as up to half more or half fewer.
`--keys N` shares the same requests a minute out among more keys (all but Cloudflare's), at least one to each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import yaml
from throughput import Quiet

from pool_client import Pool
from pool_client.queues import MAINTENANCE_QUEUE
from pool_worker.cli.plan import Plan, WorkerPlan, make_plan
from pool_worker.cli.system import System
from pool_worker.embedded_redis import free_port
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

PROFILE = "thirty-two-keys"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
DAY_ONLY, ITS_DAY = "cloudflare", 2_500
"""A provider whose only window is a day's, and about so many calls."""
CALLS_A_SECOND = 20
"""Some more than the other providers offer."""
SHORTEST, LONGEST = 50, 6_000
"""Tokens of a prompt."""
OFF_BY = 0.5


@dataclass(frozen=True)
class Used:
    """What the judge says of a provider, or of all of them."""

    offered: int
    made: int
    refused: int
    overshoot: float

    def row(self, name: str) -> str:
        """A row of the table."""
        return f"| {name} | {self.offered} | {self.made} | {self.made / self.offered:.1%} | {self.refused} | {self.overshoot:g} |"


def used(counts: dict[str, Any]) -> Used:
    """What the judge says of one provider."""
    windows = [window for key in counts["keys"].values() for window in key["windows"]]
    asked_over = max((window["asked_over"] for window in windows), default=0)
    return Used(sum(counts["offered"].values()), counts["admitted"], counts["refused"], asked_over)


def clock_of(number: int, *, apart_s: float) -> dict[str, str]:
    """The environment of the nth worker: the first one's clock is ahead, the second's behind, the third's right, and so on."""
    if not apart_s or number % 3 == 0:
        return {}
    sign = "+" if number % 3 == 1 else "-"
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{sign}{apart_s}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def config_of(keys: int, home: Path) -> Path:
    """The shipped configuration, its profile with so many keys."""
    config = home / "configs"
    shutil.copytree("configs", config)
    path = config / "profiles" / f"{PROFILE}.yaml"
    profile = yaml.safe_load(path.read_text())
    times = keys / sum(profile["keys"].values())
    for provider in profile["keys"].keys() - {DAY_ONLY}:
        profile["keys"][provider] = round(profile["keys"][provider] * times)
        for window in profile["providers"][provider]["limits"]:
            if window["per"] == "minute" and window["unit"] == "requests":
                window["limit"] = max(1, round(window["limit"] / times))
    path.write_text(yaml.safe_dump(profile))
    return config


def plan_of(workers: int, home: Path, *, apart_s: float, keys: int) -> Plan:
    """Workers that each serve every queue."""
    settings = Settings(home=home / "home", config_dir=config_of(keys, home))
    plan = make_plan(settings, simulate=PROFILE, redis_port=free_port())
    queues = (*plan.registry.queues(), MAINTENANCE_QUEUE)
    plans = (WorkerPlan(f"worker-{n}", queues, clock_of(n, apart_s=apart_s)) for n in range(1, workers + 1))
    return replace(plan, worker_plans=tuple(plans))


def requests(seconds: float, *, by_tokens: bool, keys: int) -> Iterator[dict[str, Any]]:
    """More than can be done: short prompts, or some of every length."""
    calls_a_second = max(CALLS_A_SECOND, keys / 60)
    dice = Random(4)  # noqa: S311 - lengths, nothing secret
    for number in range(ITS_DAY + round(calls_a_second * (seconds + 60))):
        more = " and then?" * (dice.randint(SHORTEST, LONGEST) * 4 // 10) if by_tokens else ""
        yield {"prompt": f"Report {number}: what happened?{more}", "max_tokens": 60}


def run(plan: Plan, seconds: float, *, by_tokens: bool, keys: int) -> dict[str, Used]:
    """One run; the jobs that are left in the end are forgotten with its home."""
    with ExitStack() as stack:
        system = System(plan, report=Quiet())
        running = system.start()
        stack.callback(system.stop)
        simulator = stack.enter_context(SimulatorAdmin(str(running.simulator_url)))
        simulator.options(tokens_off=OFF_BY if by_tokens else 0.0)
        pool = stack.enter_context(Pool(agent="log_analyzer", redis_url=running.redis_url))
        pool.submit_many(requests(seconds, by_tokens=by_tokens, keys=keys))
        while not (began := simulator.counts()["began"]):
            time.sleep(0.01)
        time.sleep(max(0.0, began + seconds - time.time()))
        counts = simulator.counts(offers=True)
    return {name: used(each) for name, each in counts["providers"].items() if each["requests"]}


def main() -> None:
    """Measure each number of workers and print a row for it, and for each provider."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=210)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--apart", type=float, default=0.0)
    parser.add_argument("--tokens", action="store_true")
    parser.add_argument("--keys", type=int, default=32)
    asked = parser.parse_args()
    bound = ", prompts of every length" if asked.tokens else ""
    print(f"{asked.keys} keys, {asked.seconds:.0f} s, {os.cpu_count()} cores, clocks {asked.apart:g} s apart{bound}")
    print("| workers | calls offered | made | used | refused | overshoot |\n|---|---|---|---|---|---|")
    for workers in asked.workers:
        with tempfile.TemporaryDirectory() as home:
            plan = plan_of(workers, Path(home), apart_s=asked.apart, keys=asked.keys)
            found = run(plan, asked.seconds, by_tokens=asked.tokens, keys=asked.keys)
        sums = (sum(getattr(each, name) for each in found.values()) for name in ("offered", "made", "refused"))
        print(Used(*sums, max(each.overshoot for each in found.values())).row(str(workers)))
        for name, each in found.items():
            print(each.row(f"· {name}"), flush=True)


if __name__ == "__main__":
    main()
