"""What goes over the wire is what the providers send: see PROVIDERS.md sections 4 and 5."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx2
import pytest
from simulator_fixture import LOS_ANGELES, Ask, Simulate

from pool_worker.registry import Model, Period, Provider, Unit, UnitRate, Window, WindowKind
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.profile import profile_from
from pool_worker.simulator.server import RunningSimulator

START_S = 1_795_176_000.0  # 2026-11-20T12:00:00Z
MINUTE, DAY = Period.MINUTE, Period.DAY


def limit(number: int, per: Period, kind: WindowKind = WindowKind.SLIDING, unit: Unit = Unit.REQUESTS, **more: Any) -> Window:
    return Window(unit, number, per, kind, **more)


@pytest.fixture
def refusal(simulate: Simulate, ask: Ask) -> Any:
    """The second answer of a provider whose only limit lets one request through."""

    def provoke(provider: str, *windows: Window, models: tuple[Model, ...] = ()) -> httpx2.Response:
        row = Provider(id=provider, base_url="https://x/v1", limits=windows)
        clock = SimulatedClock(speed=0, start_s=START_S)
        simulator = simulate(profile_from([row], {provider: 1}, models=models), clock=clock)
        assert ask(simulator, provider).status_code == 200
        clock.advance(1.5)
        return ask(simulator, provider)

    return provoke


def test_groq_names_the_window_its_numbers_and_the_time(refusal: Any) -> None:
    answer = refusal("groq", limit(1, MINUTE), limit(1000, DAY, WindowKind.REFILL))
    error = answer.json()["error"]
    assert answer.status_code == 429
    assert error["message"] == (
        "Rate limit reached for model `m` in organization `org_groq1` service tier `on_demand` on requests per minute (RPM): "
        "Limit 1, Used 1, Requested 1. Please try again in 58.5s."
    )
    assert (error["type"], error["code"], answer.headers["retry-after"]) == ("requests", "rate_limit_exceeded", "59")
    assert answer.headers["x-ratelimit-limit-requests"] == "1000"
    assert answer.headers["x-ratelimit-remaining-requests"] == "999"
    assert answer.headers["x-ratelimit-reset-requests"] == "1m24.9s"


def test_groq_calls_what_never_fits_too_large_with_a_false_retry_after(simulate: Simulate, ask: Ask) -> None:
    row = Provider(id="groq", base_url="https://x/v1", limits=(limit(50, MINUTE, WindowKind.REFILL, Unit.TOKENS),))
    answer = ask(simulate(profile_from([row], {"groq": 1})), "groq", prompt="word " * 200)
    assert answer.status_code == 413
    assert answer.json()["error"]["message"].startswith("Request too large for model `m`")
    assert "tokens per minute (TPM): Limit 50, Requested" in answer.json()["error"]["message"]
    assert answer.headers["retry-after"] == "2"


def test_cerebras_has_no_error_wrapper_and_no_headers_when_it_refuses(refusal: Any) -> None:
    answer = refusal("cerebras", limit(1, MINUTE))
    assert answer.json() == {
        "message": "Requests per minute limit exceeded - too many requests sent.",
        "type": "too_many_requests_error",
        "param": "quota",
        "code": "request_quota_exceeded",
    }
    assert not [name for name in answer.headers if "ratelimit" in name or "retry" in name]


@pytest.mark.parametrize(
    ("per", "kind", "name", "reset_s"),
    [
        (MINUTE, WindowKind.SLIDING, "free-models-per-min", START_S + 60),
        (DAY, WindowKind.FIXED, "free-models-per-day", START_S + 12 * 3600),
    ],
)
def test_openrouter_tells_the_reset_in_milliseconds_in_headers_and_body(
    refusal: Any, per: Period, kind: WindowKind, name: str, reset_s: float
) -> None:
    answer = refusal("openrouter", limit(1, per, kind))
    error = answer.json()["error"]
    told = {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(reset_s * 1000))}
    assert (answer.status_code, error["code"], error["message"]) == (429, 429, f"Rate limit exceeded: {name}. ")
    assert error["metadata"]["headers"] == told
    assert {header: answer.headers[header] for header in told} == told


def test_mistral_says_in_headers_alone_which_limit_it_was(refusal: Any) -> None:
    answer = refusal("mistral", limit(1, MINUTE), limit(5000, MINUTE, unit=Unit.TOKENS))
    assert answer.json() == {
        "object": "error",
        "message": "Rate limit exceeded",
        "type": "rate_limited",
        "param": None,
        "code": "1300",
    }
    assert answer.headers["x-ratelimit-remaining-req-minute"] == "0"
    assert answer.headers["x-ratelimit-limit-tokens-minute"] == "5000"
    assert "retry-after" not in answer.headers


def test_openai_sends_retry_after_in_seconds_and_milliseconds(refusal: Any) -> None:
    answer = refusal("openai", limit(1, MINUTE))
    message = answer.json()["error"]["message"]
    assert message.endswith("on requests per min (RPM): Limit 1, Used 1, Requested 1. Please try again in 58.5s.")
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("59", "58500")
    assert answer.headers["x-ratelimit-reset-requests"] == "58.5s"


def test_geminis_daily_delay_misleads_but_its_quota_id_tells(refusal: Any) -> None:
    (wrapped,) = refusal("gemini", limit(1, DAY, WindowKind.FIXED, timezone=LOS_ANGELES)).json()
    error = wrapped["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    failure, retry = error["details"]
    assert failure["violations"][0]["quotaId"] == "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    assert failure["violations"][0]["quotaValue"] == "1"
    assert retry["retryDelay"] == "59s"
    assert "limit: 1, model: m\nPlease retry in 58.5" in error["message"]


def test_cohere_names_calls_per_month(refusal: Any) -> None:
    answer = refusal("cohere", limit(1, Period.MONTH, WindowKind.FIXED))
    assert "limited to 1 API calls / month" in answer.json()["message"]


def test_cloudflare_tells_spent_neurons_by_code(refusal: Any) -> None:
    window = limit(10, DAY, WindowKind.FIXED, unit=Unit.UNITS)
    rate = UnitRate(input_per_mtok=Decimal(1_000_000))
    answer = refusal("cloudflare", window, models=(Model(id="x", provider="cloudflare", name="m", unit_rate=rate),))
    assert (answer.status_code, answer.json()["success"]) == (429, False)
    assert answer.json()["errors"][0]["code"] == 4006


def test_hugging_face_wants_money_when_the_month_is_spent(refusal: Any) -> None:
    answer = refusal("huggingface", limit(1, Period.MONTH, WindowKind.FIXED))
    assert answer.status_code == 402
    assert "monthly included credits" in answer.json()["error"]


def test_a_provider_we_never_heard_of_refuses_like_openai(refusal: Any) -> None:
    answer = refusal("somebody", limit(1, MINUTE))
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert answer.headers["retry-after"] == "59"


def test_headers_of_success(simulator: RunningSimulator, ask: Ask) -> None:
    def told(provider: str) -> dict[str, str]:
        return {name: value for name, value in ask(simulator, provider).headers.items() if "ratelimit" in name}

    assert told("groq").keys() == {
        f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")
    }
    assert told("groq")["x-ratelimit-limit-tokens"] == "8000"
    cerebras = told("cerebras")
    assert cerebras["x-ratelimit-remaining-requests-day"] == "14399"
    assert cerebras["x-ratelimit-reset-requests-day"] == "6.00"
    assert "x-ratelimit-tokens-query-cost" in told("mistral")
    assert told("openai")["x-ratelimit-limit-requests"] == "500"
    assert told("openrouter") == told("gemini") == told("cloudflare") == {}


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("groq", "/groq/openai/v1/chat/completions"),
        ("cerebras", "/cerebras/v1/chat/completions"),
        ("gemini", "/gemini/v1beta/openai/chat/completions"),
        ("cloudflare", "/cloudflare/client/v4/accounts/x/ai/v1/chat/completions"),
        ("openrouter", "/openrouter/api/v1/chat/completions"),
    ],
)
def test_an_unknown_key_is_refused_in_the_providers_form(
    simulator: RunningSimulator, http: httpx2.Client, provider: str, path: str
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    refused = http.post(simulator.url + path, json=body, headers={"authorization": "Bearer sk-of-nobody"})
    accepted = http.post(simulator.url + path, json=body, headers={"authorization": f"Bearer sim-{provider}-1"})
    assert (refused.status_code, accepted.status_code) == (401, 200)
    assert "sk-of-nobody" not in refused.text
    assert simulator.counts()["providers"][provider]["unauthorized"] == 1
    words = {"groq": "invalid_api_key", "cerebras": "wrong_api_key", "gemini": "UNAUTHENTICATED", "cloudflare": "10000"}
    assert words.get(provider, "User not found") in refused.text
