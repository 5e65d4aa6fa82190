"""Reading a chat completion request: the few fields that the simulator looks at, checked as strictly as providers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.problems import Problem, bad_request
from pool_worker.simulator.profile import SimulatedProvider

KEY_HEADERS = ("x-goog-api-key", "x-api-key")
BEARER = "bearer "
JOB_ID_HEADER = "x-job-id"


class WrongRequestError(Exception):
    """The request is refused as wrong; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that can be answered."""

    body: dict[str, Any]
    model: str
    max_tokens: int | None
    stream: bool


def parse_chat_request(raw: bytes) -> ChatRequest:
    """Read a body.

    Raises:
        WrongRequestError: with a 400 that names the field.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise WrongRequestError(bad_request(f"The body is not valid JSON: {error}.")) from error
    if not isinstance(body, dict):
        raise WrongRequestError(bad_request("The body must be a JSON object."))
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise WrongRequestError(bad_request("model: a non-empty string is required.", param="model"))
    _check_messages(body.get("messages"))
    return ChatRequest(body, model, _max_tokens(body), stream=body.get("stream") is True)


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise WrongRequestError(bad_request("messages: a non-empty list is required.", param="messages"))
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            text = f"messages[{index}]: an object with a role and a content is required."
            raise WrongRequestError(bad_request(text, param=f"messages[{index}]"))
        if message.get("content") is None and not message.get("tool_calls"):
            text = f"messages[{index}].content: a string or a list of parts is required."
            raise WrongRequestError(bad_request(text, param=f"messages[{index}].content"))


def _max_tokens(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise WrongRequestError(bad_request(f"{name}: {value!r} must be a whole number of at least 1.", param=name))
        return value
    return None


def secret_in(exchange: Exchange, provider: SimulatedProvider) -> str:
    """The key that a request carries, empty when it has none."""
    own = (provider.api_key_header.lower(),) if provider.api_key_header else ()
    for name in (*own, *KEY_HEADERS):
        if bare := exchange.header(name):
            return bare
    authorization = exchange.header("authorization") or ""
    return authorization[len(BEARER) :].strip() if authorization.lower().startswith(BEARER) else ""


def job_id_in(exchange: Exchange, body: dict[str, Any]) -> str | None:
    """The job that a request belongs to: header `X-Job-Id`, else `metadata.job_id`, else `user`."""
    if named := exchange.header(JOB_ID_HEADER):
        return named
    metadata = body.get("metadata")
    found = metadata.get("job_id") if isinstance(metadata, dict) else None
    found = found or body.get("user")
    return found if isinstance(found, str) else None
