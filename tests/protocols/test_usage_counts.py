"""Tokens as every format counts them: cached ones are part of the input, those of reasoning part of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Usage
from pool_worker.protocols.anthropic.answer import parse_usage as anthropic
from pool_worker.protocols.chat.answer import parse_usage as chat
from pool_worker.protocols.cohere.answer import parse_usage as cohere
from pool_worker.protocols.gemini.answer import parse_usage as gemini

Read = Callable[[object], Usage | None]


def chat_usage(total: int | None, *, completion: int = 30, reasoning: int = 20) -> dict[str, Any]:
    return {
        "prompt_tokens": 100,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


@pytest.mark.parametrize(
    ("read", "usage", "counted"),
    [
        pytest.param(chat, chat_usage(130), (100, 60, 30, 20), id="chat: OpenAI, reasoning is inside"),
        pytest.param(chat, chat_usage(150), (100, 60, 50, 20), id="chat: xAI, it is apart"),
        pytest.param(chat, chat_usage(1030, completion=30, reasoning=900), (100, 60, 930, 900), id="chat: apart, and more"),
        pytest.param(chat, chat_usage(None), (100, 60, 30, 20), id="chat: no total"),
        pytest.param(chat, chat_usage(-1), (100, 60, 30, 20), id="chat: a total that is none"),
        pytest.param(chat, chat_usage(131), (100, 60, 30, 20), id="chat: a total that fits neither"),
        pytest.param(chat, chat_usage(130, reasoning=0), (100, 60, 30, 0), id="chat: no reasoning"),
        pytest.param(
            anthropic,
            {"input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 60, "output_tokens": 50}
            | {"output_tokens_details": {"thinking_tokens": 20}},
            (100, 60, 50, 20),
            id="anthropic: what was read and what was written is input besides",
        ),
        pytest.param(
            gemini,
            {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 30, "thoughtsTokenCount": 20},
            (100, 60, 50, 20),
            id="gemini: thoughts are output besides",
        ),
        pytest.param(
            cohere,
            {"tokens": {"input_tokens": 100.0, "output_tokens": 50.0}, "cached_tokens": 60.0},
            (100, 60, 50, 0),
            id="cohere",
        ),
    ],
)
def test_each_format_is_counted_alike(read: Read, usage: object, counted: tuple[int, int, int, int]) -> None:
    found = read(usage)
    assert found is not None
    assert (found.input_tokens, found.cached_tokens, found.output_tokens, found.reasoning_tokens) == counted


NAMES = [
    *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"),
    *("cached_tokens", "reasoning_tokens", "input_tokens", "output_tokens", "cache_creation_input_tokens"),
    *("cache_read_input_tokens", "output_tokens_details", "thinking_tokens", "promptTokenCount", "toolUsePromptTokenCount"),
    *("cachedContentTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "tokens"),
]
numbers = st.integers(-5, 200) | st.floats(0, 200).map(round).map(float) | st.none()
details = st.dictionaries(st.sampled_from(NAMES), numbers)


@given(st.fixed_dictionaries(dict.fromkeys(NAMES, numbers | details)))
def test_whatever_is_sent_parts_are_no_more_than_the_whole(usage: dict[str, Any]) -> None:
    for read in (chat, anthropic, gemini, cohere):
        found = read(usage)
        if found is not None:
            assert found.cached_tokens <= found.input_tokens
            assert found.reasoning_tokens <= found.output_tokens
