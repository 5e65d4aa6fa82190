"""Token estimates: by bytes, never nothing, never more output than the model can write."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Job, Message
from pool_worker.protocols.tokens import MEDIA_TOKENS, estimate_input_tokens, estimate_output_tokens
from pool_worker.registry import Model

MODEL = Model(id="m", provider="p", name="m", max_output_tokens=2000)


def said(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def test_english_and_japanese() -> None:
    assert estimate_input_tokens(said("a" * 400)) == 104
    assert estimate_input_tokens(said("a" * 401)) == 105
    assert estimate_input_tokens(said("あ" * 400)) == 304


def test_a_picture_counts_as_a_picture_and_not_by_its_bytes() -> None:
    url = "data:image/png;base64," + "A" * 1_000_000
    message = Message(role="user", content=[{"type": "text", "text": "abcd"}, {"type": "image_url", "image_url": {"url": url}}])
    assert estimate_input_tokens([message]) == 4 + 1 + MEDIA_TOKENS


def test_tools_count() -> None:
    tool = {"type": "function", "function": {"name": "look", "description": "d" * 400}}
    assert estimate_input_tokens(said("a"), tools=[tool]) > estimate_input_tokens(said("a")) + 100


def test_output_is_what_the_job_allows_or_a_default_within_the_model() -> None:
    assert estimate_output_tokens(Job(messages=said("x"), max_tokens=900), MODEL) == 900
    assert estimate_output_tokens(Job(messages=said("x"), max_tokens=9000), MODEL) == 2000
    assert estimate_output_tokens(Job(messages=said("x")), MODEL) == 512
    assert estimate_output_tokens(Job(messages=said("x")), Model(id="s", provider="p", name="s", max_output_tokens=100)) == 100


@given(text=st.text(min_size=1), more=st.text(min_size=1))
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    assert 1 <= estimate_input_tokens(said(text)) <= estimate_input_tokens(said(text + more))
    assert estimate_input_tokens(said(text)) >= len(text) / 4
