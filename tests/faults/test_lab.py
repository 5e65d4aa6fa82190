from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab_processes import python_path, until

KILLED_IN_ITS_LAB = """
import os, signal, sys
from pathlib import Path
from lab import Lab, Nursery

lab = Lab(Path(sys.argv[1]), nursery=Nursery()).__enter__()
worker = lab.start_worker("a")
lab.redis.freeze()
print(lab.redis.pid, worker.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_of_a_lab_outlives_a_test_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_IN_ITS_LAB, str(tmp_path / "lab")]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    killed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, text=True)
    pids = killed.stdout.split()
    assert (killed.returncode, len(pids)) == (-9, 2)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), within_s=15, what="their end")
