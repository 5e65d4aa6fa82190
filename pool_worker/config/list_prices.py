"""Public list prices, from the copy of them that genai-prices brings: no network. For models whose price no file names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pool_worker.registry import Price, Provider

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

LIST_NAMES = {"codestral": "mistral"}
"""Our ids of services that the list has under a name which it does not see in ours (it sees `gemini` to be Google's)."""

_HALF_HOURS = tuple(timedelta(minutes=30 * number) for number in range(48))
"""Of a day: nobody's prices change more often."""


def list_price(provider: Provider, model_name: str, *, now: datetime | None = None) -> Price | None:
    """What a call of the model costs at most by the list of today (UTC), in text; None if the list does not know it.

    Where a price depends on something, the highest is taken, so that nothing is undercounted: of steps by the length of the
    prompt, of the hours of the day, and of input that the provider keeps for later calls, which is dearer. Only Anthropic keeps
    none unless it is told to, which its protocol never does. A price of zero is not believed: the model is in a tier that costs.
    """
    model = _find(provider, model_name)
    if model is None:
        return None
    midnight = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    prices = [model.get_prices(midnight + half_hour) for half_hour in _HALF_HOURS]
    into, out = _highest(prices, "input_mtok"), _highest(prices, "output_mtok")
    if not into or not out:
        return None
    if provider.protocol != "anthropic":
        into = max(into, _highest(prices, "cache_write_mtok") or into)
    cached = _highest(prices, "cache_read_mtok")
    return Price(
        input_usd_per_mtok=into,
        output_usd_per_mtok=out,
        usd_per_request=(_highest(prices, "requests_kcount") or Decimal(0)) / 1000,
        cached_input_usd_per_mtok=None if cached is None else min(cached, into),
    )


def _find(provider: Provider, model_name: str) -> ModelInfo | None:
    """The model in the list: its provider is looked for by its id, then by its address."""
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - takes half a second, and most configurations name every price

    try:
        return calc_price(Usage(), model_name, provider_id=LIST_NAMES.get(provider.id, provider.id)).model
    except LookupError:
        pass
    try:
        return calc_price(Usage(), model_name, provider_api_url=provider.base_url).model
    except LookupError:
        return None


def _highest(prices: Sequence[ModelPrice], name: str) -> Decimal | None:
    """The highest price of that name, whatever the length of the prompt; None if there is none."""
    return max((step for price in prices for step in _steps(price, name)), default=None)


def _steps(price: ModelPrice, name: str) -> Iterator[Decimal]:
    """A price, or all of one that depends on the length of the prompt."""
    value = getattr(price, name)
    if isinstance(value, Decimal):
        yield value
    elif value is not None:
        yield value.base
        yield from (tier.price for tier in value.tiers)
