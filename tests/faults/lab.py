"""A whole system of real processes that a test may kill, freeze, starve and cut off: Redis, simulator, workers, beat.

lab.start_worker("a"); jobs = lab.submit(100)
lab.workers["a"].kill(); lab.start_worker("b")
lab.quiesce(jobs, within_s=30)
assert check(lab, jobs, duplicates_allowed=1).clean      # checker.py
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from cryptography.fernet import Fernet
from lab_config import KEY_COUNTS, Row, write_config
from lab_processes import LabRedis, NotInTimeError, Nursery, Process, python_path, until

from pool_client import JobHandle, Pool
from pool_client import redis_keys as shared_keys
from pool_client.job import JobState
from pool_client.queues import MAINTENANCE_QUEUE, list_names
from pool_worker import redis_keys
from pool_worker.cli.celery_commands import beat_module, worker_module
from pool_worker.config import load_registry
from pool_worker.embedded_redis import free_port
from pool_worker.ledger.database import default_url, open_database
from pool_worker.ledger.schema import migrate
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin
from pool_worker.simulator.profile import secret_of
from pool_worker.vault import Vault, master_keys

READY_WITHIN_S = 30.0
FINAL = frozenset(state.value for state in JobState if state.is_final)


class Lab:
    """Entered as a context manager; everything that it started ends with it.

    Args:
        home: an empty folder.
        nursery: where its processes come from.
        latency_ms: how long every simulated call takes.
        visibility_s: how long a message stays with a silent worker. The setting goes down to 1.
        providers: changes to the providers, see `lab_config.write_config`.
        key_counts: provider → number of keys.
        model: what is different of every model, see `lab_config.MODEL`.
        daily_budget_usd: everybody's.
        database_url: the ledger; None: SQLite in `home`.
    """

    def __init__(
        self,
        home: Path,
        *,
        nursery: Nursery,
        latency_ms: float = 10,
        visibility_s: float = 3,
        providers: Mapping[str, Row | None] | None = None,
        key_counts: Mapping[str, int] = KEY_COUNTS,
        model: Row | None = None,
        daily_budget_usd: float = 1_000_000,
        database_url: str | None = None,
    ) -> None:
        self.home = home
        self.visibility_s = visibility_s
        self.database_url = database_url or default_url(home)
        self.config_dir = home / "configs"
        write_config(self.config_dir, providers or {}, model=model or {}, daily_budget_usd=daily_budget_usd)
        self.registry = load_registry(self.config_dir, environ={})
        self.queues = (*self.registry.queues(), MAINTENANCE_QUEUE)
        self.redis = LabRedis(home / "redis", nursery=nursery)
        self.workers: dict[str, Process] = {}
        """By name: of those with the same name the last."""
        self.processes: list[Process] = []
        """All that were ever started."""
        self._latency_ms = latency_ms
        self._key_counts = {name: count for name, count in key_counts.items() if name in self.registry.providers}
        self._simulator_url = f"http://127.0.0.1:{free_port()}"
        self._master_key = Fernet.generate_key().decode()
        self._nursery = nursery
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.callback(self._end)
        try:
            simulator = self._start_simulator()
            self.redis.start()
            self._fill_vault()
            self.simulator = self._stack.enter_context(SimulatorAdmin(self._simulator_url))
            until(self._simulator_answers, what=lambda: f"the simulator\n{simulator.tail}")
            self.caller = self.pool()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    # --- processes -----------------------------------------------------------------------------------------------------------

    def start_worker(
        self,
        name: str,
        *,
        env: Mapping[str, str] | None = None,
        concurrency: int = 20,
        queues: Sequence[str] | None = None,
        redis_url: str | None = None,
        drain_s: float = 5,
        log_level: str = "warning",
        ready: bool = True,
    ) -> Process:
        """A worker process that serves `queues` (None: all), through `redis_url` (None: the lab's Redis itself).

        `ready`: return when it claims jobs; else at once (`until_ready` waits).
        """
        self.redis.client.delete(redis_keys.worker(self._celery_name(name)))  # of an earlier life under this name
        variables = {**(env or {}), "MODEL_POOL_DRAIN_S": str(drain_s)}
        module = worker_module(queues=queues or self.queues, name=name, concurrency=concurrency, log_level=log_level)
        self.workers[name] = self.start_process(name, module, env=variables, redis_url=redis_url)
        if ready:
            self.until_ready(name)
        return self.workers[name]

    def until_ready(self, *names: str) -> None:
        """Wait until these workers claim jobs."""
        for name in names:
            worker = self.workers[name]
            until(
                lambda name=name, worker=worker: self.is_ready(name) or not worker.is_alive,
                within_s=READY_WITHIN_S,
                what=lambda worker=worker: f"worker {worker.tail}",
            )
            assert worker.is_alive, f"worker {name} did not come up\n{worker.tail}"

    def is_ready(self, name: str) -> bool:
        """Whether a worker has begun to claim jobs."""
        return bool(self.redis.client.exists(redis_keys.worker(self._celery_name(name))))

    def start_beat(self, *, redis_url: str | None = None) -> Process:
        """A scheduler: parked jobs come back, leases of dead workers end, the ledger is written."""
        return self.start_process("beat", beat_module(), redis_url=redis_url)

    def start_process(
        self, name: str, module: Sequence[str], *, env: Mapping[str, str] | None = None, redis_url: str | None = None
    ) -> Process:
        """Any Python module with the environment of a worker."""
        environment = {**self.environment(redis_url), **(env or {})}
        log = self.home / f"{name}.log"
        process = Process(name, module, environment=environment, log=log, nursery=self._nursery)
        self.processes.append(process)
        return process

    def environment(self, redis_url: str | None = None) -> dict[str, str]:
        """What a worker, a beat, the command line or a client needs to know."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODEL_POOL_")}
        return {
            **inherited,
            "MODEL_POOL_REDIS_URL": redis_url or self.redis.url,
            "MODEL_POOL_DATABASE_URL": self.database_url,
            "MODEL_POOL_HOME": str(self.home),
            "MODEL_POOL_CONFIG_DIR": str(self.config_dir),
            "MODEL_POOL_SIMULATOR_URL": self._simulator_url,
            "MODEL_POOL_VISIBILITY_S": str(self.visibility_s),
            "ENCRYPTION_KEY": self._master_key,
            "PYTHONPATH": python_path(),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
        }

    # --- jobs ----------------------------------------------------------------------------------------------------------------

    def pool(self, agent: str = "log_analyzer", *, redis_url: str | None = None) -> Pool:
        """A client of the lab's Redis; it closes with the lab. (`lab.caller` is one.)"""
        return self._stack.enter_context(Pool(agent=agent, redis_url=redis_url or self.redis.url))

    def submit(self, count: int, *, label: str = "job", **options: Any) -> list[JobHandle]:
        """Submit so many jobs, each with a prompt of its own."""
        options.setdefault("max_tokens", 60)
        return self.caller.submit_many([f"{label} {number}: what do these lines tell?" for number in range(count)], **options)

    def states(self, handles: Sequence[JobHandle]) -> dict[str, str]:
        """Job id → the state in its record ("" when there is none)."""
        with self.redis.client.pipeline(transaction=False) as pipe:
            for handle in handles:
                pipe.hget(shared_keys.job(handle.id), "state")
            return {handle.id: state or "" for handle, state in zip(handles, pipe.execute(), strict=True)}

    def ended(self, handles: Sequence[JobHandle]) -> int:
        """How many of these jobs have ended."""
        return sum(state in FINAL for state in self.states(handles).values())

    def quiesce(self, handles: Sequence[JobHandle], *, within_s: float = 30.0) -> None:
        """Wait until all of these have ended and no message is in anybody's hands.

        Raises:
            NotInTimeError: naming the jobs that did not end, with where they are.
        """
        self.survive(lambda: self.ended(handles) == len(handles), within_s=within_s, what=lambda: self._stuck(handles))
        self.survive(lambda: not self.claimed(), within_s=within_s, what=lambda: f"empty hands: {self.claimed()}")

    def survive(self, condition: Any, *, within_s: float, what: Any) -> None:
        """`until`, but a Redis that is away for the moment, or refuses, is no error."""

        def holds() -> bool:
            try:
                return bool(condition())
            except redis.RedisError:
                return False

        until(holds, within_s=within_s, what=what)

    def lists(self) -> list[str]:
        """The Redis lists in which jobs wait."""
        return [name for queue in self.queues if queue != MAINTENANCE_QUEUE for name in list_names(queue)]

    def waiting(self) -> int:
        """How many jobs have not been claimed."""
        return sum(self.redis.client.llen(name) for name in self.lists())

    def claimed(self) -> dict[str, str]:
        """Claim tag → message of everything that is in a worker's hands, beat's own tasks aside."""
        claimed: dict[str, str] = self.redis.client.hgetall(redis_keys.UNACKED)
        return {tag: entry for tag, entry in claimed.items() if not entry.startswith(MAINTENANCE_QUEUE)}

    def _stuck(self, handles: Sequence[JobHandle]) -> str:
        waiting = [(job_id, state) for job_id, state in self.states(handles).items() if state not in FINAL]
        records = [self.redis.client.hgetall(shared_keys.job(job_id)) for job_id, _ in waiting[:5]]
        shown = [{name: value for name, value in record.items() if name != "spec"} for record in records]
        told = "\n".join(process.tail for process in self.processes if process.is_alive)
        return f"the end of {len(waiting)} of {len(handles)} jobs {waiting[:20]}\n{shown}\nclaimed: {self.claimed()}\n{told}\nit"

    # --- inside --------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _celery_name(name: str) -> str:
        return f"{name}@{socket.gethostname()}"

    def _start_simulator(self) -> Process:
        port = self._simulator_url.rpartition(":")[2]
        module = ["simulated_providers", str(self.config_dir), port, str(self._latency_ms), json.dumps(self._key_counts)]
        return self.start_process("simulator", module)

    def _simulator_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self._simulator_url.rpartition(":")[2]))) == 0

    def _fill_vault(self) -> None:
        engine = open_database(self.database_url)
        migrate(engine)
        settings = Settings(home=self.home, encryption_key=self._master_key)
        vault = Vault(engine, master_keys(settings), actor="lab")
        for provider, count in self._key_counts.items():
            for number in range(1, count + 1):
                vault.add(provider, secret_of(provider, number))
        engine.dispose()

    def _end(self) -> None:
        for process in self.processes:
            if process.is_alive:
                process.kill()
        self.redis.close()


__all__ = ["FINAL", "Lab", "LabRedis", "NotInTimeError", "Process", "until"]
