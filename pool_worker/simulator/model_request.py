"""A request to a model, whichever wire format it came in: the few fields that the simulator looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from pool_worker.simulator.answers import Tool
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.problems import Problem, bad_request
from pool_worker.simulator.profile import SimulatedProvider

KEY_HEADERS = ("x-goog-api-key", "x-api-key")
BEARER = "bearer "
JOB_ID_HEADER = "x-job-id"
ANY_OBJECT: Mapping[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}
"""What an answer in JSON looks like when no schema says it."""


class WrongRequestError(Exception):
    """The request is refused as wrong; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A request that can be answered."""

    body: Mapping[str, Any]
    """As it came."""
    model: str
    max_tokens: int | None
    stream: bool
    messages: list[Any]
    """As chat completions have them, for the prompt's digest and the count of tokens."""
    tools: Any = None
    """As they came: they count as input."""
    tool: Tool | None = None
    """The one that has to be called."""
    schema: Mapping[str, Any] | None = None
    """What the answer's JSON has to fit; None: the answer is text."""


def reject(message: str, *, param: str | None = None) -> NoReturn:
    """Refuse a request as wrong.

    Raises:
        WrongRequestError: with a 400 that names the field.
    """
    raise WrongRequestError(bad_request(message, param=param))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Read a body.

    Raises:
        WrongRequestError: it is no JSON object.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reject(f"The body is not valid JSON: {error}.")
    if not isinstance(body, dict):
        reject("The body must be a JSON object.")
    return body


def parse_model(body: Mapping[str, Any]) -> str:
    """The model's name.

    Raises:
        WrongRequestError: there is none.
    """
    model = body.get("model")
    if not isinstance(model, str) or not model:
        reject("model: a non-empty string is required.", param="model")
    return model


def parse_max_tokens(body: Mapping[str, Any], *names: str) -> int | None:
    """The bound of the answer, under the first of the names that is there; None: no bound.

    Raises:
        WrongRequestError: it is no whole number of at least 1.
    """
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            reject(f"{name}: {value!r} must be a whole number of at least 1.", param=name)
        return value
    return None


def pick_tool(tools: Iterable[Tool], *, name: str | None, field: str) -> Tool:
    """The tool that has to be called: the first, or the named one.

    Raises:
        WrongRequestError: it is not among the tools; `field` is what asked for it.
    """
    for tool in tools:
        if name in {None, tool.name}:
            return tool
    reject(f"{field}: {'a tool' if name is None else repr(name)} is not among the tools.", param=field)


def objects_in(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing for anything else."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def object_in(value: Any) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def secret_in(exchange: Exchange, provider: SimulatedProvider) -> str:
    """The key that a request carries, empty when it has none."""
    own = (provider.api_key_header.lower(),) if provider.api_key_header else ()
    for name in (*own, *KEY_HEADERS):
        if bare := exchange.header(name):
            return bare
    authorization = exchange.header("authorization") or ""
    return authorization[len(BEARER) :].strip() if authorization.lower().startswith(BEARER) else ""


def job_id_in(exchange: Exchange, body: Mapping[str, Any]) -> str | None:
    """The job that a request belongs to: header `X-Job-Id`, else `metadata.job_id`, else `user`."""
    if named := exchange.header(JOB_ID_HEADER):
        return named
    metadata = body.get("metadata")
    found = metadata.get("job_id") if isinstance(metadata, dict) else None
    found = found or body.get("user")
    return found if isinstance(found, str) else None
