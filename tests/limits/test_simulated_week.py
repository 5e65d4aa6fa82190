"""A week in some seconds: days and months begin in three time zones, one changes its clocks, and there is always more to do.

The simulator counts, on a clock that the test moves; it knows nothing of the pool's own calendars.
"""

from __future__ import annotations

import heapq
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import httpx2
import pytest
from simulator_fixture import Simulate
from small_pool import Limits, candidates_of, keys_of, provider, window

from pool_worker.limits.acquire import Exhausted, Lease
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.registry import Period, Provider, WindowKind
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.profile import profile_from
from pool_worker.simulator.server import RunningSimulator

KEYS = 2
GUARD_MS = 500
LONGEST_CALL_MS = 20_000
USED_WITHIN_MS = 60_000
ESTIMATE = Charge(input_tokens=30, output_tokens=60)


def providers(changing_zone: str) -> tuple[Provider, ...]:
    return (
        provider("gemini", window("sliding", limit=5), window("fixed", limit=20, per="day", timezone=changing_zone)),
        provider("openrouter", window("sliding", limit=20), window("fixed", limit=15, per="day", timezone="UTC")),
        provider("nvidia", window("fixed", limit=900, unit="tokens", per="day", timezone="Asia/Kolkata")),
        provider("cohere", window("sliding", limit=20), window("fixed", limit=40, per="month", timezone=changing_zone)),
        provider("groq", window("sliding", limit=3), window("refill", limit=60, per="day")),
        provider("mistral", window("fixed", limit=1, per="hour", timezone="Asia/Kolkata")),
    )


@dataclass
class Week:
    """The world from one event to the next."""

    limits: Limits
    simulator: RunningSimulator
    clock: SimulatedClock
    dice: random.Random
    http: httpx2.Client
    events: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)
    arrivals: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Key → when its calls reached the provider."""

    def at(self, time_ms: int, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (time_ms, next(self.numbers), what))

    def run(self, until_ms: int) -> None:
        while self.events and self.events[0][0] < until_ms:
            time_ms, _, what = heapq.heappop(self.events)
            self.clock.advance((time_ms - self.limits.now_ms) / 1000)
            self.limits.now_ms = time_ms
            what()

    def ask(self, candidate: Candidate) -> None:
        """Whoever waits for this provider asks for a lease, and again as soon as there may be one."""
        answer = self.limits.ask(ESTIMATE, candidates=[candidate], ttl_ms=60_000)
        again_ms = self.limits.now_ms
        if isinstance(answer, Lease):
            self.at(self.limits.now_ms + self.dice.randint(0, GUARD_MS), lambda: self.call(answer))
        else:
            assert isinstance(answer, Exhausted)
            assert answer.retry_at_ms is not None
            again_ms = max(answer.retry_at_ms, again_ms + 1)
        self.at(again_ms, lambda: self.ask(candidate))

    def call(self, lease: Lease) -> None:
        """The request reaches the provider."""
        provider_id, _, number = lease.key_id.partition("#")
        response = self.http.post(
            f"{self.simulator.url}/{provider_id}/v1/chat/completions",
            json={"model": "small", "messages": [{"role": "user", "content": f"{next(self.numbers)}"}], "max_tokens": 60},
            headers={"authorization": f"Bearer sim-{provider_id}-{number}"},
        )
        assert response.status_code == 200, (lease.key_id, response.text)
        self.arrivals[lease.key_id].append(self.limits.now_ms)
        usage = response.json()["usage"]
        actual = Charge(input_tokens=usage["prompt_tokens"], output_tokens=usage["completion_tokens"])
        ends_ms = self.limits.now_ms + self.dice.randint(1, LONGEST_CALL_MS)
        self.at(ends_ms, lambda: self.end(lease, actual))

    def end(self, lease: Lease, actual: Charge) -> None:
        assert self.limits.settle(lease, actual)


def begins(per: Period, zone: str, first: datetime, last: datetime) -> list[int]:
    """When the hours, days or months begin, by the time zone's own clocks."""
    found, moment = [], first
    while moment < last:
        moment += timedelta(minutes=30)
        local = moment.astimezone(ZoneInfo(zone))
        if per is Period.HOUR or local.hour == 0:
            is_start = local.minute == 0 and (per is not Period.MONTH or local.day == 1)
            found += [round(moment.timestamp() * 1000)] if is_start else []
    return found


WEEKS = [
    ("America/Los_Angeles", datetime(2026, 10, 28, 5, tzinfo=UTC)),  # clocks go back on 1 November, as the month begins
    ("Europe/Berlin", datetime(2026, 3, 27, 9, tzinfo=UTC)),  # and forward on 29 March, three days before it does
]
"""With `FAULTS=full` all of them: one takes as long as some hundred other tests."""


@pytest.mark.parametrize(("zone", "first"), WEEKS if os.environ.get("FAULTS") == "full" else WEEKS[:1])
def test_a_week(limits: Limits, simulate: Simulate, zone: str, first: datetime) -> None:
    rows, last = providers(zone), first + timedelta(days=7)
    clock = SimulatedClock(speed=0, start_s=first.timestamp())
    simulator = simulate(profile_from(rows, {row.id: KEYS for row in rows}), clock=clock)
    limits.now_ms, limits.guard_ms = round(first.timestamp() * 1000), GUARD_MS
    limits.use(*rows, keys=tuple(key for row in rows for key in keys_of(row.id, KEYS)))
    with httpx2.Client(timeout=10, trust_env=False) as http:
        week = Week(limits, simulator, clock, random.Random(7), http)  # noqa: S311 - a test's dice
        for candidate in candidates_of(limits.registry):
            week.ask(candidate)
        week.run(round(last.timestamp() * 1000))

    totals = simulator.counts()["totals"]
    assert totals["refused"] == 0
    assert totals["admitted"] > 1_000
    for row in rows:
        resetting = [it for it in row.limits if it.kind is WindowKind.FIXED]
        for reset_ms in (at for it in resetting for at in begins(it.per, it.timezone, first, last - timedelta(hours=1))):
            for key in keys_of(row.id, KEYS):
                next_ms = min(at for at in week.arrivals[key.id] if at >= reset_ms)
                assert next_ms < reset_ms + USED_WITHIN_MS, (key.id, datetime.fromtimestamp(reset_ms / 1000, UTC))
