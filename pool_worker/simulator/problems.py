"""How each provider words an error that is not about a window: wrong key, wrong request, unknown model, no capacity, a fault.

See PROVIDERS.md section 5 for the sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, before a provider puts it into its own form."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | int | None = None
    param: str | None = None
    raw: str | None = None
    """An upstream provider's words (OpenRouter)."""


def bad_request(message: str, *, param: str | None = None) -> Problem:
    """The request is wrong."""
    return Problem(400, message, code="invalid_request", param=param)


def model_gone(model: str) -> Problem:
    """The model does not exist."""
    return Problem(
        404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found", param="model"
    )


def context_exceeded(*, limit: int, requested: int) -> Problem:
    """The messages and the answer do not fit the model's context."""
    message = f"This model's maximum context length is {limit} tokens. However, you requested {requested} tokens."
    return Problem(400, message, code="context_length_exceeded", param="messages")


def too_many_at_once(limit: int) -> Problem:
    """More calls in flight than the account may have."""
    return Problem(429, f"Too many concurrent requests: limit {limit}.", "concurrency_limit", "concurrency_limit_exceeded")


UNAVAILABLE = 503
PHRASES = {status.value: status.phrase for status in HTTPStatus}
OWN_WORDS: Mapping[tuple[str, int], Problem] = {
    ("anthropic", 529): Problem(529, "Overloaded", "overloaded_error"),
    ("groq", 498): Problem(498, "Flex tier capacity exceeded, please try again later.", "capacity", "capacity_exceeded"),
    ("cerebras", 401): Problem(401, "Wrong API Key", code="wrong_api_key", param="api_key"),
    ("cerebras", 429): Problem(
        429,
        "We're experiencing high traffic right now! Please try again soon.",
        "too_many_requests_error",
        "queue_exceeded",
        "queue",
    ),
    ("gemini", 503): Problem(503, "The model is overloaded. Please try again later."),
    ("openrouter", 401): Problem(401, "User not found."),
    ("openrouter", 402): Problem(402, "This request requires more credits, or fewer max_tokens."),
    ("openrouter", 429): Problem(
        429, "Provider returned error", raw="the model is temporarily rate-limited upstream. Please retry shortly."
    ),
    ("mistral", 401): Problem(401, "Unauthorized", "unauthorized", "1401"),
    ("mistral", 429): Problem(429, "Rate limit exceeded", "rate_limited", "1300"),
    ("mistral", 403): Problem(403, "Model not available for this key", "model_not_allowed", "1913"),
    ("cloudflare", 401): Problem(401, "Authentication error", code=10000),
    ("cloudflare", 403): Problem(403, "AiError: this model needs a paid plan", code=5035),
    ("cloudflare", 408): Problem(408, "AiError: Request timeout", code=3007),
    ("cloudflare", 413): Problem(413, "AiError: Request is too large", code=3006),
    ("cloudflare", 429): Problem(429, "AiError: Capacity temporarily exceeded, please try again.", code=3040),
    ("cohere", 401): Problem(401, "invalid api token"),
    ("huggingface", 402): Problem(402, "You have exceeded your monthly included credits for Inference Providers."),
    ("ollama", 503): Problem(503, "server busy, please try again. maximum pending requests exceeded"),
}


def with_status(provider: str, status: int) -> Problem:
    """The provider's own words for a status out of the blue, or plain ones."""
    if own := OWN_WORDS.get((provider, status)):
        return own
    if status == HTTPStatus.UNAUTHORIZED:
        return Problem(status, "Invalid API Key", code="invalid_api_key")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Problem(status, "Rate limit reached.", "requests", "rate_limit_exceeded")
    phrase = PHRASES.get(status, "Error")
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return Problem(status, phrase, kind, phrase.lower().replace(" ", "_"))


def _openai(problem: Problem) -> Any:
    return {"error": {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}}


def _flat(problem: Problem) -> Any:
    return {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}


def _mistral(problem: Problem) -> Any:
    return {"object": "error", **_flat(problem)}


def _openrouter(problem: Problem) -> Any:
    error: dict[str, Any] = {"message": problem.message, "code": problem.status}
    if problem.raw:
        error["metadata"] = {"raw": problem.raw, "provider_name": "Simulated"}
    return {"error": error}


GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def google(problem: Problem) -> Any:
    """As Gemini's own endpoint puts it."""
    status = GOOGLE_STATUS.get(problem.status, "UNKNOWN")
    return {"error": {"code": problem.status, "message": problem.message, "status": status}}


def _gemini(problem: Problem) -> Any:
    """Google's compatible endpoint puts its errors into a list."""
    return [google(problem)]


def cohere(problem: Problem) -> Any:
    """As Cohere puts it, at all its endpoints."""
    return {"message": problem.message}


def _cloudflare(problem: Problem) -> Any:
    code = problem.code if isinstance(problem.code, int) else problem.status
    return {"success": False, "result": None, "messages": [], "errors": [{"message": problem.message, "code": code}]}


FORMS: Mapping[str, Callable[[Problem], Any]] = {
    "cerebras": _flat,
    "cloudflare": _cloudflare,
    "codestral": _mistral,
    "cohere": cohere,
    "gemini": _gemini,
    "mistral": _mistral,
    "openrouter": _openrouter,
}


def body_of(provider: str, problem: Problem) -> Any:
    """The JSON body in the provider's form; OpenAI's for everybody without one of their own."""
    return FORMS.get(provider, _openai)(problem)
