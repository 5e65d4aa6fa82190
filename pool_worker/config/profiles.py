"""Reads `profiles/NAME.yaml`: a rehearsal's providers, models and number of keys, laid over the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pool_worker.config import models
from pool_worker.config.document import Fields, Value
from pool_worker.config.mistakes import did_you_mean
from pool_worker.config.providers import names_of
from pool_worker.config.scalars import text, whole
from pool_worker.registry import Key, Provider

SECTIONS = ("description", "keys", "providers", *models.SECTIONS)

_MOST_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Profile:
    """How many keys of each provider a rehearsal has."""

    name: str
    description: str = ""
    key_counts: Mapping[str, int] = field(default_factory=dict)
    """Provider → number of keys."""

    def keys(self) -> tuple[Key, ...]:
        """Every key, `groq#1` …, each a quota group of its own; only a simulator has accounts for them."""
        counts = self.key_counts.items()
        return tuple(
            Key(id=f"{provider}#{number}", provider=provider) for provider, count in counts for number in range(1, count + 1)
        )


def read_profile(name: str, fields: Fields, providers: Mapping[str, Provider] | None = None) -> Profile:
    """What a profile says of itself. `providers`: those that its keys may belong to; None: any."""
    counts: dict[str, int] = {}
    section: Value | None = fields["keys"]
    known = None if providers is None else names_of(providers)
    for written, value in () if section is None else Fields(section):
        provider = written if known is None else known.get(written)
        if known is not None and provider is None:
            value.wrong(f'are keys of "{written}", which is not a provider', did_you_mean(written, known))
        elif provider is not None:
            counts[provider] = whole(value, 0, least=0, most=_MOST_KEYS, example=7)
    return Profile(name, text(fields["description"], ""), counts)
