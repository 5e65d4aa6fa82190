"""What providers say of their own windows corrects what is counted: upwards at once, and never into capacity that nobody has."""

from __future__ import annotations

import pytest
from small_pool import Limits, keys_of, provider, window

from pool_worker.limits.acquire import Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.usage import KeyWindowUse, usage_now
from pool_worker.observed import Observed
from pool_worker.registry import Period, Unit

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
KINDS = ("sliding", "refill", "fixed")


def requests(remaining: int | None = None, *, limit: int | None = None) -> Observed:
    return Observed(Unit.REQUESTS, Period.MINUTE, limit, remaining)


def tokens(remaining: int, *, limit: int) -> Observed:
    return Observed(Unit.TOKENS, Period.MINUTE, limit, remaining)


def uses(limits: Limits) -> list[KeyWindowUse]:
    found: list[KeyWindowUse] = limits.run(usage_now(limits.redis, limits.registry, now_ms=limits.now_ms))
    return found


def call(limits: Limits, *said: Observed, tokens: int = 0, takes_ms: int = 0) -> Lease:
    """One call, in whose answer the provider says this."""
    charge = Charge(input_tokens=tokens)
    lease = limits.take(charge)
    limits.now_ms += takes_ms
    assert limits.settle(lease, charge, observed=said)
    return lease


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_that_others_use_too_is_counted_as_full_as_the_provider_says(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=5)))
    call(limits, requests(0))
    limits.now_ms += 1
    limits.refused()
    limits.now_ms += MINUTE_MS
    limits.take()


@pytest.mark.parametrize("kind", KINDS)
def test_saying_it_again_counts_nothing_again(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=100)))
    call(limits, requests(40))
    before = uses(limits)[0].used
    call(limits, requests(40))
    assert (before, uses(limits)[0].used) == (60, 61)


@pytest.mark.parametrize("kind", KINDS)
def test_two_calls_that_tell_of_the_same_use_count_it_once(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=100)))
    leases = [limits.take(), limits.take()]
    for lease in leases:
        limits.settle(lease, observed=[requests(40)])
    assert uses(limits)[0].used == 60


@pytest.mark.parametrize("kind", KINDS)
def test_a_provider_that_has_counted_less_is_not_believed(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=3)))
    limits.take()
    limits.take()
    call(limits, requests(3))
    limits.refused()


def test_what_has_drained_since_it_was_said_does_not_count_as_used_by_others(limits: Limits) -> None:
    limits.use(provider("groq", window("refill", limit=60, unit="tokens")))
    used = 0
    for _ in range(5):  # the provider answers 2 s after it counted, and drains one a second
        used = max(0, used - 7) + 10
        call(limits, tokens(60 - used, limit=60), tokens=10, takes_ms=2_000)
        assert uses(limits)[0].used <= used
        limits.now_ms += 5_000


def test_what_has_left_since_it_was_said_does_not_count_as_used_by_others(limits: Limits) -> None:
    limits.guard_ms = 500
    limits.use(provider("mistral", window("sliding", limit=2)))
    call(limits)
    limits.now_ms += 59_900
    slow = limits.take()
    limits.now_ms += 1_000  # the first call has left, and another takes its place and clears it away
    limits.take()
    limits.settle(slow, observed=[requests(0)])  # what was counted when `slow` arrived
    assert uses(limits)[0].used == 2
    limits.now_ms += 59_600
    limits.take()


@pytest.mark.parametrize("kind", KINDS)
def test_what_left_long_ago_does_not_hide_what_others_use(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=5)))
    for _ in range(4):
        call(limits)
    limits.now_ms += 2 * MINUTE_MS
    call(limits, requests(0))
    limits.refused()


@pytest.mark.parametrize("kind", KINDS)
def test_calls_of_the_same_millisecond_are_not_taken_for_others(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=5)))
    first, second = limits.take(), limits.take()
    limits.settle(first, observed=[requests(3)])
    limits.settle(second)
    assert uses(limits)[0].used == 2


@pytest.mark.parametrize("kind", KINDS)
def test_nor_are_later_calls_in_flight(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=1_000, unit="tokens")))
    first = limits.take(Charge(input_tokens=10))
    limits.now_ms += 1
    second = limits.take(Charge(input_tokens=500))
    limits.settle(first, Charge(input_tokens=10), observed=[tokens(490, limit=1_000)])
    limits.settle(second, Charge(input_tokens=500))
    assert uses(limits)[0].used == 510


@pytest.mark.parametrize("kind", KINDS)
def test_calls_in_flight_may_take_more_than_was_reserved_without_being_taken_for_others(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=1_000, unit="tokens")))
    other = limits.take(Charge(input_tokens=100))
    call(limits, tokens(1_000 - 180 - 50, limit=1_000), tokens=50)  # the one in flight takes 180
    limits.settle(other, Charge(input_tokens=180))
    assert uses(limits)[0].used == 230


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_call_took_beyond_its_reservation_is_not_taken_for_others(limits: Limits, kind: str) -> None:
    limits.use(provider("groq", window(kind, limit=5_000, unit="tokens")))
    lease = limits.take(Charge(input_tokens=600))
    limits.settle(lease, Charge(input_tokens=2_100), observed=[tokens(2_900, limit=5_000)])
    assert uses(limits)[0].used == 2_100


def test_a_lower_limit_is_kept_to_by_all_keys_of_the_account_and_told(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)), keys=keys_of("groq", 2, quota_group="org"))
    call(limits, requests(1, limit=2))
    assert [(use.limit, use.configured) for use in uses(limits)] == [(2, 5), (2, 5)]
    limits.take()
    limits.refused()


def test_a_lower_limit_is_nobody_elses(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)), keys=keys_of("groq", 2))
    told = call(limits, requests(1, limit=2))
    assert {use.key_id: use.limit for use in uses(limits)} == {"groq#1": 5, "groq#2": 5} | {told.key_id: 2}


def test_a_limit_that_grows_again_grows_up_to_the_configured_one(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)))
    call(limits, requests(limit=2))
    call(limits, requests(limit=4))
    assert uses(limits)[0].limit == 4
    call(limits, requests(limit=99))
    assert uses(limits)[0].limit == 5


def test_a_lower_limit_that_nobody_repeats_is_tried_again_after_a_day(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)))
    call(limits, requests(limit=2))
    limits.now_ms += DAY_MS - 1
    assert uses(limits)[0].limit == 2
    limits.now_ms += 1
    assert uses(limits)[0].limit == 5


def test_enrolling_anew_forgets_nothing(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=5)))
    call(limits, requests(limit=2))
    limits.enroll()
    assert uses(limits)[0].limit == 2


def test_a_job_that_is_too_large_for_what_was_learned_goes_to_another_account_or_is_told(limits: Limits) -> None:
    limits.use(provider("groq", window(limit=100, unit="tokens")), keys=keys_of("groq", 2))
    small = call(limits, tokens(0, limit=50))
    limits.now_ms += 2 * MINUTE_MS
    other = limits.take(Charge(input_tokens=60))
    assert other.key_id != small.key_id
    limits.settle(other, observed=[tokens(0, limit=50)])
    limits.now_ms += 2 * MINUTE_MS
    assert limits.refused(Charge(input_tokens=60)).retry_at_ms is None
    assert limits.refused(Charge(input_tokens=60)).too_large == ("groq-small",)


def test_a_fraction_of_a_unit_counts_as_a_fraction(limits: Limits) -> None:
    limits.use(provider("cloudflare", window("fixed", limit=2, unit="units", per="day")))
    for _ in range(4):
        limits.settle(limits.take(Charge(milli_units=500)), Charge(milli_units=500))
    assert (uses(limits)[0].used, uses(limits)[0].limit) == (2, 2)
    limits.refused(Charge(milli_units=1))


def test_units_that_a_provider_tells_are_whole_ones(limits: Limits) -> None:
    limits.use(provider("cloudflare", window("fixed", limit=10, unit="units", per="day")))
    lease = limits.take(Charge(milli_units=500))
    limits.settle(lease, Charge(milli_units=500), observed=[Observed(Unit.UNITS, Period.DAY, 8, 1)])
    assert (uses(limits)[0].used, uses(limits)[0].limit) == (7, 8)
