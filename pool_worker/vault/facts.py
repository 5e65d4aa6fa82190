"""What a key may say of itself besides its secret; a mistake names the field, the value and what would be right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, TypedDict

from pool_client.errors import ConfigurationError

Removable = Literal["daily_limit", "daily_budget_usd"]
"""What a key may have, and may be without again."""


class KeyFacts(TypedDict, total=False):
    """What a person may say of a key; None: nothing."""

    priority: int | None
    """1 is used before 2."""
    quota_group: str | None
    """The account whose limits it shares."""
    daily_limit: int | None
    """In the provider's `daily_unit`."""
    daily_budget_usd: Decimal | None
    """What all calls with it may cost a day."""


_PROVIDER = re.compile(r"[\w.-]{1,64}", re.ASCII)
_GROUP = re.compile(r"[\w.:/@+#-]{1,128}", re.ASCII)
_MOST_USD = 1_000_000
_LARGEST = {"index": 999_999, "priority": 1_000, "daily_limit": 10**15}


def check_provider(provider: str) -> None:
    """Refuse what can be no provider's id.

    Raises:
        ConfigurationError: saying so.
    """
    if not _PROVIDER.fullmatch(provider):
        msg = f"provider: {provider[:80]!r} is no provider's id; write e.g. groq"
        raise ConfigurationError(msg)


def check_index(index: int | None) -> None:
    """Refuse what can be no key's number.

    Raises:
        ConfigurationError: saying so.
    """
    if index is not None:
        _check_whole("index", index)


def check_facts(facts: Mapping[str, object]) -> None:
    """Refuse a wrong priority, daily limit, daily budget or quota group.

    Raises:
        ConfigurationError: naming the field and its value.
    """
    for name in ("priority", "daily_limit"):
        if facts.get(name) is not None:
            _check_whole(name, facts[name])
    budget = facts.get("daily_budget_usd")
    if budget is not None and not (isinstance(budget, Decimal) and 0 <= budget <= _MOST_USD):
        msg = f"daily_budget_usd: {budget} is no amount of USD from 0 to {_MOST_USD:,}"
        raise ConfigurationError(msg)
    group = facts.get("quota_group")
    if group and not (isinstance(group, str) and _GROUP.fullmatch(group)):
        msg = f"quota_group: {str(group)[:80]!r} cannot be the name of a quota group; write e.g. groq-account-1"
        raise ConfigurationError(msg)


def _check_whole(name: str, value: object) -> None:
    if not isinstance(value, int) or not 1 <= value <= _LARGEST[name]:
        msg = f"{name}: {value!r} is not a whole number from 1 to {_LARGEST[name]}"
        raise ConfigurationError(msg)
