"""The demo from its first word to its last."""

from __future__ import annotations

import tempfile
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import typer
from rich.text import Text

from pool_worker.cli.demo.account import Account, checks_of, compared_model, verdict_of
from pool_worker.cli.demo.books import account_of
from pool_worker.cli.demo.playing import Run
from pool_worker.cli.demo.progress import open_screen
from pool_worker.cli.demo.scenario import Scenario, providers_with_keys, real_scenario, simulated_scenario
from pool_worker.cli.demo.tables import WIDTH, account_view
from pool_worker.cli.demo.tracking import Tracker
from pool_worker.cli.figures import count_of
from pool_worker.cli.interrupts import Interrupts
from pool_worker.cli.screen import show
from pool_worker.cli.status.reading import StatusReader
from pool_worker.cli.system import System
from pool_worker.cli.terminal import CommandError, as_typed, out
from pool_worker.config import load_registry
from pool_worker.settings import Settings
from pool_worker.simulator.admin_client import SimulatorAdmin

INTERRUPTED = 130


def run(*, real: bool | None) -> None:
    """Run the demo, and show the account; None for `real`: if `.env` has keys.

    Raises:
        CommandError: if there is no key for a real one, or the system broke.
        typer.Exit: if somebody stopped it, or anything did not hold.
    """
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
    """What is going to happen, in lines of at most 80 characters."""
    plan = scenario.plan
    if scenario.is_simulated:
        keys, providers = len(plan.registry.keys), len({key.provider for key in plan.registry.keys})
        _say(f"Runs here: {providers} simulated providers with {keys} keys, Redis, a ledger, 3 workers, beat.")
        failing = scenario.outage.provider if scenario.outage is not None else "nobody"
        _say(f"{scenario.jobs} jobs of six agents come in over {scenario.lasts_s:.0f} s; {failing} fails in the middle.")
        _say(f"The last {scenario.patient} are for {scenario.pinned} only, whose limits are used up by then: they wait.")
    else:
        _say(f"[bold yellow]It calls real providers[/] with the keys in .env: {', '.join(keyed)} (`--simulated` calls none).")
        _say(f"{scenario.jobs} short jobs of six agents come in over {scenario.lasts_s:.0f} s, each for 0.01 USD at most.")
    _say("")


def _perform(scenario: Scenario, interrupts: Interrupts) -> Account | None:
    """Start the system, run the scenario, stop it all; None if somebody asked to leave."""
    began = time.monotonic()
    system = System(scenario.plan, report=Quiet(), asked_to_leave=lambda: interrupts.count)
    try:
        with _busy(f"starting {_parts(scenario)}"):
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
        with _busy("stopping it all"):
            system.stop()
    if failure:
        raise CommandError(failure)
    if interrupts.count:
        return None
    return account_of(scenario, ended=tracker.ended, watched=run.watched, verdict=verdict, ledger_url=system.settings.ledger_url)


def _parts(scenario: Scenario) -> str:
    workers = count_of(len(scenario.plan.planned_workers()), "worker")
    return f"Redis, ledger, {'simulator, ' if scenario.is_simulated else ''}{workers} and beat"


def _busy(text: str) -> AbstractContextManager[object]:
    """What takes a moment; in a terminal something moves meanwhile."""
    if out.is_terminal:
        return out.status(text)
    _say(text)
    return nullcontext()


def _what_next() -> None:
    _say("\n[bold]What next[/]")
    steps = {
        as_typed("up --simulate"): "the same, for as long as you like",
        as_typed("status --watch"): "what it is doing, in another terminal",
        "cp configs/.env.example .env": f"put your own keys in, then {as_typed('up')}",
    }
    for command, purpose in steps.items():
        _say(f"  {command}")
        _say(f"      {purpose}")


def _say(line: str) -> None:
    show(Text.from_markup(line))
