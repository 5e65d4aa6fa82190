"""What makes two jobs the same question. No I/O."""

from __future__ import annotations

import hashlib

from pool_client.job import Job

_ASKED = {
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "seed",
    "tools",
    "tool_choice",
    "response_format",
}
"""Who asks, how urgently and under which conditions does not change an answer; which models may give it is another matter."""


def question_of(job: Job) -> str | None:
    """SHA-256 of all that an answer depends on but the model; None if the job is to be asked whatever is known.

    Kept are answers of temperature 0, and of jobs that ask for it.
    """
    if job.cache is False or (job.cache is None and job.temperature != 0):
        return None
    asked = job.model_dump_json(include=_ASKED, exclude_none=True)
    return hashlib.sha256(asked.encode()).hexdigest()
