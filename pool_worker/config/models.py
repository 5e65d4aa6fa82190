"""Reads `models.yaml`: the models by tier, how to fail over, and what may be spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pool_client.job import Tier
from pool_worker.config.document import Fields, Value
from pool_worker.config.mistakes import did_you_mean
from pool_worker.config.prices import PRICE_FIELDS, read_prices, read_unit_rate
from pool_worker.config.providers import MOST_CONCURRENCY, names_of
from pool_worker.config.scalars import choice, decimal, flag, name, names, one_of, plain, text, whole
from pool_worker.config.windows import SHORT, model_windows
from pool_worker.registry import Budget, Failover, Model, Provider, UnknownPrice

GROUPS = {f"{tier.value}_tier": tier for tier in Tier}

SECTIONS = ("models", "failover_strategy", "cost_management")

FIELDS = (
    "id",
    "provider",
    "model",
    *PRICE_FIELDS,
    "daily_budget_usd",
    *SHORT,
    "limits",
    "concurrency",
    "context_window",
    "max_output_tokens",
    "capabilities",
    "priority",
    "is_active",
    "is_experimental",
    "metadata",
)


@dataclass(frozen=True, slots=True)
class ModelsFile:
    """What a models file says."""

    models: Mapping[str, Model]
    failover: Failover
    budget: Budget


def read_models_file(fields: Fields, providers: Mapping[str, Provider], *, timezone: str) -> ModelsFile:
    """The three sections of a models file, or of a profile. `timezone`: whose days the budget counts."""
    models = read_models(fields.section("models", GROUPS), providers)
    return ModelsFile(models, _read_failover(fields, models), _read_budget(fields, timezone))


def read_models(groups: Fields | None, providers: Mapping[str, Provider]) -> dict[str, Model]:
    """All models by id, in the file's order."""
    found: dict[str, Model] = {}
    places: dict[str, str] = {}
    for group, entries in groups or ():
        for entry in entries.items():
            model = _read_entry(entry, GROUPS[group], providers)
            if model is None:
                continue
            if model.id in places:
                entry.wrong(f'has the id "{model.id}", as does {places[model.id]}', "give each model an id of its own")
            places.setdefault(model.id, entry.place)
            found[model.id] = model
    return found


def _read_entry(entry: Value, tier: Tier, providers: Mapping[str, Provider]) -> Model | None:
    fields = Fields(entry, FIELDS)
    model_id = name(fields.need("id", "write e.g. id: groq_gpt_oss"), None)
    provider = _provider(fields, providers)
    model_name = text(fields.need("model", "write what the provider calls it, e.g. model: openai/gpt-oss-120b"), "")
    windows = model_windows(fields, provider.limits if provider else ())
    prices = read_prices(fields, tier, provider, model_name)
    if model_id is None:
        return None
    return Model(
        id=model_id,
        provider=provider.id if provider else "",
        name=model_name,
        tier=tier,
        priority=whole(fields["priority"], provider.priority if provider else 0, least=0, most=1000),
        capabilities=names(fields["capabilities"]),
        **prices,
        daily_budget_usd=decimal(fields["daily_budget_usd"], None),
        unit_rate=read_unit_rate(fields),
        limits=windows,
        concurrency=whole(fields["concurrency"], None, most=MOST_CONCURRENCY, example=2),
        is_active=flag(fields["is_active"], default=True),
        is_experimental=flag(fields["is_experimental"], default=False),
        metadata=plain(fields["metadata"]),
        **_sizes(fields),
    )


def _provider(fields: Fields, providers: Mapping[str, Provider]) -> Provider | None:
    value = fields.need("provider", "write an id of providers.yaml, e.g. provider: groq")
    written = text(value, None)
    if value is None or written is None:
        return None
    known = names_of(providers)
    if written not in known:
        value.wrong("is not a provider of providers.yaml", did_you_mean(written, known))
        return None
    return providers[known[written]]


def _sizes(fields: Fields) -> dict[str, int | None]:
    window = whole(fields["context_window"], None, example=131072)
    output_value = fields["max_output_tokens"]
    output = whole(output_value, None, example=8192)
    if output_value and output and window and output > window:
        output_value.wrong(f"is more than the context window of {window}", f"write {window} or less")
    return {"context_window": window, "max_output_tokens": output}


def _read_failover(parent: Fields, models: Mapping[str, Model]) -> Failover:
    fields = parent.section("failover_strategy", ("priority", "retry_attempts", "max_attempts", "fallback_model"))
    if fields is None:
        return Failover()
    order = fields["priority"]
    tiers = [one_of(each, GROUPS, None) for each in order.items()] if order else []
    fallback_value = fields["fallback_model"]
    fallback = name(fallback_value, None)
    if fallback_value and fallback and fallback not in models:
        fallback_value.wrong("is not the id of a model", did_you_mean(fallback, models))
    usual = Failover()
    return Failover(
        tiers=tuple(dict.fromkeys(tier for tier in tiers if tier)) or usual.tiers,
        retry_attempts=whole(fields["retry_attempts"], usual.retry_attempts, least=0, most=100, example=3),
        max_attempts=whole(fields["max_attempts"], usual.max_attempts, most=1000, example=50),
        fallback_model=fallback,
    )


def _read_budget(parent: Fields, timezone: str) -> Budget:
    fields = parent.section("cost_management", ("daily_budget", "alert_threshold", "auto_pause", "unknown_price"))
    usual = Budget(timezone=timezone)
    if fields is None:
        return usual
    return Budget(
        daily_usd=decimal(fields["daily_budget"], usual.daily_usd),
        alert_threshold=decimal(fields["alert_threshold"], usual.alert_threshold, most=Decimal(1)),
        auto_pause=flag(fields["auto_pause"], default=usual.auto_pause),
        unknown_price=choice(fields["unknown_price"], UnknownPrice, usual.unknown_price),
        timezone=timezone,
    )
