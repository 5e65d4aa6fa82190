"""What the demo runs: on a home of its own, workers that each serve some queues, and how much is asked of them when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pool_client.job import Tier
from pool_client.queues import MAINTENANCE_QUEUE, entry_queue
from pool_worker.cli.demo.requests import Request, make_requests
from pool_worker.cli.plan import ENV_FILE, Plan, WorkerPlan, make_plan
from pool_worker.config import load_registry, read_env_keys
from pool_worker.embedded_redis import free_port
from pool_worker.registry import Provider, Registry
from pool_worker.settings import Settings

PROFILE = "thirty-two-keys"
DRAIN_S = 5.0
SIMULATED_JOBS, REAL_JOBS = 468, 24
COMPARED = "In one sentence: what would you do first if a nightly backup takes twice as long as usual?"
"""What ai_manager asks of every model, first of all."""
PATIENT_JOBS, PATIENT_AGENT = 24, "backup_recovery"
PATIENT = "In one sentence: did backup {number} of last night pass its restore test?"
REAL_LIMITS: Mapping[str, Any] = MappingProxyType({"max_tokens": 200, "max_cost_usd": Decimal("0.01")})


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider that fails for a while."""

    provider: str
    from_wave: int
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One demo."""

    plan: Plan
    waves: tuple[tuple[Request, ...], ...]
    wave_every_s: float
    outage: Outage | None = None
    patient: int = 0
    """So many of the last jobs are for one provider only, whose limits are used up by then: they have to wait."""
    pinned: str = ""
    """That provider."""

    @property
    def jobs(self) -> int:
        """Of all waves."""
        return sum(len(wave) for wave in self.waves)

    @property
    def lasts_s(self) -> float:
        """From the first wave to the last."""
        return (len(self.waves) - 1) * self.wave_every_s

    @property
    def is_simulated(self) -> bool:
        """Whether no real provider is called."""
        return self.plan.simulate is not None


def simulated_scenario(settings: Settings, home: Path) -> Scenario:
    """Everything simulated; the provider that most jobs go to fails in the middle, and some jobs at the end wait for it."""
    plan = _plan(settings, home, simulate=PROFILE)
    first = max(plan.registry.providers.values(), key=lambda provider: provider.priority * (provider.tier is Tier.FREE))
    wave, *waves = _waves(make_requests(SIMULATED_JOBS), 24)
    *waves, last = (*_comparison(plan.registry), *wave), *waves
    patient = _patient(plan.registry, first)
    return Scenario(
        plan=plan,
        waves=(*waves, (*last, *patient)),
        wave_every_s=0.5,
        outage=Outage(first.id, 10, 3.0),
        patient=len(patient),
        pinned=first.id,
    )


def real_scenario(settings: Settings, home: Path) -> Scenario:
    """Few and cheap jobs for the providers whose keys are in `.env`."""
    asked = [replace(request, options=_cheap(request.options)) for request in make_requests(REAL_JOBS)]
    return Scenario(plan=_plan(settings, home, simulate=None), waves=_waves(asked, 3), wave_every_s=2.0)


def providers_with_keys(settings: Settings) -> list[str]:
    """Enabled providers for which `.env` in the working folder has a key.

    Raises:
        ConfigError: naming every mistake of the file, or of the configuration.
    """
    if not ENV_FILE.is_file():
        return []
    known = load_registry(settings.config_dir, profile=settings.profile).providers
    return sorted({key.provider for key in read_env_keys(ENV_FILE, known).keys if known[key.provider].enabled})


def _comparison(registry: Registry) -> list[Request]:
    """The same question for every model that can be called."""
    options = {"max_tokens": 100, "on_exhausted": "park"}
    return [Request("ai_manager", COMPARED, {"model": model.id, **options}) for model in registry.usable_models()]


def _patient(registry: Registry, provider: Provider) -> list[Request]:
    """Jobs that only one provider may do, of the least priority: all others are before them."""
    model = next(model for model in registry.usable_models() if model.provider == provider.id)
    options = {"model": model.id, "max_tokens": 1024, "on_exhausted": "park", "priority": "low"}
    return [Request(PATIENT_AGENT, PATIENT.format(number=number), options) for number in range(1, PATIENT_JOBS + 1)]


def _cheap(options: Mapping[str, Any]) -> dict[str, Any]:
    """Any model of any provider may answer, and none at length."""
    return {**{name: value for name, value in options.items() if name not in {"model", "required_capabilities"}}, **REAL_LIMITS}


def _waves(requests: Sequence[Request], number: int) -> tuple[tuple[Request, ...], ...]:
    size = -(-len(requests) // number)
    return tuple(tuple(requests[start : start + size]) for start in range(0, len(requests), size))


def _plan(settings: Settings, home: Path, *, simulate: str | None) -> Plan:
    """Nothing of it touches the home folder, the Redis or the database of the user."""
    own = {"home": home, "redis_url": None, "database_url": None, "drain_s": DRAIN_S}
    plan = make_plan(settings.model_copy(update=own), simulate=simulate, redis_port=free_port())
    return replace(plan, worker_plans=divided_workers(plan.registry))


def divided_workers(registry: Registry) -> tuple[WorkerPlan, ...]:
    """Two workers that share the free tier's queue and have half of its providers each, and one for everything else."""
    free = sorted((each for each in registry.providers.values() if each.enabled and each.tier is Tier.FREE), key=_by_priority)
    entry = entry_queue(Tier.FREE)
    halves = [(entry, *(provider.queue for provider in free[start::2])) for start in (0, 1)]
    taken = {queue for half in halves for queue in half}
    others = tuple(queue for queue in registry.queues() if queue not in taken)
    return (
        WorkerPlan("free-a", halves[0]),
        WorkerPlan("free-b", halves[1]),
        WorkerPlan("paid", (*others, MAINTENANCE_QUEUE)),
    )


def _by_priority(provider: Provider) -> tuple[int, str]:
    return -provider.priority, provider.id
