"""A served simulator for every test that asks: `simulator` with usual limits, `simulate` with a profile of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import pytest

from pool_worker.registry import Charges, Period, Provider, Unit, Window, WindowKind
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.profile import SimulatedProfile, profile_from
from pool_worker.simulator.server import RunningSimulator
from pool_worker.simulator.simulation import Options

AT_ONCE = Options(latency_factor=0)
Ask = Callable[..., httpx2.Response]
"""The fixture `ask` of `tests/simulator/conftest.py`."""
Simulate = Callable[..., RunningSimulator]


def _requests(limit: int, per: Period, kind: WindowKind, timezone: str = "UTC") -> Window:
    return Window(Unit.REQUESTS, limit, per, kind, timezone)


def _tokens(limit: int, per: Period, kind: WindowKind) -> Window:
    return Window(Unit.TOKENS, limit, per, kind)


PER_MINUTE, PER_DAY = Period.MINUTE, Period.DAY
SLIDING, REFILL, FIXED = WindowKind.SLIDING, WindowKind.REFILL, WindowKind.FIXED
LOS_ANGELES = "America/Los_Angeles"
PROVIDERS = (
    Provider(
        id="groq",
        base_url="https://api.groq.com/openai/v1",
        limits=(
            _requests(30, PER_MINUTE, SLIDING),
            _requests(1000, PER_DAY, REFILL),
            _tokens(8000, PER_MINUTE, REFILL),
            _tokens(200_000, PER_DAY, REFILL),
        ),
    ),
    Provider(
        id="cerebras",
        base_url="https://api.cerebras.ai/v1",
        limits=(
            _requests(30, PER_MINUTE, REFILL),
            _requests(14_400, PER_DAY, REFILL),
            _tokens(60_000, PER_MINUTE, REFILL),
        ),
        charges=Charges.UPFRONT,
    ),
    Provider(
        id="openrouter",
        base_url="https://openrouter.ai/api/v1",
        limits=(_requests(20, PER_MINUTE, SLIDING), _requests(50, PER_DAY, FIXED)),
        limits_shared=True,
    ),
    Provider(
        id="mistral",
        base_url="https://api.mistral.ai/v1",
        limits=(_requests(50, PER_MINUTE, SLIDING), _tokens(50_000, PER_MINUTE, SLIDING)),
    ),
    Provider(
        id="openai",
        base_url="https://api.openai.com/v1",
        limits=(_requests(500, PER_MINUTE, REFILL), _tokens(200_000, PER_MINUTE, REFILL)),
    ),
    Provider(
        id="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        limits=(_requests(5, PER_MINUTE, SLIDING), _requests(20, PER_DAY, FIXED, LOS_ANGELES)),
    ),
    Provider(
        id="cloudflare",
        base_url="https://api.cloudflare.com/client/v4/accounts/simulated/ai/v1",
        limits=(_requests(300, PER_MINUTE, SLIDING), Window(Unit.UNITS, 10_000, PER_DAY, FIXED)),
    ),
    Provider(id="ollama", base_url="http://localhost:11434/v1", needs_key=False),
)
KEY_COUNTS = {"groq": 2, "cerebras": 2, "openrouter": 2, "mistral": 1, "openai": 1, "gemini": 2, "cloudflare": 1}


@pytest.fixture(scope="session")
def served_simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(profile_from(PROVIDERS, KEY_COUNTS), options=AT_ONCE) as running:
        yield running


@pytest.fixture
def simulator(served_simulator: RunningSimulator) -> RunningSimulator:
    """Eight providers with their usual limits, answering at once; counts, windows and faults are empty.

    Secrets are `sim-<provider>-<n>`; `pool_worker.config.providers.simulated(row, simulator.url)` points a row at it.
    """
    served_simulator.reset()
    return served_simulator


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Serve a profile of the test's own: `simulate(profile, clock=…, options=…)`; it ends with the test."""
    with ExitStack() as stack:

        def start(
            profile: SimulatedProfile, *, clock: SimulatedClock | None = None, options: Options = AT_ONCE
        ) -> RunningSimulator:
            return stack.enter_context(RunningSimulator(profile, clock=clock, options=options))

        yield start
