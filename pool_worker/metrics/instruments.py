"""What one worker counts of its own work, and where its jobs tell of it."""

from __future__ import annotations

from datetime import datetime

from pool_client.job import Attempt, Job, JobState, Step
from pool_worker.errors import FAILOVERS, WindowSpentError
from pool_worker.metrics.tally import Counter, Histogram

_REFUSED = WindowSpentError.__name__
_OF_MODEL = ("provider", "model")

CALLS = Counter(
    "model_pool_calls_total", "Calls to providers, by outcome: ok, or the class of the error.", (*_OF_MODEL, "outcome")
)
REFUSALS = Counter("model_pool_refusals_total", "Calls that a provider refused because a quota was spent.", _OF_MODEL)
FAILED_OVER = Counter("model_pool_failovers_total", "Calls made in vain, after which the job went on elsewhere.", _OF_MODEL)
TOKENS = Counter(
    "model_pool_tokens_total", "Tokens used, as they are booked; direction: input or output.", (*_OF_MODEL, "direction")
)
COST = Counter("model_pool_cost_usd_total", "Money spent, in USD, as it is booked.", _OF_MODEL)
CALL_SECONDS = Histogram(
    "model_pool_call_seconds",
    "How long calls took that were answered.",
    ("provider",),
    (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120),
)
LEASE_SECONDS = Histogram(
    "model_pool_lease_seconds",
    "How long Redis took to answer a worker that asked for a lease; answer: lease, elsewhere, exhausted, others, unenrolled.",
    ("answer",),
    (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1, 5),
)
JOBS_ENDED = Counter(
    "model_pool_jobs_ended_total",
    "Jobs that this worker ended; state: succeeded, failed, cancelled; agent: a configured one, or other.",
    ("state", "priority", "agent"),
)
JOB_SECONDS = Histogram(
    "model_pool_job_seconds",
    "From a job's submission to its end, waiting included.",
    ("priority",),
    (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400),
)

COUNTERS = (CALLS, REFUSALS, FAILED_OVER, TOKENS, COST, JOBS_ENDED)
HISTOGRAMS = (CALL_SECONDS, LEASE_SECONDS, JOB_SECONDS)


def call_ended(attempt: Attempt) -> None:
    """A provider was called, and answered or not."""
    where = str(attempt.provider), str(attempt.model_id)
    CALLS.add(*where, attempt.outcome)
    if attempt.outcome == Step.OK:
        CALL_SECONDS.observe(attempt.latency_ms / 1000, where[0])
    elif attempt.outcome == _REFUSED:
        REFUSALS.add(*where)
    elif attempt.outcome in FAILOVERS:
        FAILED_OVER.add(*where)
    if attempt.usage.total_tokens:
        TOKENS.add(*where, "input", amount=attempt.usage.input_tokens)
        TOKENS.add(*where, "output", amount=attempt.usage.output_tokens)
    if attempt.cost_usd:
        COST.add(*where, amount=float(attempt.cost_usd))


def lease_asked(answer: object, *, took_s: float) -> None:
    """Redis was asked for a lease, and gave one of the answers of `pool_worker.limits.acquire`."""
    LEASE_SECONDS.observe(took_s, type(answer).__name__.lower())


def job_ended(job: Job, state: JobState, *, agent: str, now: datetime) -> None:
    """A job has ended here. `agent`: its agent, if that is a configured one (`Registry.kind_of_agent`)."""
    JOBS_ENDED.add(state.value, job.priority.value, agent)
    JOB_SECONDS.observe(max(0.0, (now - job.submitted_at).total_seconds()), job.priority.value)
