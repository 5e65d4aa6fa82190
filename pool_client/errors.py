"""What can go wrong with a job, as its caller sees it.

::

    PoolError
    ├── InvalidRequestError      the job itself is wrong: nothing was sent
    ├── ConfigurationError       the pool is set up wrongly
    ├── PoolUnavailableError     Redis cannot be reached, or refuses to write
    ├── StatsUnavailableError    nobody has published its figures lately, or its models
    ├── JobTimeoutError          the wait ended, the job goes on
    ├── TextRestartedError       a streamed answer begins anew
    ├── JobCancelledError        somebody cancelled the job
    ├── DeadlineExceededError    the job's own deadline passed
    └── CompletionError          the pool tried and could not finish the job
        ├── RateLimitError           every quota is spent (or no model is free) and the job asked not to wait
        ├── BudgetExceededError      the money set aside for this is spent
        ├── ModelUnavailableError    no model fits the job's constraints
        ├── AuthenticationError      no key was accepted
        ├── ProviderError            every model is left alone after failures and the job asked not to wait
        ├── FailoverError            every candidate was tried, and each failed
        ├── CacheError               the answer cache failed where it was required
        └── QualityThresholdError    no answer was good enough

A stored failure is rebuilt on the caller's side from `Failure.type`, so these names are part of the contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool_client.job import Failure


class PoolError(Exception):
    """Something about the pool or a job of it went wrong."""

    retryable = False
    """Whether the same job, submitted again later, may well succeed."""

    def __init__(self, message: str = "", failure: Failure | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.failure = failure
        """The whole error answer (attempted models, reason per model, …) where the pool gave one."""


class InvalidRequestError(PoolError):
    """The job is not valid."""


class ConfigurationError(PoolError):
    """The pool is not configured correctly."""


class PoolUnavailableError(PoolError):
    """Redis cannot be reached or refuses writes."""

    retryable = True


class StatsUnavailableError(PoolError):
    """Nobody has published what was asked for: the pool's figures lately, or its models."""

    retryable = True


class JobTimeoutError(PoolError, TimeoutError):
    """The job did not end within the time given; it goes on."""

    retryable = True


class TextRestartedError(PoolError):
    """The provider whose answer was being read has failed; another one's takes its place."""

    retryable = True

    def __init__(self, void_chars: int) -> None:
        super().__init__(
            f"the answer begins anew at another provider: the {void_chars} characters read so far are void;"
            " iterate over the job again, or take job.result()"
        )
        self.void_chars = void_chars
        """How many characters were read of the answer that is void."""


class JobCancelledError(PoolError):
    """The job was cancelled."""


class DeadlineExceededError(PoolError):
    """The job's deadline passed before it could be completed."""


class CompletionError(PoolError):
    """The pool could not complete the job."""


class RateLimitError(CompletionError):
    """No model that fits the job is free: quotas are spent."""

    retryable = True


class BudgetExceededError(CompletionError):
    """The budget does not cover the job."""

    retryable = True


class ModelUnavailableError(CompletionError):
    """No active model fits the job's constraints."""


class AuthenticationError(CompletionError):
    """No provider accepted a key for this job."""


class ProviderError(CompletionError):
    """Every model that fits the job is left alone after failures."""

    retryable = True


class FailoverError(CompletionError):
    """Every candidate was tried and each failed."""

    retryable = True


class CacheError(CompletionError):
    """The answer cache failed."""

    retryable = True


class QualityThresholdError(CompletionError):
    """No answer reached the quality that was asked for."""


def from_failure(failure: Failure) -> PoolError:
    """The exception that a stored failure stands for; a `CompletionError` if its type is unknown here."""
    known = {cls.__name__: cls for cls in _family(PoolError)}
    return known.get(failure.type, CompletionError)(failure.message, failure)


def _family(root: type[PoolError]) -> list[type[PoolError]]:
    return [root, *(cls for child in root.__subclasses__() for cls in _family(child))]
