"""Public list prices, from the copy of them that genai-prices brings: no network. For models whose price no file names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pool_worker.registry import Price, Provider

LIST_NAMES = {"gemini": "google", "codestral": "mistral"}
"""Our ids of services to which the list gives another name."""

_HALF_HOUR = timedelta(minutes=30)
_A_DAY = range(48)
_INPUT, _OUTPUT = ("input_mtok",), ("output_mtok", "output_reasoning_mtok")
_CACHED, _WRITTEN = ("cache_read_mtok",), ("cache_write_mtok",)


def list_price(provider: Provider, model_name: str, *, now: datetime | None = None) -> Price | None:
    """What a call of the model costs at most by the list, of text; None if the list does not know it.

    The list is asked for the provider by its id, then by its address. Where a price depends on something, the highest is taken,
    so that nothing is undercounted: of steps by the length of the prompt, of the hours of the day, and of input that the provider
    keeps for later calls unasked, which is dearer. Only Anthropic keeps none unless it is told to, which its protocol never does.
    A price of zero is not believed: the model is in a tier that costs.
    """
    midnight = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    prices = [price for half_hour in _A_DAY if (price := _listed(provider, model_name, midnight + half_hour * _HALF_HOUR))]
    into = _highest(prices, _INPUT)
    out = _highest(prices, _OUTPUT)
    if not into or not out:
        return None
    cached = _highest(prices, _CACHED)
    per_thousand_requests = _highest(prices, ("requests_kcount",))
    if provider.protocol != "anthropic":
        into = max(into, _highest(prices, _WRITTEN) or into)
    return Price(
        input_usd_per_mtok=into,
        output_usd_per_mtok=out,
        usd_per_request=(per_thousand_requests or Decimal(0)) / 1000,
        cached_input_usd_per_mtok=None if cached is None else min(cached, into),
    )


def _listed(provider: Provider, model_name: str, at: datetime) -> Any:
    """The list's prices of a model at a time; None if it does not know it."""
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - takes half a second, and most configurations name every price

    usage, by_id = Usage(), LIST_NAMES.get(provider.id, provider.id)
    try:
        return calc_price(usage, model_name, provider_id=by_id, genai_request_timestamp=at).model_price
    except LookupError:
        pass
    try:
        return calc_price(usage, model_name, provider_api_url=provider.base_url, genai_request_timestamp=at).model_price
    except LookupError:
        return None


def _highest(prices: list[Any], names: tuple[str, ...]) -> Decimal | None:
    """The highest of these prices, whatever the prompt's length; None if there is none."""
    found = (value for price in prices for name in names if (value := getattr(price, name)) is not None)
    steps = (step for value in found for step in _steps(value))
    return max(steps, default=None)


def _steps(value: Any) -> list[Decimal]:
    """A price, or all of one that depends on the length of the prompt."""
    return [value] if isinstance(value, Decimal) else [value.base, *(tier.price for tier in value.tiers)]
