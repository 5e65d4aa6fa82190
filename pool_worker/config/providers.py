"""Reads `providers.yaml`: one row per service."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from urllib.parse import urlsplit

from pool_client.job import Tier
from pool_worker.config.document import Fields, Value
from pool_worker.config.scalars import choice, decimal, flag, name, plain, text, whole
from pool_worker.config.substitution import substitute, variables
from pool_worker.config.windows import read_limits
from pool_worker.registry import Charges, Provider, Unit, Window

PROVIDER_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""Lower case: it stands in queue names, variables and URLs."""

MOST_CONCURRENCY = 100_000

FIELDS = (
    "base_url",
    "protocol",
    "tier",
    "priority",
    "concurrency",
    "timeout_s",
    "limits",
    "limits_shared",
    "headers",
    "api_key_header",
    "needs_key",
    "daily_unit",
    "charges",
    "enabled",
    "disabled_reason",
    "aliases",
    "extra",
)

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


class Protocol(StrEnum):
    """The wire formats a provider can speak."""

    CHAT = "chat"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    COHERE = "cohere"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of outside its file a row depends on."""

    environ: Mapping[str, str]
    keyed: frozenset[str] = frozenset()
    """Providers for which there are keys."""
    simulator_url: str | None = None
    """Calls go there, so that no variable of an address needs to be set."""


def read_providers(
    section: Value | None, around: Surroundings, base: Mapping[str, Provider] | None = None
) -> dict[str, Provider]:
    """All rows by id. `base`: rows of which these change some fields."""
    rows: dict[str, Provider] = {}
    for provider_id, value in () if section is None else Fields(section):
        if not PROVIDER_ID.fullmatch(provider_id):
            value.wrong(f'belongs to "{provider_id}", which cannot be an id', "write at most 64 of the characters a-z 0-9 - _")
        rows[provider_id] = _read_row(provider_id, Fields(value, FIELDS), around, (base or {}).get(provider_id))
    return rows


def names_of(providers: Mapping[str, Provider]) -> dict[str, str]:
    """Every id and alias, each with the id it stands for; an id wins over an alias."""
    aliases = {alias: provider.id for provider in providers.values() for alias in provider.aliases}
    return aliases | {provider_id: provider_id for provider_id in providers}


def check_names(section: Value | None, providers: Mapping[str, Provider]) -> None:
    """No two rows may go by the same name."""
    owners: dict[str, str] = {}
    for provider_id, value in () if section is None else Fields(section):
        for each in {provider_id, *providers[provider_id].aliases}:
            if each in owners:
                value.wrong(f'goes by the name "{each}", as does {owners[each]}', "let every id and alias name one provider")
            owners[each] = provider_id


def simulated(provider: Provider, simulator_url: str) -> Provider:
    """The provider as the simulator serves it: under its id, with the path that its own address has."""
    return replace(provider, base_url=f"{simulator_url.rstrip('/')}/{provider.id}{urlsplit(provider.base_url).path}")


def _read_row(provider_id: str, fields: Fields, around: Surroundings, base: Provider | None) -> Provider:
    old = base or Provider(id=provider_id, base_url="")
    base_url, unset = _base_url(fields, old, around)
    reason = _disabled_reason(fields, old, unset=unset)
    return Provider(
        id=provider_id,
        base_url=base_url,
        protocol=choice(fields["protocol"], Protocol, Protocol(old.protocol)).value,
        tier=choice(fields["tier"], Tier, old.tier),
        priority=whole(fields["priority"], old.priority, least=0, most=1000),
        concurrency=whole(fields["concurrency"], old.concurrency, most=MOST_CONCURRENCY, example=16),
        timeout_s=float(decimal(fields["timeout_s"], Decimal(str(old.timeout_s)), least=Decimal("0.001"), most=86_400)),
        limits=_limits(fields["limits"], old),
        limits_shared=flag(fields["limits_shared"], default=old.limits_shared),
        headers=old.headers if fields["headers"] is None else _headers(fields["headers"]),
        api_key_header=name(fields["api_key_header"], old.api_key_header, _HEADER_NAME),
        needs_key=flag(fields["needs_key"], default=old.needs_key),
        daily_unit=choice(fields["daily_unit"], Unit, old.daily_unit),
        charges=choice(fields["charges"], Charges, old.charges),
        enabled=reason is None,
        disabled_reason=reason,
        aliases=old.aliases if fields["aliases"] is None else _aliases(fields["aliases"]),
        extra=plain(fields["extra"]) or old.extra,
    )


def _base_url(fields: Fields, old: Provider, around: Surroundings) -> tuple[str, str | None]:
    """The address, and the variable that it still lacks."""
    value = fields["base_url"] if old.base_url else fields.need("base_url", "write e.g. base_url: https://api.example.com/v1")
    written = text(value, None)
    if value is None or written is None:
        return old.base_url, None
    address = substitute(written, around.environ, otherwise="simulated" if around.simulator_url else None)
    unset = next(iter(variables(address)), None)
    if unset and old.id in around.keyed:
        value.wrong(f"needs {unset}, which is not set", f"set {unset} in the environment or in .env")
    if not unset and not _URL.fullmatch(address):
        value.wrong("is not an address", "write e.g. https://api.example.com/v1")
    return address.rstrip("/"), unset


def _disabled_reason(fields: Fields, old: Provider, *, unset: str | None) -> str | None:
    """Why the provider is not to be called; None if it is."""
    value = fields["disabled_reason"]
    reason = text(value, None)
    if not flag(fields["enabled"], default=old.enabled):
        return reason or old.disabled_reason or "disabled in the configuration"
    if value is not None:
        value.wrong("is the reason of a provider that is enabled", "write enabled: false as well, or leave it out")
    return f"{unset} is not set" if unset else None


def _limits(value: Value | None, old: Provider) -> tuple[Window, ...]:
    return old.limits if value is None else tuple(window for window in read_limits(value).values() if window is not None)


def _headers(value: Value | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for header, each in () if value is None else Fields(value):
        content = text(each, "")
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(content):
            each.wrong("cannot stand in a header", "write one line of plain ASCII", secret=True)
        found[header] = content
    return found


def _aliases(value: Value | None) -> tuple[str, ...]:
    found = [] if value is None else [name(each, None, PROVIDER_ID) for each in value.items()]
    return tuple(alias for alias in found if alias is not None)
