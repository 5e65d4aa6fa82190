"""The simulator in a process of its own, as `model-pool simulate` runs it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import httpx2
import pytest

from pool_worker.embedded_redis import free_port
from pool_worker.simulator.admin_client import SimulatorAdmin
from pool_worker.simulator.profile import SimulatedProfile, SimulatedProvider
from pool_worker.simulator.server import RunningSimulator, serve

PROGRAM = """
from pool_worker.simulator.profile import SimulatedProfile, SimulatedProvider
from pool_worker.simulator.server import serve
serve(SimulatedProfile({"groq": SimulatedProvider(id="groq", keys=("secret",))}), port=int(__import__("sys").argv[1]))
"""


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_it_serves_until_a_signal_ends_it(ending: signal.Signals, status: int) -> None:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)], stderr=subprocess.PIPE)
    with SimulatorAdmin(f"http://127.0.0.1:{port}") as admin:
        assert _answers(admin, process)["totals"]["requests"] == 0
    process.send_signal(ending)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (status, b"")


def _answers(admin: SimulatorAdmin, process: subprocess.Popen[bytes]) -> dict[str, dict[str, int]]:
    while process.poll() is None:
        try:
            return admin.counts()
        except httpx2.ConnectError:
            time.sleep(0.02)
    pytest.fail("the simulator ended by itself")


def test_a_port_that_is_taken_is_an_error() -> None:
    profile = SimulatedProfile({"groq": SimulatedProvider(id="groq")})
    with RunningSimulator(profile) as running, pytest.raises(OSError, match="in use"):
        serve(profile, port=int(running.url.rsplit(":", 1)[1]))


def test_a_simulator_that_was_stopped_answers_no_more() -> None:
    with RunningSimulator(SimulatedProfile({})) as running:
        url = running.url
        assert running.counts()["providers"] == {}
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/_admin/health", trust_env=False)
