"""What the judge says of the capacity that there was: what an ideal client could have made of it."""

from __future__ import annotations

import pytest
from simulator_fixture import Ask, Simulate

from pool_worker.registry import Period, Provider, Unit, Window, WindowKind
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.offered import offered_calls
from pool_worker.simulator.profile import profile_from

NOON_S = 1_795_003_200.0


def window(limit: int, per: Period = Period.MINUTE, kind: WindowKind = WindowKind.SLIDING, unit: Unit = Unit.REQUESTS) -> Window:
    return Window(unit, limit, per, kind)


SLIDING, REFILL, DAY = window(10), window(10, kind=WindowKind.REFILL), window(25, Period.DAY, WindowKind.FIXED)


@pytest.mark.parametrize(
    ("windows", "seconds", "offered"),
    [
        ([SLIDING], 60, 10),
        ([SLIDING], 61, 20),
        ([REFILL], 61, 20),
        ([REFILL], 31, 15),
        ([SLIDING, DAY], 300, 25),
        ([SLIDING, REFILL], 59, 10),
        ([window(100, unit=Unit.TOKENS)], 59, 3),
        ([window(0)], 300, 0),
    ],
)
def test_every_window_has_its_say(windows: list[Window], seconds: float, offered: int) -> None:
    amounts = {Unit.REQUESTS: 1.0, Unit.TOKENS: 30.0}
    found = offered_calls(windows, amounts, concurrency=None, call_s=1, since_s=NOON_S, until_s=NOON_S + seconds)
    assert found == offered


def test_calls_in_flight_have_theirs() -> None:
    found = offered_calls([window(10_000)], {Unit.REQUESTS: 1.0}, concurrency=4, call_s=0.5, since_s=NOON_S, until_s=NOON_S + 10)
    assert found == 80


def test_who_has_no_limit_offers_any_number() -> None:
    assert offered_calls([], {}, concurrency=None, call_s=0, since_s=NOON_S, until_s=NOON_S + 1) is None


def test_all_accounts_of_a_provider_offer_together_also_those_that_nobody_called(simulate: Simulate, ask: Ask) -> None:
    clock = SimulatedClock(speed=0, start_s=NOON_S)
    groq = Provider(id="groq", base_url="https://api.groq.com/openai/v1", limits=(SLIDING,))
    simulator = simulate(profile_from([groq], {"groq": 3}), clock=clock)
    assert simulator.counts(offers=True)["providers"]["groq"]["offered"] == {}
    assert ask(simulator, "groq").status_code == 200
    clock.advance(61)
    counts = simulator.counts(offers=True)
    assert counts["began"] == NOON_S
    assert counts["providers"]["groq"]["offered"] == {"m": 60}


def test_tokens_may_be_off_by_a_share_that_the_prompt_decides(simulate: Simulate, ask: Ask) -> None:
    groq = Provider(id="groq", base_url="https://api.groq.com/openai/v1")
    simulator = simulate(profile_from([groq], {"groq": 1}))
    prompts = [f"{number} " + "word " * 400 for number in range(40)]

    def counted() -> list[int]:
        return [ask(simulator, "groq", prompt=prompt).json()["usage"]["prompt_tokens"] for prompt in prompts]

    plain = counted()
    simulator.options(tokens_off=0.5)
    off = counted()
    assert off == counted()
    ratios = [there / here for there, here in zip(off, plain, strict=True)]
    assert 0.49 < min(ratios) < 0.7
    assert 1.3 < max(ratios) < 1.51


def test_a_wrong_option_is_named(simulate: Simulate) -> None:
    groq = Provider(id="groq", base_url="https://api.groq.com/openai/v1")
    with pytest.raises(ValueError, match="tokens_off: 2"):
        simulate(profile_from([groq], {"groq": 1})).options(tokens_off=2)
