"""Dead letters: messages that could not be worked on. They stay until a person has them tried again, or drops them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import redis

from pool_client import redis_keys as shared_keys
from pool_client.queues import queue_of_list
from pool_worker import redis_keys
from pool_worker.lua import run_script_blocking

REVIVED, UNKNOWN = "revived", "unknown"
_FIELDS = ("list", "reason", "task", "task_id", "job_id", "deliveries")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One of them, without its message."""

    id: str
    """The job's or the task's id; the task's name of what beat sends; of what is unreadable that of its last claim."""
    reason: str
    buried_at: datetime
    age_s: float
    queue: str
    task: str | None
    task_id: str | None
    job_id: str | None
    deliveries: int


class DeadLetters:
    """All of them. `client` must not decode answers: a message may be any bytes."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def count(self) -> int:
        """How many there are."""
        return self._client.zcard(redis_keys.DEAD_LETTERS)

    def ids(self) -> list[str]:
        """All ids, the oldest first."""
        return [each.decode() for each in cast("list[bytes]", self._client.zrange(redis_keys.DEAD_LETTERS, 0, -1))]

    def newest(self, *, limit: int) -> list[DeadLetter]:
        """The newest, the newest first."""
        found = cast("list[Any]", self._client.zrange(redis_keys.DEAD_LETTERS, 0, limit - 1, desc=True, withscores=True))
        return self._letters([(letter_id.decode(), score) for letter_id, score in found])

    def find(self, letter_id: str) -> DeadLetter | None:
        """One of them."""
        score = self._client.zscore(redis_keys.DEAD_LETTERS, letter_id)
        found = [] if score is None else self._letters([(letter_id, score)])
        return found[0] if found else None

    def message(self, letter_id: str) -> bytes | None:
        """Its message, byte for byte as it was claimed."""
        return cast("bytes | None", self._client.hget(redis_keys.dead_letter(letter_id), "message"))

    def revive(self, letter: DeadLetter) -> str:
        """Put its message back at the tail of its queue, with its deliveries forgotten; its job waits again.

        Returns:
            `REVIVED`, `UNKNOWN` if it is gone, or the state of its job, which is no longer as it left it: nothing was done.
        """
        keys = [redis_keys.DEAD_LETTERS, redis_keys.dead_letter(letter.id), redis_keys.DELIVERIES, *_job_keys(letter)]
        return str(self._run("revive", keys, letter.id, letter.queue))

    def drop(self, letter: DeadLetter) -> bool:
        """Forget it; whether it was still there."""
        keys = [redis_keys.DEAD_LETTERS, redis_keys.dead_letter(letter.id), *_job_keys(letter)]
        return bool(self._run("drop", keys, letter.id, shared_keys.RESULT_TTL_MS))

    def _run(self, name: str, keys: list[str], *arguments: str | int) -> Any:
        return run_script_blocking(self._client, __package__, name, keys=keys, arguments=arguments)

    def _letters(self, scores: list[tuple[str, float]]) -> list[DeadLetter]:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            for letter_id, _ in scores:
                pipe.hmget(redis_keys.dead_letter(letter_id), list(_FIELDS))
            (seconds, microseconds), *found = pipe.execute()
        now_s = seconds + microseconds / 1e6
        pairs = zip(scores, found, strict=True)
        is_there = [(letter_id, buried_ms, values) for (letter_id, buried_ms), values in pairs if values[0] is not None]
        return [_letter(letter_id, buried_ms / 1000, values, now_s=now_s) for letter_id, buried_ms, values in is_there]


def _letter(letter_id: str, buried_s: float, values: list[bytes], *, now_s: float) -> DeadLetter:
    fields = {name: value.decode("utf-8", "replace") for name, value in zip(_FIELDS, values, strict=True)}
    return DeadLetter(
        id=letter_id,
        reason=fields["reason"],
        buried_at=datetime.fromtimestamp(buried_s, UTC),
        age_s=max(0.0, round(now_s - buried_s, 3)),
        queue=queue_of_list(fields["list"]),
        task=fields["task"] or None,
        task_id=fields["task_id"] or None,
        job_id=fields["job_id"] or None,
        deliveries=int(fields["deliveries"]),
    )


def _job_keys(letter: DeadLetter) -> list[str]:
    return [shared_keys.job(letter.job_id or ""), shared_keys.result(letter.job_id or "")]
