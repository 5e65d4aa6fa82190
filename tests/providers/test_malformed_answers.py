"""Whatever comes in place of an answer, in any format: an answer that can be passed on, or an error that says whom to blame.

Nothing else is ever raised, what an answer holds can be stored and read by a caller, and no body takes more memory than a stated
multiple of its size. Each format of `PROTOCOLS` takes part by itself; it only has to name a good answer below.

`FAULTS=full` tries 10,000 of each, new ones each time; `FAULTS_SEED=n` repeats them.
"""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from malformed_bodies import VALUES, malformed, with_each_exchanged

from pool_client.job import Result
from pool_worker.errors import AttemptError, BadAnswerError
from pool_worker.protocols import PROTOCOLS
from pool_worker.protocols.answer import Answer
from pool_worker.providers.attempt import read_reply
from pool_worker.providers.body import MAX_CONTAINERS
from pool_worker.providers.http import Reply
from pool_worker.providers.streaming import StreamReader
from pool_worker.registry import Provider

IS_FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or (random.SystemRandom().randrange(1_000_000) if IS_FULL else 1))
HOW_MANY = 10_000 if IS_FULL else 500
STATUSES = (*[200] * 12, 400, 429, 500)
"""Most come as answers, some as refusals."""
MEMORY_PER_BYTE = 96
"""`{},` in a list takes some 110 bytes while the list grows, and what a format notes of each part comes on top."""
MEMORY_AT_LEAST = 200_000
"""For the longest text that an error looks at."""

CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"where": "up"}'}}
GOOD: dict[str, dict[str, Any]] = {
    "chat": {
        "id": "a1",
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Yes.", "reasoning": "Hm.", "tool_calls": [CALL]},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    },
    "cohere": {
        "id": "a1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}],
            "tool_plan": "Look up.",
            "tool_calls": [CALL],
            "citations": [{"start": 0, "end": 2, "text": "Ye", "sources": [{"type": "tool", "id": "c1"}]}],
        },
        "usage": {
            "billed_units": {"input_tokens": 5.0, "output_tokens": 4.0},
            "tokens": {"input_tokens": 9.0, "output_tokens": 4.0},
            "cached_tokens": 2.0,
        },
    },
    "anthropic": {
        "id": "a1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "Yes."},
            {"type": "tool_use", "id": "c1", "name": "look", "input": {"where": "up"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 4, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1},
    },
    "gemini": {
        "candidates": [
            {
                "index": 0,
                "content": {
                    "role": "model",
                    "parts": [
                        {"text": "Hm.", "thought": True},
                        {"text": "Yes."},
                        {"functionCall": {"name": "look", "args": {"where": "up"}}, "thoughtSignature": "c2ln"},
                    ],
                },
                "finishReason": "STOP",
                "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}],
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 1,
            "cachedContentTokenCount": 2,
            "totalTokenCount": 13,
        },
        "modelVersion": "m-1",
        "responseId": "a1",
    },
}


def read(protocol: str, body: bytes, *, now: datetime, status: int = 200) -> Answer | AttemptError:
    """What an attempt makes of a body."""
    provider = Provider(id=protocol, base_url="https://provider.test", protocol=protocol)
    reply = Reply(status=status, headers={}, body=body)
    try:
        reader = StreamReader(PROTOCOLS[protocol])
        return read_reply(PROTOCOLS[protocol], reply, reader, provider=provider, secret="", arrived_at=now).answer
    except AttemptError as error:
        return error.with_traceback(None)  # which would hold all that was read


def pass_on(answer: Answer) -> Result:
    """The result with this answer, as its caller reads it."""
    result = Result(
        job_id="j1",
        content=answer.content,
        model_id="m",
        provider="p",
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
        reasoning=answer.reasoning,
        usage=answer.usage,
    )
    return Result.model_validate_json(result.model_dump_json())


def assert_is_understood(read_as: Answer | AttemptError) -> None:
    if isinstance(read_as, Answer):
        assert pass_on(read_as).content == read_as.content
    else:
        assert len(read_as.reason.encode()) < 2_000


def peak_memory(protocol: str, body: bytes, *, now: datetime, status: int = 200) -> tuple[Answer | AttemptError, int]:
    """What was read, and the most memory in use at once while it was, in bytes."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    read_as = read(protocol, body, now=now, status=status)
    return read_as, tracemalloc.get_traced_memory()[1] - before


@pytest.fixture
def traced() -> Any:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_good_answer_is_one(protocol: str, now: datetime) -> None:
    answer = read(protocol, json.dumps(GOOD[protocol]).encode(), now=now)
    assert isinstance(answer, Answer)
    result = pass_on(answer)
    assert (result.content, result.reasoning, result.usage.total_tokens) == ("Yes.", "Hm.", answer.usage.total_tokens)
    assert result.tool_calls is not None
    assert result.tool_calls[0]["function"]["name"] == "look"


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_malformed_answer_is_an_answer_or_an_error_of_an_attempt(protocol: str, now: datetime) -> None:
    generator = random.Random(f"{protocol} {SEED}")  # noqa: S311 - nothing secret
    outcomes: Counter[str] = Counter()
    for body in malformed(GOOD[protocol], generator, HOW_MANY):
        status = generator.choice(STATUSES)
        told = f"FAULTS_SEED={SEED}: {status} {body[:2_000]!r}"
        try:
            read_as, peak = peak_memory(protocol, body, now=now, status=status)
            assert_is_understood(read_as)
        except BaseException as error:
            error.add_note(told)
            raise
        assert peak <= MEMORY_AT_LEAST + MEMORY_PER_BYTE * len(body), told
        outcomes[type(read_as).__name__] += 1
    assert outcomes["Answer"] > HOW_MANY / 20, "what surrounds an answer may be broken"
    assert outcomes["BadAnswerError"] > HOW_MANY / 4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_any_value_in_place_of_any_other(protocol: str, now: datetime) -> None:
    for value in VALUES:
        for body in with_each_exchanged(GOOD[protocol], value):
            assert_is_understood(read(protocol, body, now=now))


@pytest.mark.parametrize("depth", [60, 150, 200, 300, 900, 100_000])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_nests_without_end_is_passed_on_whole_or_refused(protocol: str, depth: int, now: datetime) -> None:
    for opening, closing in [(b"[", b"]"), (b'{"text":', b"}"), (b'[{"error":', b"}]")]:
        for body in with_each_exchanged(GOOD[protocol], opening * depth + b"0" + closing * depth):
            assert_is_understood(read(protocol, body, now=now))


PARTS = {
    "empty objects": b"{}",
    "empty lists": b"[]",
    "nothing": b"0",
    "texts": b'{"type":"text","text":"x"}',
    "calls": b'{"function":{"name":"f"}}',
    "words": b'"' + "я☃".encode() * 50 + b'"',
}
LARGE_BYTES = 1_500_000 if IS_FULL else 50_000


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_large_answer_takes_a_bounded_multiple_of_its_size(protocol: str, part: bytes, now: datetime) -> None:
    length = min(MAX_CONTAINERS - 100, LARGE_BYTES // (len(part) + 1))
    for body in with_each_exchanged(GOOD[protocol], b"[" + b",".join([part] * length) + b"]", kind=list):
        _, peak = peak_memory(protocol, body, now=now)
        assert peak <= MEMORY_AT_LEAST + MEMORY_PER_BYTE * len(body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[" * 100_000, b'{"a":NaN}', rb'"\ud800"', b"\xff", b"{}", b"null"])
def test_what_is_no_answer_at_all_is_a_bad_one(protocol: str, body: bytes, now: datetime) -> None:
    assert isinstance(read(protocol, body, now=now), BadAnswerError)
