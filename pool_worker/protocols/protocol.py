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
        """The body, ready for JSON; a job's `stream` asks for the answer piece by piece.

        Raises:
            UnsupportedRequestError: the format has no way to say what the job asks for; the reason names the field.
        """


class AnswerStream(typing.Protocol):
    """Puts an answer together from the events of a stream."""

    def add(self, event: object) -> str:
        """Take the next event (the decoded JSON of its data); returns the text that it adds to the answer, mostly a few words.

        Raises:
            BadAnswerError: it cannot be understood; the reason names the field.
        """

    def answer(self) -> Answer:
        """The whole answer, once the stream has ended.

        Raises:
            BadAnswerError: the stream has ended before the answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A wire format: where to post below a base URL, and how to write and read the two bodies."""

    path: str
    """Appended to the base URL; `{model}` stands for the provider's name of the model, without a `models/` in front of it."""
    stream_path: str | None = None
    """Where streams are asked for, if that is elsewhere."""
    needs_max_tokens: bool = False
    """Whether every request has to bound its answer: the model's own bound stands in for a job's."""
    listing_path: str = "models"
    """Where the models are listed, as a reference that the base URL resolves (RFC 3986: `../v1/models` leaves its last part)."""
    render_request: RenderRequest
    parse_answer: Callable[[object], Answer]
    """Reads the decoded body of a 2xx; raises `BadAnswerError`."""
    find_error: Callable[[object], ErrorBody | None]
    """The error that a 2xx body, or an event of a stream, carries in place of an answer, if it does."""
    open_stream: Callable[[], AnswerStream]
    """For the events of one stream (server-sent events; `[DONE]` is nobody's event)."""
