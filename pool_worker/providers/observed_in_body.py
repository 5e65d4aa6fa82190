"""What a refusal's body tells about the window that was spent: the limit and how much of it is left."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pool_worker.observed import Observed
from pool_worker.providers.observed import parse_count
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.times import parse_epoch_ms
from pool_worker.registry import Period, Unit

_NUMBER = r"[0-9](?:[0-9]|,(?=[0-9])){0,18}"
_OPENAI_STYLE = re.compile(
    rf"on (?P<unit>(?:input |output )?tokens|requests) per (?P<per>min(?:ute)?|hour|day)\b.{{0,80}}?"
    rf"limit:? (?P<limit>{_NUMBER})(?:, used:? (?P<used>{_NUMBER}))?",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
"""Groq and OpenAI: `on tokens per day (TPD): Limit 200000, Used 199945, Requested 55`."""
_COHERE_STYLE = re.compile(
    rf"limited to (?P<limit>{_NUMBER}) (?P<unit>)API calls / (?P<per>minute|month)", re.IGNORECASE | re.ASCII
)
_CLOUDFLARE_STYLE = re.compile(
    rf"(?P<per>dai)ly free allocation of (?P<limit>{_NUMBER}) (?P<unit>neurons)", re.IGNORECASE | re.ASCII
)
_GOOGLE_ID = re.compile(r"(?P<unit>inputtokens?|tokens?|requests?).*?per(?P<per>minute|hour|day)", re.ASCII)
_OPENROUTER_ID = re.compile(r"free-models-per-(?P<per>min|day)", re.IGNORECASE | re.ASCII)

_PERIODS = {"min": Period.MINUTE, "hou": Period.HOUR, "day": Period.DAY, "dai": Period.DAY, "mon": Period.MONTH}
_UNITS = {
    "": Unit.REQUESTS,
    "request": Unit.REQUESTS,
    "token": Unit.TOKENS,
    "inputtoken": Unit.INPUT_TOKENS,
    "outputtoken": Unit.OUTPUT_TOKENS,
    "neuron": Unit.UNITS,
}


def observed_in_body(refusal: Refusal) -> tuple[Observed, ...]:
    """The windows that the body names; empty for a body that names none."""
    return (*_in_sentence(refusal.error.message[:4_000]), *_in_quota_ids(refusal), *_in_repeated_headers(refusal))


def _in_sentence(text: str) -> list[Observed]:
    found = []
    for pattern in (_OPENAI_STYLE, _COHERE_STYLE, _CLOUDFLARE_STYLE):
        if match := pattern.search(text):
            words = match.groupdict()
            limit = _number(words["limit"])
            used = limit if words.get("used") is None else _number(words["used"])
            found.append(Observed(_unit(words["unit"]), _period(words["per"]), limit, max(0, limit - used)))
    return found


def _in_quota_ids(refusal: Refusal) -> list[Observed]:
    """Google: `violations: [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "20"}]`."""
    found = []
    details = refusal.error.fields.get("details")
    for detail in details if isinstance(details, list) else ():
        violations = detail.get("violations") if isinstance(detail, Mapping) else None
        for violation in violations if isinstance(violations, list) else ():
            match = _GOOGLE_ID.search(str(violation.get("quotaId")).lower()[:256]) if isinstance(violation, Mapping) else None
            if match:
                limit = parse_count(str(violation.get("quotaValue")))
                found.append(Observed(_unit(match["unit"]), _period(match["per"]), limit, 0))
    return found


def _in_repeated_headers(refusal: Refusal) -> list[Observed]:
    """OpenRouter: the window is in the message, its numbers in `metadata.headers` (or in the real headers)."""
    match = _OPENROUTER_ID.search(refusal.error.message[:4_000])
    if match is None:
        return []
    metadata = refusal.error.fields.get("metadata")
    repeated = metadata.get("headers") if isinstance(metadata, Mapping) else None
    headers: dict[str, str] = dict(refusal.headers)
    if isinstance(repeated, Mapping):
        headers.update({str(name).lower(): str(value) for name, value in repeated.items()})
    window = Observed(
        Unit.REQUESTS,
        _period(match["per"]),
        parse_count(headers.get("x-ratelimit-limit")),
        parse_count(headers.get("x-ratelimit-remaining")) or 0,
        parse_epoch_ms(headers.get("x-ratelimit-reset", "")),
    )
    return [window]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _unit(text: str) -> Unit:
    return _UNITS[text.lower().replace(" ", "").rstrip("s")]


def _period(text: str) -> Period:
    return _PERIODS[text.lower()[:3]]
