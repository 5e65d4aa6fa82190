"""The judge's report: what each key was asked, admitted, refused and charged, and how far any window was exceeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pool_worker.registry import ALL_MODELS
from pool_worker.simulator.accounts import Account, Taken, WindowCount
from pool_worker.simulator.offered import offered_calls
from pool_worker.simulator.simulation import Simulation

SUMS = ("requests", "admitted", "refused", "abandoned", "charges", "input_tokens", "output_tokens")


def report(simulation: Simulation, *, every_job: bool = False, offers: bool = False) -> dict[str, Any]:
    """All counts since the last reset, ready for JSON; money as decimal strings.

    Args:
        simulation: what was simulated.
        every_job: also what each job was charged.
        offers: also how many calls each provider has offered since the first one of all came; costs some 10 µs for each of them.
    """
    accounts = list(simulation.accounts.values())
    now_s = simulation.clock()
    return {
        "now": now_s,
        "began": simulation.first_call_s,
        "lenient": simulation.options.lenient,
        "totals": {
            **_sums(accounts),
            "unauthorized": sum(tally.unauthorized for tally in simulation.tallies.values()),
            "down": sum(tally.down for tally in simulation.tallies.values()),
            "duplicates": sum(number - 1 for number in simulation.charges_per_job.values()),
        },
        "providers": {
            name: _of_provider(simulation, name) | ({"offered": _offered(simulation, name, until_s=now_s)} if offers else {})
            for name in simulation.profile.providers
        },
        "jobs": _of_jobs(simulation, every_job=every_job),
    }


def _of_provider(simulation: Simulation, name: str) -> dict[str, Any]:
    accounts = simulation.accounts_of(name)
    tally = simulation.tallies[name]
    return {
        **_sums(accounts),
        "unauthorized": tally.unauthorized,
        "listings": tally.listings,
        "down": tally.down,
        "keys": {account.label: _of_account(account) for account in accounts},
    }


def _offered(simulation: Simulation, name: str, *, until_s: float) -> dict[str, int | None]:
    """Model → the calls that the provider's accounts together have offered, of the size that it was called with on average.

    Models that nobody called are not there: nobody knows the size of their calls. None: there is no limit.
    """
    accounts = simulation.accounts_of(name)
    provider = simulation.profile.providers[name]
    sums: dict[str, Taken] = {}
    for account in accounts:
        for model, taken in account.taken.items():
            place = sums.setdefault(ALL_MODELS if provider.windows_shared else model, Taken())
            place.calls += taken.calls
            place.amounts.update(taken.amounts)
            place.busy_s += taken.busy_s
    offered = {}
    for model, taken in sums.items():
        mean = {unit: amount / taken.calls for unit, amount in taken.amounts.items()}
        each = offered_calls(
            provider.windows_of(model),
            mean,
            concurrency=provider.concurrency,
            call_s=taken.busy_s / taken.calls,
            since_s=simulation.first_call_s or until_s,
            until_s=until_s,
        )
        offered[model] = None if each is None else each * len(accounts)
    return offered


def _of_account(account: Account) -> dict[str, Any]:
    tally = account.tally
    return {
        **_sums([account]),
        "refused_by": dict(tally.refused),
        "errors": dict(tally.errors),
        "faults": dict(tally.faults),
        "in_flight": account.in_flight,
        "peak_in_flight": tally.peak_in_flight,
        "windows": [_of_window(count) for count in account.counts()],
    }


def _of_window(count: WindowCount) -> dict[str, Any]:
    return {
        "model": count.scope,
        "window": count.name,
        "limit": count.meter.window.limit,
        "admitted": count.admitted,
        "peak": count.peak,
        "overshoot": count.overshoot,
        "exceeded": count.exceeded,
        "asked_over": count.asked_over,
    }


def _of_jobs(simulation: Simulation, *, every_job: bool) -> dict[str, Any]:
    charged = simulation.charges_per_job
    jobs: dict[str, Any] = {
        "charged": len(charged),
        "without_id": simulation.charges_without_job,
        "duplicates": {job: number for job, number in charged.items() if number > 1},
    }
    if every_job:
        jobs["charges"] = dict(charged)
        jobs["bills"] = {job: str(bill_usd) for job, bill_usd in simulation.bill_per_job.items()}
    return jobs


def _sums(accounts: Iterable[Account]) -> dict[str, Any]:
    sums: Counter[str] = Counter(dict.fromkeys(SUMS, 0))
    bill_usd, overshoot = Decimal(0), 0.0
    for account in accounts:
        tally = account.tally
        for name in SUMS:
            sums[name] += tally.refused.total() if name == "refused" else getattr(tally, name)
        sums["faults"] += tally.faults.total()
        bill_usd += tally.bill_usd
        overshoot = max(overshoot, max((count.overshoot for count in account.counts()), default=0.0))
    return {**sums, "bill_usd": str(bill_usd), "largest_overshoot": overshoot}
