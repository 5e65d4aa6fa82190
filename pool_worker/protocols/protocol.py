"""What a wire format has to offer."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pool_client.job import Job
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.error_body import ErrorBody


class RenderRequest(typing.Protocol):
    """Turns a job into the body of a request."""

    def __call__(self, job: Job, *, model_name: str, max_tokens: int | None) -> dict[str, Any]:
        """The body, ready for JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A wire format: where to post below a base URL, and how to write and read the two bodies."""

    path: str
    """Appended to the base URL; `{model}` stands for the provider's name of the model."""
    render_request: RenderRequest
    parse_answer: Callable[[object], Answer]
    """Reads the decoded body of a 2xx; raises `BadAnswerError`."""
    find_error: Callable[[object], ErrorBody | None]
    """The error that a 2xx body carries in place of an answer, if it does."""
