"""Draws up the account, from the ledger that the demo leaves behind and what was seen on the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pool_client.job import Usage
from pool_worker.cli.demo.account import Account, Verdict, agent_accounts, failovers_of, hops_of, provider_accounts
from pool_worker.cli.demo.playing import Watched
from pool_worker.cli.demo.scenario import Scenario
from pool_worker.cli.demo.tracking import EndedJob
from pool_worker.cli.demo.waits import wait_accounts
from pool_worker.ledger.calls import By
from pool_worker.ledger.database import open_database
from pool_worker.ledger.reports import usage

LONG_AGO = timedelta(days=1)


def account_of(
    scenario: Scenario, *, ended: Sequence[EndedJob], watched: Watched, verdict: Verdict | None, ledger_url: str
) -> Account:
    """Everything that can be said of a run."""
    since = datetime.now(UTC) - LONG_AGO
    engine = open_database(ledger_url)
    try:
        by_provider, by_key = (usage(engine, since=since, by=by) for by in (By.PROVIDER, By.KEY))
    finally:
        engine.dispose()
    return Account(
        planned=scenario.jobs,
        ended=ended,
        providers=provider_accounts(by_provider, by_key, watched.peaks, scenario.plan.registry),
        agents=agent_accounts(ended),
        hops=hops_of(ended),
        failovers=failovers_of(ended),
        waits=wait_accounts(ended),
        verdict=verdict,
        cost_usd=sum((row.cost_usd for row in by_provider), Decimal(0)),
        usage=Usage(
            input_tokens=sum(row.input_tokens for row in by_provider),
            output_tokens=sum(row.output_tokens for row in by_provider),
        ),
    )
