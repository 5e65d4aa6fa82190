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


def is_shared(job: Job) -> bool:
    """Whether answers to the job are kept, and known ones will do: those of temperature 0, and of jobs that ask for it."""
    return job.temperature == 0 if job.cache is None else job.cache


def question_of(job: Job) -> str:
    """SHA-256 of all that an answer depends on but the model."""
    asked = job.model_dump_json(include=_ASKED, exclude_none=True)
    return hashlib.sha256(asked.encode()).hexdigest()
