"""The whole system on one machine: Redis, ledger, simulator, workers and beat, started together and stopped in order."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from types import TracebackType
from typing import Self

from pool_client.redis_connection import connect, redis_errors
from pool_worker import redis_keys
from pool_worker.cli.celery_commands import beat_module, worker_module
from pool_worker.cli.environment import environment_of
from pool_worker.cli.kept_redis import KeptRedis, choose_port, stop_leftover
from pool_worker.cli.plan import Plan
from pool_worker.cli.processes import Child, Lifeline, Report
from pool_worker.cli.running import HomeLock, Running, recorded
from pool_worker.cli.terminal import CommandError
from pool_worker.embedded_redis import NoRedisServerError, free_port
from pool_worker.settings import PREFIX

READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.03
SHORT_GRACE_S = 5.0
"""How long beat and the simulator may take to leave, and how long a worker may after its drain."""

OTHERS_MAY_WRITE_MS = 60_000
"""A Redis that we do not run may have writers elsewhere: their rows are taken over only after this silence."""


class System:
    """Started by `start` (which returns when it is ready) or `with`, stopped by `stop`; `failure` says when it broke in between.

    Args:
        plan: what is to run.
        report: who is told what the processes write and what happens to them.
        asked_to_leave: how often somebody has asked to end it all: once ends the start, twice (or more) hurries the stop.
    """

    def __init__(self, plan: Plan, *, report: Report, asked_to_leave: Callable[[], int] = lambda: 0) -> None:
        self._plan = plan
        self._report = report
        self._asked_to_leave = asked_to_leave
        self._lifeline = Lifeline()
        self._lock: HomeLock | None = None
        self._redis: KeptRedis | None = None
        self._simulator: Child | None = None
        self._workers: list[Child] = []
        self._beat: Child | None = None
        self._is_ready = False
        self._since = datetime.now(UTC)
        self._recorded: Running | None = None
        self.settings = plan.settings

    def start(self) -> Running:
        """Start everything.

        Raises:
            AlreadyRunningError: if another process runs it on this home.
            CommandError: if a part does not come up; what had been started is stopped again.
            NoRedisServerError: if there is no Redis server program.
        """
        self._lock = HomeLock(self.settings.home)
        try:
            self._stop_leftover()
            self._start_parts()
            return self.record()
        except BaseException:
            self.stop()
            raise

    def record(self) -> Running:
        """Tell others, in the home folder, what runs here now. To be called again from time to time: parts may be restarted."""
        running = self._describe()
        if self._lock is not None and running != self._recorded:
            self._lock.write(running)
            self._recorded = running
        return running

    @property
    def failure(self) -> str | None:
        """Why the system cannot go on; None while it can. The last lines of the part that failed are in it."""
        if self._redis is not None and self._redis.failure:
            return self._redis.failure
        for child in self._children():
            if child.failure:
                return f"{child.failure}; its last lines:\n{child.last_lines}"
        return None

    def stop(self) -> None:
        """Stop everything in order: beat, the workers when they have drained, the ledger's outbox, the simulator, Redis."""
        if self._beat is not None:
            self._let_leave([self._beat], within_s=SHORT_GRACE_S)
        self._let_leave(self._workers, within_s=self.settings.drain_s + SHORT_GRACE_S)
        if self._is_ready:
            self._drain_outbox()
        if self._simulator is not None:
            self._let_leave([self._simulator], within_s=SHORT_GRACE_S)
        if self._redis is not None:
            self._redis.stop()
        if self._lock is not None:
            self._lock.release(forget=True)
            self._lock = None
            self._lifeline.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # --- starting ------------------------------------------------------------------------------------------------------------

    def _stop_leftover(self) -> None:
        home = self.settings.home
        last = recorded(home)
        if last is not None and last.embedded_redis_port is not None and stop_leftover(home, port=last.embedded_redis_port):
            self._report.note("stopped the Redis of an earlier run that was killed; its data are kept")

    def _start_parts(self) -> None:
        """The workers load their modules while Redis and the ledger are made ready; beat comes when they work."""
        embedded = None
        if self.settings.redis_url is None:
            embedded = KeptRedis(self.settings.home, port=choose_port(self._plan.redis_port), report=self._report)
            self.settings = self.settings.model_copy(update={"redis_url": embedded.url})
        if self._plan.simulate is not None:
            self._start_simulator(self._plan.simulate)
        environment = environment_of(self.settings)
        self._workers = [
            self._child(
                each.name,
                worker_module(queues=each.queues, name=each.name),
                environment | dict(each.environment) | self._metrics_port(number),
                at_once=False,
            )
            for number, each in enumerate(self._plan.planned_workers(), 1)
        ]
        with ThreadPoolExecutor(1) as beside:
            ledger = beside.submit(self._prepare_ledger)
            if embedded is not None:
                self._redis = _started(embedded)
            ledger.result()
        with connect(self._url) as client, redis_errors(self._url):
            client.delete(*self._worker_keys())  # of an earlier run that was killed
        self._lifeline.open_gate()
        self._wait_until_ready()
        self._is_ready = True
        self._beat = self._child("beat", beat_module(), environment | self._metrics_port(0))

    def _metrics_port(self, place: int) -> dict[str, str]:
        """Each part has a port of its own: beat the configured one, the workers those after it."""
        first = self.settings.metrics_port
        return {} if first is None else {f"{PREFIX}METRICS_PORT": str(first + place)}

    def _start_simulator(self, profile: str) -> None:
        port = free_port()
        self.settings = self.settings.model_copy(update={"simulator_url": f"http://127.0.0.1:{port}", "profile": profile})
        module = ["pool_worker.cli.main", "simulate", "--profile", profile, "--port", str(port)]
        self._simulator = self._child("simulator", module, environment_of(self.settings))

    def _prepare_ledger(self) -> None:
        # Imported here, in its thread, for SQLAlchemy takes half a second: the workers start meanwhile.
        import_module("pool_worker.cli.preparing").prepare_ledger(self._plan, report=self._report)

    def _child(self, name: str, module: Sequence[str], environment: dict[str, str], *, at_once: bool = True) -> Child:
        grace_s = self.settings.drain_s + SHORT_GRACE_S
        return Child(
            name,
            module,
            environment=environment,
            report=self._report,
            lifeline=self._lifeline,
            grace_s=grace_s,
            at_once=at_once,
        ).start()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        with connect(self._url) as client, redis_errors(self._url):
            while not (self._simulator_answers() and client.exists(*self._worker_keys()) == len(self._workers)):
                for child in self._children():
                    if child.deaths:
                        msg = f"{child.name} did not come up; its last lines:\n{child.last_lines}"
                        raise CommandError(msg)
                if self._asked_to_leave():
                    msg = "asked to leave before everything had started"
                    raise CommandError(msg)
                if time.monotonic() > until:
                    msg = f"the workers did not get ready within {READY_WITHIN_S:.0f} s; `model-pool doctor` may tell why"
                    raise CommandError(msg)
                time.sleep(LOOK_EVERY_S)

    def _simulator_answers(self) -> bool:
        if self._simulator is None or self.settings.simulator_url is None:
            return True
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.settings.simulator_url.rpartition(":")[2]))) == 0

    # --- stopping ------------------------------------------------------------------------------------------------------------

    def _let_leave(self, children: Sequence[Child], *, within_s: float) -> None:
        for child in children:
            child.ask_to_leave()
        until = time.monotonic() + within_s
        while any(child.is_running for child in children) and time.monotonic() < until and self._asked_to_leave() <= 1:
            time.sleep(LOOK_EVERY_S)
        for child in children:
            if child.is_running:
                self._report.note(f"{child.name} is ended: its time to leave is over")
                child.kill()
            child.join()

    def _drain_outbox(self) -> None:
        takeover_ms = OTHERS_MAY_WRITE_MS if self._redis is None else 0
        import_module("pool_worker.cli.preparing").drain_outbox(self.settings, takeover_ms=takeover_ms, report=self._report)

    # --- facts ---------------------------------------------------------------------------------------------------------------

    @property
    def _url(self) -> str:
        return str(self.settings.redis_url)

    def _children(self) -> list[Child]:
        return [child for child in (self._simulator, *self._workers, self._beat) if child is not None]

    def _worker_keys(self) -> list[str]:
        return [redis_keys.worker(f"{worker.name}@{socket.gethostname()}") for worker in self._plan.planned_workers()]

    def _describe(self) -> Running:
        redis_pid = {} if self._redis is None else {"redis": self._redis.pid}
        pids = {"up": os.getpid(), **redis_pid, **{child.name: child.pid for child in self._children()}}
        return Running(
            home=self.settings.home,
            since=self._since,
            redis_url=self._url,
            embedded_redis_port=None if self._redis is None else self._redis.port,
            simulator_url=None if self._simulator is None else self.settings.simulator_url,
            profile=self._plan.simulate,
            pids=pids,
        )


def _started(embedded: KeptRedis) -> KeptRedis:
    try:
        return embedded.start()
    except NoRedisServerError:
        raise
    except RuntimeError as error:
        raise CommandError(str(error)) from error
