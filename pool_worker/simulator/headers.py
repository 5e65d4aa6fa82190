"""The rate-limit headers of each provider, from where its windows stand. See PROVIDERS.md section 4 for the sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pool_worker.registry import Period, Unit
from pool_worker.simulator.accounts import Standing
from pool_worker.simulator.durations import go_duration

Headers = list[tuple[str, str]]
Standings = Sequence[Standing]


def _find(standings: Standings, unit: Unit, per: Period) -> Standing | None:
    for standing in standings:
        if standing.window.unit is unit and standing.window.per is per:
            return standing
    return None


def _go_headers(standings: Standings, windows: Mapping[str, tuple[Unit, Period]]) -> Headers:
    headers: Headers = []
    for name, (unit, per) in windows.items():
        if standing := _find(standings, unit, per):
            headers += [
                (f"x-ratelimit-limit-{name}", str(standing.window.limit)),
                (f"x-ratelimit-remaining-{name}", str(standing.remaining)),
                (f"x-ratelimit-reset-{name}", go_duration(standing.reset_s)),
            ]
    return headers


def groq(standings: Standings) -> Headers:
    """Requests are the day's, tokens the minute's; requests per minute and tokens per day have no header."""
    return _go_headers(standings, {"requests": (Unit.REQUESTS, Period.DAY), "tokens": (Unit.TOKENS, Period.MINUTE)})


def openai(standings: Standings) -> Headers:
    """Both are the minute's."""
    return _go_headers(standings, {"requests": (Unit.REQUESTS, Period.MINUTE), "tokens": (Unit.TOKENS, Period.MINUTE)})


def cerebras(standings: Standings) -> Headers:
    """Every window, resets in float seconds."""
    headers: Headers = []
    for standing in standings:
        name = f"{standing.window.unit}-{standing.window.per}"
        headers += [
            (f"x-ratelimit-limit-{name}", str(standing.window.limit)),
            (f"x-ratelimit-remaining-{name}", str(standing.remaining)),
            (f"x-ratelimit-reset-{name}", f"{standing.reset_s:.2f}"),
        ]
    return headers


def mistral(standings: Standings, *, cost: int) -> Headers:
    """Limit and remaining of the minute, and what this query cost; no reset."""
    headers: Headers = [("x-ratelimit-tokens-query-cost", str(cost))]
    for name, unit in (("req-minute", Unit.REQUESTS), ("tokens-minute", Unit.TOKENS)):
        if standing := _find(standings, unit, Period.MINUTE):
            headers += [
                (f"x-ratelimit-limit-{name}", str(standing.window.limit)),
                (f"x-ratelimit-remaining-{name}", str(standing.remaining)),
            ]
    return headers


def cohere(standings: Standings) -> Headers:
    """The trial key's limits, without a reset."""
    headers: Headers = []
    if minute := _find(standings, Unit.REQUESTS, Period.MINUTE):
        headers += [
            ("x-trial-endpoint-call-limit", str(minute.window.limit)),
            ("x-trial-endpoint-call-remaining", str(minute.remaining)),
        ]
    if month := _find(standings, Unit.REQUESTS, Period.MONTH):
        headers.append(("x-endpoint-monthly-call-limit", str(month.window.limit)))
    return headers


SILENT: Headers = []
ON_SUCCESS: Mapping[str, Callable[[Standings], Headers]] = {
    "groq": groq,
    "openai": openai,
    "cerebras": cerebras,
    "cohere": cohere,
}
ON_REFUSAL: Mapping[str, Callable[[Standings], Headers]] = {"groq": groq, "openai": openai}
"""Cerebras and Cohere say nothing when they refuse."""
MISTRAL_LIKE = frozenset({"mistral", "codestral"})


def success_headers(provider: str, standings: Standings, *, cost: int) -> Headers:
    """Headers of an answer; `cost` is the request's own tokens. Most providers send none."""
    if provider in MISTRAL_LIKE:
        return mistral(standings, cost=cost)
    form = ON_SUCCESS.get(provider)
    return form(standings) if form else SILENT


def refusal_headers(provider: str, standings: Standings, *, cost: int) -> Headers:
    """Headers that a refusal has beside those of its own form (`refusals.py`)."""
    if provider in MISTRAL_LIKE:
        return mistral(standings, cost=cost)
    form = ON_REFUSAL.get(provider)
    return form(standings) if form else SILENT
