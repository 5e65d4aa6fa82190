"""Models that answer worse than they used to, as alerts: the last hour against the model's own seven days before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from enum import StrEnum

from pool_worker.alerts import Matter
from pool_worker.ledger.track_record import TrackRecord, of_calls, of_days
from pool_worker.maintenance.clerk import Clerk
from pool_worker.resources import Resources

SOURCE = "degradation"
HOUR = timedelta(hours=1)
DAYS_BEFORE = 7
ENOUGH_NOW = 20
"""Calls within the hour, below which it says nothing."""
ENOUGH_BEFORE = 100
"""Calls in the days before, below which nobody knows what is usual."""
WORSE_BY, WELL_BY = 0.20, 0.10
"""The success rate is down by so much: that is worse; by less than this: well again. In between it stays as it was."""
SLOWER, WELL_SLOWER = 2.0, 1.5
"""The same for the p95, as a factor."""
_READER = Clerk("comparing the models with themselves")
"""Of this process."""


class Trend(StrEnum):
    """How a model does, measured by itself."""

    WORSE = "worse"
    AS_USUAL = "as usual"
    UNKNOWN = "unknown"
    """Too few calls to say, or neither worse nor well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A trend, and in words why."""

    trend: Trend
    why: str = ""


def compare(now: TrackRecord | None, usual: TrackRecord | None) -> Finding:
    """Whether a model does worse than usual: its success rate is 20 points down, or its p95 more than doubled. No I/O."""
    if now is None or usual is None or now.calls < ENOUGH_NOW or usual.calls < ENOUGH_BEFORE:
        return Finding(Trend.UNKNOWN)
    down_by = usual.success_rate - now.success_rate
    slower = _slower(now, usual)
    whys = []
    if round(down_by, 9) >= WORSE_BY:
        whys.append(f"{now.success_rate:.0%} of {now.calls:,} calls were answered, usually {usual.success_rate:.0%}")
    if slower is not None and slower > SLOWER:
        whys.append(f"its p95 is {now.p95_ms:,.0f} ms, usually {usual.p95_ms:,.0f} ms")
    if whys:
        return Finding(Trend.WORSE, "; ".join(whys))
    is_well = down_by < WELL_BY and (slower is None or slower <= WELL_SLOWER)
    return Finding(Trend.AS_USUAL if is_well else Trend.UNKNOWN)


def _slower(now: TrackRecord, usual: TrackRecord) -> float | None:
    """By what factor; None if there are too few answers to say."""
    if now.answered < ENOUGH_NOW or usual.answered < ENOUGH_BEFORE or now.p95_ms is None or not usual.p95_ms:
        return None
    return now.p95_ms / usual.p95_ms


async def check_degradation(pool: Resources) -> int:
    """Tell of each configured model that does worse than usual, and when it does as usual again; returns how many do worse.

    What is usual are the seven whole days (UTC) before today, from the daily summaries; the hour is one query of its calls. While
    the database is away nothing is told, and nothing is over.
    """
    read: list[Mapping[str, Finding]] = []

    def look() -> int:
        read.append(_findings(pool))
        return 1

    if not await _READER.do(look):
        return 0
    (findings,) = read
    for model_id, finding in findings.items():
        matter = _matter(model_id, finding)
        if finding.trend is Trend.WORSE:
            await matter.begins(pool.redis, now=pool.now())
        elif finding.trend is Trend.AS_USUAL:
            await matter.ends(pool.redis, now=pool.now())
    return sum(finding.trend is Trend.WORSE for finding in findings.values())


def _findings(pool: Resources) -> dict[str, Finding]:
    now, engine = pool.now(), pool.books.engine
    today = now.astimezone(UTC).date()
    recent = of_calls(engine, since=now - HOUR)
    usual = of_days(engine, today - timedelta(days=DAYS_BEFORE), today - timedelta(days=1))
    return {model_id: compare(recent.get(model_id), usual.get(model_id)) for model_id in pool.registry.models}


def _matter(model_id: str, finding: Finding) -> Matter:
    return Matter(
        cause=f"{SOURCE}:{model_id}",
        source=SOURCE,
        severity="warning",
        title=f"{model_id} does worse than usual",
        message=f"Within the last hour: {finding.why} (the {DAYS_BEFORE} days before). "
        f"`model-pool usage --model {model_id} --by day --since 7d` shows more, `models disable {model_id}` takes it out",
        over_title=f"{model_id} does as usual again",
        over_message="by success rate and p95 of the last hour",
    )
