"""A small worker around which things go wrong, while time passes and beat looks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from small_worker import SmallWorker

from pool_worker.maintenance.books import write_ledger
from pool_worker.maintenance.watchdog import Watch
from pool_worker.resources import Resources

Look = Callable[[Resources], Coroutine[Any, Any, object]]


@dataclass
class Scene:
    """A worker, and what may go wrong around it."""

    worker: SmallWorker
    watch: Watch

    def later(self, by: timedelta) -> None:
        moment = self.worker.pool.now() + by
        self.worker.pool.now = lambda: moment

    def look(self, *looks: Look) -> None:
        """What beat or the worker itself does from time to time, the ledger first."""
        for look in (write_ledger, *looks):
            self.worker.run(look(self.worker.pool))

    def job(self, **options: Any) -> str:
        self.worker.submit(**options)
        became = self.worker.complete()
        self.worker.enroll()
        return became

    def jobs_on(self, model: str, times: int) -> None:
        for _ in range(times):
            assert self.job(model=model, max_tokens=10).startswith("succeeded")

    def heal(self) -> None:
        self.worker.simulator.clear_faults()
        self.worker.heals()
        self.worker.enroll()
