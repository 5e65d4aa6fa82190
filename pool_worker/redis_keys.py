"""Every redis key of the workers, with its type and TTL. What callers share is in `pool_client/redis_keys.py`.

Times are milliseconds of Redis's own clock. Keys marked *lasting* have no TTL: they hold what must not be lost.
"""

from __future__ import annotations

from datetime import date

from pool_client import redis_keys as shared_keys

# --- messages (pool_worker/broker) -----------------------------------------------------------------------------------------

UNACKED = shared_keys.UNACKED
"""Hash: claim tag → "list name \\n message". *Lasting.*"""

UNACKED_INDEX = "pool:unacked:index"
"""Sorted set: claim tag → when its lease on the message ends. *Lasting.*"""

DELIVERIES = "pool:deliveries"
"""Hash: task id → how often its message was claimed; the field goes with the acknowledgement. *Lasting.*"""

MESSAGE_KEYS = (UNACKED, UNACKED_INDEX, DELIVERIES)
"""What a script needs to take a message, or to let it go."""

PARKED = shared_keys.PARKED
"""Sorted set: job id → when it is due. *Lasting.*"""

PARKED_MESSAGES = "pool:parked:messages"
"""Hash: job id → "list name \\n message". *Lasting.*"""

PARKED_LANES = "pool:parked:lanes"
"""Sorted set: lane → when it may next let jobs go; every lane in which a job is due is there. *Lasting.*"""

PARKED_PACE = "pool:parked:pace"
"""Hash: what holds for all lanes (see `broker/lua/lanes.lua`). *Lasting*: it counts the places."""

PARKED_KEYS = (PARKED, PARKED_MESSAGES, shared_keys.PARKED_TIMERS, PARKED_LANES, PARKED_PACE)
"""What the scripts that park and let go need."""


def parked_lane(lane: str) -> str:
    """Hash: the providers, pace and turns of a lane (see `broker/lua/lanes.lua`, `line.lua`). TTL: 35 days after its last use."""
    return f"pool:parked:lane:{lane}"


def parked_due(lane: str) -> str:
    """Sorted set: "place:job id" → priority and turn, of the jobs of a lane that are due. *Lasting*."""
    return f"pool:parked:due:{lane}"


DEAD_LETTERS = "pool:dead"
"""Sorted set: dead letter → when it was buried. *Lasting*: a person retries or drops it."""


def dead_letter(letter_id: str) -> str:
    """Hash: list and message as they were claimed, reason, task, task_id, job_id ("" = none), deliveries. *Lasting*.

    The record and the outcome of its job are lasting too while it is there.
    """
    return f"pool:dead:{letter_id}"


# --- limits (pool_worker/limits) -------------------------------------------------------------------------------------------


def ready_keys(provider: str, model: str) -> str:
    """String: the priorities of a model's keys ("1 2"), best first; there as long as the model is enrolled. *Lasting*.

    `<this>:<priority>`, sorted set: key id → when it is next ready, or was last used, whichever is later: the least
    recently used of the ready keys is first. *Lasting*.
    """
    return f"pool:ready:{provider}:{model}"


def nobody_free(provider: str, model: str) -> str:
    """String: until when no key is free for jobs of some size (see `limits/lua/nobody.lua`). TTL: until then."""
    return f"{ready_keys(provider, model)}:nobody"


def enrolled_models(provider: str) -> str:
    """Set: names of the models that have a ready index. *Lasting*."""
    return f"pool:enrolled:models:{provider}"


def enrolled_keys(provider: str) -> str:
    """Set: ids of the keys in the ready indexes. *Lasting*."""
    return f"pool:enrolled:keys:{provider}"


def group_keys(provider: str, group: str) -> str:
    """Set: ids of the keys that share a quota group. *Lasting*."""
    return f"pool:group:{provider}:{group}"


def key_facts(key_id: str) -> str:
    """Hash: priority, group, daily_limit, daily_budget_usd ("" = none) of an API key, rebuilt from the vault; learned. *Lasting*.

    daily_budget: at so many micro-USD its leases stop; beyond any amount where budgets only count. For learned see
    `limits/lua/said.lua`.
    """
    return f"pool:key:{key_id}"


IS_WRITABLE = "pool:broker:is_writable"
"""String "1": written by whoever connects, to see whether Redis lets it. TTL `IS_WRITABLE_TTL_MS`."""
IS_WRITABLE_TTL_MS = 1000

SWEPT_AT = "pool:broker:swept_at"
"""String: when a worker last looked for messages of dead ones, ms. TTL: a message's lease."""


def window(provider: str, model: str, *, unit: str, period: str, kind: str, group: str) -> str:
    """One window of a quota group for one model (`*`: all). Type by kind; TTL: its period and the longest lease.

    The group is last, so that a script can append it. `fixed` windows are strings named `<this>:<start of the period>`
    and `<this>:pending`; the other kinds are one redis key each (`sliding`: sorted set, `refill`: string).
    """
    return f"pool:window:{provider}:{model}:{unit}:{period}:{kind}:{group}"


def budget(scope: str) -> str:
    """`<this>:<start of the day>`, string: micro-USD spent by a scope (`all`, `agent:x`, `model:y`, `key:z`, `batch:b`).

    A batch's start is 0. `<this>:<start of the day>:refused`, string: the least that was asked for when less was left; not of a
    batch. `<this>:pending`, string: reserved by calls in flight. TTL: two days; of a batch, 35.
    """
    return f"pool:budget:{scope}"


SPENDING_KNOWN = "pool:budget:is_known"
"""String "1": the budgets say what was spent. *Lasting*: where it is missing Redis was emptied, and they are rebuilt."""


def in_flight(provider: str, group: str, *, model: str = "*") -> str:
    """Sorted set: lease id → its deadline, of a quota group's calls (of one model, or `*`: of all). TTL: the longest lease."""
    return f"pool:in_flight:{provider}:{model}:{group}"


def lease(lease_id: str) -> str:
    """Hash: what a lease reserved. TTL: a day after its deadline; 10 minutes once it is settled."""
    return f"pool:lease:{lease_id}"


HISTORY = "pool:history"
"""Hash: what is counted → how many tokens calls took (see `limits/lua/token_history.lua`). *Lasting*: models × agents."""

PERFORMANCE = "pool:performance"
"""Hash: model id → how its last calls ended (see `limits/lua/performance.lua`). *Lasting*: one field for each model."""

LEASES = "pool:leases"
"""Sorted set: lease id → its deadline, until it is settled. *Lasting.*"""


def hold(scope: str) -> str:
    """String: "until_ms reason" why nobody is to call this scope (see `pool_worker.limits.holds`). TTL: until then."""
    return f"pool:hold:{scope}"


def failures(scope: str) -> str:
    """String: how often a scope has failed after its holds. TTL: a few times its last hold."""
    return f"pool:failures:{scope}"


def health(scope: str) -> str:
    """String: how well a provider or key is; none: wholly (see `limits/lua/scores.lua`). TTL: a day after its last change."""
    return f"pool:health:{scope}"


def failed_checks(provider: str) -> str:
    """String: how often a provider was checked in vain, and when it is to be checked again, ms. TTL: twice until then."""
    return f"pool:checks:{provider}"


# --- cache (pool_worker/cache) ----------------------------------------------------------------------------------------------

CACHE_USED = "pool:cache:used"
"""Sorted set: redis key of a cached answer → when it was last used, in seconds. TTL: two lifetimes of an answer."""


def cached_answer(model_id: str, question: str) -> str:
    """String: JSON of a model's answer to a question (see `pool_worker.cache`). TTL: `cache.ttl_s` of pool.yaml."""
    return f"pool:cache:{model_id}:{question}"


def flight(name: str) -> str:
    """String: id of the job that asks a question for all who ask the same. TTL: a minute."""
    return f"pool:flight:{name}"


LANDINGS = "pool:landings"
"""Channel: names of flights that are over."""

# --- statistics and books ----------------------------------------------------------------------------------------------------

OUTBOX = "pool:outbox"
"""Stream: rows on their way to the ledger. *Lasting*: trimmed by the ledger writer after its commit."""

OUTBOX_REJECTED = "pool:outbox:rejected"
"""Stream: entries of the outbox that are no rows, after their `reason` and `entry` id. *Lasting*: the newest ~10,000."""


TODAY = "pool:stats:today"
"""String: JSON of what was called in the present UTC day, by key, as the ledger said a minute ago. TTL `TODAY_TTL_MS`."""
TODAY_TTL_MS = 10 * 60_000
"""After that it is no longer today's: the ledger's database is away."""


def pruned(day: date) -> str:
    """String "1": the ledger was pruned on this UTC day (TTL `PRUNED_TTL_MS`), or somebody is at it (TTL `PRUNING_TTL_MS`)."""
    return f"pool:ledger:pruned:{day.isoformat()}"


PRUNED_TTL_MS = 2 * 24 * 3_600_000
PRUNING_TTL_MS = 3_600_000
"""After that whoever was at it counts as dead."""


def alert_told(cause: str) -> str:
    """String: the severity with which this cause was told, or `ALERT_OVER`. TTL: for as long as it is not to be told again."""
    return f"pool:alert:told:{cause}"


ALERT_OVER = "over"
"""What was told is over, and yet is not told again for a while."""


def forged_job(agent: str) -> str:
    """String: "1", that a job in the name of this agent was refused of late. TTL: an hour after the last one."""
    return f"pool:forged:{agent}"


ALERTS_OPEN = "pool:alerts:open"
"""Sorted set: cause that was told and is not over → when, ms. *Lasting*: whoever asks takes out those that are told no more."""

ALERTS_DUE = "pool:alerts:due"
"""Stream: alerts that are to be sent, and those of the last hour. *Lasting*: the newest ~5,000 (see `alerts/lua`)."""

ALERTS_PROGRESS = "pool:alerts:progress"
"""Hash: "entry target" → how far its delivery is (see `pool_worker.alerts.due`). *Lasting*: goes with the entry."""

ALERTS_LOOKED = "pool:alerts:looked"
"""String "1": a worker is delivering alerts just now. TTL: until the next is to look."""


# --- who runs ----------------------------------------------------------------------------------------------------------------

WORKER_TTL_MS = 30_000


def worker(name: str) -> str:
    """String: JSON of a worker (see `pool_worker.rollout.presence`) by its Celery name, `worker-1@host`; "*": the pattern of all.

    Set when the worker is ready to claim jobs and every 10 s from then. TTL `WORKER_TTL_MS`.
    """
    return f"pool:worker:{name}"


WORKERS = "pool:workers"
"""Hash: Celery name → JSON of a worker that has come and not yet left in order. *Lasting*: a lost one is in it for a day."""

DISABLED_MODELS = "pool:models:disabled"
"""Hash: model id → why a person disabled it ("" = no reason given). *Lasting*: until a person enables it."""

RELOADS = "pool:reloads"
"""String: how often the workers were told to read the configuration files again. *Lasting*."""

KEY_CHANGES = "pool:keys:changes"
"""String: how often the workers were told that API keys have changed in the vault. *Lasting*."""


BEAT_PREFIX = "pool:beat:"
"""Before the names of redbeat's own redis keys: its entries (*lasting*, rewritten from `beat_schedule.py`) and its lock."""

BEAT_LOCK = f"{BEAT_PREFIX}:lock"
"""String: held by the beat that is active. TTL 30 s."""
