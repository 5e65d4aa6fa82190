"""The comparison of fault 1: the same kills, under a plain Celery app that differs in nothing but its transport."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

import redis
from lab import Lab
from lab_processes import NotInTimeError, Process, until
from plain_app import DONE, QUEUE, READY

from pool_client.envelope import origin, render_message
from pool_client.job import Priority
from pool_client.queues import CELERY_PRIORITY, list_name
from pool_client.redis_keys import bell
from pool_worker import redis_keys

WORKERS = 3
BACKLOG = 300
STOCK_UNACKED = "unacked"
LIST = list_name(QUEUE, CELERY_PRIORITY[Priority.NORMAL])


@dataclass(frozen=True, slots=True)
class PlainFindings:
    """What became of the tasks."""

    tasks: int
    lost: int
    buried: int
    """Kept as dead letters, because three of their workers were killed; some of them had done their work by then."""
    twice: int
    """Done more than once: late acknowledgements do not prevent it."""


class PlainRun:
    """Tasks that count themselves, and workers that are killed while they work on them."""

    def __init__(self, lab: Lab, *, transport: str, rng: random.Random) -> None:
        self._lab = lab
        self._transport = transport
        self._rng = rng
        self._workers: dict[str, Process] = {}
        self._born = self._sent = 0

    @property
    def _redis(self) -> redis.Redis:
        return self._lab.redis.client

    def kill_workers(self, kills: int) -> PlainFindings:
        """Kill so many workers in the midst of work, let the rest finish, and count."""
        for _ in range(WORKERS):
            self._add()
        for _ in range(kills):
            self._feed()
            self._let_work(self._rng.randrange(5, 50))
            name = self._rng.choice([name for name in self._workers if self._redis.sismember(READY, name)])
            self._workers.pop(name).kill()
            self._add()
        return self._count()

    def _let_work(self, tasks: int) -> None:
        done = self._done() + tasks
        until(lambda: self._done() >= done, what=lambda: f"{done} tasks ({self._done()} done)\n{self._tails()}\nthey")

    def _add(self) -> None:
        self._born += 1
        name = f"p{self._born}"
        self._workers[name] = self._lab.start_process(name, ["plain_app", name], env={"PLAIN_TRANSPORT": self._transport})

    def _feed(self) -> None:
        while self._waiting() < BACKLOG:
            tasks = [f"task-{number}" for number in range(self._sent, self._sent + BACKLOG)]
            messages = [render_message(task, queue=QUEUE, priority=Priority.NORMAL, origin=origin()) for task in tasks]
            self._redis.lpush(LIST, *messages)
            self._redis.lpush(bell(LIST), 1)
            self._sent += len(tasks)

    def _waiting(self) -> int:
        return int(self._redis.llen(LIST))

    def _done(self) -> int:
        return int(self._redis.hlen(DONE))

    def _count(self) -> PlainFindings:
        """Wait until every task is done, or is neither waiting nor in anybody's hands: then nothing can bring it back."""
        until(lambda: self._done() == self._sent or self._is_over(), within_s=60, what=lambda: f"{self._left()} left: the end")
        with contextlib.suppress(NotInTimeError):
            until(lambda: self._done() == self._sent, within_s=2)  # recorded as done just before
        done: Mapping[str, str] = self._redis.hgetall(DONE)
        buried = set(self._redis.zrange(redis_keys.DEAD_LETTERS, 0, -1))
        lost = self._sent - len(set(done) | buried)
        return PlainFindings(self._sent, lost, len(buried), sum(times != "1" for times in done.values()))

    def _left(self) -> dict[str, int]:
        unacked = {name: int(self._redis.hlen(name)) for name in (redis_keys.UNACKED, STOCK_UNACKED)}
        return {"waiting": self._waiting(), **unacked}

    def _is_over(self) -> bool:
        return not any(self._left().values())

    def _tails(self) -> str:
        return "\n".join(worker.tail for worker in self._workers.values())
