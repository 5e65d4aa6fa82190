"""`model-pool demo`: the whole system on this machine for half a minute, under load, with an account at the end."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pool_worker.cli.demo.account import Account, checks_of, compared_model, verdict_of
from pool_worker.cli.demo.books import account_of
from pool_worker.cli.demo.playing import Run
from pool_worker.cli.demo.progress import open_screen
from pool_worker.cli.demo.scenario import Scenario, providers_with_keys, real_scenario, simulated_scenario
from pool_worker.cli.demo.tables import WIDTH, account_view
from pool_worker.cli.demo.tracking import Tracker
from pool_worker.cli.interrupts import Interrupts
from pool_worker.cli.screen import show
from pool_worker.cli.status.reading import StatusReader
from pool_worker.cli.system import System
from pool_worker.cli.terminal import CommandError
from pool_worker.config import load_registry
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

INTERRUPTED = 130


def demo(
    *,
    real: Annotated[
        bool | None, typer.Option("--real/--simulated", help="Real or simulated providers; by default real if .env has keys.")
    ] = None,
) -> None:
    """Show the whole system at work on this machine; it cleans up after itself. Exit code 1 if anything did not hold."""
    settings = Settings()
    keyed = providers_with_keys(settings) if real is not False else []
    if real and not keyed:
        msg = "--real needs API keys in .env in this folder, such as GROQ_API_KEY_1=gsk_… (see configs/.env.example)"
        raise CommandError(msg, exit_code=2)
    with tempfile.TemporaryDirectory(prefix="model-pool-demo-") as folder, Interrupts() as interrupts:
        scenario = (real_scenario if keyed else simulated_scenario)(settings, Path(folder))
        _introduce(scenario, keyed)
        account = _perform(scenario, interrupts)
    if account is None:
        _say("stopped; nothing is left behind")
        raise typer.Exit(INTERRUPTED)
    checks = checks_of(account)
    compared = compared_model(load_registry(settings.config_dir))
    show(account_view(account, checks, compared=compared), width=WIDTH)
    _what_next()
    if not all(check.holds for check in checks if check.must_hold):
        raise typer.Exit(1)


class Quiet:
    """Children's lines and notes are kept for the case that something goes wrong."""

    def log(self, part: str, line: str) -> None:
        """A part that fails has its last lines in its failure."""

    def note(self, text: str) -> None:
        """Nobody needs it here."""


def _introduce(scenario: Scenario, keyed: list[str]) -> None:
    """What is going to happen, in three lines of at most 80 characters."""
    plan = scenario.plan
    _say("[bold]Model Pool[/]: many small LLM quotas as one large, dependable one.")
    if scenario.is_simulated:
        keys, providers = len(plan.registry.keys), len({key.provider for key in plan.registry.keys})
        _say(f"Runs here: {providers} simulated providers with {keys} keys, Redis, a ledger, 3 workers, beat.")
        _say(
            f"{scenario.jobs} jobs of six agents come in over {scenario.lasts_s:.0f} s; {_failing(scenario)} fails in the middle."
        )
    else:
        _say(f"[bold yellow]It calls real providers[/] with the keys in .env: {', '.join(keyed)} (`--simulated` calls none).")
        _say(f"{scenario.jobs} short jobs of six agents come in over {scenario.lasts_s:.0f} s, each for 0.01 USD at most.")
    _say("")


def _failing(scenario: Scenario) -> str:
    return scenario.outage.provider if scenario.outage is not None else "nobody"


def _perform(scenario: Scenario, interrupts: Interrupts) -> Account | None:
    """Start the system, run the scenario, stop it all; None if somebody asked to leave."""
    began = time.monotonic()
    system = System(scenario.plan, report=Quiet(), asked_to_leave=lambda: interrupts.count)
    try:
        running = system.start()
    except CommandError:
        if interrupts.count:
            return None
        raise
    try:
        _say(f"everything runs after {time.monotonic() - began:.1f} s; here come the jobs")
        with ExitStack() as stack:
            simulator = stack.enter_context(SimulatorAdmin(running.simulator_url)) if running.simulator_url else None
            tracker = stack.enter_context(Tracker(running.redis_url))
            reader = stack.enter_context(StatusReader(running.redis_url, scenario.plan.registry))
            run = Run(
                scenario,
                tracker=tracker,
                reader=reader,
                simulator=simulator,
                screen=stack.enter_context(open_screen()),
                should_stop=lambda: bool(interrupts.count or system.failure),
            )
            run.play()
            verdict = None if simulator is None else verdict_of(simulator.counts())
        failure = system.failure
    finally:
        system.stop()
    if failure:
        raise CommandError(failure)
    if interrupts.count:
        return None
    return account_of(scenario, ended=tracker.ended, watched=run.watched, verdict=verdict, ledger_url=system.settings.ledger_url)


def _what_next() -> None:
    program = _program()
    _say("\n[bold]What next[/]")
    _say(f"  {program} up --simulate")
    _say("      the same, for as long as you like; `model-pool status --watch` shows it")
    _say("  cp configs/.env.example .env")
    _say(f"      put your own keys in, then `{program} up`")


def _program() -> str:
    """How this program was called, so that it can be called so again."""
    if shutil.which("model-pool"):
        return "model-pool"
    called = os.path.relpath(sys.argv[0])
    return sys.argv[0] if called.startswith("..") else called


def _say(line: str) -> None:
    show(Text.from_markup(line))
