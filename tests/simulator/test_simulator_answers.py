"""The simulated answers can be told right from wrong, and their usage is true."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pool_worker.simulator.answers import count_tokens, expected_digest, plan_answer, text_pieces
from pool_worker.simulator.durations import go_duration


def body(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}], **more}


def test_the_digest_is_the_head_of_the_prompts_sha256() -> None:
    assert expected_digest("Grüße") == hashlib.sha256("Grüße".encode()).hexdigest()[:12]


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=200), st.integers(5, 400) | st.none())
def test_an_answer_begins_with_the_digest_fits_max_tokens_and_counts_true(prompt: str, max_tokens: int | None) -> None:
    answer = plan_answer(body(prompt), max_tokens=max_tokens)
    assert answer.content.startswith(f"echo {expected_digest(prompt)}")
    assert answer.output_tokens == count_tokens(answer.content)
    assert answer.output_tokens <= min(max_tokens or 160, 160)
    assert answer.input_tokens == count_tokens(prompt) + 3 + count_tokens("Be brief.") + 3
    assert answer == plan_answer(body(prompt), max_tokens=max_tokens)


def test_an_answer_that_max_tokens_cuts_says_so() -> None:
    assert plan_answer(body("x"), max_tokens=1).content == "echo"
    assert plan_answer(body("x"), max_tokens=1).finish_reason == "length"
    assert plan_answer(body("x"), max_tokens=160).finish_reason == "stop"


def test_parts_that_are_text_make_up_the_prompt_and_images_count_as_tokens() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "b"}]
    answer = plan_answer({"messages": [{"role": "user", "content": parts}]})
    assert answer.content.startswith(f"echo {expected_digest('ab')}")
    assert answer.input_tokens == 3 + 1 + 85


def test_tools_count_as_input() -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    with_tools, without = plan_answer(body("x", tools=tools)), plan_answer(body("x"))
    assert with_tools.input_tokens - without.input_tokens == -(-len(orjson.dumps(tools)) // 4)


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet="ab ", min_size=1, max_size=80), st.integers(1, 9))
def test_the_pieces_of_a_stream_make_up_the_text(text: str, pieces: int) -> None:
    parts = text_pieces(text, pieces)
    assert "".join(parts) == text
    assert len(parts) <= pieces


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0s"),
        (0.194, "194ms"),
        (7.66, "7.66s"),
        (60, "1m0s"),
        (179.56, "2m59.56s"),
        (6836.832, "1h53m56.832s"),
        (3600, "1h0m0s"),
        (3.4041, "3.405s"),
    ],
)
def test_go_durations_are_written_as_go_does_and_never_promise_too_early(seconds: float, written: str) -> None:
    assert go_duration(seconds) == written


def test_different_prompts_get_answers_of_different_lengths() -> None:
    lengths = [plan_answer(body(f"prompt {number}")).output_tokens for number in range(50)]
    assert any(one != other for one, other in pairwise(lengths))
    assert 15 <= min(lengths) <= max(lengths) <= 160
