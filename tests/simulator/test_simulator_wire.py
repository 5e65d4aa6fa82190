"""What no client shows: the order of events, the words of errors, what is refused as wrong, and faults, in every format."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import orjson
import pytest
from simulator_fixture import Simulate
from wire_formats import ANTHROPIC, CHAT, COHERE, GEMINI, MESSAGES, PROMPT, WIRES, Wire, events_of

from pool_worker.registry import Period, Provider, Unit, Window, WindowKind
from pool_worker.simulator.answers import expected_digest
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.profile import profile_from
from pool_worker.simulator.server import RunningSimulator

START_S = 1_795_176_000.0  # 2026-11-20T12:00:00Z
FOUND = "Nothing at all. " * 40
TOOL = {"name": "look", "input_schema": {"type": "object"}}
every_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.provider)


@pytest.fixture
def served(simulate: Simulate) -> RunningSimulator:
    rows = [Provider(id=wire.provider, base_url="https://x/v1") for wire in WIRES]
    return simulate(profile_from(rows, {wire.provider: 1 for wire in WIRES}))


@pytest.fixture
def refusal(simulate: Simulate, http: httpx2.Client) -> Any:
    """The second answer where the only window lets one request through, 1.5 s later."""

    def provoke(wire: Wire, window: Window) -> httpx2.Response:
        clock = SimulatedClock(speed=0, start_s=START_S)
        row = Provider(id=wire.provider, base_url="https://x/v1", limits=(window,))
        simulator = simulate(profile_from([row], {wire.provider: 1}), clock=clock)
        assert wire.ask(http, simulator).status_code == 200
        clock.advance(1.5)
        return wire.ask(http, simulator)

    return provoke


def test_anthropics_events(served: RunningSimulator, http: httpx2.Client) -> None:
    names, events = zip(*events_of(ANTHROPIC.ask(http, served, stream=True)), strict=True)
    assert names == tuple(event["type"] for event in events)
    assert names[:3] == ("message_start", "content_block_start", "ping")
    assert set(names[3:-3]) == {"content_block_delta"}
    assert names[-3:] == ("content_block_stop", "message_delta", "message_stop")
    assert events[0]["message"]["stop_reason"] is None
    assert events[-2]["usage"]["input_tokens"] == events[0]["message"]["usage"]["input_tokens"]


def test_geminis_events_are_responses_and_only_the_last_has_a_finish_reason(
    served: RunningSimulator, http: httpx2.Client
) -> None:
    events = [data for _, data in events_of(GEMINI.ask(http, served, stream=True))]
    assert ["finishReason" in event["candidates"][0] for event in events] == [False] * (len(events) - 1) + [True]
    assert all(event["usageMetadata"]["promptTokenCount"] == 9 for event in events)
    last = events[-1]["usageMetadata"]
    assert last["totalTokenCount"] == last["promptTokenCount"] + last["candidatesTokenCount"]


def test_gemini_streams_for_sse_only(served: RunningSimulator, http: httpx2.Client) -> None:
    url = f"{served.url}/gemini/v1beta/models/m:streamGenerateContent"
    refused = http.post(url, json=GEMINI.body, headers=GEMINI.headers)
    assert (refused.status_code, "alt=sse" in refused.text) == (400, True)


def test_coheres_events(served: RunningSimulator, http: httpx2.Client) -> None:
    *named, (_, done) = events_of(COHERE.ask(http, served, stream=True))
    names = [name for name, _ in named]
    assert done == "[DONE]"
    assert names == [event["type"] for _, event in named]
    assert names[:2] == ["message-start", "content-start"]
    assert set(names[2:-2]) == {"content-delta"}
    assert names[-2:] == ["content-end", "message-end"]


@pytest.mark.parametrize(
    ("options", "last"),
    [(None, {"usage", "choices"}), ({"include_usage": True}, {"usage"}), ({"include_usage": False}, {"choices"})],
)
def test_a_chat_stream_tells_usage_as_it_was_asked_to(
    served: RunningSimulator, http: httpx2.Client, options: Any, last: set[str]
) -> None:
    *events, _ = [data for _, data in events_of(CHAT.ask(http, served, stream=True, stream_options=options))]
    assert not any(event.get("usage") for event in events[:-1])
    assert {name for name in ("usage", "choices") if events[-1].get(name)} == last


@pytest.mark.parametrize(
    ("wire", "more", "status", "words"),
    [
        (ANTHROPIC, {"max_tokens": None}, 400, "max_tokens: Field required"),
        (ANTHROPIC, {"max_tokens": 0}, 400, "max_tokens: 0 must be"),
        (ANTHROPIC, {"temperature": 1.5}, 400, "temperature: range: 0..1"),
        (ANTHROPIC, {"user": "me"}, 400, "user: Extra inputs are not permitted"),
        (ANTHROPIC, {"messages": []}, 400, "messages: "),
        (ANTHROPIC, {"messages": [{"role": "system", "content": "x"}]}, 400, 'messages.0: Unexpected role "system"'),
        (ANTHROPIC, {"messages": [{"role": "user", "content": ""}]}, 400, "messages.0.content: "),
        (ANTHROPIC, {"model": None}, 400, "model: "),
        (ANTHROPIC, {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, 400, "tool_choice: 'other'"),
        (GEMINI, {"contents": None}, 400, "contents is not specified"),
        (GEMINI, {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, 400, "valid role: user, model"),
        (GEMINI, {"contents": [{"parts": []}]}, 400, "parts must not be empty"),
        (GEMINI, {"max_tokens": 5}, 400, 'Unknown name "max_tokens": Cannot find field'),
        (GEMINI, {"generationConfig": {"max_tokens": 5}}, 400, "Unknown name \"max_tokens\" at 'generation_config'"),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 0}}, 400, "maxOutputTokens: 0"),
        (GEMINI, {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, 400, "function_calling_config: a tool"),
        (COHERE, {"model": None}, 400, "model: "),
        (COHERE, {"messages": None}, 400, "messages: "),
        (COHERE, {"max_completion_tokens": 5}, 422, "unknown field: parameter 'max_completion_tokens'"),
        (COHERE, {"tools": [{"type": "function", "function": {"name": "a", "strict": True}}]}, 422, "parameter 'strict'"),
        (COHERE, {"tool_choice": "REQUIRED"}, 400, "tool_choice: a tool"),
        (CHAT, {"tool_choice": "required"}, 400, "tool_choice: a tool"),
    ],
)
def test_a_wrong_request_is_refused_in_the_formats_own_form(
    served: RunningSimulator, http: httpx2.Client, *, wire: Wire, more: dict[str, Any], status: int, words: str
) -> None:
    refused = wire.ask(http, served, **more)
    assert refused.status_code == status
    assert words in message_of(wire, refused.json())
    assert served.counts()["providers"][wire.provider]["keys"][f"{wire.provider}#1"]["errors"] == {str(status): 1}


def message_of(wire: Wire, body: Any) -> str:
    """The message of an error that has the form of its provider."""
    if wire is ANTHROPIC:
        assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    if wire is GEMINI:
        assert (body["error"]["code"], body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    message: str = body["message"] if wire is COHERE else body["error"]["message"]
    return message


def test_anthropic_wants_its_version(served: RunningSimulator, http: httpx2.Client) -> None:
    url = f"{served.url}/anthropic/v1/messages"
    refused = http.post(url, json=ANTHROPIC.body, headers={"x-api-key": "sim-anthropic-1"})
    assert (refused.status_code, "anthropic-version" in refused.text) == (400, True)


def test_anthropic_refuses_with_the_time_in_its_headers(refusal: Any) -> None:
    answer = refusal(ANTHROPIC, Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.REFILL))
    error = answer.json()["error"]
    told = {name: value for name, value in answer.headers.items() if name.startswith("anthropic-") or name == "retry-after"}
    assert (answer.status_code, error["type"]) == (429, "rate_limit_error")
    assert "rate limit of 1 requests per minute (org: anthropic1, model: m)" in error["message"]
    assert told == {
        "retry-after": "59",
        "anthropic-ratelimit-requests-limit": "1",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-11-20T12:01:00Z",
    }


def test_gemini_refuses_with_an_object_where_its_compatible_endpoint_has_a_list(refusal: Any) -> None:
    answer = refusal(GEMINI, Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.SLIDING))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (429, 429, "RESOURCE_EXHAUSTED")
    assert error["details"][1]["retryDelay"] == "59s"
    assert error["details"][0]["violations"][0]["quotaId"] == "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"


def test_cohere_refuses_with_a_message(refusal: Any) -> None:
    answer = refusal(COHERE, Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.SLIDING))
    assert answer.status_code == 429
    assert "limited to 1 API calls / minute" in answer.json()["message"]


def test_gemini_says_why_it_refuses_a_key(served: RunningSimulator, http: httpx2.Client) -> None:
    url = f"{served.url}/gemini/v1beta/models/m:generateContent"
    error = http.post(url, json=GEMINI.body, headers={"x-goog-api-key": "nobody's"}).json()["error"]
    assert (error["status"], error["details"][0]["reason"]) == ("INVALID_ARGUMENT", "API_KEY_INVALID")


@pytest.mark.parametrize(
    ("wire", "status", "kind"),
    [
        (ANTHROPIC, 529, "overloaded_error"),
        (ANTHROPIC, 500, "api_error"),
        (GEMINI, 503, "UNAVAILABLE"),
        (COHERE, 500, "Internal"),
    ],
)
def test_a_status_out_of_the_blue(served: RunningSimulator, http: httpx2.Client, wire: Wire, status: int, kind: str) -> None:
    served.fault(wire.provider, "status", status=status)
    answer = wire.ask(http, served)
    assert (answer.status_code, kind in answer.text) == (status, True)


@every_wire
def test_the_same_prompt_has_the_same_digest_whatever_stands_around_it(
    served: RunningSimulator, http: httpx2.Client, wire: Wire
) -> None:
    assert f"echo {expected_digest(PROMPT)} " in wire.ask(http, served).text


@pytest.mark.parametrize(
    ("wire", "more"),
    [
        (
            ANTHROPIC,
            {
                "system": [{"type": "text", "text": "Be brief."}],
                "messages": [
                    *MESSAGES,
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": FOUND}]},
                ],
            },
        ),
        (
            GEMINI,
            {
                "system_instruction": {"parts": [{"text": "Be brief."}]},
                "contents": [
                    {"role": "user", "parts": [{"text": PROMPT}]},
                    {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"found": FOUND}}}]},
                ],
            },
        ),
    ],
    ids=lambda value: value.provider if isinstance(value, Wire) else "",
)
def test_what_tools_said_is_not_the_prompt_but_counts(
    served: RunningSimulator, http: httpx2.Client, wire: Wire, more: dict[str, Any]
) -> None:
    short = wire.ask(http, served)
    long = wire.ask(http, served, **more)
    assert f"echo {expected_digest(PROMPT)} " in long.text
    assert input_tokens(wire, long.json()) > input_tokens(wire, short.json()) + len(FOUND) / 4


def input_tokens(wire: Wire, answer: Any) -> int:
    tokens: int = answer["usage"]["input_tokens"] if wire is ANTHROPIC else answer["usageMetadata"]["promptTokenCount"]
    return tokens


@every_wire
def test_a_stream_that_is_cut_lacks_its_end(served: RunningSimulator, http: httpx2.Client, wire: Wire) -> None:
    whole = wire.ask(http, served, stream=True).text
    served.fault(wire.provider, "cut")
    with pytest.raises(httpx2.RemoteProtocolError):
        wire.ask(http, served, stream=True)
    assert len(whole.split("\n\n")) > 4


@every_wire
@pytest.mark.parametrize("kind", ["garbage", "html"])
def test_a_stream_may_be_no_stream(served: RunningSimulator, http: httpx2.Client, wire: Wire, kind: str) -> None:
    served.fault(wire.provider, kind)
    answer = wire.ask(http, served, stream=True)
    assert (answer.status_code, "data: " in answer.text) == (200, False)


@every_wire
def test_a_reset_breaks_every_stream(served: RunningSimulator, http: httpx2.Client, wire: Wire) -> None:
    served.fault(wire.provider, "reset")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        wire.ask(http, served, stream=True)


@every_wire
def test_a_slow_stream_comes_in_more_pieces(served: RunningSimulator, http: httpx2.Client, wire: Wire) -> None:
    usual = len(events_of(wire.ask(http, served, stream=True)))
    served.fault(wire.provider, "slow", delay_s=0.002)
    began_s = time.perf_counter()
    slow = len(events_of(wire.ask(http, served, stream=True)))
    assert slow > usual
    assert time.perf_counter() - began_s >= 0.002 * slow


@every_wire
@pytest.mark.parametrize("stream", [False, True])
def test_wrong_usage_is_told(served: RunningSimulator, http: httpx2.Client, wire: Wire, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert "900000000" not in wire.ask(http, served, stream=stream).text
    served.fault(wire.provider, "wrong_usage")
    assert "900000000" in wire.ask(http, served, stream=stream).text


FAILED = {
    CHAT.provider: (None, {"error": {"message": "Service Unavailable", "type": "server_error"}}),
    ANTHROPIC.provider: ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    GEMINI.provider: (None, {"error": {"code": 503, "status": "UNAVAILABLE"}}),
    COHERE.provider: (
        "message-end",
        {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "Service Unavailable"}},
    ),
}


def includes(whole: Any, part: Any) -> bool:
    """Whether an object has at least the fields of another, at every depth."""
    if isinstance(part, dict):
        return all(name in whole and includes(whole[name], value) for name, value in part.items())
    return bool(whole == part)


@every_wire
def test_a_stream_may_end_in_an_error_and_half_of_it_is_charged(
    served: RunningSimulator, http: httpx2.Client, wire: Wire
) -> None:
    usual = events_of(wire.ask(http, served, stream=True))
    served.reset()
    served.fault(wire.provider, "error_event")
    *begun, (name, error) = events_of(wire.ask(http, served, stream=True))
    expected_name, expected = FAILED[wire.provider]
    assert (name, includes(error, expected)) == (expected_name, True)
    assert len(begun) == len(usual) // 2
    counts = served.counts()["providers"][wire.provider]["keys"][f"{wire.provider}#1"]
    assert (counts["charges"], counts["faults"]) == (1, {"error_event": 1})
    assert 0 < counts["output_tokens"] < 100


@every_wire
def test_an_error_may_stand_inside_a_200(served: RunningSimulator, http: httpx2.Client, wire: Wire) -> None:
    served.fault(wire.provider, "error_event")
    answer = wire.ask(http, served)
    assert answer.status_code == 200
    assert {"error", "message"} & orjson.loads(answer.content).keys()
