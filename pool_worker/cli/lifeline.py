"""Runs a Python module that must not outlive whoever started it: `python -m pool_worker.cli.lifeline LIFE GATE GRACE_S MODULE …`.

LIFE and GATE are the reading ends of two pipes whose writing ends the starter holds and never writes to.

- However the starter ends, by SIGKILL too, LIFE closes; the module then gets a SIGTERM, and after GRACE_S seconds its process
  ends in any case.
- The module starts once GATE is closed (-1: at once). Celery and the app are imported before, so that this second of work is
  done while Redis and the ledger are made ready.
"""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import sys
import threading
import time

ABANDONED = 70
AT_ONCE = -1
IMPORTED_BEFORE = {
    "pool_worker.cli.celery_process": (
        "celery.apps.worker",
        "celery.worker.consumer",
        "pool_worker.broker.asyncio_pool",
        "pool_worker.broker.transport",
        "pool_worker.tasks",
    )
}


def _leave_when_closed(life: int, grace_s: float) -> None:
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(ABANDONED)


def main() -> None:
    """Watch the first pipe in a thread, wait for the second, and become the module."""
    life, gate, grace_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    threading.Thread(target=_leave_when_closed, args=(life, grace_s), name="lifeline", daemon=True).start()
    sys.argv = sys.argv[4:]
    for name in IMPORTED_BEFORE.get(sys.argv[0], ()):
        importlib.import_module(name)
    if gate != AT_ONCE:
        os.read(gate, 1)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
