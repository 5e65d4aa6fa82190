"""A process that answers one line of JSON with another, as long as this one lives."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any


class LineServer:
    """Threads ask it one after the other."""

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int] = (), own_session: bool = False
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            pass_fds=pass_fds,
            start_new_session=own_session,
        )
        self._one_at_a_time = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> Any:
        """Its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it: its input ends."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
