"""The account at the demo's end: facts drawn from the jobs' trails, the ledger, and the simulator as a judge. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from pool_client.job import Attempt, Failure, Step, Tier, Usage
from pool_worker.cli.demo.tracking import EndedJob
from pool_worker.cli.demo.waits import WaitAccount
from pool_worker.cli.figures import count_of
from pool_worker.errors import WindowSpentError
from pool_worker.ledger.reports import UsageRow
from pool_worker.registry import Model, Registry


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest share of a window that was in use at a moment that was looked at."""

    share: float = 0.0
    window: str = ""
    """Which one that was: `requests/min`. Empty: nothing was in use."""


@dataclass(frozen=True, slots=True)
class UsageShare:
    """What one key, or all of a provider, did."""

    usage: UsageRow
    peak: Peak


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """A provider and its keys."""

    total: UsageShare
    keys: tuple[UsageShare, ...]


@dataclass(frozen=True, slots=True)
class AgentAccount:
    """One agent's jobs; times are medians, from the submission on."""

    agent: str
    jobs: int
    answered: int
    wait_ms: float
    """Until its first call."""
    answer_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class Failovers:
    """Calls that failed, and how quickly the jobs went on."""

    reasons: Counter[tuple[str, str]]
    """(provider, outcome) → calls."""
    jobs: int
    added_ms: tuple[float, ...]
    """From the end of a failed call to the begin of the next, for those that went on at once; ascending."""
    rests: int
    """How often a job rested because every candidate had failed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the simulator counted, with its own code."""

    requests: int
    """It answered, refused or charged."""
    down: int
    """Requests that met a provider which was made to fail."""
    refused: int
    overshoot: float
    """The largest, of any window of any key."""
    duplicates: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Check:
    """Something that ought to hold."""

    holds: bool
    text: str
    must_hold: bool = True
    """Whether the demo has failed if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything."""

    planned: int
    ended: Sequence[EndedJob]
    providers: tuple[ProviderAccount, ...]
    agents: tuple[AgentAccount, ...]
    hops: Counter[str]
    """Queue → jobs that moved there, because a provider with room was served there."""
    failovers: Failovers
    waits: tuple[WaitAccount, ...]
    verdict: Verdict | None
    cost_usd: Decimal
    usage: Usage

    @property
    def answered(self) -> int:
        """Jobs that a model answered."""
        return sum(job.is_answered for job in self.ended)

    @property
    def took_s(self) -> float:
        """From the first submission to the last answer."""
        if not self.ended:
            return 0.0
        return (max(job.finished_at for job in self.ended) - min(job.submitted_at for job in self.ended)).total_seconds()

    @property
    def best_second(self) -> int:
        """Most jobs that ended within one second, whenever it began."""
        times = sorted(job.finished_at for job in self.ended)
        return max((bisect_left(times, at + timedelta(seconds=1)) - place for place, at in enumerate(times)), default=0)


def verdict_of(counts: Mapping[str, Any]) -> Verdict:
    """The judge's counts in the form of `simulator.counts.report`."""
    totals = counts["totals"]
    return Verdict(
        requests=totals["requests"],
        down=totals["down"],
        refused=totals["refused"],
        overshoot=totals["largest_overshoot"],
        duplicates=totals["duplicates"],
        tokens=totals["input_tokens"] + totals["output_tokens"],
    )


def provider_accounts(
    by_provider: Sequence[UsageRow], by_key: Sequence[UsageRow], peaks: Mapping[str, Peak], registry: Registry
) -> tuple[ProviderAccount, ...]:
    """In the order in which the providers are preferred; a key's id begins with its provider's."""

    def share(row: UsageRow) -> UsageShare:
        return UsageShare(row, peaks.get(row.group, Peak()))

    def rank(row: UsageRow) -> tuple[int, str]:
        provider = registry.providers.get(row.group)
        return (-provider.priority if provider else 0, row.group)

    keys: dict[str, list[UsageRow]] = {}
    for row in by_key:
        keys.setdefault(row.group.partition("#")[0], []).append(row)
    return tuple(
        ProviderAccount(share(row), tuple(share(key) for key in sorted(keys.get(row.group, []), key=_by_number)))
        for row in sorted(by_provider, key=rank)
    )


def _by_number(row: UsageRow) -> tuple[int, str]:
    number = row.group.rpartition("#")[2]
    return (int(number) if number.isdigit() else 0, row.group)


def agent_accounts(ended: Sequence[EndedJob]) -> tuple[AgentAccount, ...]:
    """By agent, the most urgent answers first."""
    agents: dict[str, list[EndedJob]] = {}
    for job in ended:
        agents.setdefault(job.agent, []).append(job)
    accounts = [_of_agent(agent, jobs) for agent, jobs in agents.items()]
    return tuple(sorted(accounts, key=lambda account: account.answer_ms))


def _of_agent(agent: str, jobs: Sequence[EndedJob]) -> AgentAccount:
    waits = [_ms(call.started_at - job.submitted_at) for job in jobs for call in [_first_call(job)] if call is not None]
    times = [_ms(job.finished_at - job.submitted_at) for job in jobs]
    answered = sum(job.is_answered for job in jobs)
    return AgentAccount(agent, len(jobs), answered, median(waits) if waits else 0.0, median(times), max(times))


def _first_call(job: EndedJob) -> Attempt | None:
    return next((attempt for attempt in job.attempts if attempt.is_call), None)


def hops_of(ended: Sequence[EndedJob]) -> Counter[str]:
    """Queue → jobs that moved to it."""
    moves = (attempt.reason.rpartition(" ")[2] for job in ended for attempt in job.attempts if attempt.outcome == Step.MOVED)
    return Counter(moves)


def failovers_of(ended: Sequence[EndedJob]) -> Failovers:
    """Drawn from the trails."""
    reasons: Counter[tuple[str, str]] = Counter()
    added_ms: list[float] = []
    jobs = rests = 0
    for job in ended:
        failed = [attempt for attempt in job.attempts if attempt.is_call and attempt.outcome != Step.OK]
        reasons.update((str(attempt.provider), attempt.outcome) for attempt in failed)
        jobs += bool(failed)
        rests += sum(attempt.outcome == Step.PAUSED for attempt in job.attempts)
        added_ms += _went_on_after(job.attempts)
    return Failovers(reasons, jobs, tuple(sorted(added_ms)), rests)


def _went_on_after(attempts: Sequence[Attempt]) -> list[float]:
    """Milliseconds from each failed call to the next call, hops included, unless the job rested in between."""
    added_ms: list[float] = []
    failed_at: datetime | None = None
    for attempt in attempts:
        if attempt.outcome == Step.PAUSED:
            failed_at = None
        elif attempt.is_call:
            if failed_at is not None:
                added_ms.append(max(0.0, _ms(attempt.started_at - failed_at)))
            ended_at = attempt.started_at + timedelta(milliseconds=attempt.latency_ms)
            failed_at = None if attempt.outcome == Step.OK else ended_at
    return added_ms


def checks_of(account: Account) -> list[Check]:
    """What must hold at the end, and what ought to."""
    planned, answered = account.planned, account.answered
    lost = planned - len(account.ended)
    failed = sum(isinstance(job.outcome, Failure) for job in account.ended)
    lesser = len(account.ended) - failed - answered
    checks = [Check(answered + lesser == planned, f"{answered} of {planned} jobs answered, {failed} failed, {lost} lost")]
    if lesser:
        text = f"{count_of(lesser, 'job')} had guidance instead of an answer: no quota was free in time"
        checks.append(Check(holds=False, text=text, must_hold=False))
    if account.verdict is None:
        return [*checks, _refusals(account)]
    return [*checks, *_judged(account, account.verdict)]


def _refusals(account: Account) -> Check:
    spent = sum(count for (_, outcome), count in account.failovers.reasons.items() if outcome == WindowSpentError.__name__)
    return Check(spent == 0, f"{spent} calls refused because a limit was reached", must_hold=False)


def _judged(account: Account, verdict: Verdict) -> list[Check]:
    """By the simulator, which counts with code of its own."""
    calls, seen = sum(provider.total.usage.calls for provider in account.providers), verdict.requests + verdict.down
    tokens = account.usage.total_tokens
    return [
        Check(verdict.overshoot == 0, f"{'no' if verdict.overshoot == 0 else 'a'} key over a limit, as the simulator counts"),
        Check(verdict.refused == 0, f"{verdict.refused} calls refused because a limit was reached", must_hold=False),
        Check(verdict.duplicates == 0, f"{verdict.duplicates} jobs charged twice"),
        Check(
            (calls, tokens) == (seen, verdict.tokens),
            f"the ledger has {calls:,} calls and {tokens:,} tokens, the simulator {seen:,} and {verdict.tokens:,}",
        ),
    ]


def compared_model(registry: Registry) -> Model | None:
    """The best paid model of the configuration, whose price shows what the same tokens are worth."""
    paid = [model for model in registry.models.values() if model.tier is not Tier.FREE and model.is_active]
    priced = [model for model in paid if model.price_known and _costs(model)]
    order = (Tier.PREMIUM, Tier.PAID, Tier.LOCAL)
    return min(priced, key=lambda model: (order.index(model.tier), model.id), default=None)


def _costs(model: Model) -> bool:
    return model.price.input_usd_per_mtok > 0 and model.price.output_usd_per_mtok > 0


def _ms(duration: timedelta) -> float:
    return max(0.0, duration / timedelta(milliseconds=1))
