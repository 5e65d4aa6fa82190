"""The simulator's own API under `/_admin`: faults, counts, reset, clock, health."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pool_worker.simulator.counts import report
from pool_worker.simulator.faults import Fault
from pool_worker.simulator.simulation import Simulation

WHOLE = "(the whole request)"
M = TypeVar("M", bound=BaseModel)


class Advance(BaseModel):
    """Move the simulated clock."""

    model_config = ConfigDict(extra="forbid")
    advance_s: float = Field(gt=0)


class OptionChange(BaseModel):
    """Run differently from now on; what is left out stays as it is (see `simulation.Options`)."""

    model_config = ConfigDict(extra="forbid")
    lenient: bool | None = None
    latency_factor: float | None = Field(None, ge=0)
    tokens_off: float | None = Field(None, ge=0, lt=1)


class Replacement(BaseModel):
    """An account gets another secret in place of the one it has."""

    model_config = ConfigDict(extra="forbid")
    key: str
    """Its label: `groq#1`."""
    secret: str = Field(min_length=1, repr=False)


class Admin:
    """The endpoints over one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation

    def routes(self) -> list[Route]:
        """Where each is."""
        return [
            Route("/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/counts", self.counts, methods=["GET"]),
            Route("/keys", self.keys, methods=["POST"]),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/options", self.options, methods=["POST"]),
            Route("/clock", self.clock, methods=["POST"]),
            Route("/health", self.health, methods=["GET"]),
        ]

    async def faults(self, request: Request) -> Response:
        """List, add or delete faults; answers with those that wait."""
        faults = self.simulation.faults
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            read = _read(await request.body(), Fault)
            mistakes = read if isinstance(read, list) else self._mistakes(read)
            if mistakes:
                return _answer({"errors": mistakes}, 400)
            if isinstance(read, Fault):
                faults.add(read)
        return _answer({"faults": [fault.model_dump(mode="json", exclude_defaults=True) for fault in faults.active()]})

    async def counts(self, request: Request) -> Response:
        """Everything that was counted; `?jobs=all` with the charges of each job, `?offers=all` with the capacity there was."""
        asked = request.query_params
        return _answer(report(self.simulation, every_job=asked.get("jobs") == "all", offers=asked.get("offers") == "all"))

    async def keys(self, request: Request) -> Response:
        """Replace an account's secret; the old one is refused from now on, until a reset."""
        read = _read(await request.body(), Replacement)
        if isinstance(read, list):
            return _answer({"errors": read}, 400)
        known = self.simulation.accounts
        if read.key not in known:
            return _answer({"errors": [_mistake("key", read.key, f"must be one of: {', '.join(sorted(known))}")]}, 400)
        self.simulation.replace_secret(read.key, read.secret)
        return _answer({"key": read.key})

    async def reset(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        """Forget counts, windows and faults."""
        self.simulation.reset()
        return _answer({"reset": True})

    async def options(self, request: Request) -> Response:
        """Run differently from now on; answers with all options."""
        read = _read(await request.body(), OptionChange)
        if isinstance(read, list):
            return _answer({"errors": read}, 400)
        self.simulation.options = replace(self.simulation.options, **read.model_dump(exclude_none=True))
        return _answer(asdict(self.simulation.options))

    async def clock(self, request: Request) -> Response:
        """Move the clock ahead."""
        read = _read(await request.body(), Advance)
        if isinstance(read, list):
            return _answer({"errors": read}, 400)
        self.simulation.clock.advance(read.advance_s)
        return _answer({"now": self.simulation.clock()})

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        """It runs, and this is what it serves."""
        providers = self.simulation.profile.providers
        keys = {name: len(provider.keys) for name, provider in providers.items()}
        return _answer({"status": "ok", "now": self.simulation.clock(), "keys": keys})

    def _mistakes(self, fault: Fault) -> list[dict[str, Any]]:
        providers = self.simulation.profile.providers
        if fault.provider not in providers:
            return [_mistake("provider", fault.provider, f"must be one of: {', '.join(sorted(providers))}")]
        provider = providers[fault.provider]
        if fault.key is not None and fault.key not in provider.labels():
            return [_mistake("key", fault.key, f"must be one of: {', '.join(provider.labels())}")]
        if fault.model is not None and provider.model(fault.model) is None:
            return [_mistake("model", fault.model, f"must be one of: {', '.join(sorted(provider.models))}")]
        return []


def _read(body: bytes, model: type[M]) -> M | list[dict[str, Any]]:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        return [
            _mistake(".".join(map(str, fault["loc"])) or WHOLE, fault["input"], fault["msg"])
            for fault in error.errors(include_url=False, include_context=False)
        ]


def _mistake(field: str, value: object, problem: str) -> dict[str, Any]:
    return {"field": field, "value": value if isinstance(value, str | int | float | None) else repr(value), "problem": problem}


def _answer(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
