"""What a wire format has to say for itself. Accounts, windows, faults and charges are the same for all."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from pool_worker.simulator import problems
from pool_worker.simulator.accounts import Standing
from pool_worker.simulator.answers import Answer
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.headers import Headers, refusal_headers, success_headers
from pool_worker.simulator.model_request import ModelRequest
from pool_worker.simulator.problems import Problem
from pool_worker.simulator.profile import SimulatedModel
from pool_worker.simulator.refusals import Refusal, Refused, refuse


@dataclass(frozen=True, slots=True)
class ToldUsage:
    """The tokens that an answer says it took."""

    input_tokens: Any
    output_tokens: Any
    total_tokens: Any


WRONG_USAGE = ToldUsage(-7, 900_000_000, "many")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer and what stands around it."""

    answer: Answer
    request: ModelRequest
    id: str
    """`groq-17`; formats put their own words before it."""
    created: int
    """Seconds since the epoch."""
    usage: ToldUsage


class Format(ABC):
    """One wire format."""

    path: ClassVar[re.Pattern[str]]
    """Found in the paths to which requests are posted."""
    address: ClassVar[str]
    """The same for people."""

    @abstractmethod
    def lists(self, exchange: Exchange, provider: str) -> bool:
        """Whether a `GET …/models` wants its list in this form."""

    @abstractmethod
    def read(self, exchange: Exchange, raw: bytes) -> ModelRequest:
        """Read a request as strictly as its providers do.

        Raises:
            WrongRequestError: with a 400 (Cohere: also 422) that names the field.
        """

    @abstractmethod
    def whole(self, reply: Reply) -> Any:
        """The answer as one document."""

    @abstractmethod
    def events(self, reply: Reply, *, pieces: int) -> Iterator[bytes]:
        """The same as server-sent events, the text in at most `pieces` of them."""

    @abstractmethod
    def models(self, models: Mapping[str, SimulatedModel], *, provider: str, created: int) -> Any:
        """The list of models."""

    @abstractmethod
    def explain(self, provider: str, problem: Problem) -> Any:
        """The body of an error."""

    def failed_event(self, error: Any) -> bytes:
        """What a stream says when it fails on the way; `error` is the body of that error."""
        return event(error)

    def unknown_key(self, provider: str) -> Problem:
        """The key is nobody's."""
        return problems.with_status(provider, 401)

    def overloaded(self, provider: str) -> Problem:
        """No capacity."""
        return problems.with_status(provider, problems.UNAVAILABLE)

    def model_gone(self, model: str) -> Problem:
        """The model does not exist."""
        return problems.model_gone(model)

    def context_exceeded(self, *, limit: int, requested: int) -> Problem:
        """The messages and the answer do not fit the model's context."""
        return problems.context_exceeded(limit=limit, requested=requested)

    def refuse(self, refused: Refused) -> Refusal:
        """The answer to a request that does not fit a window."""
        return refuse(refused)

    def success_headers(self, provider: str, standings: list[Standing], *, cost: int, now_s: float) -> Headers:  # noqa: ARG002
        """Where the windows stand, beside an answer; `cost` is the request's own tokens."""
        return success_headers(provider, standings, cost=cost)

    def refusal_headers(self, provider: str, standings: list[Standing], *, cost: int, now_s: float) -> Headers:  # noqa: ARG002
        """The same beside a refusal; those of the refusal itself come on top."""
        return refusal_headers(provider, standings, cost=cost)


def event(data: Any, *, name: str | None = None) -> bytes:
    """A server-sent event with JSON in it."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"
