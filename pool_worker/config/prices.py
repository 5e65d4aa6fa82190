"""Reads what a model costs: USD per 1,000 tokens or per request, as files write it, into USD per million."""

from __future__ import annotations

from decimal import Decimal

from pool_client.job import Tier
from pool_worker.config.document import Fields
from pool_worker.config.scalars import decimal
from pool_worker.registry import Price, UnitRate

_BOTH, _INPUT, _OUTPUT = "cost_per_1k_tokens", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens"
_PER_REQUEST = "cost"
_UNITS_INPUT, _UNITS_OUTPUT = "units_per_1k_input_tokens", "units_per_1k_output_tokens"

PRICE_FIELDS = (_PER_REQUEST, _BOTH, _INPUT, _OUTPUT, _UNITS_INPUT, _UNITS_OUTPUT)

_THOUSAND = Decimal(1000)


def read_price(fields: Fields, tier: Tier) -> tuple[Price, bool]:
    """The price, and whether it is known: of a paid model that names none it is not."""
    both, one, other = fields[_BOTH], fields[_INPUT], fields[_OUTPUT]
    if both and (one or other):
        both.wrong(f"stands beside {_INPUT if one else _OUTPUT}", f"write either {_BOTH}, or {_INPUT} and {_OUTPUT}")
    elif one and not other:
        fields.missing(_OUTPUT, f"write it beside {_INPUT}")
    elif other and not one:
        fields.missing(_INPUT, f"write it beside {_OUTPUT}")
    price = Price(
        input_usd_per_mtok=decimal(one or both, Decimal(0)) * _THOUSAND,
        output_usd_per_mtok=decimal(other or both, Decimal(0)) * _THOUSAND,
        usd_per_request=decimal(fields[_PER_REQUEST], Decimal(0)),
    )
    named = any((both, one, other, fields[_PER_REQUEST]))
    return price, named or tier in {Tier.FREE, Tier.LOCAL}


def read_unit_rate(fields: Fields) -> UnitRate:
    """What a model counts in its provider's own units."""
    return UnitRate(
        input_per_mtok=decimal(fields[_UNITS_INPUT], Decimal(0)) * _THOUSAND,
        output_per_mtok=decimal(fields[_UNITS_OUTPUT], Decimal(0)) * _THOUSAND,
    )
