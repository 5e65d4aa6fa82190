"""What callers may ask of the pool's models: plain data that the workers publish for `Pool.models`, no I/O."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, computed_field

from pool_client.errors import ConfigurationError, InvalidRequestError, StatsUnavailableError
from pool_client.job import Tier
from pool_client.mistakes import did_you_mean, listed, not_valid

CATALOG_VERSION: Literal[1] = 1

Asked = str | Collection[str] | None
"""A name, or several, or anything."""

_PRICE = TypeAdapter(Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] | None)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelInfo(_Record):
    """One model as one provider serves it."""

    id: str
    """What `submit(model=…)` takes, and `Result.model_id` tells."""
    provider: str
    name: str
    """What the provider calls it."""
    tier: Tier
    capabilities: frozenset[str] = frozenset()
    input_usd_per_mtok: Decimal | None = None
    """USD per million tokens; None: nobody knows."""
    output_usd_per_mtok: Decimal | None = None
    usd_per_request: Decimal | None = None
    """On top of the tokens."""
    context_window: int | None = None
    """In tokens; None: not configured."""
    max_output_tokens: int | None = None
    priority: int = 50
    """Among models of its tier a higher one is asked first."""
    is_experimental: bool = False
    why_not: str | None = None
    """Why it can be called for no job at present; None: it can."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_usable(self) -> bool:
        """Whether it is switched on and its provider has a key; its quota may be spent all the same."""
        return self.why_not is None

    def costs_at_most(self, usd_per_mtok: Decimal) -> bool:
        """Whether neither a million input tokens nor a million output tokens cost more; no, if nobody knows."""
        prices = (self.input_usd_per_mtok, self.output_usd_per_mtok)
        return all(price is not None and price <= usd_per_mtok for price in prices)


class Catalog(_Record):
    """All models, in the order of the configuration, as they are published at `redis_keys.MODELS`."""

    version: Literal[1] = CATALOG_VERSION
    models: tuple[ModelInfo, ...] = ()


def render_catalog(catalog: Catalog) -> str:
    """The text to publish."""
    return catalog.model_dump_json(exclude_computed_fields=True, exclude_none=True)


def parse_catalog(text: str | None) -> Catalog:
    """What `render_catalog` gave.

    Raises:
        StatsUnavailableError: if there is none.
        ConfigurationError: if this release cannot read it.
    """
    if text is None:
        msg = "nobody has published which models this pool has: has a worker been started on this Redis?"
        raise StatsUnavailableError(msg)
    try:
        return Catalog.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, problem["loc"])) or "the whole" for problem in error.errors()}))
        msg = f"this release of pool_client cannot read the published models (see {fields}): install the workers' release"
        raise ConfigurationError(msg) from None


def select_models(
    models: Sequence[ModelInfo],
    *,
    model_id: Asked,
    provider: Asked,
    capability: Asked,
    tier: Asked,
    max_usd_per_mtok: Decimal | float | str | None,
) -> list[ModelInfo]:
    """Those that are as asked; None asks nothing. See `BasePool.models`.

    Raises:
        InvalidRequestError: if a name is none, or a price is no amount from 0 on.
    """
    ids = _names("model_id", model_id, {model.id for model in models})
    providers = _names("provider", provider, {model.provider for model in models})
    capabilities = _names("capability", capability, {word for model in models for word in model.capabilities})
    tiers = _names("tier", tier, set(Tier))
    try:
        price = _PRICE.validate_python(max_usd_per_mtok)
    except ValidationError:
        raise InvalidRequestError(
            not_valid("max_usd_per_mtok", max_usd_per_mtok, "give USD per million tokens, from 0 on")
        ) from None
    return [
        model
        for model in models
        if (ids is None or model.id in ids)
        and (providers is None or model.provider in providers)
        and (capabilities is None or capabilities <= model.capabilities)
        and (tiers is None or model.tier in tiers)
        and (price is None or model.costs_at_most(price))
    ]


def _names(field: str, asked: Asked, known: Collection[str]) -> frozenset[str] | None:
    """What is asked for, as a set; None: anything will do. Where nothing is known no name is wrong."""
    if asked is None:
        return None
    names = [asked] if isinstance(asked, str) else list(asked) if isinstance(asked, list | tuple | set | frozenset) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise InvalidRequestError(not_valid(field, asked, "give a name, or a list of names"))
    for name in names:
        if known and name not in known:
            raise InvalidRequestError(not_valid(field, name, f"give one of {listed(known)}{did_you_mean(name, known)}"))
    return frozenset(names)
