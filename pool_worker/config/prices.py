"""Reads what a model costs: USD per 1,000 tokens or per request, as files write it, into USD per million."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TypedDict

from pool_client.job import Tier
from pool_worker.config.document import Fields
from pool_worker.config.list_prices import list_price
from pool_worker.config.scalars import decimal
from pool_worker.registry import Price, Provider, UnitRate

_BOTH, _INPUT, _OUTPUT = "cost_per_1k_tokens", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens"
_CACHED = "cost_per_1k_cached_input_tokens"
_PER_REQUEST, _DISCOUNT = "cost", "discount"
_UNITS_INPUT, _UNITS_OUTPUT = "units_per_1k_input_tokens", "units_per_1k_output_tokens"

PRICE_FIELDS = (_PER_REQUEST, _BOTH, _INPUT, _OUTPUT, _CACHED, _DISCOUNT, _UNITS_INPUT, _UNITS_OUTPUT)

_THOUSAND = Decimal(1000)


class Prices(TypedDict):
    """Those fields of a `Model` that say what it costs."""

    price: Price
    price_known: bool
    price_is_listed: bool
    discount: Decimal


def read_prices(fields: Fields, tier: Tier, provider: Provider | None, model_name: str) -> Prices:
    """What the file says; of a model that costs, and of which it names no price, what the public list says."""
    discount = decimal(fields[_DISCOUNT], Decimal(0), most=1)
    price = _written(fields)
    listed = None
    if price is None and tier not in {Tier.FREE, Tier.LOCAL} and provider is not None and model_name:
        listed = list_price(provider, model_name)
    known = price is not None or listed is not None or tier in {Tier.FREE, Tier.LOCAL}
    return {
        "price": _less(price or listed or Price(), discount),
        "price_known": known,
        "price_is_listed": listed is not None,
        "discount": discount,
    }


def read_unit_rate(fields: Fields) -> UnitRate:
    """What a model counts in its provider's own units."""
    return UnitRate(
        input_per_mtok=decimal(fields[_UNITS_INPUT], Decimal(0)) * _THOUSAND,
        output_per_mtok=decimal(fields[_UNITS_OUTPUT], Decimal(0)) * _THOUSAND,
    )


def _written(fields: Fields) -> Price | None:
    """The price that stands there, without the discount; None if there is none."""
    both, one, other = fields[_BOTH], fields[_INPUT], fields[_OUTPUT]
    if both and (one or other):
        both.wrong(f"stands beside {_INPUT if one else _OUTPUT}", f"write either {_BOTH}, or {_INPUT} and {_OUTPUT}")
    elif one and not other:
        fields.missing(_OUTPUT, f"write it beside {_INPUT}")
    elif other and not one:
        fields.missing(_INPUT, f"write it beside {_OUTPUT}")
    into = decimal(one or both, Decimal(0))
    cached = _cached(fields, into, is_priced=bool(one or both))
    if not any((both, one, other, fields[_PER_REQUEST])):
        return None
    return Price(
        input_usd_per_mtok=into * _THOUSAND,
        output_usd_per_mtok=decimal(other or both, Decimal(0)) * _THOUSAND,
        usd_per_request=decimal(fields[_PER_REQUEST], Decimal(0)),
        cached_input_usd_per_mtok=None if cached is None else cached * _THOUSAND,
    )


def _cached(fields: Fields, into: Decimal, *, is_priced: bool) -> Decimal | None:
    """The price of cached input, which reservations take to be no higher than that of all other."""
    value = fields[_CACHED]
    cached = decimal(value, None)
    if value is None or cached is None:
        return None
    if not is_priced:
        value.wrong("stands without a price of the other input", f"write {_INPUT} and {_OUTPUT} beside it")
    elif cached > into:
        value.wrong(f"is more than other input costs ({into})", f"write {into} or less")
    return cached


def _less(price: Price, discount: Decimal) -> Price:
    """With that share taken off every price of tokens."""
    if not discount:
        return price
    share, cached = 1 - discount, price.cached_input_usd_per_mtok
    return replace(
        price,
        input_usd_per_mtok=price.input_usd_per_mtok * share,
        output_usd_per_mtok=price.output_usd_per_mtok * share,
        cached_input_usd_per_mtok=None if cached is None else cached * share,
    )
