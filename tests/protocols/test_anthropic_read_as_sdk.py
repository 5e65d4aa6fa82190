"""Anthropic's own client reads out of an answer, and out of a stream, what we read."""

from __future__ import annotations

import json

import anthropic
from anthropic.types import MessageParam
from anthropic_answers import ANSWER, EVENTS, STREAM
from recording_server import RecordingServer

from pool_worker.protocols.answer import Answer
from pool_worker.protocols.anthropic import ANTHROPIC

HELLO: MessageParam = {"role": "user", "content": "Hi"}


def client_of(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="invented", base_url=url, max_retries=0)


def test_we_read_out_of_an_answer_what_the_client_reads() -> None:
    with RecordingServer(body=ANSWER) as server, client_of(server.url) as client:
        message = client.messages.create(model="m", max_tokens=9, messages=[HELLO])
    assert_same(message, ANTHROPIC.parse_answer(ANSWER))


def test_we_read_out_of_a_stream_what_the_client_reads() -> None:
    with (
        RecordingServer(body=STREAM) as server,
        client_of(server.url) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[HELLO]) as events,
    ):
        texts = list(events.text_stream)
        message = events.get_final_message()
    reading = ANTHROPIC.open_stream()
    assert [words for event in EVENTS if (words := reading.add(event))] == texts
    assert_same(message, reading.answer())


def assert_same(message: anthropic.types.Message, answer: Answer) -> None:
    """The client's message and our answer."""
    assert answer.content == "".join(block.text for block in message.content if block.type == "text") == "Hello, Ada."
    assert answer.reasoning == "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
    functions = [(call["id"], call["function"]) for call in answer.tool_calls]
    assert [(each, function["name"], json.loads(function["arguments"])) for each, function in functions] == calls
    assert (message.stop_reason, answer.finish_reason) == ("tool_use", "tool_calls")
    assert answer.model == message.model
    used = message.usage
    assert used.cache_creation_input_tokens is not None
    assert used.cache_read_input_tokens is not None
    everything_read = used.input_tokens + used.cache_creation_input_tokens + used.cache_read_input_tokens
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (everything_read, used.output_tokens) == (1112, 34)
    assert (answer.usage.cached_tokens, answer.usage.reasoning_tokens) == (1000, 5)
