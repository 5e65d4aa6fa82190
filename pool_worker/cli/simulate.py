"""`model-pool simulate`: every provider's API on one port of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from pool_worker.cli.terminal import err
from pool_worker.config import load_profile, load_registry
from pool_worker.settings import Settings
from pool_worker.simulator.profile import SimulatedProfile, profile_from
from pool_worker.simulator.server import serve

DEFAULT_PROFILE = "thirty-two-keys"


def simulate(
    *,
    profile: Annotated[str, typer.Option(help="A file of configs/profiles, without .yaml.")] = DEFAULT_PROFILE,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Its port on 127.0.0.1.")] = 8811,
) -> None:
    """Run the simulator of the providers, in the foreground."""
    simulated = simulated_profile(Settings(), profile)
    if err.is_terminal:
        err.print(f"the simulator answers at http://127.0.0.1:{port} (workers: MODEL_POOL_SIMULATOR_URL), Ctrl-C ends it")
    serve(simulated, port=port)


def simulated_profile(settings: Settings, profile: str) -> SimulatedProfile:
    """What a profile asks the simulator to be."""
    registry = load_registry(settings.config_dir, profile=profile)
    counts = load_profile(settings.config_dir, profile).key_counts
    return profile_from(registry.providers.values(), counts, models=registry.models.values())
