"""`model-pool keys …`: the API keys in the vault. Secrets come in by a file, stdin or a hidden prompt, and never go out."""

from __future__ import annotations

import typer

from pool_worker.cli.keys.adding import add_command, import_command
from pool_worker.cli.keys.changing import revoke_command, rotate_command, set_command
from pool_worker.cli.keys.checking import check_command
from pool_worker.cli.keys.listing import audit_command, list_command
from pool_worker.cli.keys.renewing import rotate_master_command

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def keys() -> None:
    """The API keys: import, list, add, check, change and revoke them; who read or changed one."""


app.command("import")(import_command)
app.command("list")(list_command)
app.command("add")(add_command)
app.command("check")(check_command)
app.command("rotate")(rotate_command)
app.command("set")(set_command)
app.command("revoke")(revoke_command)
app.command("audit")(audit_command)
app.command("rotate-master")(rotate_master_command)
