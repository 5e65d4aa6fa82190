"""Parked jobs as the workers' scripts see them: real scripts in a real Redis, on a clock that the test sets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import redis

from pool_client import redis_keys as shared_keys
from pool_client.queues import KOMBU_SEPARATOR, list_name, list_names
from pool_worker import redis_keys
from pool_worker.lua import read_script

FAR_MS = 3_600_000


@dataclass
class Parking:
    """Every job is of the queue `free`; a job that was parked is known by its id from then on."""

    client: redis.Redis
    now_ms: int = 1_700_000_000_000

    def run(self, name: str, keys: list[str], *arguments: Any) -> Any:
        return self.client.register_script(read_script("pool_worker.broker", name))(keys=keys, args=list(arguments))

    # --- what a worker does

    def park(
        self,
        job_id: str,
        due_in_ms: float = 0,
        *,
        lane: str = "lane",
        weight: int = 1,
        rests: bool = False,
        providers: str = "groq cerebras",
        deadline_in_ms: float | None = None,
    ) -> int:
        """A job that somebody works on finds no capacity before then (or `rests` until then)."""
        keys = [*redis_keys.MESSAGE_KEYS, shared_keys.job(job_id), *redis_keys.PARKED_KEYS, redis_keys.parked_lane(lane)]
        times = ["", int(due_in_ms)] if rests else [self.now_ms + int(due_in_ms), ""]
        deadline = "" if deadline_in_ms is None else self.now_ms + int(deadline_in_ms)
        arguments = [self._tag(job_id), job_id, *times, deadline, lane, "no quota", "[]", job_id]
        return self.run("park", keys, *arguments, weight, KOMBU_SEPARATOR, providers, self.now_ms)

    def begin(self, job_id: str, *, priority: int = 6, agent: str = "agent") -> None:
        """A worker has claimed it."""
        message = json.dumps({"headers": {"id": job_id}})
        self.client.hset(shared_keys.job(job_id), mapping={"state": "running", "spec": "{}", "agent": agent})
        self.client.hset(redis_keys.UNACKED, self._tag(job_id), f"{list_name('free', priority)}\n{message}")

    def begin_and_park(
        self,
        *job_ids: str,
        due_in_ms: float = 0,
        lane: str = "lane",
        priority: int = 6,
        agent: str = "agent",
        weight: int = 1,
    ) -> None:
        for job_id in job_ids:
            self.begin(job_id, priority=priority, agent=agent)
            self.park(job_id, due_in_ms, lane=lane, weight=weight)

    def take(self, limit: int = 1000) -> list[str]:
        """Claim and open what is in the queue, in order."""
        taken: list[str] = []
        for name in list_names("free"):
            while len(taken) < limit and (text := self.client.rpop(name)):
                job_id = json.loads(str(text))["headers"]["id"]
                self.client.hset(redis_keys.UNACKED, self._tag(job_id), f"{name}\n{text}")
                self.client.hset(shared_keys.job(job_id), "state", "running")
                taken.append(job_id)
        return taken

    def succeed(self, *job_ids: str) -> None:
        for job_id in job_ids:
            self.client.hdel(redis_keys.UNACKED, self._tag(job_id))
            self.client.hset(shared_keys.job(job_id), "state", "succeeded")

    # --- what a worker's background does

    def release(self, *, worker: str = "one") -> tuple[int, int]:
        """How many were let go, and in how many ms this worker is to ask again."""
        prefixes = [shared_keys.job(""), redis_keys.parked_lane(""), redis_keys.parked_due("")]
        released, wait_ms = self.run("release_due", [*redis_keys.PARKED_KEYS], worker, *prefixes, KOMBU_SEPARATOR, self.now_ms)
        assert wait_ms >= 1, "it would ask without a pause"
        return released, wait_ms

    def hasten(self, provider: str) -> int:
        """How many are looked at now that were not due yet."""
        keys, prefixes = (
            [redis_keys.PARKED, shared_keys.PARKED_TIMERS, redis_keys.PARKED_LANES],
            [shared_keys.job(""), redis_keys.parked_lane("")],
        )
        cursor, hastened = "0", 0
        while True:
            cursor, of_page = self.run("hasten", keys, provider, cursor, *prefixes, self.now_ms)
            hastened += of_page
            if cursor == "0":
                return hastened

    def let_go(self, *, within_ms: int = 0) -> list[str]:
        """Ask as a worker does, until something was let go or the time is up; what it was, opened."""
        until_ms = self.now_ms + within_ms
        while True:
            released, wait_ms = self.release()
            if released or self.now_ms + wait_ms > until_ms:
                self.now_ms = self.now_ms if released else until_ms
                return self.take()
            self.now_ms += wait_ms

    # --- what can be seen

    def parked(self) -> set[str]:
        return set(self.client.hkeys(redis_keys.PARKED_MESSAGES))

    def _tag(self, job_id: str) -> str:
        return f"claim of {job_id}"
