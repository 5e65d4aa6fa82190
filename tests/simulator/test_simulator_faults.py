"""Everything can be made to go wrong on demand, for exactly the requests that were named."""

from __future__ import annotations

import time
from itertools import pairwise
from random import Random
from typing import Any

import httpx2
import orjson
import pytest
from simulator_fixture import Ask

from pool_worker.simulator.answers import expected_digest
from pool_worker.simulator.faults import IN_THE_ANSWER, Fault, FaultKind, Faults
from pool_worker.simulator.server import RunningSimulator

PROMPT = "Why did the backup fail?"


def key_counts(simulator: RunningSimulator, key: str = "groq#1") -> dict[str, Any]:
    found: dict[str, Any] = simulator.counts()["providers"][key.split("#", maxsplit=1)[0]]["keys"][key]
    return found


def test_a_status_in_the_providers_form_as_often_as_asked(simulator: RunningSimulator, ask: Ask) -> None:
    simulator.fault("groq", "status", status=503, count=2, retry_after_s=7)
    answers = [ask(simulator, "groq") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "7"
    counts = key_counts(simulator)
    assert (counts["requests"], counts["faults"], counts["charges"]) == (3, {"status": 2}, 1)
    assert counts["windows"][0]["admitted"] == 1


def test_a_status_with_the_very_body_and_headers_that_were_given(simulator: RunningSimulator, ask: Ask) -> None:
    body = {"error": {"message": "Provider returned error", "code": 429}}
    simulator.fault("openrouter", "status", status=200, body=body, headers={"x-mark": "1"})
    answer = ask(simulator, "openrouter")
    assert (answer.status_code, answer.json(), answer.headers["x-mark"]) == (200, body, "1")


@pytest.mark.parametrize(
    ("provider", "status", "words"),
    [
        ("cerebras", 429, "queue_exceeded"),
        ("groq", 498, "capacity_exceeded"),
        ("openrouter", 402, "more credits"),
        ("openrouter", 429, "temporarily rate-limited upstream"),
        ("mistral", 403, "1913"),
        ("cloudflare", 429, "3040"),
        ("gemini", 503, "UNAVAILABLE"),
        ("openai", 418, "I'm a Teapot"),
        ("ollama", 503, "maximum pending requests exceeded"),
    ],
)
def test_providers_have_their_own_words(simulator: RunningSimulator, ask: Ask, provider: str, status: int, words: str) -> None:
    simulator.fault(provider, "status", status=status)
    answer = ask(simulator, provider)
    assert answer.status_code == status
    assert words in answer.text


def test_openrouter_counts_calls_that_failed_and_others_do_not(simulator: RunningSimulator, ask: Ask) -> None:
    for provider in ("openrouter", "mistral"):
        simulator.fault(provider, "status", status=500, count=1)
        ask(simulator, provider)
    assert key_counts(simulator, "openrouter#1")["windows"][0]["admitted"] == 1
    assert key_counts(simulator, "mistral#1")["windows"] == []


def test_a_fault_meets_only_the_key_and_the_model_that_it_names(simulator: RunningSimulator, ask: Ask) -> None:
    simulator.fault("groq", "unauthorized", key="groq#2")
    simulator.fault("groq", "status", status=404, model="old")
    assert [ask(simulator, "groq", key=key).status_code for key in (1, 2)] == [200, 401]
    assert [ask(simulator, "groq", model=model).status_code for model in ("old", "new")] == [404, 200]
    assert ask(simulator, "cerebras").status_code == 200


def test_down_means_everything_until_it_is_deleted(simulator: RunningSimulator, ask: Ask, http: httpx2.Client) -> None:
    simulator.fault("groq", "down")
    listing = http.get(f"{simulator.url}/groq/openai/v1/models", headers={"authorization": "Bearer sim-groq-1"})
    assert [ask(simulator, "groq").status_code, listing.status_code] == [503, 503]
    assert ask(simulator, "groq", key=99).status_code == 503
    assert ask(simulator, "mistral").status_code == 200
    simulator.clear_faults()
    assert ask(simulator, "groq").status_code == 200
    assert simulator.counts()["totals"]["down"] == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_answer_breaks_off_and_half_of_it_is_charged(simulator: RunningSimulator, ask: Ask, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    whole = ask(simulator, "groq").json()["usage"]["completion_tokens"]
    simulator.reset()
    simulator.fault("groq", "cut")
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(simulator, "groq", stream=stream)
    counts = key_counts(simulator)
    assert (counts["charges"], counts["output_tokens"], counts["in_flight"]) == (1, whole // 2, 0)


def test_a_reset_breaks_the_connection_after_the_charge(simulator: RunningSimulator, ask: Ask) -> None:
    simulator.fault("groq", "reset", count=1)
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)) as caught:
        ask(simulator, "groq", job="a")
    assert "reset" in str(caught.value).lower()
    assert ask(simulator, "groq", job="a").status_code == 200
    assert simulator.counts()["jobs"]["duplicates"] == {"a": 2}


def test_a_hanging_call_counts_against_the_windows_but_is_not_charged(simulator: RunningSimulator, http: httpx2.Client) -> None:
    simulator.fault("groq", "hang", count=1)
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
    headers = {"authorization": "Bearer sim-groq-1"}
    with pytest.raises(httpx2.ReadTimeout):
        http.post(f"{simulator.url}/groq/v1/chat/completions", json=body, headers=headers, timeout=0.2)
    while key_counts(simulator)["in_flight"]:
        pass
    counts = key_counts(simulator)
    assert (counts["admitted"], counts["charges"], counts["abandoned"]) == (1, 0, 1)
    assert counts["windows"][0]["admitted"] == 1


@pytest.mark.parametrize("kind", ["garbage", "html"])
def test_an_answer_that_is_no_json(simulator: RunningSimulator, ask: Ask, kind: str) -> None:
    simulator.fault("groq", kind)
    answer = ask(simulator, "groq")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()
    assert key_counts(simulator)["charges"] == 1


def test_wrong_usage_is_told_and_the_true_one_is_charged(simulator: RunningSimulator, ask: Ask) -> None:
    simulator.fault("groq", "wrong_usage", count=1)
    told = ask(simulator, "groq", prompt=PROMPT).json()["usage"]
    charged = key_counts(simulator)
    true = ask(simulator, "groq", prompt=PROMPT).json()["usage"]
    assert told["prompt_tokens"] < 0
    assert (charged["input_tokens"], charged["output_tokens"]) == (true["prompt_tokens"], true["completion_tokens"])


def test_a_slow_stream_sends_token_by_token(simulator: RunningSimulator, ask: Ask) -> None:
    simulator.fault("groq", "slow", delay_s=0.005)
    began_s = time.perf_counter()
    pieces = contents(ask(simulator, "groq", stream=True, max_tokens=20).text)
    assert len(pieces) > 8
    assert time.perf_counter() - began_s >= 0.005 * len(pieces)


def contents(text: str) -> list[str]:
    """The pieces of text in a stream."""
    events = [orjson.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]
    return [event["choices"][0]["delta"].get("content", "") for event in events]


def test_a_stream_gives_the_same_answer_with_usage_at_the_end(simulator: RunningSimulator, ask: Ask) -> None:
    whole = ask(simulator, "groq", prompt=PROMPT).json()
    answer = ask(simulator, "groq", prompt=PROMPT, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "".join(contents(answer.text)) == whole["choices"][0]["message"]["content"]
    assert expected_digest(PROMPT) in whole["choices"][0]["message"]["content"]
    *_, last, done = [line for line in answer.text.splitlines() if line]
    final = orjson.loads(last.removeprefix("data: "))
    assert done == "data: [DONE]"
    assert (final["usage"], final["choices"][0]["finish_reason"]) == (whole["usage"], "stop")


def test_probability_is_a_matter_of_the_seed() -> None:
    def met(seed: int) -> list[bool]:
        faults = Faults(Random(seed))  # noqa: S311 - repeatable on purpose
        faults.add(Fault(provider="groq", kind=FaultKind.HANG, probability=0.3))
        return [faults.take(IN_THE_ANSWER, provider="groq", key="groq#1", model="m") is not None for _ in range(1000)]

    assert met(1) == met(1) != met(2)
    assert 250 < sum(met(1)) < 350
    assert any(one != other for one, other in pairwise(met(1)))


@pytest.mark.parametrize(
    ("fault", "field", "right"),
    [
        ({"provider": "grok", "kind": "down"}, "provider", "must be one of: cerebras, cloudflare, gemini, groq"),
        ({"provider": "groq", "kind": "down", "key": "groq#9"}, "key", "must be one of: groq#1, groq#2"),
        ({"provider": "groq", "kind": "explode"}, "kind", "'status', 'unauthorized', 'down'"),
        ({"provider": "groq", "kind": "status"}, "status", "needs a status (200 to 599)"),
        ({"provider": "groq", "kind": "status", "status": 99}, "status", "greater than or equal to 200"),
        ({"provider": "groq", "kind": "down", "count": 0}, "count", "greater than or equal to 1"),
        ({"provider": "groq", "kind": "down", "often": 3}, "often", "not permitted"),
        ({"provider": "groq", "kind": "hang", "status": 500}, "status", "no other kind has one"),
        ([], "(the whole request)", "should be an object"),
    ],
)
def test_a_wrong_fault_is_refused_with_its_field_and_what_would_be_right(
    simulator: RunningSimulator, http: httpx2.Client, fault: Any, field: str, right: str
) -> None:
    answer = http.post(f"{simulator.url}/_admin/faults", json=fault)
    assert answer.status_code == 400
    (mistake,) = answer.json()["errors"]
    assert mistake["field"] == field
    assert right in mistake["problem"]


def test_the_admin_client_says_the_same(simulator: RunningSimulator) -> None:
    with pytest.raises(ValueError, match="provider: 'grok' must be one of"):
        simulator.fault("grok", "down")
