"""How each provider refuses a request that does not fit a window: status, body and the headers that belong to the refusal.

See PROVIDERS.md section 5 for the sources. Numbers inside a refusal are true, except where the provider's own are known to be
false.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pool_worker.registry import Period, Unit
from pool_worker.simulator.accounts import Spent
from pool_worker.simulator.durations import go_duration, whole_seconds

ABBREVIATIONS = {
    (Unit.REQUESTS, Period.MINUTE): "RPM",
    (Unit.REQUESTS, Period.HOUR): "RPH",
    (Unit.REQUESTS, Period.DAY): "RPD",
    (Unit.TOKENS, Period.MINUTE): "TPM",
    (Unit.TOKENS, Period.HOUR): "TPH",
    (Unit.TOKENS, Period.DAY): "TPD",
}
FALSE_RETRY_AFTER_S = "2"
"""Groq's 413 says to come back although the request never fits."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Who is refused what, and where that window stands."""

    provider: str
    account: str
    model: str
    spent: Spent
    now_s: float

    @property
    def is_about_tokens(self) -> bool:
        """Whether tokens of some sort ran out."""
        return self.spent.window.unit in {Unit.TOKENS, Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS}

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Limit, used and requested in whole units."""
        return self.spent.window.limit, round(self.spent.used), round(self.spent.requested)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What goes over the wire."""

    status: int
    body: Any
    headers: list[tuple[str, str]] = field(default_factory=list)


def _named(refused: Refused) -> str:
    window = refused.spent.window
    unit = window.unit.replace("_", " ")
    abbreviation = ABBREVIATIONS.get((window.unit, window.per))
    return f"{unit} per {window.per}" + (f" ({abbreviation})" if abbreviation else "")


def _groq(refused: Refused) -> Refusal:
    limit, used, requested = refused.numbers
    whom = f"for model `{refused.model}` in organization `org_{_slug(refused.account)}`"
    where = f"{whom} service tier `on_demand` on {_named(refused)}"
    kind = "tokens" if refused.is_about_tokens else "requests"
    if refused.spent.never:
        text = f"Request too large {where}: Limit {limit}, Requested {requested}, please reduce your message size and try again."
        return Refusal(413, _error(text, kind), [("retry-after", FALSE_RETRY_AFTER_S)])
    wait = go_duration(refused.spent.wait_s)
    text = f"Rate limit reached {where}: Limit {limit}, Used {used}, Requested {requested}. Please try again in {wait}."
    return Refusal(429, _error(text, kind), [("retry-after", whole_seconds(refused.spent.wait_s))])


def _openai(refused: Refused) -> Refusal:
    limit, used, requested = refused.numbers
    where = f"for {refused.model} in organization org-{_slug(refused.account)} on {_named(refused).replace('minute', 'min')}"
    kind = "tokens" if refused.is_about_tokens else "requests"
    if refused.spent.never:
        text = f"Request too large {where}: Limit {limit}, Requested {requested}. The input or output tokens must be reduced."
        return Refusal(429, _error(text, kind))
    wait_s = refused.spent.wait_s
    wait = go_duration(wait_s)
    text = f"Rate limit reached {where}: Limit {limit}, Used {used}, Requested {requested}. Please try again in {wait}."
    headers = [("retry-after", whole_seconds(wait_s)), ("retry-after-ms", str(math.ceil(wait_s * 1000)))]
    return Refusal(429, _error(text, kind), headers)


def _cerebras(refused: Refused) -> Refusal:
    what = "token" if refused.is_about_tokens else "request"
    window = refused.spent.window
    done = "processed" if refused.is_about_tokens else "sent"
    message = f"{window.unit.capitalize()} per {window.per} limit exceeded - too many {what}s {done}."
    code = f"{what}_quota_exceeded"
    return Refusal(429, {"message": message, "type": "too_many_requests_error", "param": "quota", "code": code})


def _openrouter(refused: Refused) -> Refusal:
    window = refused.spent.window
    if refused.spent.never:
        return _openai(refused)
    per = {Period.MINUTE: "min"}.get(window.per, window.per.value)
    told = {
        "X-RateLimit-Limit": str(window.limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(math.ceil((refused.now_s + refused.spent.wait_s) * 1000)),
    }
    error = {"message": f"Rate limit exceeded: free-models-per-{per}. ", "code": 429, "metadata": {"headers": told}}
    return Refusal(429, {"error": error, "user_id": f"user_{_slug(refused.account)}"}, list(told.items()))


def _mistral(refused: Refused) -> Refusal:  # noqa: ARG001 - it says nothing about the window
    body = {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300"}
    return Refusal(429, body)


GOOGLE = "generativelanguage.googleapis.com"
GEMINI_METRICS = {
    Unit.REQUESTS: (f"{GOOGLE}/generate_content_free_tier_requests", "GenerateRequests"),
    Unit.TOKENS: (f"{GOOGLE}/generate_content_free_tier_input_token_count", "GenerateContentInputTokens"),
    Unit.INPUT_TOKENS: (f"{GOOGLE}/generate_content_free_tier_input_token_count", "GenerateContentInputTokens"),
}


def google(refused: Refused) -> Refusal:
    """As Gemini's own endpoint refuses."""
    window = refused.spent.window
    metric, quota = GEMINI_METRICS.get(window.unit, GEMINI_METRICS[Unit.REQUESTS])
    wait_s = 60.0 if refused.spent.never else refused.spent.wait_s
    told_s = wait_s if window.per is Period.MINUTE else wait_s % 60  # its delay for the day is of no use
    per = window.per.capitalize()
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {metric}, limit: {window.limit}, model: {refused.model}\n"
        f"Please retry in {told_s:.6f}s."
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": f"{quota}Per{per}PerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": refused.model},
        "quotaValue": str(window.limit),
    }
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{math.ceil(told_s)}s"},
    ]
    return Refusal(429, {"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}})


def _gemini(refused: Refused) -> Refusal:
    """Google's compatible endpoint puts its errors into a list."""
    refusal = google(refused)
    return Refusal(refusal.status, [refusal.body])


def cohere(refused: Refused) -> Refusal:
    """As Cohere refuses a trial key, at all its endpoints."""
    window = refused.spent.window
    message = (
        f"You are using a Trial key, which is limited to {window.limit} API calls / {window.per}. "
        "You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits."
    )
    return Refusal(429, {"message": message})


def _cloudflare(refused: Refused) -> Refusal:
    window = refused.spent.window
    if window.unit is Unit.UNITS:
        text = (
            f"AiError: you have used up your daily free allocation of {window.limit:,} neurons, please upgrade to continue usage."
        )
        error = {"message": text, "code": 4006}
    else:
        error = {"message": "Please wait and consider throttling your request speed", "code": 971}
    return Refusal(429, {"success": False, "result": None, "messages": [], "errors": [error]})


def _huggingface(refused: Refused) -> Refusal:
    if refused.spent.window.per is Period.MONTH:
        return Refusal(402, {"error": "You have exceeded your monthly included credits for Inference Providers."})
    return _openai(refused)


FORMS: Mapping[str, Callable[[Refused], Refusal]] = {
    "cerebras": _cerebras,
    "cloudflare": _cloudflare,
    "codestral": _mistral,
    "cohere": cohere,
    "gemini": _gemini,
    "groq": _groq,
    "huggingface": _huggingface,
    "mistral": _mistral,
    "openai": _openai,
    "openrouter": _openrouter,
}


def refuse(refused: Refused) -> Refusal:
    """The refusal in the provider's own form; OpenAI's for everybody without one."""
    return FORMS.get(refused.provider, _openai)(refused)


def _error(message: str, kind: str) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": "rate_limit_exceeded"}}


def _slug(account: str) -> str:
    return account.replace("#", "")
