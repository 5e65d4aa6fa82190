"""A pool whose limits are tried by several processes at once, side by side with a model that takes any order of what they did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from account_books import MINUTE_MS
from racing_model import CONCURRENCY, GROUPS, GUARD_MS, KEYS, LIMITS, TTL_MS, Job, Model, Setup, Taken
from racing_processes import Command, Racers, sweep
from small_pool import NOON_MS, Limits, candidates_of, provider, window

from pool_worker import redis_keys
from pool_worker.limits.acquire import Exhausted, Lease, LeaseEndedError, acquire
from pool_worker.limits.holds import group_scope, hold, key_scope, model_scope, provider_scope
from pool_worker.limits.settle import settle, unused, used
from pool_worker.limits.usage import KeyWindowUse, usage_now
from pool_worker.observed import Observed
from pool_worker.registry import Key, Period, Unit

SCOPES = {
    provider_scope("groq"): set(KEYS),
    model_scope("groq", "small"): set(KEYS),
    **{key_scope(key): {key} for key in list(KEYS)[:2]},
    group_scope("groq", "one"): {key for key, group in KEYS.items() if group == "one"},
    group_scope("groq", "two", model="small"): {key for key, group in KEYS.items() if group == "two"},
}
HOLDS_MS = (60_000, 61_000, 100_000)
"""Redis lets them go by its own clock: none ends while a life is looked at."""


@dataclass(frozen=True)
class Action:
    """One thing to do, and a number that says to whom."""

    what: str
    pick: int


@dataclass(frozen=True)
class Asked:
    """A command that one of the processes is to carry out, and what it is about."""

    what: str
    about: str
    command: Command
    job: Job | None = None
    until_ms: int = 0
    tells: tuple[int, dict[str, int]] | None = None
    ends_all: bool = False


class RacingPool:
    """One life of the pool."""

    def __init__(self, limits: Limits, racers: Racers, setup: Setup) -> None:
        limits.run(limits.redis.flushall())
        self.limits, self.racers, self.setup = limits, racers, setup
        self.jobs: list[Job] = []
        self.model = Model(setup, NOON_MS)
        self.free_at_ms = NOON_MS
        self.numbers = iter(range(1, 1 << 20))
        limits.now_ms = NOON_MS
        windows = [window(kind, limit=LIMITS[unit], unit=unit) for unit, kind in zip(LIMITS, setup.kinds, strict=True)]
        keys = tuple(Key(key, "groq", quota_group=group) for key, group in KEYS.items())
        limits.use(provider("groq", *windows, charges=setup.charges, concurrency=CONCURRENCY), keys=keys)
        self.candidates = candidates_of(limits.registry)

    # --- one step ----------------------------------------------------------------------------------------------------------

    def happen(self, wait: int | str, jobs: list[Job], actions: Iterable[Action]) -> None:
        """Let time pass, then have all of this done at the same moment, with jobs like these."""
        self.jobs = jobs
        model = self.model
        model.step += 1
        model.now_ms = max(model.now_ms, self._time(wait))
        asked = [one for action in actions for one in getattr(self, action.what)(action.pick)]
        answers = self.racers.together([one.command for one in asked])
        told = list(zip(asked, answers, strict=True))
        before = {lease_id for lease_id, it in model.taken.items() if it.state == "open"}
        self._leases_are_granted([(one, answer) for one, answer in told if one.what == "acquire"])
        self._leases_end(told, before)
        self._asking_again_changes_nothing([(one, answer) for one, answer in told if one.what == "again"], before)
        self._holds_grow([(one, answer) for one, answer in told if one.what == "hold"])
        self.check()

    def _time(self, wait: int | str) -> int:
        now_ms, calls = self.model.now_ms, self.model.open().values()
        if isinstance(wait, int):
            return now_ms + wait
        if wait == "until somebody is free":
            return self.free_at_ms
        if wait == "until 1 ms before that":
            return self.free_at_ms - 1
        if wait == "until a call ends":
            return min((it.end_ms for it in calls if it.end_ms > now_ms), default=now_ms)
        if wait in {"until a lease lapses", "until 1 ms before a lease lapses"}:
            lapses_ms = min((it.lease.deadline_ms for it in calls if it.lease.deadline_ms > now_ms), default=now_ms)
            return lapses_ms - ("before" in str(wait))
        return now_ms - now_ms % MINUTE_MS + MINUTE_MS - int(wait.split()[0])

    # --- what is asked -------------------------------------------------------------------------------------------------------

    def _acquire(self, lease_id: str, job: Job, what: str = "acquire") -> Asked:
        command = partial(
            acquire,
            candidates=[replace(self.candidates[0], charge=job.reserved)],
            lease_id=lease_id,
            job_id="job",
            ttl_ms=TTL_MS,
            served_queues=frozenset({"free.groq"}),
            guard_ms=GUARD_MS,
            now_ms=self.model.now_ms,
        )
        return Asked(what, lease_id, command, job)

    def _end(self, lease_id: str, it: Taken) -> Asked:
        if not it.job.is_sent:
            return self._refund(lease_id)
        of_ms = it.arrival_ms if it.job.tells == "arrival" else it.end_ms
        left = {unit: self.model.books[it.lease.group, unit].left(of_ms) for unit in LIMITS} if it.job.tells else {}
        observed = [Observed(Unit(unit), Period.MINUTE, LIMITS[unit], remaining) for unit, remaining in left.items()]
        ending = used(lease_id, actual=it.job.actual, sent_after_ms=it.job.sent_after_ms, observed=observed)
        command = partial(settle, it=ending, now_ms=self.model.now_ms)
        return Asked("settled", lease_id, command, tells=(of_ms, left) if left else None)

    def _refund(self, lease_id: str) -> Asked:
        return Asked("refunded", lease_id, partial(settle, it=unused(lease_id), now_ms=self.model.now_ms))

    def take(self, pick: int) -> list[Asked]:
        return [self._acquire(f"lease{next(self.numbers)}", self.jobs[pick % len(self.jobs)])]

    def take_twice(self, pick: int) -> list[Asked]:
        """Somebody asks again who did not hear the answer."""
        return self.take(pick) * 2

    def take_and_regret(self, pick: int) -> list[Asked]:
        (asked,) = self.take(pick)
        return [replace(asked, job=replace(asked.job, is_sent=False)), self._refund(asked.about)]

    def take_again(self, pick: int) -> list[Asked]:
        leases = list(self.model.taken.values())[-8:]
        return [self._acquire(it.lease.id, it.job, "again") for it in leases[pick % 8 :][:1]]

    def end(self, pick: int) -> list[Asked]:
        ready = [(lease_id, it) for lease_id, it in self.model.open().items() if it.end_ms <= self.model.now_ms]
        return [self._end(*ready[pick % len(ready)])] if ready else []

    def end_twice(self, pick: int) -> list[Asked]:
        return self.end(pick) * 2

    def end_what_has_ended(self, pick: int) -> list[Asked]:
        over = [(lease_id, it) for lease_id, it in self.model.taken.items() if it.state != "open"][-8:]
        return [self._end(*over[pick % len(over)])] if over else []

    def sweep_up(self, pick: int) -> list[Asked]:
        limit = (1, 100)[pick % 2]
        return [Asked("sweep", "", partial(sweep, limit=limit, now_ms=self.model.now_ms), ends_all=limit == 100)] * 2

    def leave_alone(self, pick: int) -> list[Asked]:
        scope, until_ms = list(SCOPES)[pick % len(SCOPES)], self.model.now_ms + HOLDS_MS[pick // len(SCOPES) % len(HOLDS_MS)]
        command = partial(hold, scope=scope, reason="busy", until_ms=until_ms, now_ms=self.model.now_ms)
        return [Asked("hold", scope, command, until_ms=until_ms)]

    def others_use_it(self, pick: int) -> list[Asked]:
        """Somebody else uses the account: the provider will tell, if it tells anything."""
        self.model.others_use(GROUPS[pick % 2], (1.0, 0.5)[pick // 2 % 2])
        return []

    # --- what is answered, in whatever order it was done ----------------------------------------------------------------------

    def _leases_are_granted(self, told: list[tuple[Asked, Any]]) -> None:
        model = self.model
        answers: dict[str, list[Any]] = defaultdict(list)
        refused = [answer.retry_at_ms for _, answer in told if isinstance(answer, Exhausted)]
        for one, answer in told:
            assert isinstance(answer, Lease | Exhausted | LeaseEndedError), answer
            answers[one.about].append(answer)
        for one in {one.about: one for one, _ in told}.values():
            granted = [answer for answer in answers[one.about] if isinstance(answer, Lease)]
            assert granted[:-1] == granted[1:], granted
            if granted and one.job:
                lease = granted[0]
                assert lease.group == KEYS[lease.key_id]
                assert (lease.acquired_ms, lease.deadline_ms) == (model.now_ms, model.now_ms + TTL_MS)
                held = [
                    scope for scope, keys in SCOPES.items() if lease.key_id in keys and model.holds.get(scope, 0) > model.now_ms
                ]
                assert held == [], lease
                model.start(Taken(lease, one.job, model.step))
        assert all(at_ms is None or at_ms > model.now_ms for at_ms in refused), refused
        self.free_at_ms = min((at_ms for at_ms in refused if at_ms), default=self.free_at_ms)

    def _leases_end(self, told: list[tuple[Asked, Any]], before: set[str]) -> None:
        model = self.model
        ends: dict[str, list[Asked]] = defaultdict(list)
        for one, answer in told:
            if one.what == "sweep":
                for lease_id in answer:
                    assert lease_id in before
                    assert model.taken[lease_id].lease.deadline_ms <= model.now_ms
                    ends[lease_id].append(replace(one, what="expired"))
            elif one.what in {"settled", "refunded"}:
                assert answer in {True, False}, answer
                ends[one.about] += [one] * answer
        for lease_id, endings in ends.items():
            it = model.taken.get(lease_id)
            if it is None or it.state != "open":
                assert endings == [], (it, endings)
                continue
            (ending,) = endings
            it.state, it.ended_ms = ending.what, model.now_ms
        for lease_id, endings in ends.items():
            for tells in (ending.tells for ending in endings if ending.tells):
                model.tell(model.taken[lease_id], *tells)
        if any(one.what == "sweep" and one.ends_all for one, _ in told):
            assert [it for it in model.open().values() if it.lease.deadline_ms <= model.now_ms] == []

    def _asking_again_changes_nothing(self, told: list[tuple[Asked, Any]], before: set[str]) -> None:
        for one, answer in told:
            it = self.model.taken[one.about]
            if isinstance(answer, Lease):
                assert answer == it.lease
                assert one.about in before
            else:
                assert isinstance(answer, LeaseEndedError), answer
                assert it.state != "open"

    def _holds_grow(self, told: list[tuple[Asked, Any]]) -> None:
        holds = dict(self.model.holds)
        for one, _ in told:
            holds[one.about] = max(holds.get(one.about, 0), one.until_ms)
        for one, until_ms in told:
            least_ms = max(self.model.holds.get(one.about, 0), one.until_ms)
            assert least_ms <= until_ms <= holds[one.about], (one.about, until_ms)
        self.model.holds = holds

    # --- what is so after every step -------------------------------------------------------------------------------------------

    def check(self) -> None:
        model = self.model
        for book in model.books.values():
            book.check(model.now_ms)
        for it in self.uses():
            place = (KEYS[it.key_id], it.unit.value)
            assert model.books[place].least(model.now_ms) <= it.used <= model.most(*place), (it, model.most(*place))
        self._check_leases()

    def uses(self) -> list[KeyWindowUse]:
        found: list[KeyWindowUse] = self.limits.run(usage_now(self.limits.redis, self.limits.registry, now_ms=self.model.now_ms))
        return found

    def _check_leases(self) -> None:
        model = self.model
        pipeline = self.limits.redis.pipeline(transaction=False)
        pipeline.zrange(redis_keys.LEASES, 0, -1)
        pipeline.mget([redis_keys.hold(scope) for scope in SCOPES])
        for group in GROUPS:
            pipeline.zrange(redis_keys.in_flight("groq", group), 0, -1)
        leases, holds, *in_flight = self.limits.run(pipeline.execute())
        assert set(leases) == set(model.open())
        assert [int((value or "0").split()[0]) for value in holds] == [model.holds.get(scope, 0) for scope in SCOPES]
        for group, found in zip(GROUPS, in_flight, strict=True):
            assert set(found) == set(model.in_flight(group))
            running = [it for it in model.in_flight(group).values() if it.lease.deadline_ms > model.now_ms]
            assert len(running) <= CONCURRENCY, running

    def come_to_rest(self) -> None:
        """All is ended, time passes, nothing is left over; then exactly what the limits allow is to be had."""
        model = self.model
        self.happen(TTL_MS + 1, [], [Action("sweep_up", 1)])
        assert model.open() == {}
        self.happen(4 * MINUTE_MS, [], [])
        assert {it.used for it in self.uses()} == {0}
        assert self.limits.run(self.limits.redis.keys("pool:in_flight:*")) == []
        smallest = Job((1, 0), 1.0, 0, 0, 0, is_sent=True, tells="")
        asked = [self._acquire(f"last{number}", smallest) for number in range(2 * len(GROUPS) * LIMITS["requests"])]
        answers = self.racers.together([one.command for one in asked])
        granted = [answer.group for answer in answers if isinstance(answer, Lease)]
        # A bucket counts calls on their way as if they came last of all: there is never room for its very last call.
        expected = LIMITS["requests"] - (self.setup.kinds[0] == "refill")
        assert {group: granted.count(group) for group in GROUPS} == dict.fromkeys(GROUPS, expected)
