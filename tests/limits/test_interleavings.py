"""Any interleaving of acquires, settlements, refunds, deaths and waits: never above a limit, and nothing leaks.

Wrong scripts that this test was shown, and caught: sliding entries kept for the period without the guard; a call within the
guard of a period's end counted in one period only; a refill charged as of now instead of now + guard; tokens of calls in
flight not counted (each kind); a refund of what has drained already; a lease that could be ended twice.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from provider_side import MINUTE_MS, ProviderSide
from small_pool import NOON_MS, Limits, keys_of, provider, window

from pool_worker.limits.acquire import Exhausted, Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.usage import usage_now
from pool_worker.registry import Charges

GUARD_MS = 500
TTL_MS = 90_000
REQUESTS, TOKENS = 4, 100
KINDS = ("sliding", "refill", "fixed")

TO_THE_INSTANT = -1
"""Wait exactly until the time that the limiter itself named: the sharpest moment there is."""

TO_THE_MINUTES_END = -2
"""Wait until shortly before a calendar minute ends: what is acquired in one may be counted in the next."""


@dataclass(frozen=True)
class Step:
    """One job: how long after the previous one, and what becomes of it."""

    wait_ms: int
    tokens: int
    used: float
    sent_after_ms: int
    arrives_after_ms: int
    takes_ms: int
    settled_after_ms: int
    fate: str


def steps(dice: random.Random, count: int) -> list[Step]:
    """Bursts that saturate, with waits between them. Dice instead of strategies: saturation takes hundreds of jobs."""
    sizes = dice.choice(((1,), (1, 10, 25), (40, TOKENS)))
    fates = dice.choice((("settled",), ("settled", "settled", "refunded"), ("settled", "refunded", "died")))
    durations = dice.choice(((0, 1, 700), (20_000, 61_000), (0, 700, 20_000, TTL_MS - GUARD_MS)))
    waits = (
        0,
        0,
        0,
        0,
        0,
        TO_THE_INSTANT,
        TO_THE_INSTANT,
        TO_THE_MINUTES_END,
        TO_THE_MINUTES_END,
        1,
        250,
        499,
        501,
        3_000,
        14_500,
        30_000,
        59_499,
    )
    arrivals = [dice.choice((0, 0, 1, 250, GUARD_MS)) for _ in range(count)]
    return [
        Step(
            wait_ms=dice.choice(waits),
            tokens=dice.choice(sizes),
            used=dice.choice((0.0, 0.3, 1.0, 1.0)),
            sent_after_ms=dice.choice((0, arrives)),
            arrives_after_ms=arrives,
            takes_ms=dice.choice(durations),
            settled_after_ms=dice.choice((0, 0, 1, 5_000)),
            fate=dice.choice(fates),
        )
        for arrives in arrivals
    ]


@dataclass(frozen=True)
class Setup:
    """The windows of the provider, and when it charges tokens."""

    requests: str
    tokens: str
    charges: Charges
    charged_at_arrival: bool
    groups: int


setups = st.builds(
    Setup,
    requests=st.sampled_from(KINDS),
    tokens=st.sampled_from(KINDS),
    charges=st.sampled_from(Charges),
    charged_at_arrival=st.booleans(),
    groups=st.integers(1, 2),
)


@dataclass
class World:
    """The pool, the provider's own books, and the calls that have not ended."""

    limits: Limits
    setup: Setup
    requests: dict[str, ProviderSide]
    tokens: dict[str, ProviderSide]
    ends: list[tuple[int, int, Lease, Step, Charge]]
    free_at_ms: int = 0

    def next_time(self, step: Step) -> int:
        now_ms = self.limits.now_ms
        if step.wait_ms == TO_THE_INSTANT:
            return max(now_ms, self.free_at_ms)
        if step.wait_ms == TO_THE_MINUTES_END:
            return max(now_ms, now_ms - now_ms % MINUTE_MS + MINUTE_MS - max(1, step.arrives_after_ms))
        return now_ms + step.wait_ms

    def pass_time(self, until_ms: int) -> None:
        while self.ends and self.ends[0][0] <= until_ms:
            at, _, lease, step, actual = heapq.heappop(self.ends)
            self.limits.now_ms = max(self.limits.now_ms, at)
            self.limits.expire()
            on_time = at < lease.deadline_ms
            if step.fate == "refunded":
                assert self.limits.refund(lease) is on_time
            elif step.fate == "settled":
                assert self.limits.settle(lease, actual, sent_after_ms=step.sent_after_ms) is on_time
            assert not self.limits.settle(lease, actual) or step.fate == "died"
        self.limits.now_ms = until_ms

    def start(self, step: Step, number: int) -> None:
        answer = self.limits.ask(Charge(input_tokens=step.tokens), ttl_ms=TTL_MS)
        if not isinstance(answer, Lease):
            assert isinstance(answer, Exhausted)
            self.free_at_ms = answer.retry_at_ms or 0
            return
        upfront = self.setup.charges is Charges.UPFRONT
        actual = Charge(input_tokens=step.tokens if upfront else int(step.tokens * step.used))
        arrival = self.limits.now_ms + step.arrives_after_ms
        end = arrival + step.takes_ms
        if step.fate == "refunded":
            end = self.limits.now_ms + step.arrives_after_ms
        else:
            self.requests[answer.group].charges.append((arrival, 1))
            charged_at = arrival if upfront or self.setup.charged_at_arrival else end
            self.tokens[answer.group].charges.append((charged_at, actual.input_tokens))
        settled = end + (step.settled_after_ms if step.fate != "died" else 10 * MINUTE_MS)
        heapq.heappush(self.ends, (settled, number, answer, step, actual))


def world_of(limits: Limits, setup: Setup) -> World:
    limits.run(limits.redis.flushall())
    limits.now_ms, limits.guard_ms = NOON_MS, GUARD_MS
    groups = [f"account{number}" for number in range(setup.groups)]
    keys = tuple(key for number, group in enumerate(groups, 1) for key in keys_of(f"groq-{number}", 2, quota_group=group))
    keys = tuple(type(key)(key.id, "groq", quota_group=key.quota_group) for key in keys)
    limits.use(
        provider(
            "groq",
            window(setup.requests, limit=REQUESTS),
            window(setup.tokens, limit=TOKENS, unit="tokens"),
            charges=setup.charges,
        ),
        keys=keys,
    )
    return World(
        limits,
        setup,
        {group: ProviderSide(setup.requests, REQUESTS) for group in groups},
        {group: ProviderSide(setup.tokens, TOKENS) for group in groups},
        [],
    )


@given(setup=setups, seed=st.integers(0, 2**32))
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_never_above_a_limit_and_nothing_leaks(limits: Limits, setup: Setup, seed: int) -> None:
    world = world_of(limits, setup)
    for number, step in enumerate(steps(random.Random(seed), 100)):  # noqa: S311 - a test's dice
        world.pass_time(world.next_time(step))
        world.start(step, number)
    for side in (*world.requests.values(), *world.tokens.values()):
        assert side.worst() <= side.limit + 1e-6, side

    world.pass_time(limits.now_ms + 20 * MINUTE_MS)
    limits.expire(limit=1_000)
    limits.now_ms += 3 * MINUTE_MS
    assert {use.used for use in limits.run(usage_now(limits.redis, limits.registry, now_ms=limits.now_ms))} == {0}
    assert limits.run(limits.redis.zcard("pool:leases")) == 0
    assert limits.run(limits.redis.keys("pool:in_flight:*")) == []
    limits.take(Charge(input_tokens=TOKENS))
