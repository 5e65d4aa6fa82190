"""`model-pool alerts …`: what a person should know, and what somebody has seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import redis
import typer
from rich.text import Text

from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.cli.alerts.ack import acknowledge
from pool_worker.cli.alerts.grouping import Stage, grouped, stage_of
from pool_worker.cli.alerts.trial import try_targets
from pool_worker.cli.alerts.view import WIDTH, alerts_table, groups_table
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.ledger_reading import open_ledger
from pool_worker.cli.running import connected_settings
from pool_worker.cli.screen import show
from pool_worker.cli.status.beat import beat_is_starting
from pool_worker.cli.terminal import as_typed, err, out
from pool_worker.ledger import reports
from pool_worker.settings import Settings

MOST = 10_000
SCAN_STEP = 5000

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command("ack")(acknowledge)
app.command("test")(try_targets)


@app.callback()
def alerts() -> None:
    """What a person should know, and what somebody has seen."""


@app.command("list")
def list_command(
    *,
    is_open: Annotated[bool, typer.Option("--open", help="Only those that are not over and nobody acknowledged.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Each by itself with all that it says, the newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="So many at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: each by itself, the newest first.")] = False,
) -> None:
    """List alerts: what is open first, and a line for all that tell of the same sort of thing."""
    settings = connected_settings(Settings())
    with open_ledger(settings) as engine:
        still_open = reports.list_alerts(engine, open_only=True, limit=MOST)
        found = still_open[:limit] if is_open else reports.list_alerts(engine, limit=limit)
        if not (as_json or every or is_open):  # however many came after an open one
            ended = [alert for alert in found if stage_of(alert) is not Stage.OPEN]
            found = (still_open + ended)[:limit]
        seen = reports.count_seen(engine) if is_open else 0
    if as_json:
        print_json_list(found)
        return
    if found and all(alert.severity == "info" for alert in still_open):
        out.print("No warning or critical alert is open; what follows is for information.", style="green")
    nothing = "no open alert" if is_open else "no alert"
    if found and every:
        show(alerts_table(found))
    elif found:
        show(groups_table(grouped(found)), width=WIDTH)
        err.print(Text(f"all that they say: {as_typed('alerts list --all')}", style="dim"))
    if seen:
        are = "alert is" if seen == 1 else "alerts are"
        err.print(Text(f"{seen} acknowledged {are} not over yet: {as_typed('alerts list')}", style="yellow"))
    blind = _why_blind(settings)
    if blind:
        err.print(Text(f"{'' if found else f'{nothing}, but '}{blind}", style="yellow"))
    elif not found:
        err.print(nothing if seen else f"{nothing}: all is well")


def _why_blind(settings: Settings) -> str | None:
    """Why nobody would notice anything now, and what to do about it; None if somebody would."""
    with connect(str(settings.redis_url)) as client:
        try:
            has_worker = next(client.scan_iter(redis_keys.worker("*"), count=SCAN_STEP), None) is not None
            has_beat = bool(client.exists(redis_keys.BEAT_LOCK)) or beat_is_starting(settings.home, now=datetime.now(UTC))
        except (redis.RedisError, OSError):
            return "nothing runs here now that would notice anything"
    if not has_worker:
        return f"no worker runs now, so nobody would notice: `{as_typed('doctor')}` tells more"
    return None if has_beat else f"beat is not running, so nobody looks: `{as_typed('beat')}` starts it"
