"""What every pool offers its callers: the real one (`client.Pool`) and the in-memory one (`testing.InMemoryPool`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, Unpack

from pool_client.building import build_job
from pool_client.errors import InvalidRequestError
from pool_client.handle import JobHandle
from pool_client.job import Failure, Job, JobState, Message, Progress, Result, Status
from pool_client.models import Asked, ModelInfo, select_models
from pool_client.options import AgentDefaults, JobOptions
from pool_client.reading import Piece
from pool_client.stats import PoolHealth, PoolStats


class BasePool(ABC):
    """Turns arguments into jobs, and jobs into handles; how jobs travel is the subclass's matter."""

    def __init__(self, *, agent: str) -> None:
        self.agent = agent

    def submit(
        self,
        prompt: str | None = None,
        *,
        messages: Sequence[Message | Mapping[str, Any]] | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle:
        """Submit one job, given as a text or as chat messages; see `JobOptions` for the keyword arguments.

        Raises:
            InvalidRequestError: the job is not valid; nothing was sent.
            PoolUnavailableError: Redis cannot be reached or refuses writes.
        """
        job = self._build(prompt, messages, options, self._defaults())
        return JobHandle(self.send([job])[0], self)

    def submit_many(self, requests: Iterable[str | Mapping[str, Any]], **options: Unpack[JobOptions]) -> list[JobHandle]:
        """Submit many jobs in few round trips; the handles come in the order of the requests.

        A request is a text, or a mapping of `submit`'s arguments (`{"prompt": …, "priority": …}`) that go before `options`.

        Raises:
            InvalidRequestError: one of them is not valid; its number (from 0) is told, and none of them was sent.
            PoolUnavailableError: Redis cannot be reached or refuses writes; those before may have been accepted. With an
                `idempotency_key` in each request it is safe to submit them all again.
        """
        defaults = self._defaults()
        jobs = [self._numbered(number, request, options, defaults) for number, request in enumerate(requests)]
        return [JobHandle(job_id, self) for job_id in self.send(jobs)]

    def job(self, job_id: str) -> JobHandle:
        """The handle of a job submitted before, by whomever; nothing is asked of Redis yet."""
        return JobHandle(job_id, self)

    def models(
        self,
        *,
        model_id: Asked = None,
        provider: Asked = None,
        capability: Asked = None,
        tier: Asked = None,
        max_usd_per_mtok: Decimal | float | str | None = None,
    ) -> list[ModelInfo]:
        """The models that are as asked, in the order of the configuration: all of them, or none.

        Each name may also be a list, a tuple or a set of several.

        Args:
            model_id: only the models of these ids.
            provider: only those of these providers, by their ids.
            capability: only those that have it, all of them if there are several.
            tier: only those of these tiers: `free`, `paid`, `premium` or `local`.
            max_usd_per_mtok: only those whose million tokens are known to cost no more, neither input nor output; 0: free ones.

        Raises:
            InvalidRequestError: if no model has such a name, or the price is no amount from 0 on; with the names that there are.
            StatsUnavailableError: no worker has published them.
            PoolUnavailableError: Redis cannot be reached.
        """
        return select_models(
            self._catalog(),
            model_id=model_id,
            provider=provider,
            capability=capability,
            tier=tier,
            max_usd_per_mtok=max_usd_per_mtok,
        )

    @abstractmethod
    def send(self, jobs: Sequence[Job]) -> list[str]:
        """Submit jobs already built. Returns the id of the job that stands for each.

        The same id again, or the same idempotency key, gives the same job and changes nothing.
        """

    @abstractmethod
    def outcome(self, job_id: str) -> Future[Result | Failure]:
        """A future of how the job ends; it fails with `InvalidRequestError` if there is no such job."""

    @abstractmethod
    def pieces(self, job_id: str, outcome: Future[Result | Failure]) -> Iterator[list[Piece]]:
        """The pieces of a job's text from the first on, in lists as they arrive, until the job has ended.

        `outcome` is the future of how it ends. A pool without streams gives none.
        """

    @abstractmethod
    def peek(self, job_id: str) -> Result | Failure | None:
        """How the job ended, or None if it has not."""

    @abstractmethod
    def status(self, job_id: str) -> Status:
        """Where the job is; `InvalidRequestError` if there is no such job."""

    @abstractmethod
    def cancel(self, job_id: str) -> JobState:
        """Cancel the job; what is true now; `InvalidRequestError` if there is no such job."""

    @abstractmethod
    def progress(self, batch: str) -> Progress:
        """How many jobs were submitted under this name, and how they ended.

        It is known for 24 hours after the last of them has ended.

        Raises:
            InvalidRequestError: if there are none.
            PoolUnavailableError: Redis cannot be reached.
        """

    @abstractmethod
    def get_all_stats(self) -> PoolStats:
        """How much of every limit of every key is used, calls in flight, and what was called today: some seconds ago.

        Raises:
            StatsUnavailableError: nobody has published it lately: beat does not run.
            PoolUnavailableError: Redis cannot be reached.
        """

    @abstractmethod
    def get_health_status(self) -> PoolHealth:
        """Which providers and keys could be called some seconds ago, or why not and until when. Raises as `get_all_stats`."""

    @abstractmethod
    def trouble(self) -> str | None:
        """Why nothing can be heard of any job at present, if so."""

    @abstractmethod
    def close(self) -> None:
        """Stop waiting and let go of connections. Jobs go on; who still waits gets a `PoolUnavailableError`."""

    @abstractmethod
    def _defaults(self) -> AgentDefaults:
        """The agent's defaults."""

    @abstractmethod
    def _catalog(self) -> Sequence[ModelInfo]:
        """All models there are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _build(self, prompt: Any, messages: Any, options: Mapping[str, Any], defaults: AgentDefaults) -> Job:
        return build_job(prompt, messages, options, agent=self.agent, defaults=defaults, now=datetime.now(UTC))

    def _numbered(self, number: int, request: str | Mapping[str, Any], options: JobOptions, defaults: AgentDefaults) -> Job:
        try:
            if isinstance(request, Mapping):
                own = {**options, **request}
                return self._build(own.pop("prompt", None), own.pop("messages", None), own, defaults)
            return self._build(request, None, options, defaults)
        except InvalidRequestError as error:
            msg = f"request {number}: {error}"
            raise InvalidRequestError(msg) from None


def unknown_job(job_id: str) -> InvalidRequestError:
    """The error for an id that no record belongs to."""
    return InvalidRequestError(
        f"job_id: {job_id!r} is not known: it was never submitted here, or it ended more than 24 hours ago"
    )


def unknown_batch(batch: str) -> InvalidRequestError:
    """The error for a name under which nothing was submitted."""
    return InvalidRequestError(
        f"batch: {batch!r} is not known: no job was submitted under it, or all ended more than 24 hours ago"
    )
