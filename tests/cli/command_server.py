"""Runs commands by forking a process that has loaded the big libraries: a real process each, in a quarter of the time of a start.

`python -m command_server` reads a request per line from its input (JSON) and answers each with one line:
`{"arguments": […], "cwd": path, "env": {…}, "folder": path}` → pid; the folder has its `stdin`, and gets `stdout` and `stderr`.
`{"wait": pid}` → its exit code, null while it runs. Nothing of ours that looks at the environment is loaded before the fork.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from line_server import LineServer

LOADED_BEFORE = (
    "aiohttp",
    "alembic.command",
    "cryptography.fernet",
    "httpx2",
    "httpx_aiohttp",
    "pool_client",
    "pool_worker.config",
    "pool_worker.ledger.schema",
    "pool_worker.providers.http",
    "pool_worker.settings",
    "redis.asyncio",
    "rich.table",
    "sqlalchemy.dialects.sqlite",
    "typer",
)
LOOK_EVERY_S = 0.01


class CommandServer:
    """Asks a server in a process of its own, which ends with this one."""

    def __init__(self) -> None:
        here = Path(__file__).parent
        path = os.pathsep.join(filter(None, (str(here), str(here.parent), os.environ.get("PYTHONPATH"))))
        self._server = LineServer([sys.executable, "-m", "command_server"], env={**os.environ, "PYTHONPATH": path})
        atexit.register(self._server.close)

    def run(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], folder: Path, within_s: float) -> int:
        """The exit code of `model-pool` with these arguments.

        Raises:
            TimeoutError: if it has none in time.
        """
        pid = self._server.ask({"arguments": [*arguments], "cwd": str(cwd), "env": dict(env), "folder": str(folder)})
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            if (code := self._server.ask({"wait": pid})) is not None:
                return int(code)
            time.sleep(LOOK_EVERY_S)
        msg = f"model-pool {' '.join(arguments)} did not end within {within_s:g} s"
        raise TimeoutError(msg)


@cache
def server() -> CommandServer:
    """The one of this process."""
    return CommandServer()


def serve() -> None:
    """Answer requests until there are no more."""
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        answer = _exit_code(request["wait"]) if "wait" in request else _fork(request)
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol


def _fork(request: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(_run(request))
    return pid


def _run(request: Mapping[str, Any]) -> int:
    """In the child: a process of its own with its own folder, environment, input and output."""
    folder = Path(request["folder"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    files = [
        os.open(folder / "stdin", os.O_RDONLY),
        *(os.open(folder / name, os.O_WRONLY | os.O_CREAT) for name in ("stdout", "stderr")),
    ]
    for target, source in enumerate(files):
        os.dup2(source, target)
        os.close(source)
    sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, encoding="utf-8", closefd=False) for fd, mode in enumerate("rww"))  # noqa: SIM115
    sys.argv = ["model-pool", *request["arguments"]]
    try:
        runpy.run_module("pool_worker.cli.main", run_name="__main__", alter_sys=True)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    serve()
