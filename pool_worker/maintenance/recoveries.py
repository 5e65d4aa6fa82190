"""That keys, accounts and models that were refused are answered again, or that nobody asks for them any more, as alerts.

So are jobs that were not their agent's: no more of them come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pool_worker.alerts import open_causes, resolve
from pool_worker.alerts.forged import end_forged
from pool_worker.errors import KINDS
from pool_worker.health.matters import SOURCE, quarantine, refusal_cause
from pool_worker.health.scores import HEALTHY, read_scores
from pool_worker.ledger.successes import has_succeeded
from pool_worker.limits.holds import group_scope, key_scope, model_scope, provider_scope
from pool_worker.maintenance.clerk import Clerk
from pool_worker.registry import ALL_MODELS, Registry
from pool_worker.resources import Resources

QUARANTINE = quarantine("").cause
REFUSALS = tuple(refusal_cause(kind, "") for kind in KINDS if kind.needs_person)
"""How the causes of those alerts begin that `pool_worker.health.blame` tells of refusals only a person can mend."""
_READER = Clerk("looking who is answered again")
"""Of this process."""


@dataclass(frozen=True, slots=True)
class _Who:
    """Whose calls a refusal was about; None: of all."""

    models: frozenset[str] | None = None
    keys: frozenset[str] | None = None


async def check_recoveries(pool: Resources) -> int:
    """Tell that refusals, quarantines and forged jobs are over; returns how many are.

    A refusal is over when a call that began after it was told has succeeded, by the ledger; also when the key or the model is
    not in use any more. A quarantine is over when the score is whole again, jobs are not forged any more when none came for an
    hour. While the database is away no refusal is over.
    """
    told = await open_causes(pool.redis, "")
    healed = await _healed(told, pool)
    for cause in healed:
        await quarantine(cause.removeprefix(QUARANTINE)).ends(pool.redis, now=pool.now())
    refusals = {cause: at for cause, at in told.items() if cause.startswith(REFUSALS)}
    over = await _answered(refusals, pool) if refusals else {}
    for cause, because in over.items():
        what = cause.partition(":")[2].replace(":", " ", 1)
        title = f"{what} is no longer refused"
        await resolve(pool.redis, source=SOURCE, title=title, message=because, cause=cause, now=pool.now())
    return len(over) + len(healed) + await end_forged(pool.redis, told, now=pool.now())


async def _healed(told: Mapping[str, datetime], pool: Resources) -> list[str]:
    scopes = {cause: cause.removeprefix(QUARANTINE) for cause in told if cause.startswith(QUARANTINE)}
    known = {provider_scope(name) for name in pool.registry.providers} | {key_scope(key.id) for key in pool.registry.keys}
    scores = await read_scores(pool.redis, list(scopes.values()))
    return [cause for cause, scope in scopes.items() if scope not in known or scores[scope] >= HEALTHY]


async def _answered(refusals: Mapping[str, datetime], pool: Resources) -> dict[str, str]:
    """Cause → why it is over."""
    scopes = _scopes(pool.registry)
    over: dict[str, str] = {}

    def look() -> int:
        for cause, told_at in refusals.items():
            who = scopes.get(cause.partition(":")[2])
            if who is None:
                over[cause] = "it is not in use any more"
            elif has_succeeded(pool.books.engine, since=told_at, models=who.models, keys=who.keys):
                over[cause] = "a call has succeeded"
        return len(over)

    return over if await _READER.do(look) else {}


def _scopes(registry: Registry) -> Mapping[str, _Who]:
    """Every scope that can be refused now, and whose calls tell of it."""
    models: dict[str, dict[str, set[str]]] = {}
    for model in registry.models.values():
        if registry.is_switched_on(model):
            models.setdefault(model.provider, {}).setdefault(model.name, set()).add(model.id)
    groups: dict[tuple[str, str], set[str]] = {}
    found: dict[str, _Who] = {}
    for key in registry.keys:
        if key.is_active:
            found[key_scope(key.id)] = _Who(keys=frozenset({key.id}))
            groups.setdefault((key.provider, key.group), set()).add(key.id)
    for provider, names in models.items():
        found |= {model_scope(provider, name): _Who(models=frozenset(ids)) for name, ids in names.items()}
    for (provider, group), keys in groups.items():
        found[group_scope(provider, group, model=ALL_MODELS)] = _Who(keys=frozenset(keys))
        for name, ids in models.get(provider, {}).items():
            found[group_scope(provider, group, model=name)] = _Who(models=frozenset(ids), keys=frozenset(keys))
    return found
