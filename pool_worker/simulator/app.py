"""The simulator as an ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from pool_worker.simulator.admin import Admin
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.gateway import Gateway
from pool_worker.simulator.profile import SimulatedProfile
from pool_worker.simulator.simulation import Options, Simulation


def create_app(profile: SimulatedProfile, *, clock: SimulatedClock | None = None, options: Options | None = None) -> Starlette:
    """Every provider of the profile under `/{provider}/…`, and the admin API under `/_admin`."""
    simulation = Simulation(profile, clock or SimulatedClock(), options or Options())
    return Starlette(routes=[Mount("/_admin", routes=Admin(simulation).routes()), Mount("/", app=Gateway(simulation))])
