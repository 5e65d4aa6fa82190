"""An answer that arrives piece by piece, from a real server: what is told of it, and what its flaws become."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import pytest
from scripted_provider import Script, always, reply, serve

from pool_client.job import Job, Message, Usage
from pool_worker import errors
from pool_worker.providers.attempt import Success, attempt
from pool_worker.providers.body import MAX_BODY_BYTES
from pool_worker.registry import Model, Provider

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, tzinfo=UTC)
JOB = Job(messages=[Message(role="user", content="Why?")], stream=True)
CONTENT_IS_A_NUMBER = "the answer's choices[0].delta.content is of type int, not a string"
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"


class Listener:
    """Asks for a stream, and hears."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.heard: list[str] = []
        self._http = http

    async def ask(self, script: Script, *, timeout_s: float = 5.0, job: Job = JOB) -> Success:
        async with serve(script) as server:
            return await attempt(
                self._http,
                provider=replace(Provider(id="groq", base_url=server.url)),
                model=Model(id="m", provider="groq", name="m"),
                secret="gsk_invented",  # noqa: S106 - invented
                job=job,
                max_tokens=None,
                timeout_s=timeout_s,
                now=lambda: NOW,
                on_text=self.heard.append,
            )

    async def fail(self, script: Script, *, timeout_s: float = 5.0) -> errors.AttemptError:
        with pytest.raises(errors.AttemptError) as caught:
            await self.ask(script, timeout_s=timeout_s)
        return caught.value


@pytest.fixture
def listener(http: httpx2.AsyncClient) -> Listener:
    return Listener(http)


def event(text: str | None = None, *, finish_reason: str | None = None, **more: object) -> bytes:
    delta = {} if text is None else {"content": text}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], "model": "m-1", **more}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def stream(*events: bytes) -> Script:
    return always(HEAD.encode() + b"".join(events), then_close=True)


USAGE = {"prompt_tokens": 11, "completion_tokens": 4}
WHOLE = (
    event("Because "),
    event("☃."),
    event(finish_reason="stop"),
    b'data: {"choices": [], "usage": %b}\n\n' % json.dumps(USAGE).encode(),
)


async def test_pieces_are_told_as_they_come_and_the_whole_in_the_end(listener: Listener) -> None:
    success = await listener.ask(stream(b": hello\n\n", *WHOLE, b"data: [DONE]\n\n"))
    assert listener.heard == ["Because ", "☃."]
    answer = success.answer
    assert (answer.content, answer.finish_reason, answer.model) == ("Because ☃.", "stop", "m-1")
    assert answer.usage == Usage(input_tokens=11, output_tokens=4)


async def test_a_character_that_the_network_splits_is_told_whole(listener: Listener) -> None:
    wire = HEAD.encode() + b"".join(WHOLE)

    async def byte_by_byte(writer: asyncio.StreamWriter) -> None:
        for number in range(len(wire)):
            writer.write(wire[number : number + 1])
            await writer.drain()
        writer.close()

    await listener.ask(byte_by_byte)
    assert listener.heard == ["Because ", "☃."]


async def test_what_comes_after_the_last_event_is_not_waited_for(listener: Listener) -> None:
    async def stays_open(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD.encode() + b"".join(WHOLE) + b"data: [DONE]\n\n")
        await writer.drain()
        await asyncio.Event().wait()

    assert (await listener.ask(stays_open)).answer.content == "Because ☃."


async def test_an_answer_in_one_piece_will_do(listener: Listener) -> None:
    body = {"choices": [{"message": {"content": "Because."}, "finish_reason": "stop"}]}
    assert (await listener.ask(always(reply(200, body)))).answer.content == "Because."
    assert listener.heard == []


async def test_a_stream_that_nobody_asked_for_is_an_answer(listener: Listener) -> None:
    success = await listener.ask(stream(*WHOLE), job=JOB.model_copy(update={"stream": False}))
    assert (success.answer.content, listener.heard) == ("Because ☃.", [])


async def test_reasoning_is_no_text(listener: Listener) -> None:
    thinking = b'data: {"choices": [{"delta": {"reasoning": "Hm."}}]}\n\n'
    assert (await listener.ask(stream(thinking, *WHOLE))).answer.reasoning == "Hm."
    assert listener.heard == ["Because ", "☃."]


async def test_tool_calls_are_put_together(listener: Listener) -> None:
    def piece(index: int, **call: object) -> bytes:
        return b"data: " + json.dumps({"choices": [{"delta": {"tool_calls": [{"index": index, **call}]}}]}).encode() + b"\n\n"

    first = piece(1, id="b", function={"name": "down", "arguments": ""})
    second = piece(0, id="a", type="function", function={"name": "up", "arguments": '{"x":'})
    rest = (piece(0, function={"arguments": " 1}"}), piece(1, function={"arguments": "{}"}))
    success = await listener.ask(stream(first, second, *rest, event(finish_reason="tool_calls")))
    assert success.answer.tool_calls == [
        {"id": "a", "type": "function", "function": {"name": "up", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "down", "arguments": "{}"}},
    ]


async def test_a_stream_that_is_cut_is_no_answer(listener: Listener) -> None:
    error = await listener.fail(stream(*WHOLE[:2]))
    assert isinstance(error, errors.BadAnswerError)
    assert (error.charged, error.text_bytes) == (True, len("Because ☃.".encode()))


async def test_a_stream_that_hangs_ends_at_the_time_out(listener: Listener) -> None:
    async def hangs(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD.encode() + WHOLE[0])
        await writer.drain()
        await asyncio.Event().wait()

    error = await listener.fail(hangs, timeout_s=0.5)
    assert isinstance(error, errors.ProviderFailedError)
    assert (error.charged, error.text_bytes) == (True, len("Because "))


async def test_an_error_event_is_classified_like_a_refusal(listener: Listener) -> None:
    said = b'data: {"error": {"message": "Provider returned error", "code": 429}}\n\n'
    error = await listener.fail(stream(WHOLE[0], said, *WHOLE[1:]))
    assert isinstance(error, errors.WindowSpentError | errors.ModelOverloadedError)
    assert listener.heard == ["Because "]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([b"data: {\n\n"], "an event of the stream is not JSON (1 bytes)"),
        ([b"data: 7\n\n"], "the answer's event is of type int, not an object"),
        (
            [b'data: {"choices": [{"delta": {"content": 7}}]}\n\n'],
            CONTENT_IS_A_NUMBER,
        ),
        ([], "the stream ended before the answer did"),
        ([b"data: " + b"x" * (MAX_BODY_BYTES + 1)], "the answer is larger than 8 MiB"),
    ],
)
async def test_garbage_in_a_stream_is_told_by_name(listener: Listener, events: list[bytes], reason: str) -> None:
    error = await listener.fail(stream(*events))
    assert isinstance(error, errors.BadAnswerError)
    assert (error.reason, error.charged) == (reason, True)
