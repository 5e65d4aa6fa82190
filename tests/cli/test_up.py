from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

import pytest
import sqlalchemy
from command_line import CommandLine, Up, wait_until, wait_until_gone

from pool_client.client import Pool
from pool_client.errors import PoolUnavailableError
from pool_client.job import JobState
from pool_worker.embedded_redis import free_port
from pool_worker.ledger.database import default_url, open_database
from pool_worker.ledger.tables import jobs
from pool_worker.simulator.admin_client import SimulatorAdmin
from pool_worker.simulator.server import RunningSimulator

StartUp = Callable[..., Up]


def test_jobs_are_answered_and_ctrl_c_leaves_nothing_behind_but_the_books(cli: CommandLine, start_up: StartUp) -> None:
    up = start_up()
    pids = up.pids
    assert set(pids) == {"up", "redis", "simulator", "worker", "beat"}
    assert f'model-pool submit "Why is the sky blue?" --home {cli.home}' in "\n".join(up.output)
    with Pool(redis_url=up.record["redis_url"]) as pool:
        answers = [job.result(timeout=20) for job in pool.submit_many([f"Say {number}" for number in range(5)])]
    assert all(answer.content for answer in answers)

    second = cli.run("up", "--simulate")
    assert second.returncode == 3
    assert all(str(words) in second.stderr for words in (pids["up"], pids["worker"], up.record["redis_url"], "since"))
    assert f'model-pool submit "Why is the sky blue?" --home {cli.home}\n' in second.stderr

    assert up.end(signal.SIGINT) == 0
    assert "started again" not in "\n".join(up.output)
    wait_until_gone(pids)
    assert not (up.home / "up.json").exists()
    engine = open_database(default_url(up.home))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(jobs)).scalar() == 5
    engine.dispose()


def test_a_killed_part_comes_back_and_sigterm_ends_all(start_up: StartUp) -> None:
    up = start_up("--workers", "2")
    pids = up.pids
    with Pool(redis_url=up.record["redis_url"]) as pool:
        for part in ("worker-1", "redis", "beat"):
            os.kill(pids[part], signal.SIGKILL)
            assert "started again" in up.wait_for(f"{part} ")
        answer = None
        until = time.monotonic() + 20
        while answer is None and time.monotonic() < until:
            with contextlib.suppress(PoolUnavailableError):  # until Redis is back
                answer = pool.submit("Still there?").result(timeout=20)
        assert answer is not None
    wait_until(lambda: all(up.pids[part] != pids[part] for part in ("worker-1", "redis", "beat")))
    now = up.pids
    assert up.end(signal.SIGTERM) == 0
    wait_until_gone(pids)
    wait_until_gone(now)


def test_a_second_ctrl_c_does_not_wait_for_jobs_and_loses_none(cli: CommandLine, start_up: StartUp) -> None:
    cli.environment["MODEL_POOL_VISIBILITY_S"] = "3"
    up = start_up()
    pids = up.pids
    with Pool(redis_url=up.record["redis_url"]) as pool, SimulatorAdmin(up.record["simulator_url"]) as simulator:
        for provider in simulator.counts()["providers"]:
            simulator.fault(provider, "hang")
        job = pool.submit("Take your time")
        wait_until(lambda: job.status().state is JobState.RUNNING)
    up.process.send_signal(signal.SIGINT)
    up.wait_for("Ctrl-C again hurries")
    assert up.end(signal.SIGINT) == 0
    wait_until_gone(pids)

    again = start_up()
    with Pool(redis_url=again.record["redis_url"]) as pool:
        assert pool.job(job.id).result(timeout=60).content


def test_when_up_itself_is_killed_its_children_leave_and_the_next_start_takes_over(cli: CommandLine, start_up: StartUp) -> None:
    up = start_up()
    pids = up.pids
    up.process.kill()
    up.process.communicate(timeout=10)
    wait_until_gone({name: pid for name, pid in pids.items() if name != "redis"})
    assert f"up --simulate thirty-two-keys` was killed on {up.home}: started again, it goes on" in cli.run("status").stderr
    again = start_up()
    wait_until_gone({"redis": pids["redis"]})
    pids = again.pids
    assert again.end(signal.SIGINT) == 0
    wait_until_gone(pids)


def test_keys_in_env_are_imported_and_used(cli: CommandLine, start_up: StartUp, simulator: RunningSimulator) -> None:
    (cli.folder / ".env").write_text("GROQ_API_KEY_1=sim-groq-1\n")
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url  # nothing leaves this machine
    up = start_up(simulate=False)
    assert any("keys of .env: 1 added" in line for line in up.output)
    assert set(up.pids) == {"up", "redis", "worker", "beat"}
    assert "groq#1" in cli.run("keys", "list").stdout
    assert cli.run("doctor").returncode == 0
    assert up.end(signal.SIGINT) == 0


def test_without_a_key_it_says_what_to_do(cli: CommandLine) -> None:
    ended = cli.run("up", variables={"OLLAMA_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"})
    assert ended.returncode == 1
    assert all(way in ended.stderr for way in ("up --simulate", "keys add", ".env"))
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("arguments", [("--workers", "0"), ("--simulate", "no-such-profile"), ("--redis", "nowhere")])
def test_wrong_arguments_start_nothing(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    assert cli.run("up", *arguments).returncode == 2
    assert not cli.home.exists()


def test_a_taken_port_is_named(cli: CommandLine, redis_url: str) -> None:
    port = redis_url.rpartition(":")[2].partition("/")[0]
    ended = cli.run("up", "--simulate", "--port", port)
    assert ended.returncode == 1
    assert f"port {port} is in use" in ended.stderr
