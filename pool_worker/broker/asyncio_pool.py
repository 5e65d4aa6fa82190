"""A Celery worker pool on one asyncio loop: any number of jobs in flight, one thread for all of them.

Celery's consumer (the *hub*, main thread) hands over a task; its coroutine runs on the *loop* (second thread); its end is told
to the hub through a pipe, so that everything of Celery's (events, acknowledgements) happens on the hub's thread.
Ordinary functions run in a few threads by Celery's own tracer. Use it with `-P custom` and
`CELERY_CUSTOM_WORKER_POOL=pool_worker.broker.asyncio_pool:TaskPool`.

The app may carry a `lifespan`: an async context manager factory, entered on the loop before the first task and left after the
last, where what the tasks share (connections, clients) is opened and closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import select
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Any

import uvloop
from billiard.einfo import ExceptionInfo
from celery.concurrency.base import BasePool
from celery.exceptions import Retry
from celery.utils.log import get_logger

from pool_worker.broker.claims import claims
from pool_worker.broker.delivery import Delivery, current_delivery
from pool_worker.broker.keeper import Keeper
from pool_worker.broker.sequel import Sequel, sequel_of
from pool_worker.celery_settings import REDIS_URL

logger = get_logger(__name__)

THREADS_FOR_FUNCTIONS = 4
CANCELLED_WITHIN_S = 3.0
"""How long cancelled tasks may take to give their messages back."""

Callback = Callable[[tuple[bool, Any, float]], None]


class TaskPool(BasePool):
    """See the module's docstring."""

    body_can_be_buffer = True
    signal_safe = False  # a drain must not run inside a signal handler
    task_join_will_block = False

    def on_start(self) -> None:
        """Start the loop's thread and enter the app's lifespan.

        Raises:
            Exception: whatever the lifespan raises: a worker that cannot work does not start.
        """
        self._running: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._leaves = False
        self._ended: deque[tuple[Callback, tuple[bool, Any, float]]] = deque()
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._reads, False)
        os.set_blocking(self._writes, False)
        self._functions = ThreadPoolExecutor(THREADS_FOR_FUNCTIONS, thread_name_prefix="function")
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asyncio-pool", daemon=True)
        self._thread.start()
        self._lifespan: contextlib.AbstractAsyncContextManager[None] = getattr(self.app, "lifespan", contextlib.nullcontext)()
        self._on_loop(self._lifespan.__aenter__()).result()
        claims.wake_hub, claims.known_tasks = self._wake_hub, self.app.tasks
        lease_s = self.app.conf.broker_transport_options["visibility_timeout"]
        self._keeper = Keeper(claims, url=self.app.conf[REDIS_URL], lease_s=lease_s)
        self._keeper.start()

    def register_with_event_loop(self, loop: Any) -> None:
        """Have the hub read the pipe through which ends are told, and signals wake it: else it sees them up to a second late."""
        loop.add_reader(self._reads, self._tell_ends)
        signal.set_wakeup_fd(self._writes, warn_on_full_buffer=False)

    def on_apply(self, target: Callable[..., Any], args: Any, kwargs: Any, **options: Any) -> None:
        """Start one task (hub's thread). `args` are the tracer's: (name, id, request, body, content type, content encoding)."""
        options["accept_callback"](os.getpid(), monotonic())
        self._under_way += 1
        task = self.app.tasks[args[0]]
        if inspect.iscoroutinefunction(task.run):
            self._loop.call_soon_threadsafe(self._spawn, task, args, options["callback"])
        else:
            claims.has_begun(args[2]["properties"]["delivery_tag"])
            self._functions.submit(self._trace, target, args, kwargs, options["callback"])

    def _spawn(self, task: Any, args: Any, callback: Callback) -> None:
        running = self._loop.create_task(self._run(task, args, callback))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run(self, task: Any, args: Any, callback: Callback) -> None:
        name, task_id, request, body = args[:4]
        started = monotonic()
        claims.has_begun(request["properties"]["delivery_tag"])
        sequel: Sequel | None = None
        try:
            sequel = sequel_of(task, task_id, request, body)
            current_delivery.set(_delivery(task_id, request, has_sequel=sequel is not None))
            failed, outcome = False, await task.run(*request["args"], **request["kwargs"])
        except asyncio.CancelledError:
            sequel, callback = None, _give_back
            failed, outcome = False, None
            if not self._leaves:
                logger.exception("%s[%s] was broken off from inside: its message comes back when its lease ends", name, task_id)
                claims.forget(request["properties"]["delivery_tag"])
        except Retry as retry:
            sequel = None  # the task will be here again
            failed, outcome = True, _Raised(retry)
        except task.throws as error:
            failed, outcome = True, _Raised(error)
        except Exception as error:
            failed, outcome = True, _Raised(error, traceback.format_exc())
            logger.exception("%s[%s] failed", name, task_id)
        self._end(callback if sequel is None else sequel.before(callback), (failed, outcome, monotonic() - started))

    def _trace(self, target: Callable[..., Any], args: Any, kwargs: Any, callback: Callback) -> None:
        """Run an ordinary function through Celery's tracer (a thread of its own)."""
        try:
            self._end(callback, target(*args, **kwargs))
        except Exception:  # noqa: BLE001 - the edge, as above
            self._end(callback, (True, ExceptionInfo(), 0.0))

    def _end(self, callback: Callback, outcome: tuple[bool, Any, float]) -> None:
        """Tell the hub. The byte is written after the entry: no end is ever left lying without a wake-up behind it."""
        self._ended.append((callback, outcome))
        self._wake_hub()

    def _wake_hub(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes the hub just as well
            os.write(self._writes, b"\0")

    def _tell_ends(self) -> None:
        """Have Celery acknowledge and announce what has ended (hub's thread)."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reads, 65536)
        while self._ended:
            callback, outcome = self._ended.popleft()
            self._under_way -= 1
            callback(outcome)

    def on_stop(self) -> None:
        """Let what runs finish until the drain's deadline, then cancel it: cancelled jobs give their messages back."""
        drain_s = self.app.conf.get("pool_drain_s", 25.0)
        self._wait_for_ends(drain_s)
        if self._under_way:
            logger.warning("%d tasks still run after %g s: they go back to their queues", self._under_way, drain_s)
            self._cancel_all()
        self._on_loop(self._lifespan.__aexit__(None, None, None)).result()
        self._keeper.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._functions.shutdown(wait=False, cancel_futures=True)

    on_terminate = on_stop

    def _cancel_all(self) -> None:
        self._leaves = True
        for task in list(self._running):
            self._loop.call_soon_threadsafe(task.cancel)
        self._wait_for_ends(CANCELLED_WITHIN_S)

    def _wait_for_ends(self, seconds: float) -> None:
        """The hub no longer runs: read the pipe here."""
        until = monotonic() + seconds
        while self._under_way and (left_s := until - monotonic()) > 0:
            select.select([self._reads], [], [], left_s)
            self._tell_ends()

    def _on_loop(self, coroutine: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "under-way": self._under_way}


def _give_back(_outcome: tuple[bool, Any, float]) -> None:
    """Say nothing to Celery: the message is not acknowledged; of a worker that leaves, the keeper gives it back at once."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """What Celery reads of an `ExceptionInfo`. To render a traceback takes 0.1 ms, so expected exceptions have none."""

    exception: Exception
    traceback: str = ""


def _delivery(task_id: str, request: dict[str, Any], *, has_sequel: bool) -> Delivery:
    properties = request["properties"]
    return Delivery(
        task_id=task_id,
        tag=properties["delivery_tag"],
        queue=request["delivery_info"]["routing_key"],
        deliveries=properties.get("deliveries", 1),
        has_sequel=has_sequel,
        traceparent=str(request.get("traceparent") or ""),
    )
