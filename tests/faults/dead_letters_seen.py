"""Dead letters as a person sees them: `model-pool dead …`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from lab import Lab, until

from pool_worker import redis_keys


def dead(lab: Lab, *arguments: str) -> str:
    """`model-pool dead …`"""
    command = [sys.executable, "-m", "pool_worker.cli.main", "dead", *arguments]
    ended = subprocess.run(command, env=lab.environment(), capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def letters(lab: Lab, *, count: int) -> list[dict[str, Any]]:
    """The dead letters, when there are so many."""
    until(
        lambda: lab.redis.client.zcard(redis_keys.DEAD_LETTERS) >= count,
        what=lambda: f"{count} dead letters: {dead(lab, 'list')}",
    )
    found: list[dict[str, Any]] = json.loads(dead(lab, "list", "--json", "--limit", "10000"))
    assert len(found) == count
    return found
