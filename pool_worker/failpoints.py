"""Points at which a process may be told to die, so that tests can show what a death there costs.

`MODEL_POOL_FAILPOINT=answered` kills the process when it first gets there, `answered:3` the third time.
Otherwise they do nothing.
"""

from __future__ import annotations

import itertools
import os
import signal
from typing import Literal

Point = Literal["claim_sent", "claimed", "leased", "answered", "finished", "moved", "parked"]

_armed, _, _time = os.environ.get("MODEL_POOL_FAILPOINT", "").partition(":")
_times = itertools.count(1)


def reach(point: Point) -> None:
    """Die here, at once and without a word, as by `kill -9`, if this is the point and the time."""
    if point == _armed and next(_times) == int(_time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
