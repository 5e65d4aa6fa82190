"""What Celery is to do after a task that is a coroutine: its callbacks, errbacks, the rest of its chain, its part of a chord.

Celery's tracer calls a task and then does all that. Here the coroutine has run already, so that the tracer gets a task
that only returns, or raises, what is known. Most messages have no sequel, and are spared the tracer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from celery import Celery
from celery.app.trace import trace_task
from celery.backends.redis import RedisBackend
from celery.utils.log import get_logger

from pool_worker.celery_settings import REDIS_URL
from pool_worker.redis_url import connection_arguments

logger = get_logger(__name__)

Outcome = tuple[bool, Any, float]
"""Whether it failed; what it returned, or raised (`.exception`); its run time in seconds."""


@dataclass(frozen=True, slots=True)
class Sequel:
    """The sequel of one delivery of a task."""

    task: Any
    task_id: str
    request: Mapping[str, Any]
    embed: Mapping[str, Any]

    def before(self, callback: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        """A callback that publishes the sequel (on the hub's thread) and then does what the given one does.

        What cannot be published is logged, and reported as the task's failure.
        """
        return lambda outcome: callback(self._publish(*outcome))

    def _publish(self, failed: bool, outcome: Any, runtime_s: float) -> Outcome:  # noqa: FBT001 - as the pool has it
        known = type(self.task)()

        def run(*_: Any, **__: Any) -> Any:
            if failed:
                raise outcome.exception
            return outcome

        known.run = run
        known.__trace__ = None
        if self.embed.get("chord"):
            known.backend = _chord_counter(self.task.app)
        arguments, keywords = self.request["args"], self.request["kwargs"]
        traced, info, _, _ = trace_task(
            known, self.task_id, arguments, keywords, {**self.request, **self.embed, "is_eager": False}, app=self.task.app
        )
        if info is None or failed:
            return failed, outcome, runtime_s
        logger.error(
            "%s[%s]: its callbacks or the rest of its chain were not sent: %r", self.task.name, self.task_id, info.retval
        )
        return True, traced, runtime_s


class _ChordCounter(RedisBackend):
    """Celery's Redis result backend, only for counting which parts of a chord have ended; workers have no other."""

    def _params_from_url(self, url: str, defaults: dict[str, Any]) -> dict[str, Any]:
        """Celery's own knows no `unix://`."""
        given = connection_arguments(url)
        of_hosts = ("host", "port", "socket_connect_timeout", "socket_keepalive") if "path" in given else ()
        return {name: value for name, value in defaults.items() if name not in of_hosts} | given

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Wait for no result of the chord's body: it is somebody else's."""


@cache
def _chord_counter(app: Any) -> _ChordCounter:
    """In an app of its own: were it the workers', each of their tasks would ask it something."""
    counting = Celery("chords", set_as_current=False, changes=app.conf.changes)
    counter = _ChordCounter(app=counting, url=app.conf[REDIS_URL])
    counting._local.backend = counter  # noqa: SLF001 - where an app keeps its thread's backend
    return counter


def sequel_of(task: Any, task_id: str, request: Mapping[str, Any], body: str | bytes) -> Sequel | None:
    """The sequel that a message asks for, if any."""
    embed = json.loads(body)[2]
    wanted = any(embed.get(name) for name in ("callbacks", "errbacks", "chain", "chord"))
    return Sequel(task, task_id, request, embed) if wanted else None
