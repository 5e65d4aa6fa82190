"""Providers that refuse, and tell of their limits, in the words of another."""

from __future__ import annotations

DIALECTS = {"codestral": "mistral"}


def dialect_of(provider_id: str) -> str:
    """The provider whose rows in the tables are meant."""
    return DIALECTS.get(provider_id, provider_id)
