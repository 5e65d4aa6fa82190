"""From a caller's arguments to a valid `Job`; whatever is wrong is told in one `InvalidRequestError`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError

from pool_client.errors import InvalidRequestError
from pool_client.job import Job, Message
from pool_client.options import AgentDefaults, JobOptions

LONGEST_DEADLINE_S = 366 * 24 * 3600.0
LARGEST_SPEC_CHARS = 16 * 1024 * 1024
_SHOWN_CHARS = 60

_WORDS = {
    "string_pattern_mismatch": "use only letters, digits and _ . : / @ + -",
    "missing": "is required",
    "extra_forbidden": "there is no such field",
    "string_too_short": "it must not be empty",
    "float_parsing": "give a number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "decimal_parsing": "give a number",
}


def build_job(
    prompt: str | None,
    messages: Sequence[Message | Mapping[str, Any]] | None,
    options: Mapping[str, Any],
    *,
    agent: str,
    defaults: AgentDefaults,
    now: datetime,
) -> Job:
    """The job that these arguments ask for. What is None was not given: the agent's default applies, then the contract's.

    Raises:
        InvalidRequestError: with every field that is wrong, its value, and what would be right.
    """
    _check_names(options)
    given = {name: value for name, value in options.items() if value is not None}
    fields = defaults.as_options() | given
    if "deadline_s" in fields:
        fields["deadline_at"] = now + _deadline(fields.pop("deadline_s"))
    if isinstance(fields.get("stop"), str):
        fields["stop"] = [fields["stop"]]
    try:
        return Job(messages=_conversation(prompt, messages), agent=agent, submitted_at=now, **fields)
    except ValidationError as error:
        raise InvalidRequestError("; ".join(_in_words(problem) for problem in error.errors(include_url=False))) from None


def render_spec(job: Job) -> str:
    """The job as the JSON that its record holds.

    Raises:
        InvalidRequestError: if a value in it cannot be written as JSON, or it is too large for a queue.
    """
    try:
        spec = job.model_dump_json()
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        msg = f"the job cannot be written as JSON: {error}. Put only text, numbers, lists and dicts into metadata and messages"
        raise InvalidRequestError(msg) from None
    if len(spec) > LARGEST_SPEC_CHARS:
        msg = f"the job is too large: {len(spec):,} characters of JSON, at most {LARGEST_SPEC_CHARS:,} are taken"
        raise InvalidRequestError(msg)
    return spec


def _check_names(options: Mapping[str, Any]) -> None:
    known = JobOptions.__annotations__
    unknown = [name for name in options if name not in known]
    if not unknown:
        return
    words = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        words.append(f"{name}: there is no such option" + (f"; did you mean {near[0]}?" if near else ""))
    raise InvalidRequestError("; ".join(words))


def _conversation(prompt: str | None, messages: Sequence[Message | Mapping[str, Any]] | None) -> Any:
    if prompt is not None and messages is not None:
        msg = "prompt, messages: give one of them, not both"
        raise InvalidRequestError(msg)
    if messages is not None:
        return messages
    if not isinstance(prompt, str) or not prompt.strip():
        msg = f"prompt: {_short(prompt)} is not valid: give a text, or messages=[{{'role': 'user', 'content': '…'}}]"
        raise InvalidRequestError(msg)
    return [{"role": "user", "content": prompt}]


def _deadline(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_DEADLINE_S:
        msg = f"deadline_s: {_short(value)} is not valid: give seconds from now, above 0 and at most {LONGEST_DEADLINE_S:.0f}"
        raise InvalidRequestError(msg)
    return timedelta(seconds=value)


def _in_words(problem: ErrorDetails) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    right = _WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{place}: {_short(problem['input'])} is not valid: {right[:1].lower()}{right[1:]}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
