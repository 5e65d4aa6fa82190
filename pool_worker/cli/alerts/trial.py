"""`model-pool alerts test`: sends a message to everybody who is told of alerts."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLateError
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.text import Text

from pool_worker.alerts.sending import TIMEOUT_S, send_beside
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.terminal import CommandError, err, out
from pool_worker.config import load_registry
from pool_worker.settings import Settings

NOBODY = (
    "nobody is told of alerts: name targets under `alerts` in pool.yaml, or set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID, "
    "or ALERT_EMAIL and ALERT_SMTP_URL"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the message to one target."""

    target: str
    ok: bool
    error: str | None


def try_targets(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Send a message to everybody who is told of alerts. Exit code 1 if one did not take it."""
    settings = Settings()
    rules = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url).rules.alerts
    if not rules.targets and not rules.missing:
        raise CommandError(NOBODY)
    words = {"title": "Model Pool: this is a test", "body": "Alerts will come to you like this message."}
    sending = {target.name: send_beside(target, **words, severity="info") for target in rules.targets}
    trials = [_trial(name, outcome) for name, outcome in sending.items()]
    if as_json:
        print_json_list(trials)
    for trial in () if as_json else trials:
        sign = Text("✓ ", style="green") if trial.ok else Text("✗ ", style="red")
        out.print(sign + Text(f"{trial.target}: {trial.error or 'it was taken'}"))
    for sentence in rules.missing:
        err.print(Text(f"! {sentence}", style="yellow"))
    if rules.missing or not all(trial.ok for trial in trials):
        raise typer.Exit(1)


def _trial(name: str, outcome: Future[str]) -> Trial:
    try:
        error = outcome.result(timeout=TIMEOUT_S)
    except TooLateError:
        error = f"no answer within {TIMEOUT_S:g} s"
    return Trial(name, not error, error or None)
