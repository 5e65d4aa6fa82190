"""The scripts on a real Valkey, run as the product runs them, by its own typed functions, but on a clock that the test sets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Coroutine, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import redis
import redis.asyncio
from model import LEASE_MS, LISTS, LOST, as_documented

from pool_client import redis_keys as shared_keys
from pool_client.job import Attempt, Failure, JobState, Priority, Result
from pool_client.outcome import parse_outcome, render_outcome
from pool_client.scripts import Scripts
from pool_worker import redis_keys
from pool_worker.broker.burying import bury
from pool_worker.broker.dead_letters import UNKNOWN, DeadLetters
from pool_worker.broker.delivery import Delivery, departures
from pool_worker.broker.jobs import For, Jobs, LostClaimError, Until
from pool_worker.broker.messages import acknowledge, give_back, renew, sweep
from pool_worker.broker.reading import UndeliverableError
from pool_worker.completion.finishing import finish
from pool_worker.ledger.rows import Entry
from pool_worker.lua import run_script_blocking, script

T = TypeVar("T")

AGENT, BATCH = "tester", "all of them"
COUNTED = ("state", "queue", "priority", "submitted_ms", "started_ms", "finished_ms", "hops", "trail", "due_ms", "wait_reason")
FIELDS = (*COUNTED, "cancel", "model_id", "worker", "restarts")
"""Of a record, as `redis_keys.job` documents it; the others are the scripts' own."""

_ROOMS = ("pool_worker.broker", "pool_worker.completion")
_NOW = re.compile(r"(\d+) now_ms \(\"\" = Redis's clock\)")
"""In a script's head: which of its arguments is the time."""


def _places_of_now() -> Iterator[tuple[str, int]]:
    for room in _ROOMS:
        for file in (files(room) / "lua").iterdir():
            it = script(room, file.name.removesuffix(".lua"))
            if found := _NOW.search(it.text):
                yield from ((it.sha, int(found[1])), (it.text, int(found[1])))


_PLACE_OF_NOW = dict(_places_of_now())


class Clock:
    """What the time is, in ms."""

    now_ms = 0

    def set_in(self, command: Sequence[Any]) -> list[Any]:
        """The command with the time in it, if it runs a script that would ask Redis for it."""
        timed = list(command)
        if timed[0] in {"EVALSHA", "EVAL"} and timed[1] in _PLACE_OF_NOW:
            place = 2 + int(timed[2]) + _PLACE_OF_NOW[timed[1]]
            if timed[place] == "":
                timed[place] = self.now_ms
        return timed


class TimedRedis(redis.Redis):
    clock: Clock

    def execute_command(self, *command: Any, **options: Any) -> Any:
        return super().execute_command(*self.clock.set_in(command), **options)


class TimedAsyncRedis(redis.asyncio.Redis):
    clock: Clock

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        return await super().execute_command(*self.clock.set_in(command), **options)


class Valkey:
    """Answers as `Model` does."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.clock = Clock()
        self.redis = TimedRedis.from_url(url, decode_responses=True)
        self.redis.clock = self.clock
        self._redis = TimedAsyncRedis.from_url(url, decode_responses=True)
        self._redis.clock = self.clock
        self._loop = loop
        self._undecoded = redis.Redis.from_url(url)
        self._letters = DeadLetters(self._undecoded)
        self._scripts = Scripts(self.redis)

    def close(self) -> None:
        self.redis.close()
        self._undecoded.close()
        self._loop.run_until_complete(self._redis.aclose())

    def submit(self, job_id: str, queue: str, priority: Priority, idempotency_key: str | None, *, message: str) -> str:
        return self._scripts.submit(
            job_id=job_id,
            spec="{}",
            message=message,
            agent=AGENT,
            queue=queue,
            priority=priority,
            idempotency_key=idempotency_key,
            batch=BATCH,
            now_ms=str(self.clock.now_ms),
        )

    def cancel(self, job_id: str, outcome: Failure) -> str | None:
        return self._scripts.cancel(job_id=job_id, outcome=render_outcome(outcome), now_ms=str(self.clock.now_ms))

    def claim(
        self, prefix: str, lists: Sequence[str], limit: int, *, has_suspect: bool = False
    ) -> tuple[bool, list[tuple[str, str, int, str]]]:
        """Whether messages are left, and what was claimed: tag, list, deliveries, message."""
        keys = [*redis_keys.MESSAGE_KEYS, *lists]
        arguments = [LEASE_MS, limit, prefix, "1" if has_suspect else "", ""]
        left, *flat = run_script_blocking(self.redis, "pool_worker.broker", "claim", keys=keys, arguments=arguments)
        return bool(left), list(zip(*[iter(flat)] * 4, strict=True))

    def hear(self, lists: Sequence[str]) -> str | None:
        """Whose bell it was, as BRPOP would tell an idle worker."""
        return next((name for name in lists if self.redis.rpop(shared_keys.bell(name))), None)

    def renew(self, tags: Sequence[str]) -> list[str]:
        return renew(self.redis, tags, lease_ms=LEASE_MS)

    def sweep(self) -> int:
        return sweep(self.redis, lease_ms=LEASE_MS)

    def give_back(self, tag: str, *, task_id: str) -> bool:
        return give_back(self.redis, tag, task_id=task_id)

    def acknowledge(self, tag: str, *, task_id: str) -> bool:
        return acknowledge(self.redis, tag, task_id=task_id)

    def open(self, delivery: Delivery, *, worker: str) -> str:
        async def state() -> str:
            return (await Jobs(self._redis, worker=worker).open(delivery.task_id, delivery)).state.value

        return self._run(state())

    def move(self, delivery: Delivery, *, queue: str, first: bool, trail: Sequence[Attempt]) -> str:
        return self._leave(delivery, self._jobs().move(delivery.task_id, delivery, queue=queue, first=first, trail=trail))

    def park(self, delivery: Delivery, *, wait: Until | For, reason: str, trail: Sequence[Attempt]) -> str:
        return self._leave(delivery, self._jobs().park(delivery.task_id, delivery, wait=wait, reason=reason, trail=trail))

    def release_due(self) -> list[str]:
        """The jobs that were let go, the first at the very head of its list."""
        parked = set(self.redis.hkeys(redis_keys.PARKED_MESSAGES))
        self._loop.run_until_complete(self._jobs().release_due())
        let_go = parked - set(self.redis.hkeys(redis_keys.PARKED_MESSAGES))
        texts = [text for name in LISTS for text in reversed(self.redis.lrange(name, 0, -1))]
        return [job_id for text in texts if (job_id := json.loads(text)["headers"]["id"]) in let_go]

    def finish(self, delivery: Delivery, outcome: Result | Failure, *, state: JobState, rows: Sequence[Entry]) -> str:
        return self._leave(delivery, finish(self._redis, delivery, outcome, state=state, rows=rows))

    def bury(self, tag: str, why: str) -> str | None:
        return bury(self.redis, tag=tag, why=UndeliverableError(why), now_ms=self.clock.now_ms)

    def revive(self, letter_id: str) -> str:
        letter = self._letters.find(letter_id)
        return UNKNOWN if letter is None else self._letters.revive(letter)

    def drop(self, letter_id: str) -> bool:
        letter = self._letters.find(letter_id)
        return letter is not None and self._letters.drop(letter)

    def facts(self, job_ids: Sequence[str], idempotency_keys: Sequence[str]) -> dict[str, Any]:
        """Everything about messages and jobs."""
        with self.redis.pipeline(transaction=False) as pipe:
            for name in LISTS:
                pipe.lrange(name, 0, -1).llen(shared_keys.bell(name))
            for key in (redis_keys.UNACKED, redis_keys.DELIVERIES, redis_keys.PARKED_MESSAGES):
                pipe.hgetall(key)
            for key in (redis_keys.UNACKED_INDEX, redis_keys.PARKED, redis_keys.DEAD_LETTERS):
                pipe.zrange(key, 0, -1, withscores=True)
            pipe.xrange(redis_keys.OUTBOX)
            pipe.hgetall(shared_keys.batch(BATCH))
            for job_id in job_ids:
                pipe.hmget(shared_keys.job(job_id), FIELDS).get(shared_keys.result(job_id))
                pipe.hmget(redis_keys.dead_letter(job_id), "list", "message")
            for key in idempotency_keys:
                pipe.get(shared_keys.idempotency(AGENT, key))
            answers = iter(pipe.execute())
        lists = {name: (next(answers)[::-1], next(answers)) for name in LISTS}
        unacked, deliveries, parked, ends, due, buried, outbox, batch = (next(answers) for _ in range(8))
        jobs = {job_id: (next(answers), next(answers), next(answers)) for job_id in job_ids}
        return {
            "lists": {name: texts for name, (texts, _) in lists.items()},
            "bells": {name: strokes for name, (_, strokes) in lists.items() if strokes},
            "unacked": unacked,
            "lease ends": dict(ends),
            "deliveries": deliveries,
            "parked": parked,
            "dead": {job_id: "\n".join(letter) for job_id, (_, _, letter) in jobs.items() if letter[1]},
            "buried": dict(buried),
            "due": dict(due),
            "records": {job_id: _known(record) for job_id, (record, _, _) in jobs.items()},
            "outcomes": {job_id: text and _outcome(text) for job_id, (_, text, _) in jobs.items()},
            "idempotency": {key: job_id for key in idempotency_keys if (job_id := next(answers))},
            "batch": {what: int(jobs) for what, jobs in batch.items() if jobs != "0"},
            "outbox": [(row["kind"], row["id"], row["data"]) for _, row in outbox],
        }

    def listener(self, channels: str) -> redis.client.PubSub:
        """Hears what is published from now on, on all channels of a pattern."""
        listener = self.redis.pubsub()
        listener.psubscribe(channels)
        assert listener.get_message(timeout=5)
        return listener

    def _jobs(self) -> Jobs:
        return Jobs(self._redis, worker="")

    def _leave(self, delivery: Delivery, step: Coroutine[Any, Any, None]) -> str:
        self._run(step)
        return departures.pop(delivery.tag).state.value if delivery.tag in departures else LOST

    def _run(self, step: Coroutine[Any, Any, T]) -> T | str:
        try:
            return self._loop.run_until_complete(step)
        except LostClaimError:
            return LOST


def _known(values: Sequence[str | None]) -> dict[str, str]:
    return as_documented({name: value for name, value in zip(FIELDS, values, strict=True) if value is not None})


@lru_cache(maxsize=1_000)
def _outcome(text: str) -> Result | Failure:
    return parse_outcome(text)
