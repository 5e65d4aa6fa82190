"""The judge's report: what each key was asked, admitted, refused and charged, and how far any window was exceeded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pool_worker.simulator.accounts import Account, WindowCount
from pool_worker.simulator.simulation import Simulation

SUMS = ("requests", "admitted", "refused", "abandoned", "charges", "input_tokens", "output_tokens")


def report(simulation: Simulation, *, every_job: bool = False) -> dict[str, Any]:
    """All counts since the last reset, ready for JSON; money as decimal strings. `every_job`: also what each job was charged."""
    accounts = list(simulation.accounts.values())
    return {
        "now": simulation.clock(),
        "lenient": simulation.options.lenient,
        "totals": {
            **_sums(accounts),
            "unauthorized": sum(tally.unauthorized for tally in simulation.tallies.values()),
            "down": sum(tally.down for tally in simulation.tallies.values()),
            "duplicates": sum(number - 1 for number in simulation.charges_per_job.values()),
        },
        "providers": {name: _of_provider(simulation, name) for name in simulation.profile.providers},
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
