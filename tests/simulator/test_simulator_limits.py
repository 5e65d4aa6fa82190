"""The simulator as a judge, over HTTP: it admits to the limit, refuses beyond it, and reports both."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from simulator_fixture import AT_ONCE, Ask, Simulate

from pool_worker.registry import Charges, Model, Period, Price, Provider, Unit, UnitRate, Window, WindowKind
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.profile import SimulatedProfile, profile_from
from pool_worker.simulator.server import RunningSimulator
from pool_worker.simulator.simulation import Options

LENIENT = Options(latency_factor=0, lenient=True)
THREE_A_MINUTE = Window(Unit.REQUESTS, 3, Period.MINUTE, WindowKind.SLIDING)


def profile(*windows: Window, keys: int = 1, models: tuple[Model, ...] = (), **more: Any) -> SimulatedProfile:
    provider = Provider(id="groq", base_url="https://api.groq.com/openai/v1", limits=windows, **more)
    return profile_from([provider], {"groq": keys}, models=models)


@pytest.fixture
def clock() -> SimulatedClock:
    """Stands still until it is advanced."""
    return SimulatedClock(speed=0, start_s=1_795_000_000.0)


def windows_of(simulator: RunningSimulator, key: str = "groq#1") -> dict[tuple[str, str], dict[str, Any]]:
    keys = simulator.counts()["providers"]["groq"]["keys"]
    return {(row["model"], row["window"]): row for row in keys[key]["windows"]}


def test_exactly_the_limit_is_admitted_and_the_rest_is_counted_as_asked(
    simulate: Simulate, ask: Ask, clock: SimulatedClock
) -> None:
    simulator = simulate(profile(THREE_A_MINUTE), clock=clock)
    assert [ask(simulator, "groq").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    row = windows_of(simulator)["m", "requests/minute/sliding"]
    assert (row["admitted"], row["peak"], row["overshoot"], row["exceeded"], row["asked_over"]) == (3, 3, 0, 2, 1)
    key = simulator.counts()["providers"]["groq"]["keys"]["groq#1"]
    assert (key["requests"], key["admitted"], key["refused"], key["charges"]) == (5, 3, 2, 3)
    assert key["refused_by"] == {"requests/minute/sliding": 2}


def test_a_refused_request_takes_nothing_so_that_the_window_frees_up_on_time(
    simulate: Simulate, ask: Ask, clock: SimulatedClock
) -> None:
    simulator = simulate(profile(THREE_A_MINUTE), clock=clock)
    for _ in range(3):
        assert ask(simulator, "groq").status_code == 200
        clock.advance(10)
    clock.advance(29.99)
    assert ask(simulator, "groq").status_code == 429
    clock.advance(0.01)
    assert [ask(simulator, "groq").status_code for _ in range(2)] == [200, 429]


def test_parallel_arrivals_are_admitted_to_the_limit_and_not_one_further(simulate: Simulate, ask: Ask) -> None:
    limit = Window(Unit.REQUESTS, 40, Period.MINUTE, WindowKind.SLIDING)
    simulator = simulate(profile(limit))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(simulator, "groq").status_code, range(60)))
    assert (answers.count(200), answers.count(429)) == (40, 20)
    assert windows_of(simulator)["m", "requests/minute/sliding"]["peak"] == 40


def test_a_lenient_simulator_admits_and_reports_the_largest_overshoot(
    simulate: Simulate, ask: Ask, clock: SimulatedClock
) -> None:
    a_day = Window(Unit.REQUESTS, 100, Period.DAY, WindowKind.FIXED)
    simulator = simulate(profile(a_day, THREE_A_MINUTE, a_day), clock=clock, options=LENIENT)
    assert [ask(simulator, "groq").status_code for _ in range(5)] == [200] * 5
    clock.advance(61)
    assert ask(simulator, "groq").status_code == 200
    row = windows_of(simulator)["m", "requests/minute/sliding"]
    assert (row["peak"], row["overshoot"], row["exceeded"]) == (5, 2, 2)
    assert simulator.counts()["totals"]["largest_overshoot"] == 2


def test_each_key_and_each_model_has_windows_of_its_own(simulate: Simulate, ask: Ask, clock: SimulatedClock) -> None:
    simulator = simulate(profile(THREE_A_MINUTE, keys=2), clock=clock)
    for key, model in ((1, "m"), (1, "n"), (2, "m")):
        assert [ask(simulator, "groq", key=key, model=model).status_code for _ in range(4)] == [200, 200, 200, 429]


def test_shared_windows_count_all_models_of_a_key(simulate: Simulate, ask: Ask, clock: SimulatedClock) -> None:
    simulator = simulate(profile(THREE_A_MINUTE, limits_shared=True), clock=clock)
    assert [ask(simulator, "groq", model=model).status_code for model in "abcd"] == [200, 200, 200, 429]
    assert windows_of(simulator)["*", "requests/minute/sliding"]["peak"] == 3


def test_models_of_a_shared_account_count_together_even_with_limits_of_their_own(
    simulate: Simulate, ask: Ask, clock: SimulatedClock
) -> None:
    five = Window(Unit.REQUESTS, 5, Period.MINUTE, WindowKind.SLIDING)
    models = (Model(id="x", provider="groq", name="wide", limits=(five,)), Model(id="y", provider="groq", name="usual"))
    simulator = simulate(profile(THREE_A_MINUTE, limits_shared=True, models=models), clock=clock)
    assert [ask(simulator, "groq", model="wide").status_code for _ in range(3)] == [200] * 3
    assert ask(simulator, "groq", model="usual").status_code == 429
    assert [ask(simulator, "groq", model="wide").status_code for _ in range(3)] == [200, 200, 429]
    assert simulator.counts()["totals"]["largest_overshoot"] == 0


def test_a_model_may_have_windows_of_its_own_and_unknown_models_do_not_exist(
    simulate: Simulate, ask: Ask, clock: SimulatedClock
) -> None:
    one = Window(Unit.REQUESTS, 1, Period.DAY, WindowKind.FIXED)
    models = (Model(id="x", provider="groq", name="strict", limits=(one,)), Model(id="y", provider="groq", name="usual"))
    simulator = simulate(profile(THREE_A_MINUTE, models=models), clock=clock)
    assert [ask(simulator, "groq", model="strict").status_code for _ in range(2)] == [200, 429]
    assert [ask(simulator, "groq", model="usual").status_code for _ in range(4)] == [200, 200, 200, 429]
    gone = ask(simulator, "groq", model="llama-3.1-70b")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")


def test_tokens_are_counted_as_used_by_most_and_with_max_tokens_by_those_that_charge_upfront(
    simulate: Simulate, ask: Ask, clock: SimulatedClock
) -> None:
    tokens = Window(Unit.TOKENS, 1000, Period.MINUTE, WindowKind.REFILL)
    for charges in Charges:
        simulator = simulate(profile(tokens, charges=charges), clock=clock)
        usage = ask(simulator, "groq", max_tokens=500).json()["usage"]
        admitted = windows_of(simulator)["m", "tokens/minute/refill"]["admitted"]
        assert admitted == usage["prompt_tokens"] + (500 if charges is Charges.UPFRONT else usage["completion_tokens"])
        assert usage["completion_tokens"] < 200


def test_input_tokens_output_tokens_units_and_money_have_windows_too(simulate: Simulate, ask: Ask, clock: SimulatedClock) -> None:
    units = (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.UNITS, Unit.USD)
    windows = tuple(Window(unit, 10**9, Period.DAY, WindowKind.FIXED) for unit in units)
    price = Price(input_usd_per_mtok=Decimal(2), output_usd_per_mtok=Decimal(10), usd_per_request=Decimal("0.001"))
    rate = UnitRate(input_per_mtok=Decimal(100_000), output_per_mtok=Decimal(1_000_000))
    models = (Model(id="x", provider="groq", name="m", price=price, unit_rate=rate),)
    simulator = simulate(profile(*windows, models=models), clock=clock)
    usage = ask(simulator, "groq", job="a").json()["usage"]
    given, taken = usage["prompt_tokens"], usage["completion_tokens"]
    admitted = {name[1].split("/")[0]: row["admitted"] for name, row in windows_of(simulator).items()}
    assert (admitted["input_tokens"], admitted["output_tokens"]) == (given, taken)
    assert admitted["units"] == pytest.approx(given / 10 + taken)
    assert admitted["usd"] == 2 * given + 10 * taken + 1000
    counts = simulator.counts(every_job=True)
    assert Decimal(counts["totals"]["bill_usd"]) == (2 * given + 10 * taken + 1000) / Decimal(10**6)
    assert counts["jobs"]["bills"] == {"a": counts["totals"]["bill_usd"]}


def test_calls_in_flight_beyond_the_concurrency_are_refused_and_slots_come_back(simulate: Simulate, ask: Ask) -> None:
    simulator = simulate(profile(concurrency=2))
    simulator.fault("groq", "hang", count=2)
    hanging = [_ask_and_wait(simulator) for _ in range(2)]
    while _key(simulator)["in_flight"] < 2:
        pass
    refused = ask(simulator, "groq")
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
    for connection in hanging:
        connection.close()
    while _key(simulator)["in_flight"]:
        pass
    assert ask(simulator, "groq").status_code == 200
    key = _key(simulator)
    assert (key["peak_in_flight"], key["refused_by"], key["abandoned"]) == (2, {"concurrency": 1}, 2)


def test_a_model_may_have_a_concurrency_of_its_own(simulate: Simulate, ask: Ask) -> None:
    models = (Model(id="x", provider="groq", name="m", concurrency=1), Model(id="y", provider="groq", name="n"))
    simulator = simulate(profile(concurrency=2, models=models))
    simulator.fault("groq", "hang", count=1)
    hanging = _ask_and_wait(simulator)
    while not _key(simulator)["in_flight"]:
        pass
    assert ask(simulator, "groq").status_code == 429
    assert ask(simulator, "groq", model="n").status_code == 200
    hanging.close()


def _key(simulator: RunningSimulator) -> dict[str, Any]:
    found: dict[str, Any] = simulator.counts()["providers"]["groq"]["keys"]["groq#1"]
    return found


def _ask_and_wait(simulator: RunningSimulator) -> socket.socket:
    """A connection on which a request was sent, and no answer is read."""
    url = httpx2.URL(simulator.url)
    body = b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
    head = "POST /groq/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sim-groq-1\r\n"
    connection = socket.create_connection((url.host, url.port))
    connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    return connection


def test_charges_are_counted_by_job_so_that_a_duplicate_shows(simulator: RunningSimulator, ask: Ask) -> None:
    for job in ("a", "b", "a"):
        ask(simulator, "groq", job=job)
    ask(simulator, "groq", metadata={"job_id": "c"})
    ask(simulator, "groq", user="d")
    ask(simulator, "groq")
    counts = simulator.counts(every_job=True)
    assert counts["jobs"] == {
        "charged": 4,
        "without_id": 1,
        "duplicates": {"a": 2},
        "charges": {"a": 2, "b": 1, "c": 1, "d": 1},
        "bills": dict.fromkeys("abcd", "0"),
    }
    assert counts["totals"]["duplicates"] == 1


def test_reset_forgets_counts_windows_and_faults(simulate: Simulate, ask: Ask, clock: SimulatedClock) -> None:
    simulator = simulate(profile(THREE_A_MINUTE), clock=clock)
    statuses = [ask(simulator, "groq", job="a").status_code for _ in range(4)]
    simulator.fault("groq", "down")
    simulator.reset()
    assert statuses[-1] == 429
    assert ask(simulator, "groq").status_code == 200
    counts = simulator.counts()
    assert (counts["totals"]["requests"], counts["jobs"]["charged"]) == (1, 0)


def test_an_accelerated_clock_frees_windows_sooner(simulate: Simulate, ask: Ask) -> None:
    real_s = 0.0
    clock = SimulatedClock(speed=60, start_s=0, real=lambda: real_s)
    simulator = simulate(profile(Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.SLIDING)), clock=clock, options=AT_ONCE)
    assert [ask(simulator, "groq").status_code for _ in range(2)] == [200, 429]
    real_s = 1.0
    assert ask(simulator, "groq").status_code == 200
    simulator.advance(60)
    assert ask(simulator, "groq").status_code == 200


def test_standing_in_for_a_limit_in_tokens_admits_what_still_fits(simulate: Simulate, ask: Ask, clock: SimulatedClock) -> None:
    tokens = Window(Unit.TOKENS, 300, Period.MINUTE, WindowKind.SLIDING)
    simulator = simulate(profile(tokens, charges=Charges.UPFRONT), clock=clock)
    assert ask(simulator, "groq", prompt="x", max_tokens=200).status_code == 200
    assert ask(simulator, "groq", prompt="x", max_tokens=100).status_code == 429
    assert ask(simulator, "groq", prompt="x", max_tokens=90).status_code == 200
