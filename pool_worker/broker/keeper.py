"""Keeping claims: a thread that renews those of this process, and gives back those of dead ones."""

from __future__ import annotations

import contextlib
import logging
import threading

import redis

from pool_client.redis_connection import connect
from pool_worker.broker.claims import Claims
from pool_worker.broker.messages import acknowledge, give_back, renew, sweep

TIMES_PER_LEASE = 9
"""Often, so that a lease outlasts several renewals that failed, and a dead worker's messages are back soon after it ends."""
TRY_AGAIN_S = 0.5

logger = logging.getLogger(__name__)


class Keeper:
    """Has a connection of its own: neither a busy hub nor Celery's way of reconnecting (up to half a minute) costs a claim."""

    def __init__(self, claims: Claims, *, url: str, lease_s: float) -> None:
        self._claims = claims
        self._client = connect(url)
        self._lease_ms = round(lease_s * 1000)
        self._every_s = lease_s / TIMES_PER_LEASE
        self._missing: set[str] = set()
        self._leaves = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and give back what is still held, the oldest to the very head; what Redis cannot be told comes back by itself."""
        self._leaves.set()
        self._thread.join()
        with contextlib.suppress(redis.RedisError), contextlib.closing(self._client):
            self._settle_debts()
            for tag in reversed(self._claims.tags()):
                give_back(self._client, tag, task_id=self._claims.task_id(tag))
                self._claims.forget(tag)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._leaves.wait(pause_s):
            try:
                self._keep()
                pause_s = self._every_s
            except redis.RedisError as error:
                logger.warning("claims could not be renewed, trying again: %s", error)
                pause_s = TRY_AGAIN_S

    def _keep(self) -> None:
        self._settle_debts()
        if tags := self._claims.tags():
            self._note_missing(set(renew(self._client, tags, lease_ms=self._lease_ms)))
        if given_back := sweep(self._client, lease_ms=self._lease_ms):
            logger.warning("%d messages of dead workers went back to their queues", given_back)

    def _note_missing(self, missing: set[str]) -> None:
        """What is missing twice is lost; what is missing once may be a message that is being finished just now."""
        for tag in missing & self._missing:
            if tag in self._claims:
                logger.warning("a claim was lost: this process or Redis was held up, and another worker has the job")
                self._claims.forget(tag)
        self._missing = missing

    def _settle_debts(self) -> None:
        for tag, back in self._claims.owed():
            (give_back if back else acknowledge)(self._client, tag, task_id=self._claims.task_id(tag))
            self._claims.forget(tag)
