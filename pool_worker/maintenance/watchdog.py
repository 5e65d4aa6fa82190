"""What every worker looks after by itself, since beat may be what is missing: beat, the others, the outbox, its own clock."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import redis

from pool_worker import redis_keys
from pool_worker.alerts import Matter, open_causes
from pool_worker.beside import running_beside
from pool_worker.limits.clock import redis_now_ms
from pool_worker.maintenance.deliveries import EVERY_S, deliver_alerts, is_our_turn
from pool_worker.overview.outbox import read_outbox
from pool_worker.resources import Resources
from pool_worker.rollout.presence import Presence, read_roll, strike_off

NO_BEAT_FOR = timedelta(minutes=1)
"""The lock of a beat that dies is there for 30 s, and another takes over within seconds."""
MISSING_FOR = timedelta(seconds=20)
"""After a worker's last sign of life has ended: while Redis is away nobody gives one."""
GONE_FOR = timedelta(days=1)
"""Then nobody waits for a lost worker any more."""
TOLD_FOR_S = 2 * GONE_FOR.total_seconds()
OUTBOX_ROWS = 50_000
OUTBOX_LAG_S = 60.0
SKEW = timedelta(seconds=2)
SLOW_ANSWER = timedelta(seconds=1)
"""An answer that took longer says nothing of the clock."""


@dataclass
class Watch:
    """What one worker has seen."""

    beat_seen_at: datetime
    missing_since: dict[str, datetime] = field(default_factory=dict)
    """Worker → when it was first missed."""


def keeping_watch(pool: Resources) -> AbstractAsyncContextManager[None]:
    """Meanwhile alerts are delivered, here or by another worker, and this worker looks around."""
    return running_beside(_keep_watch(pool))


async def _keep_watch(pool: Resources) -> None:
    watch = Watch(pool.now())
    while True:
        with contextlib.suppress(redis.RedisError):
            await look_after_all(pool, watch)
            if await is_our_turn(pool):
                await deliver_alerts(pool)
        await asyncio.sleep(EVERY_S)


async def look_after_all(pool: Resources, watch: Watch) -> None:
    """Tell what is wrong, and what no longer is.

    Raises:
        redis.RedisError: if Redis cannot be reached or refuses.
    """
    await check_beat(pool, watch)
    await check_workers(pool, watch)
    await check_outbox(pool)
    await check_clock(pool)


async def check_beat(pool: Resources, watch: Watch) -> None:
    """Tell that no beat has run for a minute, until one does."""
    now = pool.now()
    matter = Matter(
        cause="beat",
        source="beat",
        severity="critical",
        title="no beat is running",
        message="ledger rows wait, fallen providers are not asked, budgets and quotas are not watched; jobs go on. "
        "`model-pool beat` starts one",
        over_title="beat is running again",
        over_message="what waited is being done",
    )
    if await pool.redis.exists(redis_keys.BEAT_LOCK):
        watch.beat_seen_at = now
        await matter.ends(pool.redis, now=now)
    elif now - watch.beat_seen_at > NO_BEAT_FOR:
        await matter.begins(pool.redis, now=now)


async def check_workers(pool: Resources, watch: Watch) -> None:
    """Tell of each worker that is gone without having left in order, until it or another in its place is there, or for a day."""
    now = pool.now()
    present, absent = await read_roll(pool.redis)
    told = await open_causes(pool.redis, _lost("").cause)
    for worker in present:
        if _lost(worker.name).cause in told:
            await _lost(worker.name, over_because="it is there again").ends(pool.redis, now=now)
    first_missed = {worker.name: watch.missing_since.get(worker.name, now) for worker in absent}
    watch.missing_since = first_missed
    for worker in absent:
        told_at = told.get(_lost(worker.name).cause)
        if told_at is not None:
            await _end_if_not_awaited(worker, present, pool, told_at=told_at)
        elif now - first_missed[worker.name] >= MISSING_FOR:
            await _lost(worker.name, queues=worker.queues, others=present).begins(pool.redis, now=now)


async def _end_if_not_awaited(lost: Presence, present: tuple[Presence, ...], pool: Resources, *, told_at: datetime) -> None:
    now = pool.now()
    instead = next((each.name for each in present if each.since > told_at and set(lost.queues) <= set(each.queues)), None)
    if instead is None and now - told_at < GONE_FOR:
        return
    because = f"{instead} has come in its place" if instead else "it has been gone for a day, and nobody waits for it any more"
    await strike_off(pool.redis, lost.name)
    await _lost(lost.name, over_because=because).ends(pool.redis, now=now)


def _lost(name: str, *, queues: tuple[str, ...] = (), others: tuple[Presence, ...] = (), over_because: str = "") -> Matter:
    unserved = sorted(set(queues) - {queue for worker in others for queue in worker.queues})
    left = f"nobody serves {', '.join(unserved)} now" if unserved else "others serve its queues"
    return Matter(
        cause=f"worker:{name}",
        source="workers",
        severity="critical" if unserved else "warning",
        title=f"worker {name} is gone",
        message=f"it was killed, or its machine is off or cut off; its jobs go to other workers, and {left}. Start it again",
        over_title=f"worker {name} is missed no more",
        over_message=over_because,
        ttl_s=TOLD_FOR_S,
    )


async def check_outbox(pool: Resources) -> None:
    """Tell that rows wait for the ledger too long, or too many of them, until they are written."""
    outbox = await read_outbox(pool.redis)
    matter = Matter(
        cause="outbox",
        source="ledger",
        severity="warning",
        title="rows wait for the ledger",
        message=f"{outbox.rows:,} by now, the oldest for {outbox.lag_s:,.0f} s: is the database there, and does beat run? "
        "Nothing is lost as long as Redis has memory; reports and totals lag behind",
        over_title="no rows wait for the ledger any more",
        over_message=f"{outbox.rows:,} are on their way",
    )
    grows = outbox.rows > OUTBOX_ROWS or outbox.lag_s > OUTBOX_LAG_S
    await (matter.begins if grows else matter.ends)(pool.redis, now=pool.now())


async def check_clock(pool: Resources) -> None:
    """Tell that this worker's clock and Redis's differ by more than two seconds, until it is less than half of that."""
    before = pool.now()
    theirs = datetime.fromtimestamp(await redis_now_ms(pool.redis) / 1000, UTC)
    now = pool.now()
    if now - before > SLOW_ANSWER:
        return
    off = before + (now - before) / 2 - theirs
    name, seconds = pool.presence.name, off.total_seconds()
    matter = Matter(
        cause=f"clock:{name}",
        source="workers",
        severity="warning",
        title=f"the clock of {name} is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} Redis's",
        message="deadlines and times in the ledger are off by as much. Have both machines set their clocks by NTP",
        over_title=f"the clock of {name} is right again",
        over_message=f"it is {abs(seconds):.1f} s off",
    )
    if abs(off) > SKEW:
        await matter.begins(pool.redis, now=now)
    elif abs(off) < SKEW / 2:
        await matter.ends(pool.redis, now=now)
