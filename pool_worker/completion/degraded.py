"""The least that the pool can say when a job prefers an answer now to a good answer later. No I/O."""

from __future__ import annotations

from pool_client.errors import CompletionError
from pool_client.job import Job, Result
from pool_worker.completion.trail import Trail

NOBODY = "none"
"""Model and provider of an answer that no model wrote."""


def guidance(job: Job, error: CompletionError, trail: Trail) -> Result:
    """An honest text in place of an answer, marked as degraded. `error`: what the job would have failed with."""
    content = (
        f"No language model could answer: {error}. This text was not written by a model. "
        "Submit the job again later, or with on_exhausted='park' to wait."
    )
    return Result(
        job_id=job.id, content=content, model_id=NOBODY, provider=NOBODY, degraded=True, attempts=trail.attempts,
        cost_usd=trail.cost_usd,
    )  # fmt: skip
