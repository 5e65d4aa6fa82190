"""The judge's own counting, checked against the definition of each window kind in plain words and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from pool_worker.registry import Period, Unit, Window, WindowKind
from pool_worker.simulator.windows import FixedMeter, RefillMeter, SlidingMeter, meter_of

START_S = 1_790_000_000.0
LIMIT = 10
QUARTER_SECONDS = st.integers(0, 400)
ARRIVALS = st.lists(st.tuples(QUARTER_SECONDS, st.integers(1, LIMIT + 2)), max_size=60)


def window(kind: WindowKind, per: Period = Period.MINUTE, limit: int = LIMIT) -> Window:
    return Window(Unit.TOKENS, limit, per, kind)


def fits(meter: SlidingMeter | RefillMeter | FixedMeter, amount: float, now_s: float) -> bool:
    return meter.fits_at(amount, now_s) <= now_s


@settings(deadline=None, derandomize=True)
@given(ARRIVALS)
def test_a_sliding_window_admits_exactly_what_keeps_every_60_seconds_within_the_limit(arrivals: list[tuple[int, int]]) -> None:
    meter = SlidingMeter(window(WindowKind.SLIDING))
    admitted: list[tuple[float, int]] = []
    now_s = START_S
    for gap, amount in arrivals:
        now_s += gap / 4
        counted = sum(past for at_s, past in admitted if now_s - 60 < at_s)
        assert meter.used(now_s) == counted
        assert fits(meter, amount, now_s) == (counted + amount <= LIMIT)
        if counted + amount <= LIMIT:
            meter.add(amount, now_s)
            admitted.append((now_s, amount))
    assert all(sum(amount for at_s, amount in admitted if end - 60 < at_s <= end) <= LIMIT for end, _ in admitted)


@settings(deadline=None, derandomize=True)
@given(ARRIVALS)
def test_a_refilling_window_is_a_bucket_of_exact_arithmetic(arrivals: list[tuple[int, int]]) -> None:
    meter = RefillMeter(window(WindowKind.REFILL))
    level = Fraction(LIMIT)
    now_s = START_S
    for gap, amount in arrivals:
        now_s += gap / 4
        level = min(Fraction(LIMIT), level + Fraction(gap, 4) * LIMIT / 60)
        assert math.isclose(LIMIT - meter.used(now_s), level, abs_tol=1e-5)
        if abs(level - amount) > Fraction(1, 10_000):  # on the very edge, rounding may decide
            assert fits(meter, amount, now_s) == (level >= amount)
        if fits(meter, amount, now_s):
            meter.add(amount, now_s)
            level -= amount


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(WindowKind), ARRIVALS, st.integers(1, LIMIT))
def test_the_time_that_a_refusal_names_is_the_first_at_which_the_request_fits(
    kind: WindowKind, arrivals: list[tuple[int, int]], asked: int
) -> None:
    meter = meter_of(window(kind))
    now_s = START_S
    for gap, amount in arrivals:
        now_s += gap / 4
        if meter.fits_at(amount, now_s) <= now_s:
            meter.add(amount, now_s)
    fits_s = meter.fits_at(asked, now_s)
    if fits_s > now_s + 0.01:
        assert meter.used(fits_s - 0.005) + asked > LIMIT
    assert meter.used(fits_s + 0.001) + asked <= LIMIT + 0.001


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(WindowKind))
def test_what_is_larger_than_the_whole_window_never_fits(kind: WindowKind) -> None:
    assert meter_of(window(kind)).fits_at(LIMIT + 1, START_S) == math.inf


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(WindowKind))
def test_a_window_of_limit_zero_lets_nothing_through_and_counts_what_is_forced_through(kind: WindowKind) -> None:
    meter = meter_of(window(kind, limit=0))
    assert meter.fits_at(1, START_S) == math.inf
    meter.add(1, START_S)
    assert meter.used(START_S) == 1
    assert meter.empty_at(START_S) > START_S


def test_a_fixed_day_ends_at_midnight_in_los_angeles() -> None:
    meter = FixedMeter(Window(Unit.REQUESTS, 1, Period.DAY, WindowKind.FIXED, "America/Los_Angeles"))
    just_before_midnight_s = 1_795_248_000.0 - 1  # 2026-11-21T08:00Z
    meter.add(1, just_before_midnight_s)
    assert meter.fits_at(1, just_before_midnight_s) == just_before_midnight_s + 1
    assert meter.used(just_before_midnight_s + 1) == 0
