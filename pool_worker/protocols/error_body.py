"""What a refusal's body says, whichever of the usual wrappings it came in.

The shapes in the wild (PROVIDERS.md §5)::

    {"error": {"message", "type", "code", "param", "metadata"}}     OpenAI, Groq, OpenRouter; Anthropic with a "type" beside it
    [{"error": {…}}]                                                 Gemini's compatible endpoint
    {"error": {"code": 429, "status", "message", "details": […]}}    Gemini
    {"message", "type", "param", "code"}                             Cerebras, Mistral, Cohere
    {"errors": [{"message", "code"}], "success": false}              Cloudflare
    {"error": "text"}, {"detail": …}, "text"                         Ollama, Hugging Face, FastAPI, proxies
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CODE_FIELDS = ("code", "type", "status", "param")
_TEXT_FIELDS = ("message", "detail", "error", "msg", "title")
_MAX_CODES = 32


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A provider's refusal in its own words."""

    message: str = ""
    codes: tuple[str, ...] = ()
    """Machine-readable words, in lower case: code, type, status, param, quota ids."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The innermost error object, for what only one provider says."""

    @property
    def http_status(self) -> int | None:
        """The status that the body itself names, which is the true one when it came inside a 200."""
        code = self.fields.get("code")
        return code if isinstance(code, int) and 400 <= code <= 599 else None  # noqa: PLR2004 - the HTTP error range


def parse_error(body: object) -> ErrorBody:
    """Reads any decoded body; what cannot be understood gives empty words, never an exception."""
    inner = _innermost(body)
    if not isinstance(inner, Mapping):
        return ErrorBody(message=inner if isinstance(inner, str) else "")
    codes = [*(_word(inner.get(name)) for name in _CODE_FIELDS), *_quota_ids(inner)]
    return ErrorBody(
        message=_message(inner),
        codes=tuple(dict.fromkeys(code for code in codes if code))[:_MAX_CODES],
        fields=inner,
    )


def find_error(body: object) -> ErrorBody | None:
    """The error inside a body that came with a 2xx: OpenRouter's upstream failures arrive this way."""
    first = body[0] if isinstance(body, list) and len(body) == 1 else body
    if not isinstance(first, Mapping):
        return None
    if (first.get("error") or first.get("errors")) and not first.get("choices"):
        return parse_error(first)
    choices = first.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, Mapping) and isinstance(choice.get("error"), Mapping):
        return parse_error(choice)
    return None


def _innermost(body: object) -> object:
    """Unwraps lists of one and `error`/`errors`; bounded, for bodies that nest without end."""
    for _ in range(4):
        if isinstance(body, list) and body:
            body = body[0]
        elif isinstance(body, Mapping) and isinstance(body.get("error"), Mapping | list) and body["error"]:
            body = body["error"]
        elif isinstance(body, Mapping) and isinstance(body.get("errors"), list) and body["errors"]:
            body = body["errors"]
        else:
            break
    return body


def _message(inner: Mapping[str, Any]) -> str:
    text = next((text for name in _TEXT_FIELDS if (text := _text(inner.get(name)))), "")
    metadata = inner.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{text}: {raw}" if isinstance(raw, str) and raw else text


def _text(value: object) -> str:
    """The words in a field that should be text but may be FastAPI's `[{"msg": …}]` or Mistral's `{"detail": […]}`."""
    for _ in range(4):
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value:
            value = value[0]
        elif isinstance(value, Mapping):
            value = next((value[name] for name in _TEXT_FIELDS if value.get(name)), None)
    return ""


def _quota_ids(inner: Mapping[str, Any]) -> list[str]:
    """Google's names of the windows that were exceeded (`…PerDay…`), and the reason word of an ErrorInfo."""
    found = []
    for detail in _mappings(inner.get("details")):
        found.append(_word(detail.get("reason")))
        found.extend(_word(violation.get("quotaId")) for violation in _mappings(detail.get("violations")))
    return found


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _word(value: object) -> str:
    is_word = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip().lower()[:128] if is_word else ""
