"""Requests are read as strictly as providers read them, and the other endpoints answer."""

from __future__ import annotations

from random import Random
from statistics import median
from typing import Any

import httpx2
import pytest
from simulator_fixture import KEY_COUNTS, PROVIDERS, Ask, Simulate

from pool_worker.config.providers import simulated
from pool_worker.registry import Model, Provider
from pool_worker.simulator.admin_client import SimulatorAdmin
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.latency import draw_latency_s
from pool_worker.simulator.profile import profile_from, secret_of
from pool_worker.simulator.server import RunningSimulator
from pool_worker.simulator.simulation import Options

MESSAGES = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"messages": []}', "model: "),
        (b'{"model": "m"}', "messages: "),
        (b'{"model": "m", "messages": []}', "messages: "),
        (b'{"model": "m", "messages": [{"content": "x"}]}', "messages[0]: "),
        (b'{"model": "m", "messages": [{"role": "user"}]}', "messages[0].content: "),
        (b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}', "max_tokens: 0"),
        (
            b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "max_completion_tokens": "9"}',
            "max_completion_tokens: '9'",
        ),
    ],
)
def test_a_wrong_request_is_refused_by_name_and_takes_nothing(
    simulator: RunningSimulator, http: httpx2.Client, body: bytes, field: str
) -> None:
    headers = {"authorization": "Bearer sim-groq-1"}
    answer = http.post(f"{simulator.url}/groq/openai/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]
    key = simulator.counts()["providers"]["groq"]["keys"]["groq#1"]
    assert (key["errors"], key["admitted"], key["windows"]) == ({"400": 1}, 0, [])


def test_the_answer_has_the_form_of_a_chat_completion(simulator: RunningSimulator, ask: Ask) -> None:
    answer = ask(simulator, "groq", model="gpt-oss-20b").json()
    assert (answer["object"], answer["model"]) == ("chat.completion", "gpt-oss-20b")
    assert answer["id"] == "chatcmpl-groq-" + answer["id"].rsplit("-", 1)[1]
    assert answer["choices"][0]["message"]["role"] == "assistant"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_models_are_listed_with_a_good_key_only(simulate: Simulate, http: httpx2.Client) -> None:
    row = Provider(id="groq", base_url="https://api.groq.com/openai/v1")
    models = [Model(id=name, provider="groq", name=name) for name in ("a", "b")]
    simulator = simulate(profile_from([row], {"groq": 1}, models=models))
    url = f"{simulated(row, simulator.url).base_url}/models"
    listed = http.get(url, headers={"authorization": "Bearer sim-groq-1"})
    assert [one["id"] for one in listed.json()["data"]] == ["a", "b"]
    assert http.get(url, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert http.get(url).status_code == 401
    counts = simulator.counts()["providers"]["groq"]
    assert (counts["listings"], counts["unauthorized"], counts["requests"]) == (1, 2, 0)


def test_a_key_is_told_about_itself(simulate: Simulate, http: httpx2.Client) -> None:
    row = Provider(id="openrouter", base_url="https://openrouter.ai/api/v1")
    simulator = simulate(profile_from([row], {"openrouter": 1}))
    url = f"{simulated(row, simulator.url).base_url}/key"
    assert http.get(url, headers={"authorization": "Bearer sim-openrouter-1"}).json()["data"]["label"] == "openrouter#1"
    assert http.get(url, headers={"authorization": "Bearer wrong"}).status_code == 401


def test_an_account_can_get_another_secret(simulate: Simulate, http: httpx2.Client) -> None:
    row = Provider(id="groq", base_url="https://api.groq.com/openai/v1")
    simulator = simulate(profile_from([row], {"groq": 1}))
    url = f"{simulated(row, simulator.url).base_url}/models"

    def status(secret: str) -> int:
        return http.get(url, headers={"authorization": f"Bearer {secret}"}).status_code

    with SimulatorAdmin(simulator.url) as admin:
        admin.replace_secret("groq#1", "another-one")
        assert [status("sim-groq-1"), status("another-one")] == [401, 200]
        with pytest.raises(ValueError, match="groq#7"):
            admin.replace_secret("groq#7", "another-one")
        admin.reset()
    assert [status("sim-groq-1"), status("another-one")] == [200, 401]


def test_too_much_for_the_context_is_a_400_of_its_own(simulate: Simulate, ask: Ask) -> None:
    row = Provider(id="openai", base_url="https://api.openai.com/v1")
    model = Model(id="m", provider="openai", name="m", context_window=100)
    simulator = simulate(profile_from([row], {"openai": 1}, models=[model]))
    answer = ask(simulator, "openai", prompt="word " * 100)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert ask(simulator, "openai").status_code == 200


@pytest.mark.parametrize("header", ["x-goog-api-key", "x-api-key", "api-key"])
def test_the_key_may_come_in_the_headers_that_providers_use(simulate: Simulate, http: httpx2.Client, header: str) -> None:
    row = Provider(id="own", base_url="https://x/v1", api_key_header="Api-Key")
    simulator = simulate(profile_from([row], {"own": 1}))
    url = f"{simulator.url}/own/v1/chat/completions"
    body = {"model": "m", "messages": MESSAGES}
    assert http.post(url, json=body, headers={header: "sim-own-1"}).status_code == 200


def test_a_provider_without_keys_asks_for_none(simulator: RunningSimulator, http: httpx2.Client) -> None:
    body = {"model": "m", "messages": MESSAGES}
    assert http.post(f"{simulator.url}/ollama/v1/chat/completions", json=body).status_code == 200
    assert simulator.counts()["providers"]["ollama"]["keys"]["ollama#0"]["admitted"] == 1


def test_what_is_not_there_is_said_plainly(simulator: RunningSimulator, http: httpx2.Client) -> None:
    assert "it has cerebras, cloudflare" in http.post(f"{simulator.url}/nobody/v1/chat/completions").text
    assert "POST …/chat/completions" in http.post(f"{simulator.url}/groq/v1/embeddings").text


def test_health_says_what_is_served(simulator: RunningSimulator, http: httpx2.Client) -> None:
    assert http.get(f"{simulator.url}/_admin/health").json()["keys"] == {**KEY_COUNTS, "ollama": 0}


def test_rows_that_point_at_the_simulator_are_served_with_the_secrets_of_the_profile(
    simulator: RunningSimulator, http: httpx2.Client
) -> None:
    for row in PROVIDERS:
        url = f"{simulated(row, simulator.url).base_url}/chat/completions"
        headers = {"authorization": f"Bearer {secret_of(row.id, 1)}"}
        assert http.post(url, json={"model": "m", "messages": MESSAGES}, headers=headers).status_code == 200


def test_latencies_lie_around_the_median_and_follow_the_seed() -> None:
    def drawn(**more: Any) -> list[float]:
        rng = Random(7)  # noqa: S311 - repeatable on purpose
        return [draw_latency_s(rng, median_ms=80, sigma=0.3, **more) for _ in range(2001)]

    assert drawn() == drawn()
    assert median(drawn()) == pytest.approx(0.08, rel=0.05)
    assert median(drawn(factor=10)) == pytest.approx(0.8, rel=0.05)
    assert set(drawn(factor=0)) == {0.0}


def test_an_answer_takes_the_time_that_was_drawn(simulate: Simulate, ask: Ask) -> None:
    row = Provider(id="groq", base_url="https://x/v1")
    simulator = simulate(profile_from([row], {"groq": 1}), options=Options(latency_factor=1, seed=3))
    expected_s = draw_latency_s(Random(3), median_ms=40, sigma=0.3)  # noqa: S311 - repeatable on purpose
    for stream in (False, True):
        simulator.reset()
        assert ask(simulator, "groq", stream=stream).elapsed.total_seconds() >= expected_s * (0.4 if stream else 1)


def test_a_clock_that_would_run_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="speed: -1 must be 0 or more"):
        SimulatedClock(speed=-1)
