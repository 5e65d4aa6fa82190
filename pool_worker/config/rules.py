"""Reads `pool.yaml`: what the task types need, and the rules of the whole pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from importlib.metadata import entry_points

from pool_worker.config import alerts
from pool_worker.config.document import Fields, Value
from pool_worker.config.mistakes import did_you_mean
from pool_worker.config.scalars import NAME, decimal, flag, names, text, timezone, whole
from pool_worker.registry import (
    PRIORITY,
    STRATEGIES_GROUP,
    SUITABILITY,
    CacheRules,
    HedgingRules,
    PoolRules,
    Retention,
    WarningRules,
)

VALUES = ("timezone", "require_signatures")
SECTIONS = (*VALUES, "task_capabilities", "routing", "cache", "hedging", "warnings", "alerts", "retention")

LONGEST_RETENTION_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class PoolFile:
    """What `pool.yaml` says."""

    rules: PoolRules
    task_capabilities: Mapping[str, frozenset[str]]


def read_pool_file(fields: Fields) -> PoolFile:
    """The whole file."""
    rules = PoolRules(
        timezone=timezone(fields["timezone"], "UTC"),
        require_signatures=flag(fields["require_signatures"], default=False),
        strategy=_strategy(fields.section("routing", ("strategy",))),
        cache=_cache(fields.section("cache", ("enabled", "ttl_s", "max_entries"))),
        hedging=_hedging(fields.section("hedging", ("enabled", "max_share"))),
        warnings=_warnings(fields.section("warnings", ("quota_thresholds", "failovers_per_hour"))),
        alerts=alerts.read_alert_rules(fields.section("alerts", alerts.SECTIONS)),
        retention=_retention(fields.section("retention", tuple(asdict(Retention())))),
    )
    return PoolFile(rules, _task_capabilities(fields["task_capabilities"]))


def _task_capabilities(section: Value | None) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for task_type, value in () if section is None else Fields(section):
        if not NAME.fullmatch(task_type):
            value.wrong(f'belongs to "{task_type}", which cannot be a task type', "write e.g. analysis")
        found[task_type] = names(value)
    return found


def _strategy(fields: Fields | None) -> str:
    value = None if fields is None else fields["strategy"]
    found = text(value, PRIORITY)
    if value is None or found in {PRIORITY, SUITABILITY}:
        return found  # without looking through every installed package, which takes a while
    known = {PRIORITY, SUITABILITY, *entry_points(group=STRATEGIES_GROUP).names}
    if found not in known:
        value.wrong("is not a strategy", did_you_mean(found, known))
    return found


def _cache(fields: Fields | None) -> CacheRules:
    usual = CacheRules()
    if fields is None:
        return usual
    return CacheRules(
        enabled=flag(fields["enabled"], default=usual.enabled),
        ttl_s=whole(fields["ttl_s"], usual.ttl_s, example=3600),
        max_entries=whole(fields["max_entries"], usual.max_entries, example=10_000),
    )


def _hedging(fields: Fields | None) -> HedgingRules:
    usual = HedgingRules()
    if fields is None:
        return usual
    return HedgingRules(
        enabled=flag(fields["enabled"], default=usual.enabled),
        max_share=decimal(fields["max_share"], usual.max_share, most=Decimal(1)),
    )


def _warnings(fields: Fields | None) -> WarningRules:
    usual = WarningRules()
    if fields is None:
        return usual
    listed = fields["quota_thresholds"]
    shares = [decimal(each, None, most=Decimal(1)) for each in listed.items()] if listed else usual.quota_thresholds
    return WarningRules(
        quota_thresholds=tuple(sorted({share for share in shares if share is not None})),
        failovers_per_hour=whole(fields["failovers_per_hour"], usual.failovers_per_hour, least=0, example=3),
    )


def _retention(fields: Fields | None) -> Retention:
    if fields is None:
        return Retention()
    usual = asdict(Retention())
    return Retention(**{name: whole(fields[name], days, most=LONGEST_RETENTION_DAYS) for name, days in usual.items()})
