"""The form of a successful answer: a chat completion, its server-sent events, a list of models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from pool_worker.simulator.answers import Answer

DONE = b"data: [DONE]\n\n"


def usage_of(answer: Answer) -> dict[str, Any]:
    """The `usage` member."""
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


WRONG_USAGE = {"prompt_tokens": -7, "completion_tokens": 900_000_000, "total_tokens": "many"}


def chat_completion(answer: Answer, *, answer_id: str, model: str, created: int, usage: dict[str, Any]) -> bytes:
    """One whole answer."""
    message = {"role": "assistant", "content": answer.content}
    return orjson.dumps(
        {
            "id": answer_id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}],
            "usage": usage,
        }
    )


def chunks(answer: Answer, *, answer_id: str, model: str, created: int, usage: dict[str, Any], pieces: int) -> Iterator[bytes]:
    """The same as server-sent events: role, at most `pieces` pieces of text, then the finish reason with the usage, `[DONE]`."""

    def event(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        head = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        return b"data: " + orjson.dumps({**head, "choices": [choice], **more}) + b"\n\n"

    yield event({"role": "assistant", "content": ""})
    for piece in text_pieces(answer.content, pieces):
        yield event({"content": piece})
    yield event({}, answer.finish_reason, usage=usage)
    yield DONE


def text_pieces(text: str, pieces: int) -> list[str]:
    """A text in at most `pieces` parts of about the same length, split before spaces."""
    words = text.replace(" ", "\0 ").split("\0")
    size = -(-len(words) // pieces)
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def model_list(names: Iterable[str], *, owner: str, created: int) -> bytes:
    """The answer of `GET …/models`."""
    rows = [{"id": name, "object": "model", "created": created, "owned_by": owner} for name in names]
    return orjson.dumps({"object": "list", "data": rows})
