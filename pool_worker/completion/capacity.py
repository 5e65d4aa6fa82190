"""Who can take a job now: its route, and a lease on the first candidate that is free; else where to go, or how long to wait."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from pool_client import redis_keys as shared_keys
from pool_client.job import Job, OnExhausted
from pool_client.queues import CELERY_PRIORITY
from pool_worker import redis_keys
from pool_worker.broker.jobs import Lane
from pool_worker.budget import binding_budgets, binding_model_budget, price_to_reserve
from pool_worker.completion.calling import LEASE_MARGIN_S, LONGEST_CALL_S
from pool_worker.completion.estimates import charge_to_reserve, least_charge, most_usage
from pool_worker.completion.failures import enough_failed, is_locked_out, is_of_money, nobody_left
from pool_worker.completion.trail import Trail
from pool_worker.completion.waiting import pause_s
from pool_worker.limits.acquire import Elsewhere, Exhausted, Lease, Line, Others, Unenrolled, acquire
from pool_worker.limits.candidates import Candidate, Charge
from pool_worker.limits.enroll import enroll
from pool_worker.limits.settle import settle, unused
from pool_worker.limits.windows import GUARD_MS
from pool_worker.metrics.instruments import lease_asked
from pool_worker.protocols.tokens import estimate_input_tokens
from pool_worker.registry import Price, Registry, micro_usd
from pool_worker.resources import Resources
from pool_worker.routing.route import Choice, Route, route

NEARLY_ALL = Decimal("0.999")
"""The route is never told that all is spent: whether paid models are paused is decided with the lease, which knows until when."""

IMPATIENT = timedelta(minutes=2)
"""Whose deadline is nearer does not join a line, nor who might have to go on to another tier to meet it."""

BITS_OF_A_SIZE = 3
"""Sizes that differ less than eightfold are about the same: finer lanes would ask more often in vain, coarser ones let large jobs
hold up small ones."""
LANE_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Leased:
    """Permission to call now."""

    lease: Lease
    asked_at: float
    """Monotonic seconds."""
    degraded: bool = False
    """Whether it is for a lesser model than the job would have had."""
    route: Route = Route(())  # noqa: RUF009 - frozen
    """Who may answer the job."""
    asked: tuple[Choice, ...] = ()
    """Whom it was asked of, in order."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Every candidate has failed for this job: wait a little before trying them again."""

    seconds: float
    reason: str


Place = Leased | Elsewhere | Exhausted | Rest


async def find_place(job: Job, trail: Trail, pool: Resources) -> Place:
    """A lease on the first candidate that has capacity, or where else to go, or how long to wait.

    Raises:
        CompletionError: if no candidate is left, or ever was, or so many calls have failed that none is made any more.
    """
    if len(trail.failovers) >= pool.registry.failover.max_attempts:
        raise enough_failed(trail)
    candidates = route_of(job, trail, pool)
    if not candidates.tiers:
        return _rest(job, trail, pool, candidates)
    exhausted: list[Exhausted] = []
    asked: list[Choice] = []
    line = _line(job, trail, candidates, pool)
    for choices in candidates.tiers:
        ordered = _here_first(choices, pool) if trail.failed_since_pause else choices
        asked.extend(ordered)
        place = await _acquire(ordered, job, pool, cut_at=trail.cut_at, line=line)
        if isinstance(place, Leased):
            return replace(_after(exhausted, place), route=candidates, asked=tuple(asked))
        if isinstance(place, Elsewhere):
            return place
        exhausted.append(place)
        if _can_wait_for(place, job) and not is_locked_out(place, trail):
            break
    return _soonest(_together(*exhausted), trail, pool)


async def find_stand_in(job: Job, trail: Trail, pool: Resources) -> Leased | Elsewhere | None:
    """A lease on the fallback model or a local one, or where else to go; None if none is free, or each has failed for this job.

    A stand-in has one call to answer, so that they end, whatever `max_attempts` says.
    """
    failed = {attempt.model_id for attempt in trail.failovers}
    way = route_of(job, trail, pool)
    stand_ins = [choice for choice in way.fallback if choice.model.id not in failed]
    place = await _acquire(stand_ins, job, pool, cut_at=trail.cut_at) if stand_ins else None
    if isinstance(place, Leased):
        return replace(place, degraded=True, route=way, asked=(*way.choices, *stand_ins))
    return place if isinstance(place, Elsewhere) else None


async def find_other(job: Job, trail: Trail, pool: Resources, *, than: Leased) -> Leased | None:
    """A lease for a second call beside one under way, at another provider that this worker serves; None if none is free."""
    provider, way = than.lease.candidate.provider.id, route_of(job, trail, pool)
    others = [choice for choice in way.choices if choice.model.provider != provider and _is_served_here(choice, pool)]
    place = await _acquire(others, job, pool, cut_at=trail.cut_at) if others else None
    return replace(place, route=way, asked=tuple(others)) if isinstance(place, Leased) else None


def able_models(job: Job, pool: Resources) -> list[str]:
    """Ids of all models that may answer the job, whoever has failed for it: first those that it is for, then the stand-ins."""
    able = route_of(job, Trail((), queue="", now=pool.now), pool)
    return [choice.model.id for choice in (*able.choices, *able.fallback)]


def _together(*places: Exhausted) -> Exhausted:
    """The one that ends first, with what is in the way of the models of all."""
    first = min(places, key=_retry_at_ms)
    obstacles = {model: obstacle for place in places for model, obstacle in place.obstacles.items()}
    too_large = dict.fromkeys(model for place in places for model in place.too_large if model not in obstacles)
    left_alone = tuple(it for place in places for it in place.left_alone)
    return replace(first, obstacles=obstacles, too_large=tuple(too_large), left_alone=left_alone)


def _retry_at_ms(place: Exhausted) -> float:
    return math.inf if place.retry_at_ms is None else place.retry_at_ms


def lane_of(job: Job, trail: Trail, pool: Resources) -> Lane:
    """The lane in which the job waits: that of all who wait for the same models, with about as many tokens.

    Who pauses only briefly, as it would rather fail or take less than wait, does not stand among those who wait till tomorrow:
    their lane asks ever more seldom.
    """
    choices = route_of(job, trail, pool).choices
    name = _lane(choices) if job.on_exhausted is OnExhausted.PARK else f"{_lane(choices)}.brief"
    return Lane(name, tuple(dict.fromkeys(choice.model.provider for choice in choices)))


def _line(job: Job, trail: Trail, candidates: Route, pool: Resources) -> Line | None:
    """The line that this job would join. Who cannot wait passes all others, and so does who has lost time by a failed call."""
    if job.on_exhausted is not OnExhausted.PARK or trail.failed_since_pause:
        return None
    if job.deadline_at is not None and (len(candidates.tiers) > 1 or job.deadline_at - pool.now() < IMPATIENT):
        return None
    lane = _lane(candidates.choices)
    return Line(redis_keys.parked_due(lane), shared_keys.job(job.id), lane, CELERY_PRIORITY[job.priority])


def _lane(choices: Sequence[Choice]) -> str:
    models = " ".join(sorted(choice.model.id for choice in choices))
    tokens = max((choice.estimated_usage.total_tokens for choice in choices), default=0)
    return f"{hashlib.sha256(models.encode()).hexdigest()[:LANE_LETTERS]}.{tokens.bit_length() // BITS_OF_A_SIZE}"


def _here_first(choices: Sequence[Choice], pool: Resources) -> list[Choice]:
    """A job that has lost time by a failed call goes on in place if it can: a hop costs it more than a lesser choice."""
    return sorted(choices, key=lambda choice: not _is_served_here(choice, pool))


def _is_served_here(choice: Choice, pool: Resources) -> bool:
    return pool.registry.provider_of(choice.model).queue in pool.served_queues


def route_of(job: Job, trail: Trail, pool: Resources) -> Route:
    """Who may answer the job now, by its own conditions and what has been tried for it."""
    return route(
        job,
        pool.registry,
        estimated_tokens=estimate_input_tokens(job.messages, tools=job.tools),
        excluded_models=trail.excluded_models,
        excluded_providers=trail.excluded_providers,
        spent_fraction=min(pool.outlook.spent_fraction(job.agent), NEARLY_ALL),
        performance=pool.outlook.performance,
        availability=pool.outlook.availability,
        strategy=pool.strategy,
        now=pool.now(),
    )


def _soonest(place: Exhausted, trail: Trail, pool: Resources) -> Exhausted | Rest:
    """Who has met failures tries those again after a rest, rather than wait longer than that for whoever is left alone now."""
    if not trail.failed_since_pause or trail.pauses >= pool.registry.failover.retry_attempts:
        return place
    rest_s = pause_s(trail.pauses, random=pool.random())
    if _retry_at_ms(place) <= 1000 * (pool.now().timestamp() + rest_s):
        return place
    return Rest(rest_s, f"those that could be called have failed; of the others: {place.reason}")


def _rest(job: Job, trail: Trail, pool: Resources, candidates: Route) -> Rest:
    """Another round after 2, 4, 8 s, if a rest can help and rounds are left.

    Raises:
        PoolError: if not.
    """
    if not trail.failed_since_pause or trail.pauses >= pool.registry.failover.retry_attempts:
        raise nobody_left(job, candidates.rejected, trail)
    return Rest(pause_s(trail.pauses, random=pool.random()), "every candidate has failed")


async def _acquire(
    choices: Sequence[Choice], job: Job, pool: Resources, *, cut_at: int, line: Line | None = None
) -> Leased | Elsewhere | Exhausted:
    """With a reservation that is enough for nearly every such call; where that is too large, with the plain estimate."""
    enough = [charge_to_reserve(choice, job, pool.registry, pool.outlook.token_history, cut_at=cut_at) for choice in choices]
    place = await _reserve(choices, enough, job, pool, line=line)
    if not isinstance(place, Exhausted) or not place.too_large:
        return place
    rest = [choice for choice in choices if choice.model.id in place.too_large]
    other = await _reserve(rest, [least_charge(choice, cut_at=cut_at) for choice in rest], job, pool)
    if isinstance(other, Exhausted):
        return _together(place, other)
    return _after([place], other) if isinstance(other, Leased) else other


def _after(others: Sequence[Exhausted], leased: Leased) -> Leased:
    """A lease that was taken after others were asked in vain, with whom they left alone."""
    left_alone = (*(it for other in others for it in other.left_alone), *leased.lease.left_alone)
    return replace(leased, lease=replace(leased.lease, left_alone=left_alone))


async def _reserve(
    choices: Sequence[Choice], charges: Sequence[Charge], job: Job, pool: Resources, *, line: Line | None = None
) -> Leased | Elsewhere | Exhausted:
    candidates = [_candidate(choice, charge, job, pool.registry) for choice, charge in zip(choices, charges, strict=True)]
    longest_s = min(max(candidate.provider.timeout_s for candidate in candidates), LONGEST_CALL_S)
    while True:
        asked_at = time.monotonic()
        place = await acquire(
            pool.redis,
            candidates,
            lease_id=uuid.uuid4().hex,
            job_id=job.id,
            ttl_ms=round((longest_s + LEASE_MARGIN_S) * 1000),
            served_queues=pool.served_queues,
            budgets=binding_budgets(pool.registry, job),
            line=line,
        )
        took_s = time.monotonic() - asked_at
        lease_asked(place, took_s=took_s)
        match place:
            case Unenrolled():
                await enroll(pool.redis, pool.registry)
            case Others():
                return Exhausted(place.now_ms, "others wait for the same and come first", "")
            case Lease() if took_s > GUARD_MS / 1000:
                await settle(pool.redis, unused(place.id))  # this process was held up: the provider would count it too late
            case Lease():
                return Leased(place, asked_at)
            case _:
                return place


def _candidate(choice: Choice, charge: Charge, job: Job, registry: Registry) -> Candidate:
    """Its money is that of the longest answer that may come: budgets are not overrun, and what was not needed comes back."""
    model, provider, price = choice.model, registry.provider_of(choice.model), price_to_reserve(registry, choice.model)
    cost_micro_usd = 0 if price == Price() else micro_usd(price.cost_usd(most_usage(job, model, charge)))
    return Candidate(
        model=model,
        provider=provider,
        windows=registry.windows_of(model),
        queue=provider.queue,
        charge=charge,
        cost_micro_usd=cost_micro_usd if model.price_known else max(1, cost_micro_usd),  # it is not free
        budget=binding_model_budget(registry, model),
    )


def _can_wait_for(place: Exhausted, job: Job) -> bool:
    """Whether the job would wait for this capacity and still meet its deadline; if not, the next tier's is asked for.

    Nobody waits for tomorrow's money while another tier may have capacity.
    """
    if place.retry_at_ms is None or is_of_money(place) or job.on_exhausted is not OnExhausted.PARK:
        return False
    return job.deadline_at is None or place.retry_at_ms < job.deadline_at.timestamp() * 1000
