"""Gives birth to the lab's processes: it has loaded the big libraries and forks, which takes a quarter of the time of a start.

`python -m nursery LIFE` reads one request per line from its input (JSON) and answers each with one line:
`{"module": […], "env": {…}, "log": path, "grace_s": n}` → pid · `{"wait": pid, "within_s": n}` → exit code, null if none.
`{"ward": pid}` → when it began; this process, which is not its child, is killed when the input ends.
Nothing of ours that reads the environment is loaded before the fork. It ends when its input does.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pool_worker.cli.lifeline import AT_ONCE, main

LOADED_BEFORE = (
    "celery.apps.worker",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "redbeat.schedulers",
    "redis.asyncio",
    "uvloop",
    "aiohttp",
    "httpx2",
    "httpx_aiohttp",
    "alembic.command",
    "sqlalchemy.dialects.sqlite",
    "cryptography.fernet",
    "pydantic_settings",
    "starlette.applications",
    "uvicorn",
    "pool_client",
    "pool_worker.config",
    "pool_worker.settings",
)
LOOK_EVERY_S = 0.005


def serve() -> None:
    """Answer requests until there are no more."""
    life = int(sys.argv[1])
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    wards: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "ward" in request:
            answer: int | None = _born_at(request["ward"])
            wards[request["ward"]] = answer
        else:
            answer = _wait(request) if "wait" in request else _fork(request, life)
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol
    for pid, born_at in wards.items():
        if _born_at(pid) == born_at:
            os.kill(pid, signal.SIGKILL)


def _born_at(pid: int) -> int:
    """When a process began (ticks since the start of the system), which tells it from a later one of the same pid; 0: gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return 0


def _fork(request: Mapping[str, Any], life: int) -> int:
    pid = os.fork()
    if pid == 0:
        _become(request, life)
    return pid


def _become(request: Mapping[str, Any], life: int) -> None:
    """In the child: a process of its own with its own environment and output, that ends when the test's process does."""
    os.setsid()
    os.environ.clear()
    os.environ.update(request["env"])
    out = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(out)
    os.close(nothing)
    sys.argv = ["lifeline", str(life), str(AT_ONCE), str(request["grace_s"]), *request["module"]]
    try:
        main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    else:
        code = 0
    sys.stdout.flush()
    os._exit(code)


def _wait(request: Mapping[str, Any]) -> int | None:
    deadline = time.monotonic() + request["within_s"]
    while True:
        pid, status = os.waitpid(request["wait"], os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    serve()
