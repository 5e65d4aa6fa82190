"""Serving the simulator: in a thread for tests, in this process for `model-pool simulate`."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from pool_worker.simulator.admin_client import SimulatorAdmin
from pool_worker.simulator.app import create_app
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.profile import SimulatedProfile
from pool_worker.simulator.simulation import Options

LOCALHOST = "127.0.0.1"
READY_WITHIN_S = 10.0
LEAVE_WITHIN_S = 1
"""How long requests in flight (hanging ones, for instance) may keep a stopping server."""
BACKLOG = 2048


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # uvicorn chooses the class when it is imported
    """HTTP with the connection's transport in `scope["state"]`, for the fault that resets it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="critical",
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=LEAVE_WITHIN_S,
    )


def serve(
    profile: SimulatedProfile,
    host: str = LOCALHOST,
    port: int = 8811,
    *,
    clock: SimulatedClock | None = None,
    options: Options | None = None,
) -> None:
    """Serve until a signal (SIGINT, SIGTERM) ends it.

    Raises:
        OSError: if the port is taken.
    """
    with socket.create_server((host, port), backlog=BACKLOG) as listener, suppress(KeyboardInterrupt):
        uvicorn.Server(_config(create_app(profile, clock=clock, options=options))).run([listener])


class RunningSimulator(SimulatorAdmin):
    """A simulator in a thread of this process, on a free port of 127.0.0.1, with its admin API as methods.

    A context manager: `with RunningSimulator(profile) as simulator: … simulator.url`.
    """

    def __init__(self, profile: SimulatedProfile, *, clock: SimulatedClock | None = None, options: Options | None = None) -> None:
        self.profile = profile
        self._listener = socket.create_server((LOCALHOST, 0), backlog=BACKLOG)
        super().__init__(f"http://{LOCALHOST}:{self._listener.getsockname()[1]}")
        self._server = _Server(_config(create_app(profile, clock=clock, options=options)))
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), name="simulator", daemon=True)

    def start(self) -> None:
        """Begin to answer.

        Raises:
            RuntimeError: if it does not come up in time.
        """
        self._thread.start()
        if not self._server.ready.wait(READY_WITHIN_S):
            msg = f"the simulator did not come up within {READY_WITHIN_S:.0f} s"
            raise RuntimeError(msg)

    def stop(self) -> None:
        """End it; requests in flight are cut off after a second."""
        self.close()
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()
