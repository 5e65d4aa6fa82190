"""Fault 18: every provider refuses at once, for a while. Jobs wait and come through; nobody is asked over and over meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
from checker import check
from lab import Lab, until
from runs import IS_FULL, Seed, StartLab, sized, tell

from pool_client import JobHandle

CONCURRENCY = 20
SCRIPTS_PER_S_AT_REST = 60
"""Beat's ticks, claims at empty queues, renewals: what a worker asks of Redis when there is nothing to do."""


@dataclass(frozen=True)
class Storm:
    """How every provider refuses, and what may come of it."""

    fault: dict[str, Any]
    shortest_hold_s: float
    """After a refusal nobody is asked again before this."""


STORMS = {
    "500": Storm({"kind": "status", "status": 500}, 2),
    "503": Storm({"kind": "status", "status": 503}, 5),
    "503, back in 1 s": Storm({"kind": "status", "status": 503, "retry_after_s": 1}, 1),
    "down": Storm({"kind": "down"}, 5),
    "429, back in 1 s": Storm({"kind": "status", "status": 429, "retry_after_s": 1}, 1),
    "429": Storm({"kind": "status", "status": 429}, 60),
}
ALWAYS = ("500", "429, back in 1 s")


@dataclass
class Asked:
    """What others saw of the workers since a moment."""

    lab: Lab

    def __post_init__(self) -> None:
        self.since = time.monotonic()
        self._calls, self._scripts, self._busy_us = self._now()

    def _now(self) -> tuple[int, int, int]:
        totals = self.lab.simulator.counts()["totals"]
        stats = self.lab.redis.client.info("commandstats")
        scripts = [stats[name] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats]
        return totals["requests"] + totals["down"], sum(it["calls"] for it in scripts), sum(it["usec"] for it in scripts)

    def seen(self) -> tuple[int, float, float]:
        """Calls at the providers; scripts a second at Redis, and how much of a core they took."""
        calls, scripts, busy_us = self._now()
        seconds = time.monotonic() - self.since
        return calls - self._calls, (scripts - self._scripts) / seconds, (busy_us - self._busy_us) / seconds / 1e6


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", STORMS if IS_FULL else ALWAYS)
def test_a_storm_is_waited_out(start_lab: StartLab, seed: Seed, name: str) -> None:
    storm, lasts_s = STORMS[name], float(sized(1, 20))
    lab = start_lab()
    lab.start_beat()
    lab.start_worker("a", concurrency=CONCURRENCY)
    for provider in lab.registry.providers:
        lab.simulator.fault(provider, **storm.fault)
    jobs, asked = lab.submit(sized(100, 1000)), Asked(lab)
    until(lambda: time.monotonic() - asked.since > lasts_s, within_s=60)
    calls, scripts_per_s, busy = asked.seen()
    keys = 5
    rounds = 1 + lasts_s / storm.shortest_hold_s
    assert calls <= keys * CONCURRENCY * rounds, f"{calls} calls in {lasts_s} s; {seed}"
    lab.simulator.clear_faults()
    lab.quiesce(jobs, within_s=120)
    failed = failed_over(jobs)
    findings = check(lab, jobs, failures_allowed=failed)
    tell(
        f"fault 18, {name}: {len(jobs)} jobs, storm of {lasts_s:g} s, {calls} calls in it, {scripts_per_s:.0f} scripts/s "
        f"({busy:.1%} of a core); ended after {time.monotonic() - asked.since:.0f} s, {len(failed)} failed; {findings}; {seed}"
    )
    assert findings.clean, f"{findings}\n{seed}"
    assert len(failed) == 0 or IS_FULL, seed


def failed_over(jobs: list[JobHandle]) -> set[str]:
    """Jobs that gave up after their rounds: every candidate failed, each time."""
    return {job.id for job in jobs if job.status().state == "failed"}


def test_who_waits_out_a_long_hold_asks_nothing_of_anybody(start_lab: StartLab, seed: Seed) -> None:
    """A 429 without a time is left alone for a minute: meanwhile jobs lie parked, and the pool is as quiet as an empty one."""
    lab = start_lab(providers={"cerebras": None})  # its 429 means that the model is busy, which is looked at sooner
    lab.start_beat()
    lab.start_worker("a", concurrency=CONCURRENCY)
    for provider in lab.registry.providers:
        lab.simulator.fault(provider, "status", status=429)
    jobs = lab.submit(sized(200, 600))
    until(lambda: all(state == "parked" for state in lab.states(jobs).values()), within_s=60, what=lambda: str(lab.states(jobs)))
    asked, lasts_s = Asked(lab), float(sized(2, 20))
    until(lambda: time.monotonic() - asked.since > lasts_s, within_s=60)
    calls, scripts_per_s, busy = asked.seen()
    tell(f"fault 18, at rest: {len(jobs)} parked, {calls} calls, {scripts_per_s:.0f} scripts/s ({busy:.1%} of a core); {seed}")
    assert calls == 0
    assert scripts_per_s < SCRIPTS_PER_S_AT_REST
    assert lab.simulator.counts()["totals"]["requests"] <= 5 * CONCURRENCY
