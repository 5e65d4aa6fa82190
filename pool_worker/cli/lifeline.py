"""Runs a Python module that must not outlive whoever started it: `python -m pool_worker.cli.lifeline FD GRACE_S MODULE …`.

FD is the reading end of a pipe whose writing end the starter holds and never writes to. However the starter ends, by SIGKILL too,
the pipe closes; the module then gets a SIGTERM, and after GRACE_S seconds its process ends in any case.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

ABANDONED = 70


def _leave_when_closed(pipe: int, grace_s: float) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(ABANDONED)


def main() -> None:
    """Watch the pipe in a thread and become the module."""
    pipe, grace_s = int(sys.argv[1]), float(sys.argv[2])
    threading.Thread(target=_leave_when_closed, args=(pipe, grace_s), name="lifeline", daemon=True).start()
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
