"""From a caller's arguments to a valid `Job`; whatever is wrong is told in one `InvalidRequestError`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from pool_client.errors import InvalidRequestError
from pool_client.job import Job, Message
from pool_client.mistakes import did_you_mean, in_words, not_valid
from pool_client.options import AgentDefaults, JobOptions

LONGEST_DEADLINE_S = 366 * 24 * 3600.0
LARGEST_SPEC_CHARS = 16 * 1024 * 1024
AS_JSON = "put only what JSON can say into it: text in UTF-8, numbers, True, False, None, lists and dicts"


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
    if fields.get("batch_budget_usd") is not None and fields.get("batch") is None:
        raise InvalidRequestError(
            not_valid("batch_budget_usd", fields["batch_budget_usd"], "give the batch's name as well: batch=…")
        )
    try:
        return Job(messages=_conversation(prompt, messages), agent=agent, submitted_at=now, **fields)
    except ValidationError as error:
        raise InvalidRequestError(in_words(error)) from None


def render_spec(job: Job) -> str:
    """The job as the JSON that its record holds.

    Raises:
        InvalidRequestError: if a value in it cannot be written as JSON, or it is too large for a queue.
    """
    try:
        spec = job.model_dump_json()
    except (PydanticSerializationError, UnicodeEncodeError):
        raise InvalidRequestError("; ".join(not_valid(name, value, AS_JSON) for name, value in _unwritable(job))) from None
    if len(spec) > LARGEST_SPEC_CHARS:
        msg = f"the job is too large: {len(spec):,} characters of JSON, at most {LARGEST_SPEC_CHARS:,} are taken"
        raise InvalidRequestError(msg)
    return spec


def _unwritable(job: Job) -> Iterator[tuple[str, object]]:
    """The fields that cannot be written as JSON, with their values."""
    for name, value in job:
        try:
            job.model_dump_json(include={name})
        except (PydanticSerializationError, UnicodeEncodeError):
            yield name, value


def _check_names(options: Mapping[str, Any]) -> None:
    known = JobOptions.__annotations__
    unknown = [name for name in options if name not in known]
    if not unknown:
        return
    raise InvalidRequestError("; ".join(f"{name}: there is no such option{did_you_mean(name, known)}" for name in unknown))


def _conversation(prompt: str | None, messages: Sequence[Message | Mapping[str, Any]] | None) -> Any:
    if prompt is not None and messages is not None:
        msg = "prompt, messages: give one of them, not both"
        raise InvalidRequestError(msg)
    if messages is not None:
        return messages
    if not isinstance(prompt, str) or not prompt.strip():
        msg = not_valid("prompt", prompt, "give a text, or messages=[{'role': 'user', 'content': '…'}]")
        raise InvalidRequestError(msg)
    return [{"role": "user", "content": prompt}]


def _deadline(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_DEADLINE_S:
        msg = not_valid("deadline_s", value, f"give seconds from now, above 0 and at most {LONGEST_DEADLINE_S:.0f}")
        raise InvalidRequestError(msg)
    return timedelta(seconds=value)
