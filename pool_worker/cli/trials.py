"""Trying keys at their providers, all at once, by the cheapest question that looks at a key; never a completion."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2

from pool_worker.errors import AttemptError, Scope, WindowSpentError
from pool_worker.providers.http import open_http
from pool_worker.providers.probe import probe
from pool_worker.registry import Provider

WITHIN_S = 5.0
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Trial:
    """A key that is to be tried."""

    provider: Provider
    key: str
    """How a person knows it: `groq#1`, or `groq#1 of .env`."""
    secret: str = field(repr=False)
    mend: str = ""
    """What to do if it is refused."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    trial: Trial
    error: AttemptError | None

    @property
    def works(self) -> bool:
        """Whether the provider takes the key; also if its quota is spent just now."""
        return self.error is None or isinstance(self.error, WindowSpentError)

    @property
    def is_of_provider(self) -> bool:
        """Whether it is the provider that fails, so that nothing is known of the key."""
        return self.error is not None and self.error.scope is Scope.PROVIDER

    @property
    def reason(self) -> str:
        """The provider's words; "" if it answered."""
        return self.error.reason if self.error is not None else ""


def try_all(trials: Sequence[Trial], *, within_s: float = WITHIN_S) -> list[Tried]:
    """Takes as long as the slowest, at most `within_s` for each `AT_ONCE` keys."""
    return asyncio.run(_try_all(trials, within_s)) if trials else []


async def _try_all(trials: Sequence[Trial], within_s: float) -> list[Tried]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def try_it(trial: Trial, http: httpx2.AsyncClient) -> Tried:
        async with turn:
            try:
                await probe(http, provider=trial.provider, secret=trial.secret, now=_now, within_s=within_s)
            except AttemptError as error:
                return Tried(trial, error)
        return Tried(trial, None)

    async with open_http(concurrency=AT_ONCE) as http:
        return list(await asyncio.gather(*(try_it(trial, http) for trial in trials)))


def _now() -> datetime:
    return datetime.now(UTC)
