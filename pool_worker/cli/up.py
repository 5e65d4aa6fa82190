"""`model-pool up`: the whole system on this machine, in the foreground."""

from __future__ import annotations

import contextlib
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pool_client.redis_connection import shown
from pool_worker.cli.global_options import was_given
from pool_worker.cli.interrupts import Interrupts
from pool_worker.cli.plan import Plan, make_plan
from pool_worker.cli.processes import Report, is_alive
from pool_worker.cli.running import ALREADY_RUNNING, AlreadyRunningError, Running, find_running, recorded
from pool_worker.cli.system import System
from pool_worker.cli.terminal import CommandError, as_typed, err, option_of
from pool_worker.logs import json_line
from pool_worker.settings import Settings

DEFAULT_PROFILE = "thirty-two-keys"
LOOK_EVERY_S = 0.1
COLOURS = {"beat": "magenta", "simulator": "yellow"}
WORKER_COLOURS = ("cyan", "blue", "green", "bright_cyan", "bright_blue", "bright_green")


class UpCommand(TyperCommand):
    """Lets `--simulate` stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the usual profile behind a `--simulate` that names none."""
        for place, word in enumerate(args):
            if word == "--simulate" and (place + 1 == len(args) or args[place + 1].startswith("-")):
                args = [*args[: place + 1], DEFAULT_PROFILE, *args[place + 1 :]]
                break
        return super().parse_args(ctx, args)


app = typer.Typer(add_completion=False)


@app.command("up", cls=UpCommand)
def up(
    *,
    simulate: Annotated[
        str | None, typer.Option(metavar="[PROFILE]", help=f"Against simulated providers; without a name: {DEFAULT_PROFILE}.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes, each serving every queue.")] = 1,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the embedded Redis.")] = None,
) -> None:
    """Run everything on this machine, in the foreground: Redis, ledger, workers and beat. Ctrl-C drains and stops it."""
    began = time.monotonic()
    settings = Settings()
    given = was_given("MODEL_POOL_REDIS_URL")
    plan = make_plan(settings, simulate=simulate, workers=workers, redis_port=port, keep_redis=given)
    report: Report = JsonReport() if settings.log_format == "json" else ForegroundReport()
    if settings.redis_url and not plan.settings.redis_url:
        report.note("MODEL_POOL_REDIS_URL is left alone: simulated jobs stay apart from real ones (--redis URL would use it)")
    with Interrupts() as interrupts:
        system = System(plan, report=report, asked_to_leave=lambda: interrupts.count)
        try:
            running = system.start()
        except AlreadyRunningError as error:
            _tell_already_running(error.home, base=settings.home)
            raise typer.Exit(ALREADY_RUNNING) from None
        except CommandError:
            if interrupts.count:
                return
            raise
        _print_banner(plan, running, base=settings.home, ready_after_s=time.monotonic() - began)
        while not system.failure and not interrupts.count:
            time.sleep(LOOK_EVERY_S)
            system.record()
        failure = system.failure
        report.note(f"stopping: jobs under way get {plan.settings.drain_s:g} s to finish; Ctrl-C again hurries")
        system.stop()
    if failure:
        raise CommandError(failure)
    report.note("stopped")


class ForegroundReport:
    """Prints what the children write, each line under its coloured name, and what happens to them."""

    def log(self, part: str, line: str) -> None:
        """Print a child's line, if anything is in it."""
        if not line:
            return
        number = part.removeprefix("worker-")
        colour = COLOURS.get(part) or WORKER_COLOURS[int(number) % len(WORKER_COLOURS) if number.isdigit() else 0]
        _print(f"{typer.style(f'{part:>9} │', fg=colour)} {line}")

    def note(self, text: str) -> None:
        """Print what happened."""
        _print(f"{typer.style('       up │', bold=True)} {text}")


class JsonReport:
    """For whoever collects lines: prints what the children write as they wrote it, and anything else as JSON, too."""

    def log(self, part: str, line: str) -> None:
        """Print a child's line, if anything is in it. Some are no JSON: Celery's farewell, a crash."""
        if line:
            _print(line if line.startswith("{") else self._line(line, process=part))

    def note(self, text: str) -> None:
        """Print what happened."""
        _print(self._line(text, process="up"))

    def _line(self, text: str, *, process: str) -> str:
        return json_line(text, at=datetime.now(UTC), level="info", logger=__name__, process=process)


def _print(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads any more; the system goes on
        typer.echo(line)


def _print_banner(plan: Plan, running: Running, *, base: Path, ready_after_s: float) -> None:
    embedded = running.embedded_redis_port is not None
    rows = {
        "Redis": shown(running.redis_url) + (" (embedded)" if embedded else ""),
        "home": str(running.home),
        "ledger": shown(plan.settings.ledger_url),
        "workers": f"{plan.workers}, serving {len(plan.registry.queues())} queues",
    }
    if (metrics := plan.settings.metrics_port) is not None:
        rows["metrics"] = f"http://{plan.settings.metrics_host}:{metrics}/metrics (beat), ports from {metrics + 1} on (workers)"
    if running.simulator_url:
        rows["simulator"] = f"{running.simulator_url} ({running.profile})"
    typer.secho(f"Model Pool is ready in {ready_after_s:.1f} s", bold=True)
    for name, value in rows.items():
        typer.echo(f"  {name:<10}{value}")
    typer.echo(f"In another terminal:  {_first_job(running, base=base)}")
    if embedded:
        typer.echo(f"In your programs:     MODEL_POOL_REDIS_URL={running.redis_url}")
    typer.echo("Ctrl-C stops it all.")


def _first_job(running: Running, *, base: Path) -> str:
    """The command that submits a job to this system from any terminal."""
    words = 'submit "Why is the sky blue?"'
    if base != Path.home() / ".model-pool" and not was_given("MODEL_POOL_HOME"):
        words += f" --home {shlex.quote(str(base))}"
    if len(find_running(base)) > 1 and not was_given("MODEL_POOL_REDIS_URL"):
        words += f" {option_of('--redis', running.redis_url)}"
    return as_typed(words)


def _tell_already_running(home: Path, *, base: Path) -> None:
    running = recorded(home)
    if running is None or not is_alive(running.pids.get("up", 0)):
        err.print(f"Model Pool is just being started or stopped on {home}")
        return
    age = datetime.now(UTC) - running.since
    err.print(f"Model Pool is already running on {home}")
    err.print(f"  since  {running.since.astimezone():%Y-%m-%d %H:%M:%S} ({str(age).partition('.')[0]} ago)")
    err.print(f"  Redis  {shown(running.redis_url)}")
    err.print(f"  pids   {', '.join(f'{name} {pid}' for name, pid in running.pids.items())}")
    err.print(f"To use it:  {_first_job(running, base=base)}", markup=False)
    err.print(f"To stop it: Ctrl-C in its terminal, or kill {running.pids['up']}")
